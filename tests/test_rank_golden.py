"""Golden rankings: small corpora, queries, the first files in order, and how many files answer.

A change of the ranking that moves one of these needs a reason.
"""

import textwrap

import pytest

from spelunk import Index

SHOP = {
    "shop/__init__.py": '''
        """A shop: carts, orders and payments."""
        from shop.cart import Cart
        from shop.orders import Order
        ''',
    "shop/cart.py": '''
        """The cart of a visitor."""

        class Cart:
            """Items a visitor wants, before there is an order."""

            def add(self, item, quantity=1):
                """Put an item into the cart."""
                self.items[item] = self.items.get(item, 0) + quantity

            def total(self, prices):
                """The price of everything, discounts applied."""
                return sum(prices[i] * n for i, n in self.items.items())
        ''',
    "shop/orders.py": '''
        """Orders and how they are placed."""

        class Order:
            """A cart that was paid for."""

        def place_order(cart, gateway):
            """Charge the card and turn the cart into an order."""
            receipt = gateway.charge(cart.total())
            return Order(cart, receipt)

        def cancel_order(order, gateway):
            """Refund and restock."""
            gateway.refund(order.receipt)
        ''',
    "shop/payment/gateway.py": '''
        """Talking to payment providers."""

        class Gateway:
            """Charges and refunds cards over HTTP, with retries."""

            def charge(self, amount):
                return self._post("/charge", amount)

            def refund(self, receipt):
                return self._post("/refund", receipt)

            def _post(self, path, payload):
                for attempt in range(self.retries):
                    response = self.session.post(path, payload)
                    if response.ok:
                        return response
                raise GatewayError(path)

        class GatewayError(Exception):
            """A provider did not answer after all retries."""
        ''',
    "shop/auth.py": '''
        """Who a visitor is."""

        def login(name, password):
            """Check a password against its hash and open a session."""

        def logout(session):
            """Close the session."""
        ''',
    "shop/legacy/cart.py": '''
        """The cart before sessions, kept for old links."""

        class OldCart:
            """Items by cookie."""
        ''',
    "tests/test_cart.py": '''
        """Tests of the cart."""
        from shop.cart import Cart

        def test_add_puts_an_item_into_the_cart():
            cart = Cart()
            cart.add("apple")
            assert cart.items == {"apple": 1}

        def test_total_of_a_cart_applies_discounts():
            assert Cart().total({}) == 0
        ''',
    "docs/payments.md": """
        # Payments

        ## Retries

        The gateway retries a charge three times, then raises `GatewayError`.

        ## Refunds

        Refund a charge within thirty days.
        """,
    "examples/checkout.py": """
        from shop import Cart, place_order

        cart = Cart()
        cart.add("apple")
        place_order(cart, gateway)
        """,
}

NET = {
    "include/net/url.h": """
        #ifndef URL_H
        #define URL_H
        struct url;
        struct url *url_parse(const char *text);
        void url_free(struct url *u);
        #endif
        """,
    "lib/url.c": """
        #include "net/url.h"

        struct url { char *scheme; char *host; int port; };

        /* Parse the scheme, the host and the port of a URL. */
        struct url *url_parse(const char *text)
        {
            struct url *u = url_new();
            u->scheme = take_scheme(&text);
            u->host = take_host(&text);
            return u;
        }

        void url_free(struct url *u)
        {
            free(u->scheme);
            free(u->host);
            free(u);
        }
        """,
    "lib/cookiejar.c": """
        /* Cookies that are kept from one request to the next. */
        int jar_save(struct jar *jar, const char *path)
        {
            return write_all(path, jar->cookies);
        }
        """,
    "lib/connect.go": """
        package lib

        // Dialer opens connections.
        type Dialer struct{ Timeout int }

        // Dial connects to an address, or fails when the timeout passes.
        func (d *Dialer) Dial(address string) (*Conn, error) {
            return d.race(address)
        }
        """,
    "lib/resolver.go": """
        package lib

        // Resolver turns host names into addresses.
        type Resolver struct{}

        // Lookup asks the name servers for a host.
        func (r *Resolver) Lookup(host string) ([]string, error) {
            return r.query(host)
        }
        """,
    "web/src/router.ts": """
        /** Matches paths to handlers. */
        export class Router {
          /** Register a handler for a path. */
          route(path: string, handler: Handler): void {
            this.table.push([compile(path), handler]);
          }
        }
        """,
    "web/src/router.test.ts": """
        import { Router } from "./router";

        test("a router matches a path to its handler", () => {
          const router = new Router();
          router.route("/a", handler);
          expect(router.match("/a")).toBe(handler);
        });

        test("a router without routes matches nothing", () => {
          expect(new Router().match("/a")).toBe(undefined);
        });
        """,
    "third_party/mini/router.ts": """
        /** Another router, copied. */
        export class Router {
          route(path: string, handler: Handler): void {}
        }
        """,
}

GOLDEN = [
    # corpus, query, the first files in order, files that its words find
    (SHOP, "Cart", ["shop/cart.py", "shop/legacy/cart.py"], 6),
    (SHOP, "GatewayError", ["shop/payment/gateway.py"], 4),
    (SHOP, "place_order", ["shop/orders.py"], 4),
    (SHOP, "Gateway.refund", ["shop/payment/gateway.py"], 4),
    (SHOP, "how are items added to the cart", ["shop/cart.py"], 6),
    (SHOP, "authenticating a visitor with a password", ["shop/auth.py", "shop/cart.py"], 2),
    (SHOP, "how are orders cancelled and refunded", ["shop/orders.py"], 6),
    (SHOP, "retrying a charge when the provider does not answer", ["shop/payment/gateway.py"], 3),
    (SHOP, "tests of the cart", ["tests/test_cart.py", "shop/cart.py"], 6),
    (NET, "url_parse", ["lib/url.c", "include/net/url.h"], 2),
    (NET, "where the cookie jar is saved", ["lib/cookiejar.c"], 1),
    (NET, "parsing of URLs", ["lib/url.c", "include/net/url.h"], 2),
    (NET, "Router", ["web/src/router.ts", "third_party/mini/router.ts", "web/src/router.test.ts"], 3),
    (NET, "how are paths routed to handlers", ["web/src/router.ts"], 4),
    (NET, "connection timeout", ["lib/connect.go"], 1),
    (NET, "resolving host names", ["lib/resolver.go", "lib/url.c"], 2),
    (NET, "Resolver.Lookup", ["lib/resolver.go"], 1),
]


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    made = {}
    for name, corpus in (("shop", SHOP), ("net", NET)):
        root = tmp_path_factory.mktemp(name)
        for path, text in corpus.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        index = Index.open(str(root), index_dir=str(tmp_path_factory.mktemp(f"{name}-index")))
        index.update()
        made[id(corpus)] = index
    return made


def files(answer):
    return list(dict.fromkeys(h.path for h in answer.hits))


@pytest.mark.parametrize(("corpus", "query", "first", "total"), GOLDEN, ids=[g[1] for g in GOLDEN])
def test_golden(indexes, corpus, query, first, total):
    index = indexes[id(corpus)]

    assert files(index.search(query, limit=100, refresh=False))[: len(first)] == first
    assert len(files(index.search(query, mode="lexical", limit=100, refresh=False))) == total


def test_every_signal_of_a_hit_is_told_and_they_add_up(indexes):
    hits = indexes[id(SHOP)].search("how are items added to the cart", explain=True, refresh=False).hits

    for hit in hits:
        assert hit.score == pytest.approx(sum(hit.signals.values()))
    assert {"match", "stem", "cover"} <= set(hits[0].signals)


def test_an_update_of_one_file_leaves_ties_as_they_are(tmp_path):
    for name in "abcd":
        (tmp_path / f"{name}.py").write_text(f"def twin_of_all():\n    return {name!r}\n")
    with Index.open(str(tmp_path), index_dir=str(tmp_path.parent / "ties")) as index:
        index.update()
        before = files(index.search("twin_of_all"))
        (tmp_path / "b.py").write_text("def twin_of_all():\n    return 'c'\n")
        index.update()

        assert before == files(index.search("twin_of_all")) == ["a.py", "b.py", "c.py", "d.py"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [('"->"', {"lib/url.c", "lib/cookiejar.c"}), ('"): void {" lang:typescript', {"web/src/router.ts", "third_party/mini/router.ts"}), ('lang:go -"//"', set()), ("\N{GRINNING FACE}", set()), ('"\N{GRINNING FACE}"', set())],
)  # fmt: skip
def test_a_phrase_without_words_is_looked_for_in_the_texts(indexes, query, expected):
    assert set(files(indexes[id(NET)].search(query, limit=100, refresh=False))) == expected

"""The engine over readers in memory: what is retrieved, fused, noted and presented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from spelunk.embed import Embedder
from spelunk.errors import IndexCorruptError, ProviderDownError
from spelunk.search import engine
from spelunk.search.corpus import Corpus, SearchTarget
from spelunk.search.engine import SearchResult, by_meaning, by_words, fuse, search
from spelunk.search.query import Query, parse, with_known_fields
from spelunk.search.reading import read
from spelunk.search.request import SearchRequest
from spelunk.search.similar import similar
from spelunk.store.protocols import Filter
from spelunk.testing import MemoryEmbedder, MemoryReader

SHOP = {
    "cart.py": "def add_item(cart, item):\n    cart.append(item)\n",
    "order.py": "def place_order(cart):\n    return charge(cart)\n",
    "basket.md": "# Trolley\n\nThe trolley of a visitor.\n",
}
SYNONYMS = [{"cart", "trolley"}]


def targets(
    *corpora: Mapping[str, str | bytes] | MemoryReader,
    embedder: Embedder | None = None,
    within: tuple[str, ...] = (),
) -> list[SearchTarget]:
    """One target for each corpus, named ``one``, ``two`` and so on, with branch ``b-one`` and so on."""
    used = embedder or MemoryEmbedder(SYNONYMS)
    names = ["one", "two", "three"][: len(corpora)]
    return [
        SearchTarget(
            corpus if isinstance(corpus, MemoryReader) else MemoryReader.of_files(corpus, embedder=used),
            lambda: used,
            f"{name}/" if len(corpora) > 1 else "",
            (name,),
            f"b-{name}",
            f"/{name}",
            within,
        )
        for name, corpus in zip(names, corpora, strict=True)
    ]


def ask(where: Sequence[SearchTarget], text: str, mode: str = "hybrid", **more: object) -> SearchResult:
    request = SearchRequest(text, mode=mode, **more)  # type: ignore[arg-type]
    return search(where, parsed(where, text, mode), request)


def parsed(where: Sequence[SearchTarget], text: str, mode: str = "hybrid") -> Query:
    known: set[str] = set().union(*(target.reader.field_names() for target in where))
    return with_known_fields(parse(text, mode=mode), known)


def paths(result: SearchResult) -> list[str]:
    return [hit.path for hit in result.hits]


# Retrieve and fuse


def test_a_mode_decides_which_side_is_searched() -> None:
    shop = targets(SHOP)

    assert paths(ask(shop, "cart", "lexical")) == ["cart.py", "order.py"]
    assert set(paths(ask(shop, "cart", "semantic"))) == {"cart.py", "order.py", "basket.md"}
    assert set(paths(ask(shop, "cart items please"))) == {"cart.py", "order.py", "basket.md"}


def test_a_text_is_searched_by_meaning_where_its_words_find_little() -> None:
    shop = targets(SHOP)
    query = read("Fix trolley\ntrolley")
    assert query.pasted is not None

    found = search(shop, query, SearchRequest(query.source))

    assert {"basket.md", "cart.py"} <= set(paths(found))


def test_an_embedder_that_knows_no_meaning_is_not_asked_in_hybrid_mode() -> None:
    embedder = MemoryEmbedder(SYNONYMS, semantic=False)

    assert "basket.md" not in paths(ask(targets(SHOP, embedder=embedder), "cart items please"))
    assert embedder.queries == []


def test_a_query_for_one_name_and_lexical_mode_ask_no_embedder() -> None:
    embedder = MemoryEmbedder(SYNONYMS)
    shop = targets(SHOP, embedder=embedder)

    ask(shop, "place_order")
    ask(shop, "how is an order placed", "lexical")
    ask(shop, "sym:place_order")
    assert embedder.queries == []

    ask(shop, "how is an order placed")
    assert embedder.queries == ["how is an order placed"]


def test_the_nearest_are_looked_for_only_where_the_words_found_few() -> None:
    files = {f"cart_{n}.md": f"# Cart {n}\n\ncart of visitor {n}\n" for n in range(engine.FEW_LEXICAL_HITS)}
    few = dict(list(files.items())[:-1])
    other = {"t.md": "# Trolley\n\ntrolley trolley\n"}

    assert "t.md" not in paths(ask(targets({**files, **other}), "cart please", limit=100))
    assert "t.md" in paths(ask(targets({**few, **other}), "cart please", limit=100))


def test_a_chunk_by_meaning_alone_needs_a_cosine_that_says_something() -> None:
    rare = {"long.md": "# Long\n\n" + " ".join(f"word{n}" for n in range(40)) + " trolley\n", **SHOP}

    hybrid = paths(ask(targets(rare), "cart please"))
    semantic = paths(ask(targets(rare), "cart please", "semantic"))

    assert "long.md" not in hybrid and "basket.md" in hybrid
    assert "long.md" in semantic


def test_fuse_has_each_chunk_once_with_both_scores_by_path_and_line() -> None:
    shop = targets(SHOP)
    query, request = parsed(shop, "cart visitor"), SearchRequest("cart visitor")
    corpus = Corpus(shop, query)
    lexical = by_words(corpus, query, request)
    dense = by_meaning(corpus, query, request, lexical, engine.model.DEFAULT)

    fused = fuse(corpus, query, lexical, dense)

    assert [c.place for c in fused] == ["basket.md", "cart.py", "order.py"]
    assert len({c.chunk.id for c in fused}) == len(fused)
    assert all(c.lexical is not None and c.dense is not None for c in fused)
    assert [c.lexical for c in fused] == [lexical[0].get(c.chunk.id, 0.0) for c in fused]
    assert [c.dense for c in fused] == [dense[0][c.chunk.id] for c in fused]


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_a_negated_word_is_in_no_hit_of_any_side(mode: str) -> None:
    shop = targets({**SHOP, "both.md": "# Trolley and cart\n\ntrolley, cart, visitor\n"})

    found = paths(ask(shop, "cart -visitor", mode))

    assert "cart.py" in found and not {"both.md", "basket.md"} & set(found)


def test_a_negated_word_does_not_starve_the_answer_by_meaning() -> None:
    """More chunks than the pool holds have the word and are nearer."""
    crowd = {f"n{n}.md": "# Trolley\n\ntrolley trolley visitor\n" for n in range(engine.MIN_POOL + 5)}
    shop = targets({**crowd, "far.md": "# Trolley\n\ntrolley among many other words of one text\n"})

    assert paths(ask(shop, "cart -visitor", "semantic")) == ["far.md"]


# Pools and ties


def test_filters_are_applied_before_the_pool_is_cut() -> None:
    crowd = {f"a{n}.md": "# Cart\n\ncart cart cart\n" for n in range(engine.MIN_POOL + 5)}
    shop = targets({**crowd, "z.py": "def other_things():\n    return cart\n"})

    assert paths(ask(shop, "cart lang:python", "lexical", limit=3)) == ["z.py"]
    assert paths(ask(shop, "cart lang:python", "semantic", limit=3)) == ["z.py"]


def test_a_phrase_is_found_behind_a_full_pool_of_better_words() -> None:
    crowd = {f"a{n}.md": "# Cart item\n\ncart item cart item\n" for n in range(2 * engine.MIN_POOL)}
    shop = targets({**crowd, "z.md": "# Long\n\nmany words, and among them: item. of cart, so to speak\n"})

    assert paths(ask(shop, '"of cart"', "lexical", limit=3)) == ["z.md"]


def test_equal_chunks_are_ordered_by_path_and_none_of_a_tie_is_lost_at_the_pool() -> None:
    same = {f"{n:03}.md": "# Cart\n\ncart\n" for n in range(engine.MIN_POOL + 50)}
    shop = targets(same)
    corpus = Corpus(shop, parsed(shop, "cart"))

    scores = by_words(corpus, parsed(shop, "cart"), SearchRequest("cart"))

    assert len(scores[0]) == len(same)
    assert paths(ask(shop, "cart", "lexical", limit=5)) == ["000.md", "001.md", "002.md", "003.md", "004.md"]


def test_the_pool_grows_with_the_limit() -> None:
    assert engine.pool_size(SearchRequest("x", limit=1)) == engine.MIN_POOL
    assert engine.pool_size(SearchRequest("x", limit=1_000)) == engine.POOL_FACTOR * 1_000


def test_a_list_is_cut_after_it_is_merged() -> None:
    """The pool is one for all indexes: the best of one of them fill it."""
    good = {f"g{n:03}.md": f"# Cart\n\ncart cart cart g{n}\n" for n in range(engine.MIN_POOL)}
    weak = {f"w{n}.md": "# Other\n\n" + "many other words here " * 20 + "cart\n" for n in range(3)}
    shop = targets(good, weak)
    query = parsed(shop, "cart")

    scores = by_words(Corpus(shop, query), query, SearchRequest("cart"))

    assert len(scores[0]) == engine.MIN_POOL and scores[1] == {}


# Several readers


@pytest.mark.parametrize("text", ["cart item", "place_order", "the trolley of a visitor"])
def test_several_readers_are_one_corpus(text: str) -> None:
    """Chunks have the scores that one reader of all files gives them: frequencies are summed."""
    one = {"cart.py": SHOP["cart.py"], "more.md": "# Cart\n\ncart cart item\n"}
    two = {"order.py": SHOP["order.py"], "basket.md": SHOP["basket.md"]}

    def scores(*corpora: dict[str, str]) -> dict[str, float]:
        where = targets(*corpora)
        query, request = parsed(where, text), SearchRequest(text)
        corpus = Corpus(where, query)
        lexical = by_words(corpus, query, request)
        dense = by_meaning(corpus, query, request, lexical, engine.model.DEFAULT)
        return {c.file.path: c.lexical or 0.0 for c in fuse(corpus, query, lexical, dense)}

    assert scores(one, two) == scores(two, one) == scores({**one, **two})


def test_equal_files_in_two_readers_have_equal_scores_and_prefixed_paths() -> None:
    crowd = {f"c{n}.md": "# Crowd\n\ncart\n" for n in range(30)}

    hits = ask(targets({"x.md": "# Item\n\nitem\n"}, {"x.md": "# Item\n\nitem\n", **crowd}), "item").hits

    assert [h.path for h in hits[:2]] == ["one/x.md", "two/x.md"]
    assert hits[0].score == hits[1].score
    assert [h.root for h in hits[:2]] == ["/one", "/two"]


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "semantic", "regex"])
def test_repo_and_branch_choose_the_readers(mode: str) -> None:
    both = targets(SHOP, SHOP)
    text = {"regex": "/cart/ ", "hybrid": "cart ", "lexical": "cart ", "semantic": "cart "}[mode]
    used = "hybrid" if mode == "regex" else mode

    def roots(rest: str) -> set[str]:
        return {h.root for h in ask(both, text + rest, used).hits}

    assert roots("") == {"/one", "/two"}
    assert roots("repo:ONE") == {"/one"}
    assert roots("-repo:one") == {"/two"}
    assert roots("branch:b-two") == {"/two"}
    assert roots("repo:one,two branch:b-one") in ({"/one"}, set())
    assert roots("repo:nowhere") == set()


def test_a_path_filter_sees_the_prefix() -> None:
    assert paths(ask(targets(SHOP, SHOP), "cart path:two/cart", "lexical")) == ["two/cart.py"]


def test_within_restricts_one_target() -> None:
    shop = targets(SHOP, within=("order.py", "no-such-folder"))

    for mode in ("hybrid", "lexical", "semantic"):
        assert set(paths(ask(shop, "cart", mode))) == {"order.py"}
    assert paths(ask(shop, "/cart/")) == ["order.py"]


# Notices


def test_vectors_of_another_embedder_are_noted_and_not_compared() -> None:
    reader = MemoryReader.of_files(SHOP, embedder=MemoryEmbedder(id="older-1"))

    result = ask(targets(reader), "cart items please")

    assert paths(result)[0] == "cart.py"
    assert result.degraded == "vectors: the vectors are another embedder's; run `spelunk index`"


def test_a_vector_of_other_dimensions_is_noted() -> None:
    reader = MemoryReader.of_files(SHOP, embedder=MemoryEmbedder(dimensions=64))

    result = ask(targets(reader), "cart items please")

    assert result.degraded is not None and "dimensions of the index (64)" in result.degraded


@pytest.mark.parametrize("mode", ["hybrid", "semantic"])
def test_a_provider_that_is_down_leaves_the_words(mode: str) -> None:
    embedder = MemoryEmbedder(SYNONYMS)
    shop = targets(SHOP, embedder=embedder)
    embedder.error = ProviderDownError("no connection")

    result = ask(shop, "cart items please", mode)

    assert paths(result)[0] == "cart.py"
    assert result.degraded == "vectors: no connection"


def test_vectors_that_wait_are_noted() -> None:
    reader = MemoryReader.of_files(
        SHOP, embedder=MemoryEmbedder(SYNONYMS), waiting=["order.py"], why="no connection"
    )

    result = ask(targets(reader), "cart items please")

    assert {"cart.py", "order.py"} <= set(paths(result))
    assert result.degraded == "vectors: 1 of 3 chunks have none yet (no connection)"


def test_a_damaged_full_text_is_searched_by_meaning_in_every_mode() -> None:
    reader = MemoryReader.of_files(SHOP, embedder=MemoryEmbedder(SYNONYMS), damage="gone")

    for mode in ("hybrid", "lexical", "semantic"):
        result = ask(targets(reader), "cart items please", mode)
        assert set(paths(result)) == set(SHOP), mode
        assert result.degraded == ("full text: gone" if mode != "semantic" else None)


@pytest.mark.parametrize("text", ["cart items -visitor", "lang:markdown -visitor"])
def test_a_damaged_full_text_leaves_negated_words_to_the_stored_text(text: str) -> None:
    files = {**SHOP, "plain.md": "# Trolley\n\nJust a trolley.\n"}
    reader = MemoryReader.of_files(files, embedder=MemoryEmbedder(SYNONYMS), damage="gone")

    found = paths(ask(targets(reader), text))

    assert "plain.md" in found and "basket.md" not in found


def test_damaged_vectors_leave_the_words() -> None:
    reader = MemoryReader.of_files(SHOP, embedder=MemoryEmbedder(SYNONYMS), vector_damage="bad segment")

    for mode in ("hybrid", "semantic"):
        result = ask(targets(reader), "cart items please", mode)
        assert paths(result)[0] == "cart.py" and result.degraded == "vectors: bad segment"


def test_both_sides_damaged_is_an_error_unless_another_reader_answers() -> None:
    broken = MemoryReader.of_files(
        SHOP, embedder=MemoryEmbedder(), damage="gone", vector_damage="bad segment"
    )

    with pytest.raises(IndexCorruptError, match="gone"):
        ask(targets(broken), "cart items please")

    result = ask(targets(broken, SHOP), "cart items please")
    assert {h.root for h in result.hits} == {"/two"}
    assert result.degraded == "one: full text: gone; one: vectors: bad segment"


def test_a_degraded_reader_does_not_change_the_hits_of_another() -> None:
    """Nor does it matter which of them comes first."""
    embedder = MemoryEmbedder(SYNONYMS)
    healthy = MemoryReader.of_files({"b.md": "# Trolley\n\nvisitor\n"}, embedder=embedder)
    damaged = MemoryReader.of_files(SHOP, embedder=embedder, vector_damage="bad segment")

    results = [
        ask(targets(*order, embedder=embedder), "cart items please", "semantic", explain=True)
        for order in ((healthy, damaged), (damaged, healthy))
    ]

    scores = [{h.content: (h.score, h.signals) for h in result.hits} for result in results]
    assert scores[0] == scores[1]
    assert any("visitor" in content for content in scores[0])
    assert [r.degraded for r in results] == ["two: vectors: bad segment", "one: vectors: bad segment"]


# Patterns


def test_a_pattern_lists_every_match_by_path_and_line_and_counts_it() -> None:
    files = {"b.py": "x = 1\nx = 2\n", "a.py": "x = 3\n", "c.py": "y = 1\n"}

    result = ask(targets(files), r"/x = \d/", explain=True)

    assert paths(result) == ["a.py", "b.py"]
    assert [h.signals for h in result.hits] == [{"matches": 1.0}, {"matches": 2.0}]
    assert paths(ask(targets(files), r"x = \d", "regex", limit=1)) == ["a.py"]


def test_a_match_over_two_chunks_belongs_to_the_chunk_in_which_it_begins() -> None:
    code = "def one():\n    return 1\n\n\ndef two():\n    return 2\n"
    padding = "".join(f"\n\ndef pad_{n}():\n    return {'x' * 60!r}\n" for n in range(40))

    hits = ask(targets({"a.py": code + padding}), r"/return 1\n\n\ndef two/").hits

    assert [h.start_line for h in hits] == [1]


def test_all_patterns_must_match_and_filters_hold() -> None:
    files = {"a.py": "alpha\nbeta\n", "b.py": "alpha\n", "c.md": "# T\n\nalpha\nbeta\n"}

    assert paths(ask(targets(files), "/alpha/ /beta/")) == ["a.py", "c.md"]
    assert paths(ask(targets(files), "/alpha/ /beta/ lang:python")) == ["a.py"]
    assert paths(ask(targets(files), "/alpha/ -beta")) == ["b.py"]


def test_words_beside_a_pattern_are_ranked_and_the_pattern_must_match() -> None:
    assert paths(ask(targets(SHOP), "cart /append/", "lexical")) == ["cart.py"]


def test_a_pattern_needs_no_full_text() -> None:
    reader = MemoryReader.of_files(SHOP, damage="gone")

    result = ask(targets(reader), "/cart/ kind:function")

    assert paths(result) == ["cart.py", "order.py"]
    assert result.degraded == "full text: gone"


# Present

SERVER = "class Server:\n    def start(self):\n        return 1\n\n    def stop(self):\n        return 2\n"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("stop", ("method", "stop")),
        ("Server.stop", ("method", "stop")),
        ("sym:start", ("method", "start")),
        ("server", ("class", "Server")),
    ],
)
def test_a_hit_bears_the_name_that_was_searched_for(text: str, label: tuple[str, str]) -> None:
    hit = ask(targets({"server.py": SERVER}), text, "lexical").hits[0]

    assert (hit.kind, hit.symbol) == label


def test_symbol_mode_takes_every_word_for_a_name() -> None:
    assert paths(ask(targets(SHOP), "place_order", "symbol")) == ["order.py"]
    assert paths(ask(targets(SHOP), "cart", "symbol")) == []


def test_context_adds_lines_and_signals_only_where_asked_for() -> None:
    files = {"a.md": "# One\n\nalpha\n\n# Two\n\n" + "beta word " * 300 + "\n\n# Three\n\ngamma\n"}
    plain = ask(targets(files), "gamma", "lexical").hits[0]
    wide = ask(targets(files), "gamma", "lexical", context=2, explain=True).hits[0]

    assert (wide.start_line, wide.end_line) == (plain.start_line - 2, plain.end_line)
    assert plain.content in wide.content and plain.chunk_id == wide.chunk_id
    assert plain.signals == {} and sum(wide.signals.values()) == pytest.approx(wide.score)


def test_the_limit_holds() -> None:
    files = {f"{n}.md": f"# Cart {n}\n\ncart\n" for n in range(20)}

    for mode in ("hybrid", "lexical", "semantic"):
        assert len(ask(targets(files), "cart", mode, limit=7).hits) == 7


# Similar


def test_similar_leaves_out_the_place_itself_and_orders_ties_by_path() -> None:
    files = {f"{name}.md": "# Cart\n\ncart of a visitor\n" for name in "dcba"} | {
        "z.md": "# Else\n\nnothing\n"
    }

    result = similar(targets(files)[0], "c.md", 1, 2)

    assert paths(result) == ["a.md", "b.md"]


def test_similar_embeds_a_chunk_that_has_no_vector_yet() -> None:
    embedder = MemoryEmbedder(SYNONYMS)
    reader = MemoryReader.of_files(SHOP, embedder=embedder, waiting=["basket.md"], why="down")
    embedder.texts.clear()

    result = similar(targets(reader, embedder=embedder)[0], "basket.md", 1, 5)

    assert len(embedder.texts) == 1 and "basket.md" not in paths(result)
    assert result.degraded is not None and "1 of 3" in result.degraded


# One call reads no more than it needs


class CountingReader(MemoryReader):
    """Counts the texts that are read."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.read: list[str] = []

    def text(self, file: int):  # type: ignore[no-untyped-def]
        self.read.append(self.files([file])[file].path)
        return super().text(file)


def test_only_the_texts_of_hits_are_read() -> None:
    files = {f"{n}.md": f"# Cart {n}\n\ncart\n" for n in range(20)}
    reader = CountingReader.of_files(files, embedder=MemoryEmbedder())
    assert isinstance(reader, CountingReader)

    hits = ask(targets(reader), "cart", limit=3).hits

    assert sorted(reader.read) == sorted(h.path for h in hits)


def test_a_pattern_reads_only_the_texts_that_can_match() -> None:
    reader = CountingReader.of_files(SHOP)
    assert isinstance(reader, CountingReader)

    ask(targets(reader), "/place_order/")

    assert set(reader.read) == {"order.py"}
    assert reader.listed(Filter(), 10)

"""What a request has to pass before it is answered: host, origin, rate, token; and the headers of every answer.

Host and Origin are checked, so that a web page whose name is bound to this
address afterwards (DNS rebinding), or another site's page, gets nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

from spelunk.adapters.http.problems import ApiError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Refuse = Callable[[ApiError], App]
"""Makes the application that answers with an error."""

COOKIE: Final = "spelunk_session"
POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
OPEN: Final = ("/healthz", "/readyz", "/api/session")
"""Paths that need no token, besides the files of the page."""
FOREIGN: Final = frozenset({"cross-site", "same-site"})
"""Values of ``Sec-Fetch-Site`` that no page of this server causes."""
MAX_CLIENTS: Final = 10_000
"""Addresses whose rate is remembered; the one that was quiet for longest is forgotten."""
LOCAL: Final = ("127.0.0.1", "localhost", "::1")


class Token:
    """The token of the server. It is compared in constant time, and its value is in no message."""

    def __init__(self, value: str) -> None:
        self._digest = self._hash(value)
        self._cookie = hmac.new(value.encode(), b"spelunk session", "sha256").hexdigest()

    @staticmethod
    def _hash(value: str) -> bytes:
        return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()

    def is_right(self, value: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(self._hash(value), self._digest)

    def cookie(self) -> str:
        """The value of the cookie that stands for it."""
        return self._cookie

    def is_shown(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request's headers show it, as a bearer token or as the cookie."""
        kind, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() == "bearer" and self.is_right(value.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(self._hash(cookie.value), self._hash(self._cookie))


class Rate:
    """A limit of requests for each client: ``rate`` a second on average, ``burst`` at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Take one request of a client's; seconds until it may send one if there are none left, else 0."""
        now = self._clock()
        left, since = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left, now)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate


class Guard:
    """An ASGI application in front of another."""

    def __init__(
        self,
        app: App,
        refuse: Refuse,
        *,
        hosts: Iterable[str],
        proxied: Iterable[str],
        any_address: bool,
        token: Token | None,
        rate: Rate | None,
    ) -> None:
        """Guard ``app``.

        Args:
            app: Answers requests that pass.
            refuse: Answers those that do not.
            hosts: Names under which the server is addressed, without a port.
            proxied: Names under which a proxy in front of it is, without a port.
            any_address: Any IP address in ``Host`` is this server's: it listens on all of them.
            token: What a request has to show; None for nothing.
            rate: Limit of requests; None for none.
        """
        self._app = app
        self._refuse = refuse
        self._proxied = {host.lower().strip("[]") for host in proxied}
        self._hosts = {host.lower().strip("[]") for host in hosts} | self._proxied
        self._any_address = any_address
        self._token = token
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                have = {name for name, _ in message["headers"]}
                more = [header for header in HEADERS if header[0] not in have]
                if b"cache-control" not in have:
                    more.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *more]
            await send(message)

        error = self._error(scope)
        app = self._app if error is None else self._refuse(error)
        return await app(scope, receive, send_guarded)

    def _error(self, scope: Scope) -> ApiError | None:
        headers = dict(scope["headers"])
        if sum(name == b"host" for name, _ in scope["headers"]) != 1 or not self._is_own(
            headers[b"host"].decode("latin-1")
        ):
            hint = "use the address that the server printed, or start it with --allow-host NAME"
            return ApiError(403, "forbidden_host", "the request is addressed to another host", hint)
        foreign = headers.get(b"sec-fetch-site", b"").decode("latin-1") in FOREIGN
        navigates = headers.get(b"sec-fetch-mode") == b"navigate" and scope["method"] in ("GET", "HEAD")
        api = scope["path"].startswith(("/api", "/metrics"))
        if (foreign and (api or not navigates)) or not self._is_own_origin(headers):
            return ApiError(403, "forbidden_origin", "the request comes from a page of another site")
        if self._rate is not None and scope["path"] not in OPEN[:2]:
            client = scope["client"][0] if scope.get("client") else ""
            wait = self._rate.wait(client)
            if wait:
                return ApiError(
                    429, "rate_limited", "too many requests", "send fewer a second", retry=int(wait) + 1
                )
        if (
            self._token is not None
            and api
            and scope["path"] not in OPEN
            and not self._token.is_shown(headers)
        ):
            hint = "send `Authorization: Bearer TOKEN`"
            return ApiError(401, "token_required", "the token is missing or wrong", hint)
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit("//" + host)
            if name.username is not None or name.path or name.query or name.fragment or not name.hostname:
                return False
            _ = name.port
        except ValueError:
            return False
        if name.hostname.rstrip(".") in self._hosts:
            return True
        return self._any_address and _is_address(name.hostname)

    def _is_own_origin(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the page that sent the request, if it was one, is this server's."""
        if b"origin" not in headers:
            return True
        scheme, colon, place = headers[b"origin"].decode("latin-1").lower().partition("://")
        if not colon or scheme not in ("http", "https"):
            return False
        if place == headers[b"host"].decode("latin-1").lower():
            return True
        return place.partition(":")[0] in self._proxied


def _is_address(host: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

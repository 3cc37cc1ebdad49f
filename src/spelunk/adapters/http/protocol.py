"""Connections: uvicorn's protocol with limits of their number, of the size of a request's head, and of its time.

uvicorn itself waits without end for the rest of a request, and keeps headers of any size.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers."""
MAX_HEADERS: Final = 100
REQUEST_SECONDS: Final = 10.0
"""From the first byte of a request, or the beginning of a connection, to its last byte."""


class Limits:
    """What the connections of one server share.

    Attributes:
        connections: Open ones.
        most: As many are answered; further ones are refused with status 503.
        seconds: As :data:`REQUEST_SECONDS`.
    """

    def __init__(self, most: int, seconds: float = REQUEST_SECONDS) -> None:
        self.connections = 0
        self.most = most
        self.seconds = seconds


def _answer(status: str, code: str, message: str, hint: str = "", more: str = "") -> bytes:
    body = json.dumps({"error": {"code": code, "message": message, "hint": hint}}).encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-content-type-options: nosniff\r\ncache-control: no-store\r\n{more}connection: close\r\n\r\n"
    )
    return head.encode() + body


FULL: Final = _answer(
    "503 Service Unavailable", "overloaded", "too many connections", "ask again", "retry-after: 1\r\n"
)
SLOW: Final = _answer("408 Request Timeout", "timeout", "the request did not arrive in time")
LARGE: Final = _answer(
    "431 Request Header Fields Too Large", "headers_too_large", "the headers are too large"
)
INVALID: Final = _answer("400 Bad Request", "bad_request", "this is no valid HTTP request")


class LimitedProtocol(HttpToolsProtocol):
    """One connection. :func:`limited` makes the class of a server."""

    limits: Limits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = True
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it; refuse it if there are too many."""
        self.limits.connections += 1
        super().connection_made(transport)
        if self.limits.connections > self.limits.most:
            self._refuse(FULL)
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self.limits.connections -= 1
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        cycle = self.cycle
        if cycle is not None and not self._in_head and cycle.response_started:
            self.transport.close()  # an answer is under way: nothing may be written into it
        elif cycle is None or cycle.response_complete or not self._in_head:
            self._refuse(SLOW if self._head or cycle is None else b"")
        else:
            self.transport.close()

    def _refuse(self, answer: bytes) -> None:
        self._refused = True
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, if its head is not too large."""
        if self._refused:
            return
        if self._in_head:
            if not self._head:
                self._stop_timer()
                self._start_timer()
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MAX_HEAD_BYTES:
            self._refuse(LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, if there are not too many, and the head is not too large."""
        super().on_header(name, value)
        size = len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers)
        if len(self.headers) > MAX_HEADERS or size > MAX_HEAD_BYTES:
            self._refuse(LARGE)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_head = False
        if not self._refused and len(self.url) <= MAX_HEAD_BYTES:
            super().on_headers_complete()
        elif not self._refused:
            self._refuse(LARGE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock: the request has arrived."""
        self._stop_timer()
        self._head = 0
        self._in_head = True
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(INVALID)


def limited(limits: Limits) -> type[LimitedProtocol]:
    """The protocol's class for one server."""
    return type("ServerProtocol", (LimitedProtocol,), {"limits": limits})

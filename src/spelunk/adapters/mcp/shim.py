"""The thin process that a client starts: it moves lines between standard streams and the server.

It knows of the protocol only what reconnecting takes: which requests have no
answer yet, and the handshake. When the server ends, it starts another, repeats
the handshake and sends the open requests once more; a request that ends a
second server is answered with an error. Imports neither the protocol's library
nor the engine.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Final

from spelunk.adapters.mcp.frames import INVALID_REQUEST, SERVER_ERROR, TOO_LONG, Lines, error_line
from spelunk.errors import SpelunkError

READ_BYTES: Final = 64 * 1024
WRITE_BYTES: Final = 4096
"""POSIX's PIPE_BUF: what a pipe that is writable takes without waiting."""
ENOUGH: Final = 1024 * 1024
"""Bytes on their way to one side, at which the other is not read from."""
MAX_OPEN_BYTES: Final = 8 * 1024 * 1024
"""Of requests without an answer, at which no more are read."""
MAX_TRIES: Final = 2
MAX_FALSE_STARTS: Final = 3
"""Connections in a row on which no server spoke: it ended while it started, or was just ending."""
DRAIN_SECONDS: Final = 30.0
"""After the client has closed its side, for the answers that it still waits for."""
REPLAY_ID: Final = "spelunk-handshake"

_HANGUP: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


class _OpenRequest:
    """A request without an answer, and how many servers have been given it."""

    __slots__ = ("id", "line", "tries")

    def __init__(self, request: str | int, line: bytes) -> None:
        self.id = request
        self.line = line
        self.tries = 1


class Shim:
    """Moves lines between a client's streams and a server that may have to be replaced.

    Attributes:
        failure: Why there was no server at last; None while there is one.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        greeting: dict[str, Any],
        connect: Callable[[], socket.socket],
        reason: Callable[[], str] = lambda: "",
    ) -> None:
        """Connect.

        Args:
            source: Descriptor of the client's requests.
            sink: Descriptor of the answers.
            greeting: Sent first to every server.
            connect: Gives a connection to a server; raises a :class:`SpelunkError`.
            reason: Tells why the last server ended, or "".
        """
        self.failure: str | None = None
        self._source = source
        self._sink = sink
        self._greeting = json.dumps({"spelunk": greeting}).encode() + b"\n"
        self._connect = connect
        self._reason = reason
        self._server: socket.socket | None = None
        self._from_client = Lines()
        self._from_server = bytearray()
        self._to_client = bytearray()
        self._to_server = bytearray()
        self._open: dict[str, _OpenRequest] = {}
        self._handshake: list[bytes] = []
        self._reading = True
        self._ready = False
        self._false_starts = 0

    def run(self) -> None:
        """Move lines until the client is gone, or has closed its side and got its answers."""
        self._reconnect()
        while True:
            if not self._reading and not self._open and not self._to_client and not self._to_server:
                return
            events = self._wait()
            if not events and not self._reading:
                return  # the answers took too long
            for descriptor, event in events:
                if descriptor == self._sink and not self._write_client(event):
                    return
                if descriptor == self._source and self._reading:
                    self._read_client()
                if self._server is not None and descriptor == self._server.fileno():
                    self._exchange(event)

    def _wait(self) -> list[tuple[int, int]]:
        poll = select.poll()
        waiting = sum(len(r.line) for r in self._open.values()) if self._open else 0
        if self._reading and len(self._to_server) < ENOUGH and waiting < MAX_OPEN_BYTES:
            poll.register(self._source, select.POLLIN)
        poll.register(self._sink, select.POLLOUT if self._to_client else 0)
        if self._server is not None:
            wanted = select.POLLIN if len(self._to_client) < ENOUGH else 0
            poll.register(self._server, wanted | (select.POLLOUT if self._to_server else 0))
        return poll.poll(None if self._reading else DRAIN_SECONDS * 1000)

    def _read_client(self) -> None:
        try:
            data = os.read(self._source, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._reading = False
            return
        for line in self._from_client.feed(data):
            if line is None:
                self._tell(error_line(None, INVALID_REQUEST, TOO_LONG))
            elif line.strip():
                self._forward(line + b"\n")

    def _forward(self, line: bytes) -> None:
        """Send a client's line on, noting what a later server has to be told."""
        value = _object(line)
        method, request = value.get("method"), value.get("id")
        if isinstance(method, str) and isinstance(request, (str, int)):
            self._open[json.dumps(request)] = _OpenRequest(request, line)
            if method == "initialize":
                self._handshake = [line]
        elif method == "notifications/initialized" and self._handshake:
            self._handshake = [self._handshake[0], line]
        elif method == "notifications/cancelled" and isinstance(value.get("params"), dict):
            self._open.pop(json.dumps(value["params"].get("requestId")), None)
        if self._server is None:
            self._reconnect()  # it sends the open requests, this one among them
            if not isinstance(request, (str, int)) and self._server is not None:
                self._to_server += line
        else:
            self._to_server += line

    def _reconnect(self) -> None:
        """Connect to a server, and bring it to where the last one was."""
        self._to_server.clear()
        self._from_server.clear()
        try:
            self._server = self._connect()
        except SpelunkError as error:
            self.failure = str(error)
            self._fail_all(self.failure)
            return
        self.failure = None
        self._ready = False
        self._server.setblocking(False)
        self._to_server += self._greeting
        first = _object(self._handshake[0]) if self._handshake else {}
        if first and json.dumps(first.get("id")) not in self._open:
            self._to_server += json.dumps(first | {"id": REPLAY_ID}).encode() + b"\n"
            self._to_server += b"".join(self._handshake[1:])
        for request in self._open.values():
            self._to_server += request.line

    def _exchange(self, event: int) -> None:
        """Read from and write to the server."""
        assert self._server is not None
        if event & select.POLLOUT and self._to_server:
            try:
                sent = self._server.send(memoryview(self._to_server)[:READ_BYTES])
                del self._to_server[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._lost()
                return
        if event & (select.POLLIN | _HANGUP):
            try:
                data = self._server.recv(READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self._take(data)
            else:
                self._lost()

    def _take(self, data: bytes) -> None:
        """Pass on the server's whole lines; half of one never reaches the client."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._from_server += data[start : end + 1]
            start = end + 1
            self._answer(bytes(self._from_server))
            self._from_server.clear()
        self._from_server += data[start:]

    def _answer(self, line: bytes) -> None:
        if not self._ready:
            self._ready, self._false_starts = True, 0  # the server's greeting
            return
        if self._open or self._handshake:
            value = _object(line)
            if "method" not in value and "id" in value:
                if value["id"] == REPLAY_ID:
                    return  # the client has had its answer to the handshake
                self._open.pop(json.dumps(value["id"]), None)
        self._to_client += line

    def _lost(self) -> None:
        """The server has ended: give the open requests to another, but none to a third."""
        assert self._server is not None
        self._server.close()
        self._server = None
        why = self._reason()
        message = f"the server ended{f' ({why})' if why else ''}; ask again"
        if not self._ready:
            self._false_starts += 1
            if self._false_starts >= MAX_FALSE_STARTS:
                self._false_starts = 0
                self.failure = message
                self._fail_all(message)
        for key, request in list(self._open.items()) if self._ready else ():
            request.tries += 1
            if request.tries > MAX_TRIES:
                del self._open[key]
                self._fail(request, message)
        if self._open:
            self._reconnect()

    def _fail_all(self, message: str) -> None:
        for request in self._open.values():
            self._fail(request, message)
        self._open.clear()

    def _fail(self, request: _OpenRequest, message: str) -> None:
        self._tell(error_line(request.id, SERVER_ERROR, message))

    def _tell(self, line: str) -> None:
        self._to_client += line.encode() + b"\n"

    def _write_client(self, event: int) -> bool:
        """Write to the client; whether it is still there."""
        if event & _HANGUP:
            return False
        if self._to_client:
            try:
                written = os.write(self._sink, memoryview(self._to_client)[:WRITE_BYTES])
            except BlockingIOError:
                return True
            except OSError:
                return False
            del self._to_client[:written]
        return True

    def close(self) -> None:
        """Leave the server."""
        if self._server is not None:
            self._server.close()


def _object(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; empty where it has none, which is for the server to tell."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

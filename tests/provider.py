"""A real HTTP server that speaks the embedding API, and can fail in every way."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

DIMENSIONS = 100
"""Not a multiple of 64."""


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The same for the same text; half of it from its words, so that likeness means something."""
    out = [0.0] * dimensions
    for word in text.lower().split():
        out[int(hashlib.md5(word.encode()).hexdigest(), 16) % dimensions] += 1.0
    seed = hashlib.md5(text.encode()).digest()
    return [x + (seed[n % 16] - 127) / 500 for n, x in enumerate(out)]


class Provider:
    """``with Provider() as p``: ``p.url`` answers as ``p.behave`` says.

    ``behave(handler, texts)`` answers a request itself and returns True, or
    returns False to let it be answered well. Requests are kept in ``batches``.
    """

    def __init__(self, port: int = 0) -> None:
        self.behave: Callable[[Handler, list[str]], bool] = lambda handler, texts: False
        self.batches: list[list[str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_work = self.most = 0
        self.guard = threading.Lock()
        self.ending = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.provider = self  # type: ignore[attr-defined]
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        return [t for batch in self.batches for t in batch]

    def __enter__(self) -> Provider:
        threading.Thread(target=lambda: self.server.serve_forever(0.02), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with provider.guard:
            provider.bodies.append(body)
            provider.batches.append(body["input"])
            provider.headers.append(dict(self.headers))
            provider.at_work += 1
            provider.most = max(provider.most, provider.at_work)
        try:
            if self.path != "/v1/embeddings":
                self.send(404, {"error": {"message": "no such path"}})
            elif not provider.behave(self, body["input"]):
                width = body.get("dimensions", DIMENSIONS)
                self.vectors([vector(t, width) for t in body["input"]])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with provider.guard:
                provider.at_work -= 1

    def vectors(self, rows: list[list[float]]) -> None:
        data = [{"object": "embedding", "index": n, "embedding": row} for n, row in enumerate(rows)]
        self.send(200, {"object": "list", "data": data[::-1], "model": "m"})  # the order is the index's

    def send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def hang(self) -> None:
        """No answer until the client goes, or the server ends."""
        self.server.provider.ending.wait(600)  # type: ignore[attr-defined]
        self.close_connection = True

    def drip(self) -> None:
        """An answer that never stalls and never ends."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.server.provider.ending.is_set():  # type: ignore[attr-defined]
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.02)

    def reset(self) -> None:
        """Half an answer, then the connection is torn down."""
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b'{"data": [')
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])

"""A real server process for tests, and raw requests to it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

GENEROUS = 120.0


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class ServerProcess:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_listening(self) -> None:
        def found() -> bool:
            m = re.search(r"at http://\S+:(\d+)/", self.log.read_text())
            if m:
                self.port = int(m[1])
            elif self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {self.log.read_text()}")
            return bool(m)

        wait_for(found)

    def request(
        self, path: str, *, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        made = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        if data is not None and not made.has_header("Content-type"):
            made.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(made, timeout=GENEROUS) as response:
                return Reply(response.status, _lower(response.headers), response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, _lower(error.headers), error.read())

    def get(self, path: str, /, **query: Any) -> Reply:
        headers = query.pop("headers", None)
        return self.request(
            path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else ""), headers=headers
        )

    def search(self, q: str, **query: Any) -> Any:
        reply = self.get("/api/search", q=q, **({"wait": 60} | query))
        assert reply.status == 200, reply.body
        return reply.json

    def raw(self, data: bytes, *, read: bool = True) -> bytes:
        """The answer to bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), GENEROUS) as sock:
            sock.sendall(data)
            out = b""
            while read:
                try:
                    part = sock.recv(65_536)
                except ConnectionResetError:
                    break
                if not part:
                    break
                out += part
            return out

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(GENEROUS)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def wait_for(condition: Callable[[], Any], seconds: float = GENEROUS) -> Any:
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)


def environment(home: Path) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("SPELUNK_")} | {"SPELUNK_HOME": str(home)}


@contextmanager
def serving(home: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[ServerProcess]:
    home.mkdir(exist_ok=True)
    log = home / f"server-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "spelunk", "serve", "--port", "0", *arguments],
            stdout=out,
            stderr=out,
            env=environment(home) | (env or {}),
            cwd=home,
        )
    server = ServerProcess(process, log)
    try:
        server.wait_until_listening()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()

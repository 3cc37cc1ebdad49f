"""A raw client of ``spelunk mcp`` for tests: lines in, lines out, and the processes behind them."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT = 60.0
"""Seconds until a wait is given up; never reached where things work."""

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": "first",
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


class RawClient:
    """A process of ``spelunk mcp`` with its pipes."""

    def __init__(self, *args: str, cwd: Path, env: dict[str, str] | None = None, reads: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spelunk", "mcp", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._pump, daemon=True)
        if reads:
            self._reader.start()

    def _pump(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self._lines.put(line)
        except ValueError:
            pass  # a test has closed it
        self._lines.put(b"")

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.write(json.dumps(message).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next line that is no notification."""
        while True:
            line = self._lines.get(timeout=LIMIT)
            assert line, f"the output ended: {self.stderr()}"
            value: dict[str, Any] = json.loads(line)
            if "id" in value:
                return value

    def rest(self) -> list[dict[str, Any]]:
        """Close the input, and give all that still comes."""
        self.close()
        found = []
        while line := self._lines.get(timeout=LIMIT):
            found.append(json.loads(line))
        return found

    def handshake(self) -> dict[str, Any]:
        self.send(INITIALIZE)
        answer = self.read()
        self.send(INITIALIZED)
        return answer

    def call(self, tool: str, request: int | str = 1, **arguments: Any) -> dict[str, Any]:
        self.send(call(tool, request, **arguments))
        answer = self.read()
        assert answer["id"] == request
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def dispose(self) -> None:
        """End the process whatever it does, and close the pipes."""
        self.process.kill()
        self.process.wait()
        if self._reader.is_alive():
            self._reader.join(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass

    def stderr(self) -> str:
        assert self.process.stderr is not None
        self.process.kill()
        return self.process.stderr.read().decode()

    def end(self) -> int:
        """Close the input, and wait for the end of the process."""
        self.close()
        return self.process.wait(LIMIT)


def call(tool: str, request: int | str = 1, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request, "method": "tools/call", "params": params}


def servers(runtime: str) -> list[int]:
    """Process ids of the shared servers whose sockets are below a folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
                state = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if any(w.startswith(os.fsencode(runtime)) for w in words) and state != "Z":
                found.append(int(entry))
    return found


@contextmanager
def runtime_folder() -> Iterator[str]:
    """A folder for sockets with a short name; its servers are ended."""
    path = tempfile.mkdtemp(prefix="spk-", dir="/tmp")
    try:
        yield path
    finally:
        for pid in servers(path):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)

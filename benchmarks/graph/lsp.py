"""A client of a language server: requests one after the other over its standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import quote, unquote, urlsplit


class NoAnswerError(Exception):
    """The server answered with an error, not in time, or ended."""


def uri(path: str) -> str:
    return "file://" + quote(path)


def path_of(address: str) -> str:
    return unquote(urlsplit(address).path)


class Server:
    """A running language server for one folder.

    Attributes:
        busy: Work that the server reports as begun and not ended, by token.
        inactive: Lines that the preprocessor leaves out, by path, as clangd tells them of an open file.
        quiescent: Whether rust-analyzer says that it has nothing left to do.
        worked: Whether any work was reported.
    """

    def __init__(
        self, command: Sequence[str], root: str, options: dict[str, Any], settings: dict[str, Any], log: str
    ) -> None:
        self.root = root
        self.settings = settings
        self.busy: set[str] = set()
        self.worked = False
        self.quiescent = False
        self.inactive: dict[str, list[tuple[int, int]]] = {}
        self._next = 0
        self._answers: Queue[dict[str, Any] | None] = Queue()
        self._log = Path(log).open("w", encoding="utf-8")  # noqa: SIM115
        self._process = subprocess.Popen(
            ["nice", "-n", "3", *command],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._write_lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()
        capabilities = {
            "workspace": {"configuration": True, "workspaceFolders": True, "didChangeConfiguration": {}},
            "window": {"workDoneProgress": True},
            "textDocument": {
                "documentSymbol": {"hierarchicalDocumentSymbolSupport": True},
                "callHierarchy": {},
                "references": {},
                "definition": {"linkSupport": False},
                "inactiveRegionsCapabilities": {"inactiveRegions": True},
            },
            "experimental": {"serverStatusNotification": True},
        }
        self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": uri(root),
                "rootPath": root,
                "workspaceFolders": [{"uri": uri(root), "name": Path(root).name}],
                "capabilities": capabilities,
                "initializationOptions": options,
            },
            120,
        )
        self.notify("initialized", {})
        self.notify("workspace/didChangeConfiguration", {"settings": settings})

    def request(self, method: str, params: Any, seconds: float = 60) -> Any:
        """Ask and wait.

        Raises:
            NoAnswerError: As its class says.
        """
        self._next += 1
        number = self._next
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            try:
                answer = self._answers.get(timeout=seconds)
            except Empty:
                raise NoAnswerError(f"{method}: no answer in {seconds:.0f} s") from None
            if answer is None:
                raise NoAnswerError(f"{method}: the server ended")
            if answer.get("id") == number:  # else the late answer of an earlier request
                if "error" in answer:
                    raise NoAnswerError(f"{method}: {answer['error'].get('message', '')[:200]}")
                return answer.get("result")

    def notify(self, method: str, params: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def open(self, path: str, language: str) -> None:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        document = {"uri": uri(path), "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def close(self, path: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri(path)}})

    def stop(self) -> None:
        try:
            self.request("shutdown", None, 10)
            self.notify("exit", None)
            self._process.wait(10)
        except (NoAnswerError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        with self._write_lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                self._process.stdin.flush()
            except OSError:
                raise NoAnswerError("the server ended") from None

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while True:
            length = 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                self._answers.put(None)
                return
            self._handle(json.loads(stream.read(length)))

    def _handle(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method is None:
            self._answers.put(message)
            return
        params = message.get("params") or {}
        if "id" in message:
            result: Any = None
            if method == "workspace/configuration":
                result = [self._section(item.get("section", "")) for item in params["items"]]
            elif method == "workspace/workspaceFolders":
                result = [{"uri": uri(self.root), "name": Path(self.root).name}]
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": result})
        elif method == "$/progress":
            token, kind = str(params.get("token")), params.get("value", {}).get("kind")
            if kind == "begin":
                self.busy.add(token)
                self.worked = True
            elif kind == "end":
                self.busy.discard(token)
        elif method == "textDocument/inactiveRegions":
            self.inactive[path_of(params["textDocument"]["uri"])] = [
                (span["start"]["line"] + 1, span["end"]["line"] + 1) for span in params["regions"]
            ]
        elif method == "experimental/serverStatus":
            self.quiescent = bool(params.get("quiescent"))

    def _section(self, name: str) -> Any:
        value: Any = self.settings
        for part in name.split(".") if name else []:
            value = value.get(part) if isinstance(value, dict) else None
        return value

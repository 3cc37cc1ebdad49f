"""Frames of the stdio transport: one JSON object a line. Imported by the thin process."""

from __future__ import annotations

import json
from typing import Final

MAX_LINE: Final = 4 * 1024 * 1024
"""Bytes of a message, as the HTTP transport of the library has it."""
TOO_LONG: Final = f"a message of more than {MAX_LINE >> 20} MiB; send less"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
SERVER_ERROR: Final = -32000
"""Codes of JSON-RPC 2.0; the last is the first of those that a server may choose."""


class Lines:
    """Cut a stream of bytes into lines, of which none needs more than :data:`MAX_LINE` in memory."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """The lines that are complete now, without their ends; None in place of one that is too long."""
        found: list[bytes | None] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            if self._skipping:
                self._skipping = False
            elif len(self._rest) + end - start > MAX_LINE:
                found.append(None)
            else:
                self._rest += data[start:end]
                found.append(bytes(self._rest))
            self._rest.clear()
            start = end + 1
        if not self._skipping:
            self._rest += data[start:]
            if len(self._rest) > MAX_LINE:
                self._rest.clear()
                self._skipping = True
                found.append(None)
        return found


def error_line(request: str | int | None, code: int, message: str) -> str:
    """An error response, without its line end; ``request`` is None where its id is not known."""
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": request, "error": error}, ensure_ascii=True)

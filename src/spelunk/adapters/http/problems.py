"""Errors of the API: status, code, message and next step of each."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Final

from spelunk.errors import (
    ConfigError,
    IndexBusyError,
    IndexCorruptError,
    IndexFormatError,
    IndexMissingError,
    MemoryLimitError,
    ProviderError,
    QuerySyntaxError,
    SpelunkError,
    StorageError,
    UsageError,
    WorkspaceError,
)

RETRY_SECONDS: Final = 1
"""``Retry-After`` of what is likely to be over soon."""


class ApiError(SpelunkError):
    """An error as a client gets it.

    Attributes:
        status: Of HTTP.
        code: A stable word.
        hint: The next step, or "".
        more: Further keys of the error.
        retry: Seconds for ``Retry-After``; 0 for none.
    """

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", *, retry: int = 0, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.hint = hint
        self.retry = retry
        self.more = more

    def values(self) -> dict[str, Any]:
        """The error as plain values for JSON."""
        return {"code": self.code, "message": str(self), "hint": self.hint, **self.more}


def bad_request(message: str, hint: str = "") -> ApiError:
    """An error of the request itself."""
    return ApiError(400, "bad_request", message, hint)


_STATES: Final = (
    (WorkspaceError, "workspace_gone", "bring the folder back, or start the server without it", 0),
    (ConfigError, "config", "correct the setting; docs/configuration.md lists them", 0),
    (
        IndexMissingError,
        "indexing",
        "ask again in some seconds; /api/index tells the progress",
        RETRY_SECONDS,
    ),
    (IndexBusyError, "index_locked", "ask again; another program has locked the index", RETRY_SECONDS),
    (IndexFormatError, "index_format", "upgrade Spelunk, or run `spelunk index --rebuild`", 0),
    (IndexCorruptError, "index_corrupt", "run `spelunk check --repair`", 0),
    (MemoryLimitError, "memory_limit", "raise memory_limit", 0),
    (ProviderError, "provider", "see `spelunk status`", RETRY_SECONDS),
    (StorageError, "storage", "make room, or make the index folder writable", RETRY_SECONDS),
)
"""Errors of the server's side: status 503. The first that fits counts."""


def problem_of(error: BaseException) -> ApiError:
    """The error of the API for any exception; one that is not expected is written to standard error."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, QuerySyntaxError):
        hint = 'put text that is meant literally in "double quotes"'
        return ApiError(400, "query_syntax", str(error), hint, column=error.column)
    for kind, code, hint, retry in _STATES:
        if isinstance(error, kind):
            return ApiError(503, code, str(error), hint, retry=retry)
    if isinstance(error, UsageError):
        return bad_request(str(error))
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        return ApiError(
            503, "storage", f"the disk or the system refuses: {text}", "ask again", retry=RETRY_SECONDS
        )
    name = os.urandom(4).hex()
    shown = "".join(traceback.format_exception(error))
    print(f"spelunk: error {name}\n{shown}", file=sys.stderr, end="", flush=True)
    return ApiError(
        500,
        "internal",
        f"{type(error).__name__}: this is a bug",
        f"the server's log has error {name}",
        id=name,
    )

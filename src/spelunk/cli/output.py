"""Output of the commands: results on standard output, everything else on standard error."""

from __future__ import annotations

import argparse
import io
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from spelunk.io.printable import printable, printable_name, use_color

if TYPE_CHECKING:
    from spelunk.errors import QuerySyntaxError
    from spelunk.observe.logs import Log

CARET_COLUMNS: Final = 100
"""Characters of a query that are shown around its fault."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_json_log: Log | None = None
"""The log of JSON lines while ``--log-format json`` is in force (:func:`attach`)."""


def never_raise() -> None:
    """Let both standard streams escape the characters that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def put(text: str) -> None:
    """Write results as text.

    Raises:
        OSError: Standard output is closed, or cannot be written.
    """
    if sys.stdout is None:
        raise OSError(9, "standard output is closed")
    sys.stdout.write(text)


def put_version() -> None:
    """Write the name and version."""
    from spelunk import __version__

    put(f"spelunk {__version__}\n")


def put_utf8(text: str) -> None:
    """Write results in a format that is UTF-8 whatever the locale: JSON.

    Raises:
        OSError: Standard output is closed, or cannot be written.
    """
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        put(text)
        return
    sys.stdout.flush()
    buffer.write(text.encode("utf-8", "replace"))


def put_json(value: dict[str, Any]) -> None:
    r"""Write one JSON object on one line; a byte of a name that is not UTF-8 reads ``\\x80``."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    put_utf8(_SURROGATES.sub(lambda m: f"\\\\x{ord(m.group()) & 0xFF:02x}", text) + "\n")


def attach(log: Log | None) -> None:
    """Send messages to a log of JSON lines from now on; None: to standard error as text."""
    global _json_log
    _json_log = log


def attached() -> Log | None:
    """The log of JSON lines; None where messages are text."""
    return _json_log


def say(text: str, level: str = "error", **more: Any) -> None:
    """Write one line to standard error: ``spelunk: …``, or a JSON object that has ``more`` in it."""
    if _json_log is not None:
        from spelunk.observe.logs import LEVELS, MESSAGE

        _json_log.write(LEVELS[level], MESSAGE, message=text, **more)
        return
    tell(f"spelunk: {printable(text.replace(chr(10), ' '))}")


def tell(text: str, end: str = "\n") -> None:
    """Write to standard error as it is; do nothing if it is closed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text + end)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # closed meanwhile: there is no other place to tell it


def note(args: argparse.Namespace, text: str) -> None:
    """:func:`say`, unless ``-q``; results that were put stand before it.

    Raises:
        OSError: Standard output cannot be written.
    """
    if not args.quiet:
        if sys.stdout is not None:
            sys.stdout.flush()
        say(text, "info")


def colored(args: argparse.Namespace) -> bool:
    """Whether results are coloured."""
    return sys.stdout is not None and use_color(args.color, sys.stdout)


def caret(error: QuerySyntaxError) -> str:
    """Format two lines: the query around the fault, and a caret below the column; nothing for a blank query."""
    if not error.query.strip():
        return ""
    fault = max(0, error.column - 1)
    start = max(0, fault - CARET_COLUMNS // 2)
    before = printable_name(("…" if start else "") + error.query[start:fault])
    after = printable_name(error.query[fault : start + CARET_COLUMNS])
    return f"  {before}{after}\n  {' ' * _width(before)}^\n"


def _width(text: str) -> int:
    """Columns of a text on a terminal."""
    import unicodedata

    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))

"""To the user: results on standard output, all else on standard error."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from spelunk.io.printable import printable, use_color

if TYPE_CHECKING:
    from spelunk.observe.logs import Log

SCHEMA_VERSION: Final = 1

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def put(text: str) -> None:
    """Write results; what the stream's encoding cannot hold is escaped."""
    stream = sys.stdout
    if stream is None:
        raise OSError(9, "standard output is closed")
    encoding = stream.encoding or "utf-8"
    if encoding.lower().replace("-", "") != "utf8" or _SURROGATES.search(text):
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)


def put_utf8(text: str) -> None:
    """Write a format that is UTF-8 whatever the locale: JSON."""
    stream = sys.stdout
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        put(text)
        return
    stream.flush()
    buffer.write(text.encode("utf-8", "replace"))


def put_json(value: dict[str, Any]) -> None:
    r"""Write one object on one line; a byte of a name that is not UTF-8 reads ``\\x80``."""
    import json

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    put_utf8(_SURROGATES.sub(lambda m: f"\\\\x{ord(m.group()) & 0xFF:02x}", text) + "\n")


_json_log: Log | None = None


def attach(log: Log | None) -> None:
    """Let what is said go to a log of JSON lines, or again to people."""
    global _json_log
    _json_log = log


def attached() -> Log | None:
    """The log of JSON lines; None where people read."""
    return _json_log


def say(text: str, level: str = "error", **more: Any) -> None:
    """One line on standard error: ``spelunk: …``, or a JSON object with ``more`` in it."""
    if _json_log is not None:
        from spelunk.observe.logs import LEVELS, MESSAGE

        _json_log.write(LEVELS[level], MESSAGE, message=text, **more)
        return
    tell(f"spelunk: {printable(text.replace(chr(10), ' '))}")


def tell(text: str, end: str = "\n") -> None:
    """Lines as they are, on standard error; silence where that is closed."""
    stream = sys.stderr
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)
        stream.flush()
    except (OSError, ValueError):
        pass  # nobody is there to be told


def note(args: argparse.Namespace, text: str) -> None:
    """:func:`say`, unless ``-q``."""
    if not args.quiet:
        say(text, "info")


def colored(args: argparse.Namespace) -> bool:
    """Whether results are coloured."""
    return sys.stdout is not None and use_color(args.color, sys.stdout)


def age(seconds: float) -> str:
    """A span of time for people: ``3 min``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def several(n: int, what: str) -> str:
    """A number and a noun: ``1 chunk``, ``2,000 chunks``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def short(path: str) -> str:
    """A path with the home folder as ``~``."""
    user = os.path.expanduser("~")
    return "~" + path[len(user) :] if user != "/" and path.startswith(user + "/") else path

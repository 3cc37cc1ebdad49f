r"""Make text safe for a terminal: without its control sequences, and with colour."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final, TextIO

_UNSAFE: Final = (
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Controls (C0, DEL, C1), line and paragraph separators, marks that reorder text
on the screen (bidirectional controls), and lone surrogates. The tab is harmless."""

RESET: Final = "\x1b[0m"
PATH: Final = "\x1b[35m"
LINE: Final = "\x1b[32m"
MATCH: Final = "\x1b[1;31m"
DIM: Final = "\x1b[2m"


def printable(text: str) -> str:
    r"""``text`` with everything that could control a terminal as a visible escape.

    An escape character reads ``\x1b``, a right-to-left override ``\u202e``, a
    byte of a file name that is not UTF-8 ``\x80``. Tabs stay; line ends do not.
    """
    # What is printable has no control, format character or separator: the pattern is seldom compiled.
    if text.replace("\t", "").isprintable():
        return text
    return re.sub(_UNSAFE, _visible, text)


def printable_name(name: str) -> str:
    """A path or symbol on one line: :func:`printable`, and tabs are visible too."""
    return printable(name).replace("\t", "\\t")


def _visible(found: re.Match[str]) -> str:
    code = ord(found.group())
    if 0xDC80 <= code <= 0xDCFF:  # how os.fsdecode keeps a byte
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def styled(text: str, style: str, color: bool) -> str:
    """``text`` in a style of this module if ``color``; ``text`` must be printable."""
    return f"{style}{text}{RESET}" if color and text else text


def use_color(choice: str, stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Whether to colour what goes to ``stream``.

    Args:
        choice: ``always``, ``never`` or ``auto``: on a terminal, unless
            ``NO_COLOR`` is set to anything or ``TERM`` is ``dumb``.
    """
    if choice != "auto":
        return choice == "always"
    env = os.environ if environ is None else environ
    return stream.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"

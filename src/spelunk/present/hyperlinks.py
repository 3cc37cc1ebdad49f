r"""Hyperlinks of a terminal (OSC 8): text that opens a file at a line when it is clicked.

The sequence is ``ESC ] 8 ; ; URL ESC \ text ESC ] 8 ; ; ESC \``
(https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda). Formats and their
names are those of ripgrep's ``--hyperlink-format``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from spelunk.errors import UsageError
from spelunk.io.printable import DIM, LINE, PATH, RESET

NONE: Final = "none"
DEFAULT: Final = "default"

ALIASES: Final[Mapping[str, str]] = {
    "default": "file://{host}{path}",
    "none": "",
    "cursor": "cursor://file{path}:{line}:{column}",
    "file": "file://{host}{path}",
    "grep+": "grep+://{path}:{line}",
    "kitty": "file://{host}{path}#{line}",
    "macvim": "mvim://open?url=file://{path}&line={line}&column={column}",
    "textmate": "txmt://open?url=file://{path}&line={line}&column={column}",
    "vscode": "vscode://file{path}:{line}:{column}",
    "vscode-insiders": "vscode-insiders://file{path}:{line}:{column}",
    "vscodium": "vscodium://file{path}:{line}:{column}",
}
"""Names of formats, as ripgrep 15 has them."""

_VARIABLES: Final = ("path", "host", "line", "column", "wslprefix")
_BRACED: Final = re.compile(r"\{([^{}]*)\}")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_KEPT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:")
"""Bytes of a path that need no percent sign, as in ripgrep."""


class Hyperlinks:
    """Makes the links of one format.

    Args:
        pattern: A name of :data:`ALIASES`, or a format with ``{path}`` and, where wanted,
            ``{line}``, ``{column}``, ``{host}`` and ``{wslprefix}``.

    Raises:
        UsageError: It is neither.
    """

    def __init__(self, pattern: str) -> None:
        self._format = checked(pattern)
        self._host = os.uname().nodename if "{host}" in self._format else ""

    def __bool__(self) -> bool:
        return bool(self._format)

    def wrap(self, text: str, path: str, line: int = 1, column: int = 1) -> str:
        """``text`` as a link to a place; unchanged where there are no links.

        Args:
            text: What is shown: printable, maybe with colours.
            path: Absolute.
            line: 1-based.
            column: 1-based, in bytes.
        """
        if not self._format or not text:
            return text
        values = {
            "path": quoted(path),
            "host": self._host,
            "line": str(line),
            "column": str(column),
            "wslprefix": _wsl_prefix(),
        }
        url = _BRACED.sub(lambda m: values[m[1]], self._format)
        return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"


def checked(pattern: str) -> str:
    """The format behind a name, or a format that can be used.

    Raises:
        UsageError: It has an unknown variable, no ``{path}``, ``{column}`` without
            ``{line}``, no scheme at its beginning, or a character that no URL has.
    """
    if pattern in ALIASES:
        return ALIASES[pattern]
    where = f"hyperlink format {pattern!r}"
    if "{" not in pattern:
        raise UsageError(f"{where}: no such name; use one of {', '.join(ALIASES)}, or a format with {{path}}")
    found = _BRACED.findall(pattern)
    unknown = [name for name in found if name not in _VARIABLES]
    if unknown or "{" in _BRACED.sub("", pattern) or "}" in _BRACED.sub("", pattern):
        named = f"{{{unknown[0]}}} is unknown" if unknown else "a brace is open"
        raise UsageError(f"{where}: {named}; there are {', '.join(f'{{{v}}}' for v in _VARIABLES)}")
    if "path" not in found:
        raise UsageError(f"{where}: needs {{path}}")
    if "column" in found and "line" not in found:
        raise UsageError(f"{where}: {{column}} needs {{line}} too")
    if not _SCHEME.match(pattern):
        raise UsageError(f"{where}: has to begin with a scheme, such as file://")
    if not all("!" <= c <= "~" for c in pattern):
        raise UsageError(f"{where}: has a character that no URL has")
    return pattern


def quoted(path: str) -> str:
    """The bytes of a path as part of a URL: nothing in it can end the sequence or begin another."""
    return "".join(chr(b) if b in _KEPT else f"%{b:02X}" for b in os.fsencode(path))


_PLACE: Final = re.compile(
    f"({re.escape(PATH)}([^\x1b]+){re.escape(RESET)})(?::(?:{re.escape(LINE)})?(\\d+))?"
    f"|{re.escape(DIM)}([^\x1b]+):(\\d+){re.escape(RESET)}"
)
_LINE: Final = re.compile(f"{re.escape(LINE)}(\\d+)[^\x1b]*{re.escape(RESET)}")


def link_places(text: str, links: Hyperlinks, root: str) -> str:
    """Coloured results of the commands about symbols, with a link behind each path.

    Args:
        text: As :mod:`spelunk.present.graph` writes it in colour; contents are printable, so that
            no file can have the colour of a path in it.
        links: Makes the links.
        root: The workspace that the paths are relative to.
    """

    def linked(found: re.Match[str]) -> str:
        path, line = found[2] or found[4], found[3] or found[5]
        if "\\" in path:  # a name with an escape is not the file's
            return found[0]
        whole = os.path.join(root, path)
        if found[4]:
            return links.wrap(found[0], whole, int(line))
        return links.wrap(found[1], whole, int(line or 1)) + found[0][len(found[1]) :]

    return _PLACE.sub(linked, text)


def link_lines(text: str, links: Hyperlinks, path: str) -> str:
    """Coloured text about one file, with a link behind each number of a line."""
    return _LINE.sub(lambda found: links.wrap(found[0], path, int(found[1])), text)


def _wsl_prefix() -> str:
    name = os.environ.get("WSL_DISTRO_NAME", "")
    return f"wsl$/{quoted(name)}" if name else ""

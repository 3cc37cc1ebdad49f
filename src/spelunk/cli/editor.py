"""Open a place in the editor of the user: ``$VISUAL``, ``$EDITOR``, with each editor's own way to name a line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from spelunk.errors import UsageError

DEFAULTS: Final = ("vi", "nano")
"""Tried where no editor is named; POSIX has vi."""

_PLUS: Final = (
    "vi",
    "vim",
    "nvim",
    "view",
    "gvim",
    "nano",
    "pico",
    "emacs",
    "emacsclient",
    "kak",
    "joe",
    "jed",
    "gedit",
    "mg",
)
_COLON: Final = ("hx", "helix", "subl", "sublime_text", "zed", "zeditor", "micro", "lapce", "ox")
_GOTO: Final = ("code", "code-insiders", "codium", "vscodium", "cursor", "windsurf", "positron")
_LINE_FLAG: Final = (
    "idea",
    "pycharm",
    "goland",
    "clion",
    "webstorm",
    "phpstorm",
    "rubymine",
    "rider",
    "rustrover",
    "fleet",
)


def command(environ: Mapping[str, str], path: str, line: int, column: int = 1) -> list[str]:
    """The words that open a file at a line.

    Args:
        environ: Where ``VISUAL`` and ``EDITOR`` are looked for; each may have arguments.
        path: Absolute.
        line: 1-based.
        column: 1-based; for the editors that take one.

    Raises:
        UsageError: No editor is named and none of :data:`DEFAULTS` is installed, or what is named cannot be read.
    """
    import shlex
    import shutil

    named = environ.get("VISUAL") or environ.get("EDITOR")
    if not named:
        found = next(filter(None, map(shutil.which, DEFAULTS)), None)
        if found is None:
            raise UsageError("no editor; set VISUAL or EDITOR")
        named = shlex.quote(found)
    try:
        words = shlex.split(named)
    except ValueError as error:
        raise UsageError(f"VISUAL or EDITOR {named!r}: {error}") from None
    if not words:
        raise UsageError("VISUAL or EDITOR is blank; name an editor")
    return [*words, *_place(_name(words[0]), path, line, column)]


def _name(program: str) -> str:
    """The editor behind a program's path: ``vim`` of ``/usr/bin/vim.basic``."""
    name = os.path.basename(program).lower().removesuffix(".exe").removesuffix(".sh").removesuffix(".cmd")
    return name if name in _GOTO else name.partition(".")[0]


def _place(name: str, path: str, line: int, column: int) -> list[str]:
    if name in _PLUS:
        return [f"+{line}", path]
    if name in _COLON:
        return [f"{path}:{line}:{column}"]
    if name in _GOTO:
        return ["--goto", f"{path}:{line}:{column}"]
    if name in _LINE_FLAG:
        return ["--line", str(line), path]
    if name in ("kate", "kwrite", "mate", "textmate"):
        return ["-l" if name in ("mate", "textmate") else "--line", str(line), path]
    if name == "notepad++":
        return [f"-n{line}", path]
    return [path]  # an unknown editor opens the file alone

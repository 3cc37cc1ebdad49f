"""Print results through a pager where they do not fit on the terminal, as git does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from spelunk.cli.output import colored, put

if TYPE_CHECKING:
    from spelunk.present.hyperlinks import Hyperlinks

PAGER: Final = "less"
ENVIRONMENT: Final = {"LESS": "FRX", "LV": "-c"}
"""What git sets for its pager: quit where one screen is enough, pass colours on, leave the screen as it is."""

LINKS_IN_LESS: Final = 566
"""The first version of less that passes hyperlinks on (its NEWS)."""

_SHELL: Final = frozenset("|&;<>()$`\\\"'*?[#~=%\n")
"""Characters that make a command one for the shell."""


def screen_flags(parser: Any) -> None:
    """Add the flags of commands whose results are read on a terminal to a parser or a group of one."""
    parser.add_argument("--no-pager", action="store_true", help="print at once, not through a pager")
    parser.add_argument(
        "--hyperlink-format",
        metavar="FORMAT",
        help="on a terminal, link places: default, none, vscode, cursor … or a URL with {path} and {line}",
    )


def links_of(args: argparse.Namespace) -> Hyperlinks | None:
    """The hyperlinks that results have: those of the flag, or on a terminal those of the environment or files.

    As in ripgrep, there are none without colours.

    Raises:
        UsageError: The flag or ``SPELUNK_HYPERLINK_FORMAT`` is no format.
    """
    if not colored(args):
        return None
    asked: str | None = args.hyperlink_format
    if asked is None and (not _on_terminal() or os.environ.get("TERM") == "linux"):
        return None
    from spelunk.present.hyperlinks import DEFAULT, Hyperlinks

    return Hyperlinks(asked or os.environ.get("SPELUNK_HYPERLINK_FORMAT") or DEFAULT) or None


def page(args: argparse.Namespace, text: str) -> None:
    """Write results as text, through the pager where they are longer than the terminal.

    Raises:
        OSError: Standard output is closed, or cannot be written.
    """
    command = None if args.no_pager or not _on_terminal() or _fits(text) else pager_of(os.environ)
    if command is None or not _piped(command, text):
        put(text)


def pager_of(environ: Mapping[str, str]) -> str | None:
    """The pager's command: of ``SPELUNK_PAGER``, ``PAGER``, else ``less``; None for ``cat`` or an empty one."""
    named = environ.get("SPELUNK_PAGER")
    if named is None:
        named = environ.get("PAGER", PAGER)
    return None if named.strip() in ("", "cat") else named


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _fits(text: str) -> bool:
    """Whether a text is shorter than the terminal, its prompt left room for."""
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    if text.count("\n") >= rows - 1:
        return False
    import re

    plain = re.sub(r"\x1b\[[0-9;]*m|\x1b\]8;;[^\x1b]*\x1b\\", "", text).expandtabs()
    return sum(max(1, -(-len(line) // max(1, columns))) for line in plain.split("\n")) < rows


def _piped(command: str, text: str) -> bool:
    """Run the pager with a text as its input until it ends; whether it could be started."""
    import shlex
    import signal
    import subprocess

    words = ["/bin/sh", "-c", command] if _SHELL & set(command) else shlex.split(command)
    if "\x1b]8;" in text and not _passes_links(words):
        import re

        text = re.sub(r"\x1b\]8;;[^\x1b]*\x1b\\", "", text)
    sys.stdout.flush()
    environ = {**ENVIRONMENT, **os.environ}
    try:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, env=environ)
    except OSError:
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        encoding, errors = sys.stdout.encoding or "utf-8", sys.stdout.errors or "backslashreplace"
        process.communicate(text.encode(encoding, errors))
    finally:
        signal.signal(signal.SIGINT, before)
    return process.returncode != 127  # the shell found no such command


def _passes_links(words: list[str]) -> bool:
    """Whether a pager passes hyperlinks on; others than a new ``less`` may print them as text."""
    import re
    import subprocess

    if os.path.basename(words[0]) != "less":
        return False
    try:
        told = subprocess.run([words[0], "-V"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    version = re.match(r"less (\d+)", told)
    return version is not None and int(version[1]) >= LINKS_IN_LESS

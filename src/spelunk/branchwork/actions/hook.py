"""The post-checkout hook that keeps the link up to date: added beside an existing hook, and removed exactly."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Final

from spelunk.branchwork.errors import RepositoryError
from spelunk.branchwork.stack.git import Repo
from spelunk.io import atomic

BEGIN: Final = b"# >>> spelunk branchwork: points CURRENT.md at the branch checked out >>>\n"
END: Final = b"# <<< spelunk branchwork <<<\n"
SHEBANG: Final = b"#!/bin/sh\n"
_SHELLS: Final = re.compile(rb"#![ \t]*(?:\S*/env[ \t]+)?(?:\S*/)?(?:sh|bash|dash|zsh|ksh|ash)\b")
_ASIDE: Final = ".before-spelunk"


def hook_path(repo: Repo) -> str:
    """The file that git runs after a checkout, with ``core.hooksPath`` and worktrees respected."""
    done = repo.git("rev-parse", "--path-format=absolute", "--git-path", "hooks/post-checkout")
    if done.code != 0:
        raise RepositoryError(f"git does not say where its hooks are: {done.reason}")
    return os.path.realpath(done.text.rstrip("\n"))


def block(python: str = sys.executable) -> bytes:
    """The lines that are added: silent, in a subshell, and without effect on the hook's own status."""
    lines = f"""if [ "${{3:-1}}" = 1 ]; then
  ( if [ -x {shlex.quote(python)} ]; then {shlex.quote(python)} -P -m spelunk.branchwork link
    elif command -v spelunk; then spelunk branchwork link; fi ) </dev/null >/dev/null 2>&1 || :
fi
"""
    return BEGIN + lines.encode("utf-8", "surrogateescape") + END


def install(repo: Repo, *, write: bool = True) -> tuple[str, str, bytes]:
    """Add the block to the hook, or create the hook.

    Returns:
        The path; ``created``, ``added``, ``wrapped`` (a hook in another language
        is run from it), ``updated`` or ``unchanged``; and the hook's new bytes.

    Raises:
        RepositoryError: There is a hook that git does not run, because it is not executable.
    """
    path = hook_path(repo)
    old = _read(path)
    if not old and not os.path.exists(path):
        action, new = "created", SHEBANG + block()
    elif BEGIN in old:
        start, end = _span(old)
        new = old[:start] + block() + old[end:]
        action = "unchanged" if new == old else "updated"
    elif not os.access(path, os.X_OK):
        reason = "a hook that is not executable, so git skips it"
        raise RepositoryError(f"{path}: {reason}; chmod +x it or remove it first")
    elif old.startswith(b"#!") and not _SHELLS.match(old):
        if write:
            os.rename(path, path + _ASIDE)
        action, new = "wrapped", SHEBANG + block() + f'exec "$0{_ASIDE}" "$@"\n'.encode()
    else:
        # At the top: a hook may end in `exit` or `exec`, and lines behind that are not reached.
        head = old.index(b"\n") + 1 if old.startswith(b"#!") and b"\n" in old else 0
        action, new = "added", old[:head] + block() + old[head:]
    if write and action != "unchanged":
        _write(path, new)
    return path, action, new


def remove(repo: Repo, *, write: bool = True) -> tuple[str, str]:
    """Remove the block; the path and ``removed`` or ``absent``."""
    path = hook_path(repo)
    old = _read(path)
    if BEGIN not in old:
        return path, "absent"
    start, end = _span(old)
    rest = old[:start] + old[end:]
    if write and os.path.exists(path + _ASIDE):
        os.replace(path + _ASIDE, path)
    elif write and rest == SHEBANG:
        os.unlink(path)
    elif write:
        _write(path, rest)
    return path, "removed"


def _span(raw: bytes) -> tuple[int, int]:
    start = raw.index(BEGIN)
    end = raw.find(END, start)
    if end < 0:
        raise RepositoryError("the last of the hook's marked lines is missing; remove the others by hand")
    return start, end + len(END)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _write(path: str, raw: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    mode = os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0o755
    atomic.write_bytes(path, raw, mode=mode)

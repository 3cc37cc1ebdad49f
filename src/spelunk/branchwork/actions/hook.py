"""The post-checkout hook that repoints the link: added beside what is there, and taken away exactly."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Final

from spelunk.branchwork.errors import RepositoryError
from spelunk.branchwork.stack.git import Repo

BEGIN: Final = b"# >>> spelunk branchwork: points CURRENT.md at the branch checked out >>>\n"
END: Final = b"# <<< spelunk branchwork <<<\n"
SHEBANG: Final = b"#!/bin/sh\n"
_SHELLS: Final = re.compile(rb"#![ \t]*(?:\S*/env[ \t]+)?(?:\S*/)?(?:sh|bash|dash|zsh|ksh|ash)\b")
_ASIDE: Final = ".before-spelunk"


def hook_path(repo: Repo) -> str:
    """Where git runs the hook from, ``core.hooksPath`` and worktrees respected."""
    done = repo.git("rev-parse", "--path-format=absolute", "--git-path", "hooks/post-checkout")
    if done.code != 0:
        raise RepositoryError(f"git does not say where its hooks are: {done.reason}")
    return os.path.realpath(done.text.rstrip("\n"))


def block(python: str = sys.executable) -> bytes:
    """The lines that are added: silent, in a subshell, and with no say in the hook's own status."""
    # Git sets GIT_DIR for hooks; in a new worktree it is right only together with the folder git starts them in.
    command = f"{shlex.quote(python)} -m spelunk.branchwork link"
    return (
        BEGIN
        + (
            'if [ "${3:-1}" = 1 ]; then\n'
            f"  ( if [ -x {shlex.quote(python)} ]; then {command}\n"
            "    elif command -v spelunk; then spelunk branchwork link; fi ) </dev/null >/dev/null 2>&1 || :\n"
            "fi\n"
        ).encode("utf-8", "surrogateescape")
        + END
    )


def install(repo: Repo, *, write: bool = True) -> tuple[str, str, bytes]:
    """Add the block to the hook, or make the hook.

    Returns:
        The path; ``created``, ``added``, ``wrapped`` (another language's hook
        is run from it), ``updated`` or ``unchanged``; and the hook's new bytes.

    Raises:
        RepositoryError: A hook is there that git does not run, being not executable.
    """
    path = hook_path(repo)
    old = _read(path)
    if old is None:
        return _put(path, SHEBANG + block(), "created", write)
    if BEGIN in old:
        start, end = _span(old)
        new = old[:start] + block() + old[end:]
        return (path, "unchanged", old) if new == old else _put(path, new, "updated", write)
    if not os.access(path, os.X_OK):
        raise RepositoryError(
            f"{path}: a hook that is not executable, so git skips it; chmod +x it or remove it first"
        )
    if old.startswith(b"#!") and not _SHELLS.match(old):
        if write:
            os.rename(path, path + _ASIDE)
        chain = f'exec "$0{_ASIDE}" "$@"\n'.encode()
        return _put(path, SHEBANG + block() + chain, "wrapped", write)
    # At the top: a hook may end in `exit` or `exec`, and then nothing below is reached.
    head = old.index(b"\n") + 1 if old.startswith(b"#!") and b"\n" in old else 0
    return _put(path, old[:head] + block() + old[head:], "added", write)


def remove(repo: Repo, *, write: bool = True) -> tuple[str, str]:
    """Take the block away; the path and ``removed`` or ``absent``."""
    path = hook_path(repo)
    old = _read(path)
    if old is None or BEGIN not in old:
        return path, "absent"
    start, end = _span(old)
    rest = old[:start] + old[end:]
    if not write:
        return path, "removed"
    if os.path.exists(path + _ASIDE):
        os.replace(path + _ASIDE, path)
    elif rest == SHEBANG:
        os.unlink(path)
    else:
        _put(path, rest, "removed", True)
    return path, "removed"


def _span(raw: bytes) -> tuple[int, int]:
    start = raw.index(BEGIN)
    end = raw.find(END, start)
    if end < 0:
        raise RepositoryError("the hook's marked lines have lost their end; remove them by hand")
    return start, end + len(END)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _put(path: str, raw: bytes, action: str, write: bool) -> tuple[str, str, bytes]:
    if write:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0o755
        aside = f"{path}.{os.getpid()}.tmp"
        with open(aside, "wb") as file:
            file.write(raw)
        os.chmod(aside, mode)
        os.replace(aside, path)
    return path, action, raw

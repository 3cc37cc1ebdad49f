"""Run git over a repository of unknown origin: its configuration starts no program and reaches no network.

git reads the configuration of the repository, includes among it, so each call
has a time limit and a limit of output. What a repository's configuration can
start is switched off: hooks, the file monitor, signature checks. git works in
the git directory, not in the working tree, so that no file of the tree is
opened and no filter of it runs; text conversions and external diffs run for
patches alone, which no caller asks for. A promised object of a partial clone
is not fetched, since no protocol is allowed. git itself refuses a repository
of another user (``safe.directory``).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from spelunk.files.git_dir import Repository
from spelunk.io.program import Finished, SubprocessRunner

MAX_OUTPUT: Final = 64 * 1024 * 1024
"""Bytes that one call may return."""

_OFF: Final = (
    "--no-pager", "--no-optional-locks", "--literal-pathspecs",
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false",
    "-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "log.mailmap=false",
    "-c", "log.follow=false", "-c", "diff.orderFile=/dev/null", "-c", "diff.external=",
    "-c", "core.attributesFile=/dev/null", "-c", "color.ui=false", "-c", "core.commitGraph=true",
    "-c", "i18n.logOutputEncoding=UTF-8", "-c", "blame.ignoreRevsFile=", "-c", "core.alternateRefsCommand=",
)  # fmt: skip
"""What a repository's own configuration does not decide."""

_KEPT: Final = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES")
"""Variables of git, by their beginning, that are the user's own choice and name no repository."""


def environment() -> dict[str, str]:
    """This process's environment without the variables that point git at another repository."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_KEPT)}
    return {**kept, "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_ATTR_NOSYSTEM": "1"}


def run_git(
    repository: Repository,
    arguments: Sequence[str],
    *,
    timeout: float,
    stdin: bytes | None = None,
    limit: int = MAX_OUTPUT,
) -> Finished:
    """Run git in a repository's git directory; every failure is a result.

    Args:
        repository: Where.
        arguments: The command and its arguments; paths in them are literal and relative to the top.
        timeout: Seconds after which it is ended.
        stdin: What it is given.
        limit: Bytes that it may write.
    """
    runner = SubprocessRunner(environment(), limit)
    # os.path.join: git directories of linked working trees may be given relative to the top.
    cwd = os.path.join(repository.top, repository.git_dir)
    return runner.run(["git", *_OFF, *arguments], cwd=cwd, timeout=timeout, stdin=stdin)


def open_git(repository: Repository, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start git as :func:`run_git` does, with pipes to and from it; it ends at the end of its input.

    Raises:
        OSError: git cannot be started.
    """
    return subprocess.Popen(
        ["git", *_OFF, *arguments],
        cwd=os.path.join(repository.top, repository.git_dir),
        env={**environment(), "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
    )

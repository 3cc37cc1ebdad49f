"""Read commits from git: the newest ids behind HEAD, and the messages and changed files of some of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from spelunk.errors import SpelunkError
from spelunk.files.git_dir import Repository
from spelunk.files.git_run import run_git
from spelunk.io.program import NOT_FOUND, TIMED_OUT, TOO_LARGE, Finished
from spelunk.io.regular import read_small

BATCH: Final = 500
"""Commits read by one git process."""

TIMEOUT: Final = 60.0
"""Seconds for one call of git; 10,000 commits take it one."""

MAX_MESSAGE: Final = 20_000
"""Characters kept of a message; the longest of redis, sphinx and pytest has 13,500."""

MAX_CHANGES: Final = 200
"""Changed files kept of a commit; the count has all of them. A commit with more is a mass edit
and says little of each file."""

_FORMAT: Final = "--format=%x00%H%x00%an%x00%at%x00%P%x00%B"

_DETAIL: Final = (("-M", "-l200", "--name-status"), ("--no-renames", "--name-status"), ("-s",))
"""What to ask for, the most first. Renames need contents and files need trees, which a partial clone may lack."""


class Change(NamedTuple):
    """A file that a commit changed; paths are relative to the repository's top.

    Attributes:
        status: git's letter: ``A`` added, ``M`` modified, ``D`` deleted, ``R`` renamed, ``T`` type changed.
        path: The file; of a deletion the one that went.
        old: The former path of a renamed file, or "".
    """

    status: str
    path: str
    old: str = ""


class LoggedCommit(NamedTuple):
    """A commit as git tells it.

    Attributes:
        id: Its full id.
        author: The author's name.
        time: The author's time, in seconds since the epoch.
        parents: Number of parents.
        message: Subject and body, at most :data:`MAX_MESSAGE` characters.
        changes: Files changed against the first parent, at most :data:`MAX_CHANGES`.
        files: How many files were changed.
    """

    id: str
    author: str
    time: int
    parents: int
    message: str
    changes: tuple[Change, ...]
    files: int


class GitError(SpelunkError):
    """git is missing, refuses the repository or does not answer; the message is one line."""


def newest(repository: Repository, limit: int) -> list[str]:
    """The ids of the newest commits reachable from HEAD, newest first; none where HEAD is unborn.

    Raises:
        GitError: git cannot answer.
    """
    known = run_git(repository, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], timeout=TIMEOUT)
    if known.code == 1 and not known.out:
        return []  # no commit yet
    _check(known)
    tip = known.text.strip()
    listed = run_git(repository, ["rev-list", f"--max-count={limit}", tip, "--"], timeout=TIMEOUT)
    _check(listed)
    return listed.text.split()


def shallow_edge(repository: Repository) -> frozenset[str]:
    """The commits whose parents a shallow clone lacks."""
    raw = read_small(os.path.join(repository.common, "shallow")) or b""
    return frozenset(raw.decode("ascii", "replace").split())


def read_commits(repository: Repository, ids: Sequence[str]) -> Iterator[LoggedCommit]:
    """Messages and changed files of commits, in the order given.

    The changes of a merge are those against its first parent; those of a
    commit whose parents a shallow clone lacks are not known.

    Raises:
        GitError: git cannot answer.
    """
    shallow = shallow_edge(repository)
    for at in range(0, len(ids), BATCH):
        for commit in _batch(repository, ids[at : at + BATCH], 0):
            yield commit._replace(changes=(), files=0) if commit.id in shallow else commit


def _batch(repository: Repository, ids: Sequence[str], detail: int) -> Iterator[LoggedCommit]:
    arguments = ["log", "--no-walk=unsorted", "--stdin", "-z", "--no-color", "--no-show-signature",
                 "--no-notes", "--no-mailmap", "--no-ext-diff", "--no-textconv", "-m", "--first-parent",
                 *_DETAIL[detail], _FORMAT]  # fmt: skip
    done = run_git(repository, arguments, timeout=TIMEOUT, stdin=("\n".join(ids) + "\n").encode())
    if done.code == 0:
        yield from parse_log(done.out)
    elif len(ids) > 1 and done.code in (TOO_LARGE, TIMED_OUT):
        half = len(ids) // 2
        yield from _batch(repository, ids[:half], detail)
        yield from _batch(repository, ids[half:], detail)
    elif detail + 1 < len(_DETAIL) and done.code != NOT_FOUND:
        yield from _batch(repository, ids, detail + 1)
    else:
        _check(done)


def parse_log(out: bytes) -> Iterator[LoggedCommit]:
    """The commits in git's output; pieces between NULs, as :data:`_FORMAT` and ``-z`` put them."""
    pieces = out.decode("utf-8", "surrogateescape").split("\0")
    at, end = 0, len(pieces)
    while at + 5 < end:
        if pieces[at].strip("\n"):
            at += 1
            continue
        commit, author, moment, parents, message = pieces[at + 1 : at + 6]
        at += 6
        changes: list[Change] = []
        files = 0
        while at + 1 < end and (status := pieces[at].strip("\n")):
            renamed = status[0] in "RC"
            paths = pieces[at + 1 : at + (3 if renamed else 2)]
            at += 1 + len(paths)
            files += 1
            if len(changes) < MAX_CHANGES:
                changes.append(Change(status[0], paths[-1], paths[0] if status[0] == "R" else ""))
        yield LoggedCommit(
            commit.strip("\n"),
            _shown(author),
            int(moment) if moment.lstrip("-").isdigit() else 0,
            len(parents.split()),
            _shown(message).replace("\r\n", "\n")[:MAX_MESSAGE].strip(),
            tuple(changes),
            files,
        )


def _shown(text: str) -> str:
    """Text in which bytes that are not UTF-8 are shown as such."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _check(done: Finished) -> None:
    if done.code:
        raise GitError(done.reason or f"git: exit status {done.code}")

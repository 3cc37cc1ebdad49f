"""The commits behind a place, read from git when it is asked for: a file's, some lines', the last of some lines.

Lines are given as the file has them now. git counts those of HEAD, so lines
that differ are mapped first; a line that is not committed yet has no commit.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from spelunk.errors import UsageError
from spelunk.files.git_dir import Repository, repository_of
from spelunk.files.git_log import GitError, read_commits
from spelunk.files.git_run import run_git
from spelunk.history.worklogs import WorklogNote, notes_about
from spelunk.io.regular import read_small
from spelunk.types import Commit

TIMEOUT: Final = 30.0
"""Seconds for one call of git: ``git log -L`` over a long history takes one or two."""

BLAME_SECONDS: Final = 10.0
"""Seconds after which no further file is blamed for the hits of one answer."""

MAX_DIFF_LINES: Final = 3_000
"""Lines between the common head and tail of two versions that are compared; more count as rewritten."""

IGNORED_REVISIONS: Final = ".git-blame-ignore-revs"
"""The file whose commits a blame passes over, by the convention of git hosts: reformats."""
MAX_IGNORED: Final = 200

_ID: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_BLAMED: Final = re.compile(r"([0-9a-f]{40,64}) \d+ \d+ \d+$", re.MULTILINE)


class Span(NamedTuple):
    """Lines of a file, 1-based and inclusive; the path is relative to the workspace."""

    path: str
    first: int
    last: int


class PlaceHistory(Struct, frozen=True):
    """The commits and the branchwork entries behind a place.

    Attributes:
        root: The workspace.
        path: The file or folder, relative to it.
        lines: First and last line; None for the whole file.
        commits: Newest first.
        worklogs: Lines of branchwork documents that name the file, and documents of merged branches.
        notice: What is missing and why, one line; "".
    """

    root: str
    path: str
    lines: tuple[int, int] | None = None
    commits: tuple[Commit, ...] = ()
    worklogs: tuple[WorklogNote, ...] = ()
    notice: str = ""


def history_of(root: str, path: str, lines: tuple[int, int] | None, limit: int) -> PlaceHistory:
    """The commits that changed a file, or some lines of it, renames followed, and what branchwork says of it.

    Args:
        root: Absolute path of the workspace.
        path: Relative to it; a file that is no longer there has a past too.
        lines: First and last line; None for the whole file.
        limit: How many commits, the newest.

    Raises:
        UsageError: The file has no such line.
        GitError: git is missing, refuses the repository or does not answer.
    """
    commits, notice = _past_of(root, path, lines, limit)
    subjects = [*(c.subject for c in commits), *_merges_of(root, path, limit)]
    notes = notes_about(root, path, subjects, limit)
    return PlaceHistory(root, path, lines, tuple(commits), tuple(notes), notice)


def _merges_of(root: str, path: str, limit: int) -> list[str]:
    """The subjects of the newest merges into HEAD's branch that brought changes of a path."""
    repository = repository_of(root)
    if repository is None:
        return []
    done = run_git(
        repository,
        ["log", "--merges", "--first-parent", "-m", "--format=%s", f"--max-count={limit}", "HEAD", "--",
         _inside(repository, root, path)],
        timeout=TIMEOUT,
    )  # fmt: skip
    return done.text.splitlines() if done.code == 0 else []


def _past_of(root: str, path: str, lines: tuple[int, int] | None, limit: int) -> tuple[list[Commit], str]:
    repository = repository_of(root)
    if repository is None:
        return [], "in no git repository"
    if shutil.which("git") is None:
        return [], "git is not installed"
    inside = _inside(repository, root, path)
    arguments = ["log", "--format=%H", f"--max-count={limit}"]
    notice = ""
    if lines is None:
        is_folder = os.path.isdir(os.path.join(root, path))
        arguments += ["HEAD", "--", inside] if is_folder else ["--follow", "HEAD", "--", inside]
    else:
        mapped, notice = _mapped(repository, inside, os.path.join(root, path), lines)
        if mapped is None:
            return [], notice
        # No text conversion runs: only the numbers of lines are followed, no patch is made.
        arguments += [
            "-s",
            "--no-textconv",
            "--no-ext-diff",
            f"-L{mapped[0]},{mapped[1]}:{inside}",
            "HEAD",
            "--",
        ]
    done = run_git(repository, arguments, timeout=TIMEOUT)
    if done.code and not _has_head(repository):
        return [], "the repository has no commit yet"
    if done.code:
        raise GitError(done.reason)
    found = _told(repository, root, [i for i in done.text.split() if _ID.fullmatch(i)])
    return found, notice or ("" if found else "no commit has changed it")


def last_changes(root: str, spans: Sequence[Span]) -> dict[Span, Commit]:
    """The last commit that changed each of some spans; those without a committed line are left out.

    One blame for each span, and none after :data:`BLAME_SECONDS`.
    """
    repository = repository_of(root)
    if repository is None:
        return {}
    until = time.monotonic() + BLAME_SECONDS
    ignored = [f"--ignore-rev={i}" for i in _ignored(repository)]
    blamed: dict[Span, list[str]] = {}
    for span in spans:
        left = until - time.monotonic()
        if left <= 0:
            break
        inside, file = _inside(repository, root, span.path), os.path.join(root, span.path)
        mapped, _ = _mapped(repository, inside, file, (span.first, span.last), clip=True)
        if mapped is None:
            continue
        lines = f"-L{mapped[0]},{mapped[1]}"
        arguments = ["blame", "--porcelain", "--no-textconv", *ignored, lines, "HEAD", "--", inside]
        done = run_git(repository, arguments, timeout=left)
        if done.code == 0:
            blamed[span] = list(dict.fromkeys(m[1] for m in _BLAMED.finditer(done.text)))
    wanted = list(dict.fromkeys(i for ids in blamed.values() for i in ids))
    if not wanted:
        return {}
    try:
        newest = {i: n for n, i in enumerate(_newest_first(repository, wanted))}
        last = {
            span: min(ids, key=lambda i: newest.get(i, len(newest))) for span, ids in blamed.items() if ids
        }
        known = {c.id: c for c in _told(repository, root, list(dict.fromkeys(last.values())))}
    except GitError:
        return {}
    return {span: known[i] for span, i in last.items() if i in known}


def _newest_first(repository: Repository, ids: Sequence[str]) -> list[str]:
    done = run_git(
        repository,
        ["rev-list", "--no-walk=sorted", "--stdin"],
        timeout=TIMEOUT,
        stdin="\n".join(ids).encode(),
    )
    if done.code:
        raise GitError(done.reason)
    return done.text.split()


def _told(repository: Repository, root: str, ids: Sequence[str]) -> list[Commit]:
    from spelunk.history.source import row_below
    from spelunk.history.told import commit_of_row

    inside = _inside(repository, root, "")
    return [commit_of_row(row_below(commit, inside)) for commit in read_commits(repository, ids)]


def _inside(repository: Repository, root: str, path: str) -> str:
    """A path of the workspace relative to the repository's top; for "" the workspace with a slash, or ""."""
    below = os.path.relpath(root, os.path.realpath(repository.top))
    prefix = "" if below == "." else below + "/"
    return prefix + path


def _has_head(repository: Repository) -> bool:
    return run_git(repository, ["rev-parse", "--verify", "--quiet", "HEAD"], timeout=TIMEOUT).code == 0


def _mapped(
    repository: Repository, inside: str, file: str, lines: tuple[int, int], *, clip: bool = False
) -> tuple[tuple[int, int] | None, str]:
    """Lines of a file as HEAD numbers them; None with the reason where none of them is committed.

    Raises:
        UsageError: The file has no such line, and ``clip`` is false.
    """
    done = run_git(repository, ["cat-file", "blob", f"HEAD:{inside}"], timeout=TIMEOUT)
    if done.code:
        return None, "not committed yet"
    then = _lines(done.out)
    raw = read_small(file)
    now = then if raw is None else _lines(raw)
    first, last = lines
    if clip:  # the file may have changed since the index saw it
        first, last = min(first, len(now)), min(last, len(now))
    if not 1 <= first <= last <= len(now):
        if clip:
            return None, "the file has changed"
        raise UsageError(f"{inside}:{last}: the file has {len(now)} lines")
    line_of = _LineMap(now, then)
    numbers = [n for line in range(first, last + 1) if (n := line_of(line)) is not None]
    if not numbers:
        return None, "these lines are not committed yet"
    part = len(numbers) < last - first + 1
    return (min(numbers), max(numbers)), "some of these lines are not committed yet" if part else ""


def _lines(raw: bytes) -> list[bytes]:
    lines = raw.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.rstrip(b"\r") for line in lines]


class _LineMap:
    """Where lines of one version are in another; a changed line has no place."""

    def __init__(self, now: Sequence[bytes], then: Sequence[bytes]) -> None:
        head, end = 0, min(len(now), len(then))
        while head < end and now[head] == then[head]:
            head += 1
        tail = 0
        while tail < end - head and now[-1 - tail] == then[-1 - tail]:
            tail += 1
        self._head, self._tail, self._count, self._shift = head, tail, len(now), len(then) - len(now)
        middle, other = now[head : len(now) - tail], then[head : len(then) - tail]
        self._middle: dict[int, int] = {}
        if middle and other and max(len(middle), len(other)) <= MAX_DIFF_LINES:
            for block in difflib.SequenceMatcher(None, middle, other, autojunk=False).get_matching_blocks():
                for n in range(block.size):
                    self._middle[head + block.a + n + 1] = head + block.b + n + 1

    def __call__(self, line: int) -> int | None:
        """The number of a line in the other version, both from 1."""
        if line <= self._head:
            return line
        if line > self._count - self._tail:
            return line + self._shift
        return self._middle.get(line)


def _ignored(repository: Repository) -> list[str]:
    """Commits that a blame passes over, if HEAD's history has them: git refuses ids that it does not know."""
    raw = read_small(os.path.join(repository.top, IGNORED_REVISIONS), follow=False) or b""
    words = (line.partition("#")[0].strip() for line in raw.decode("utf-8", "replace").splitlines())
    ids = [word for word in words if _ID.fullmatch(word)][:MAX_IGNORED]
    return _existing(repository, ids) if ids else []


def _existing(repository: Repository, ids: Iterable[str]) -> list[str]:
    names = "".join(f"{i}\n" for i in ids).encode()
    done = run_git(repository, ["cat-file", "--batch-check"], timeout=TIMEOUT, stdin=names)
    rows = (line.split() for line in done.text.splitlines())
    return [row[0] for row in rows if len(row) == 3 and row[1] == "commit"]

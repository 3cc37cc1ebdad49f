"""What differs between a revision and the index: changed lines, and the definitions that they lie in."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from spelunk.errors import UsageError
from spelunk.files.git_dir import Repository, repository_of
from spelunk.files.git_run import run_git
from spelunk.graph.impact import Changed
from spelunk.graph.languages import NOT_CODE
from spelunk.graph.view import GraphView
from spelunk.io.program import Finished
from spelunk.store.relation_reader import DefinitionRow
from spelunk.types import Flag

TIMEOUT: Final = 30.0
"""Seconds for one call of git."""
MOST_FILES: Final = 1_000
"""Changed files that are compared line by line."""
MOST_LINES: Final = 20_000
"""Lines of a file that are compared line by line; a longer one counts as changed as a whole."""
MOST_TEXTS: Final = 5_000
"""Differing lines whose words and names are looked at."""

_SAYS_NOTHING: Final = re.compile(
    r"$|//(?!go:|\s*\+build\b)|/?\*|--|;|%|\"\"\"|'''|[)\]}(,;]+$"
    r"|#(?!!?\[|\s*(?:define|undef|if|ifdef|ifndef|elif|else|endif|pragma)\b)"
    r"|(?:from|import|use|using|package|require|include|export \*|alias)\b"
)
"""Lines outside any definition that change no behaviour by themselves: comments, brackets, imports. Directives of a
compiler that are written as comments (``//go:build``) and attributes (``#[cfg(…)]``) are none of them."""


def changed_since(view: GraphView, root: str, revision: str) -> Changed:
    """What the indexed files changed since a revision of the repository that holds the workspace.

    Args:
        view: The generation: its texts are what is compared.
        root: Absolute path of the workspace.
        revision: Any name of a commit.

    Raises:
        UsageError: No repository holds the folder, or there is no such revision.
    """
    repository = repository_of(root)
    if repository is None:
        raise UsageError(f"{root}: not in a git repository; name a PATH or a symbol instead of --diff")
    commit = _commit(repository, revision)
    inside = os.path.relpath(os.path.realpath(root), os.path.realpath(repository.top))
    prefix = "" if inside == "." else inside + "/"
    paths = [p[len(prefix) :] for p in _changed_paths(repository, commit) if p.startswith(prefix)]
    rows_at = view.reader.files_at(paths)
    gone = [path for path in paths if path not in rows_at]
    left: list[str] = []
    if gone:
        left.append(f"{len(gone):,} changed files are not in the index: deleted, ignored or no text")
    if len(rows_at) > MOST_FILES:
        left.append(f"{len(rows_at) - MOST_FILES:,} more changed files were not compared")
    rows: dict[DefinitionRow, None] = {}
    files: dict[int, None] = {}
    touched: list[int] = []
    texts: list[str] = []
    for path in sorted(rows_at)[:MOST_FILES]:
        row = rows_at[path]
        view.load_rows([row.id])
        before = _text(repository, commit, prefix + path)
        lines, differing = _difference(before, view.lines(row.id))
        inner, outer = _definitions(view, row.id, lines)
        if row.language not in NOT_CODE and not row.flags & Flag.TEST:
            texts += differing[: MOST_TEXTS - len(texts)]
        rows.update(dict.fromkeys(inner))
        if outer:
            files[row.id] = None
        elif lines and not inner and row.language not in NOT_CODE:
            touched.append(row.id)
    return Changed(list(rows), list(files), left, touched, "\n".join(texts))


def _definitions(view: GraphView, file: int, lines: Iterable[int]) -> tuple[list[DefinitionRow], bool]:
    """The definitions that lines lie in, and whether some that say something lie in none."""
    rows: dict[DefinitionRow, None] = {}
    outside = False
    imports: set[int] | None = None
    for line in lines:
        inside = view.enclosing(file, line)
        if inside is None:
            if outside or _SAYS_NOTHING.match(view.line(file, line)):
                continue
            if imports is None:
                imports = {one.line for one in view.imports(file)}
            outside = line not in imports
        else:
            rows[inside] = None
    return list(rows), outside


def _commit(repository: Repository, revision: str) -> str:
    if not revision or revision.startswith("-") or ".." in revision:
        raise UsageError(f"{revision!r}: give one revision, as `git rev-parse` takes it: HEAD~3, main, v1.2")
    done = _git(repository, ["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"])
    found = done.out.decode("ascii", "replace").strip()
    if done.code or not found:
        raise UsageError(f"{revision}: no such revision in {repository.top}")
    return found


def _changed_paths(repository: Repository, commit: str) -> list[str]:
    """Paths that differ between a commit, HEAD, git's index and the working tree, relative to the top.

    The working tree is compared by the stamps in git's index alone, so no file of
    it is read and no filter runs; a file that was only touched has no changed lines.
    """
    names: set[str] = set()
    calls = [
        ["diff-tree", "-r", "-z", "--no-renames", "--name-only", commit, "HEAD"],
        ["diff-index", "--cached", "-z", "--no-renames", "--name-only", "HEAD"],
        [f"--work-tree={repository.top}", "diff-files", "-z", "--name-only", "--ignore-submodules=all"],
    ]
    for arguments in calls:
        done = _git(repository, arguments)
        names |= {os.fsdecode(name) for name in done.out.split(b"\0") if name}
    return sorted(names)


def _text(repository: Repository, commit: str, path: str) -> str:
    """A file's text in a commit; "" where it was not there."""
    done = _git(repository, ["cat-file", "blob", f"{commit}:{path}"])
    return done.out.decode("utf-8", "replace") if not done.code else ""


def _git(repository: Repository, arguments: Sequence[str]) -> Finished:
    return run_git(repository, arguments, timeout=TIMEOUT)


class LineDifference(NamedTuple):
    """How a text differs from an earlier one.

    Attributes:
        lines: Of the new text those that are new or changed, or that follow removed ones, 1-based.
        texts: The lines themselves, and those that are gone; none where they were not compared.
    """

    lines: list[int]
    texts: list[str]


def _difference(before: str, after: Sequence[str]) -> LineDifference:
    """The lines in which a file differs from its text before."""
    old = before.split("\n")
    if len(old) > MOST_LINES or len(after) > MOST_LINES:
        return LineDifference(list(range(1, len(after) + 1)) if old != list(after) else [], [])
    old = [line.rstrip("\r") for line in old]
    new = [line.rstrip("\r") for line in after]
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    a, b = old[first : len(old) - last], new[first : len(new) - last]
    lines: set[int] = set()
    texts: list[str] = []
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=len(a) > 2_000)
    for tag, was, was_end, start, end in matcher.get_opcodes():
        if tag == "equal":
            continue
        texts += a[was:was_end] + b[start:end]
        if tag == "delete":
            lines.add(min(first + start + 1, max(1, len(new))))
        else:
            lines.update(range(first + start + 1, first + end + 1))
    return LineDifference(sorted(lines), texts)

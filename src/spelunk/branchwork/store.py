"""The documents on disk: found by front matter, written atomically under one lock.

No command depends on the link ``CURRENT.md`` or on file names, and no change
that another process writes at the same time is lost.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from msgspec import Struct, field

from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.errors import BranchworkError, DocumentMissingError
from spelunk.branchwork.names import ARCHIVED_FILE, CURRENT_FILE, current_name, slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.git import Repo
from spelunk.io import atomic, filelock
from spelunk.io import lines as text_lines

LOCK_NAME: Final = "spelunk-branchwork.lock"
LOCK_SECONDS: Final = 30.0
"""An edit holds the lock for milliseconds; a longer wait means that its holder is stopped."""


class Stored(Struct, frozen=True):
    """A document and its place.

    Attributes:
        path: Relative to the repository.
        ref: The branch whose tree holds it; ``""`` for the working tree.
        archived: Whether its name is that of the archive.
    """

    path: str
    doc: Worklog
    ref: str = ""
    archived: bool = False

    @property
    def branch(self) -> str:
        """The branch that the document is about."""
        return self.doc.field("branch.name")

    @property
    def slug(self) -> str:
        """The slug in its front matter, without the prefix."""
        return self.doc.field("slug").removeprefix("branchwork-")


class Outcome(Struct, frozen=True):
    """The result of a command that writes, or would write.

    Attributes:
        path: The document, relative to the repository.
        before: Its text before; None if there was none.
        after: Its text after, also in a dry run.
        write: False for a dry run.
        notes: Lines for people.
        facts: More results, JSON-ready.
    """

    command: str
    branch: str
    path: str
    before: str | None
    after: str
    write: bool
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the text differs from the text before."""
        return self.before != self.after

    @property
    def written(self) -> bool:
        """Whether a change is on disk."""
        return self.changed and self.write

    def diff(self) -> str:
        """The change as a unified diff."""
        import difflib

        old = "/dev/null" if self.before is None else f"a/{self.facts.get('from', self.path)}"
        texts = text_lines.split(self.before or ""), text_lines.split(self.after)
        lines = difflib.unified_diff(*texts, old, f"b/{self.path}")
        end = "\n\\ No newline at end of file\n"
        return "".join(line if line.endswith("\n") else line + end for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """As data, for ``--json``; with the diff where the change is not on disk."""
        diff = {"diff": self.diff()} if self.changed and not self.written else {}
        return {
            "schema_version": 1, "command": self.command, "branch": self.branch, "path": self.path,
            "changed": self.changed, "written": self.written, **self.facts, "notes": list(self.notes), **diff,
        }  # fmt: skip


class Store:
    """The documents of one working tree."""

    def __init__(self, repo: Repo, settings: Settings) -> None:
        self.repo, self.settings = repo, settings
        self.folder = os.path.join(repo.root, settings.dir)

    def absolute(self, path: str) -> str:
        """A relative path on disk."""
        return os.path.join(self.repo.root, path)

    def read(self, path: str) -> Worklog:
        """The document at a relative path.

        Raises:
            DocumentMissingError: It cannot be read.
        """
        try:
            with open(self.absolute(path), "rb") as file:
                return Worklog.parse(text_lines.decode(file.read()))
        except OSError as error:
            raise DocumentMissingError(f"{path}: cannot be read: {error.strerror}") from None

    def current(self) -> list[Stored]:
        """The live documents, by name."""
        return [Stored(path, self.read(path)) for path in self._paths(CURRENT_FILE.match)]

    def archived(self) -> list[Stored]:
        """The archived documents, newest first."""
        paths = reversed(self._paths(ARCHIVED_FILE.match))
        return [Stored(path, self.read(path), archived=True) for path in paths]

    def _paths(self, wanted: Callable[[str], object]) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries if wanted(entry.name) and entry.is_file()]
        except OSError:
            return []
        return [f"{self.settings.dir}/{name}" for name in sorted(names)]

    def free(self, name: str) -> str:
        """The relative path of a new document; a number is added to a name that is in use."""
        path, n = f"{self.settings.dir}/{name}", 1
        while os.path.lexists(self.absolute(path)):
            n += 1
            path = f"{self.settings.dir}/{name.removesuffix('.md')}-{n}.md"
        return path

    def find(self, branch: str) -> Stored | None:
        """The branch's live document, by front matter."""
        path = f"{self.settings.dir}/{current_name(slug(branch))}"
        if os.path.isfile(self.absolute(path)):
            stored = Stored(path, self.read(path))
            if stored.branch == branch:
                return stored
        return next((stored for stored in self.current() if stored.branch == branch), None)

    def find_own(self, branch: str) -> Stored | None:
        """The branch's live document, also under a name that the branch had before ``git branch -m``."""
        stored = self.find(branch)
        if stored is None:
            former = (n for n in self.repo.former_names(branch) if n not in self.repo.branches.refs)
            stored = next((s for s in map(self.find, former) if s is not None), None)
        return stored

    def on_branches(self, branches: Iterable[str]) -> dict[str, Stored]:
        """The documents that branches hold in their own trees, by branch."""
        refs = self.repo.branches.refs
        folder = self.settings.dir
        names = {f"{refs[b].full}:{folder}/{current_name(slug(b))}": b for b in branches if b in refs}
        texts = self.repo.texts(list(names))
        stored = [Stored(n.partition(":")[2], Worklog.parse(t), names[n]) for n, t in texts.items()]
        return {s.ref: s for s in stored if s.branch == s.ref}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the repository's lock; the system releases it when the process ends."""
        path = os.path.join(self.repo.common, LOCK_NAME)
        handle = filelock.open_lock(path, mode=0o644)
        try:
            if not filelock.acquire(handle, timeout=LOCK_SECONDS):
                raise BranchworkError(f"{path}: held by another process; end it and try again")
            yield
        finally:
            os.close(handle)

    def edit(self, path: str, change: Callable[[Worklog], Worklog], *, write: bool = True) -> tuple[str, str]:
        """Change a document under the lock; its text before and after.

        If another program saves the file meanwhile, the change is made again on the new text.
        """
        with self.locked():
            while True:
                before = self.read(path).text
                after = change(Worklog.parse(before)).text
                if after == before or not write or replace(self.absolute(path), after, expected=before):
                    return before, after


class _ChangedError(Exception):
    """The file is no longer what it should be."""


def replace(path: str, text: str, *, expected: str | None = None) -> bool:
    """Replace a file atomically and flush it to disk; a symbolic link stays, and so does the mode.

    Args:
        expected: The text that the file must still hold just before; None for no such condition.

    Returns:
        False, with nothing changed, if the file holds another text by now.
    """
    path = os.path.realpath(path)
    try:
        with atomic.replacing(path, durable=True) as aside:
            with open(aside, "wb") as file:
                file.write(text_lines.encode(text))
                file.flush()
                os.fsync(file.fileno())
            if os.path.exists(path):
                os.chmod(aside, os.stat(path).st_mode & 0o7777)
            if expected is not None:
                with open(path, "rb") as file:
                    if file.read() != text_lines.encode(expected):
                        raise _ChangedError
    except _ChangedError:
        return False
    return True

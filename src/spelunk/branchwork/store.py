"""The documents on disk: found by front matter, written whole under one lock.

Useful for everything that must not depend on the link or on file names, and
must not lose what another process writes at the same time.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from spelunk.branchwork.document.document import Document
from spelunk.branchwork.errors import BranchworkError, DocumentMissingError
from spelunk.branchwork.names import ARCHIVED_FILE, CURRENT_FILE, current_name, slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.git import Repo
from spelunk.io import lines as text_lines

LOCK_NAME: Final = "spelunk-branchwork.lock"
LOCK_SECONDS: Final = 30.0
"""An edit holds the lock for milliseconds; whoever waits longer is behind a stopped process."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document and where it is.

    Attributes:
        path: Relative to the repository.
        ref: The branch whose tree holds it; ``""`` for the working tree.
        archived: Whether its name is that of the archive.
    """

    path: str
    doc: Document
    ref: str = ""
    archived: bool = False

    @property
    def branch(self) -> str:
        """The branch that the document is about."""
        return self.doc.field("branch.name")


class Store:
    """The documents of one working tree."""

    def __init__(self, repo: Repo, settings: Settings) -> None:
        self.repo, self.settings = repo, settings
        self.folder = os.path.join(repo.root, settings.dir)

    def absolute(self, path: str) -> str:
        """A relative path on disk."""
        return os.path.join(self.repo.root, path)

    def read(self, path: str) -> Document:
        """The document at a relative path.

        Raises:
            DocumentMissingError: It cannot be read.
        """
        try:
            with open(self.absolute(path), "rb") as file:
                return Document.parse(text_lines.decode(file.read()))
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

    def find(self, branch: str) -> Stored | None:
        """The branch's live document: by front matter, whatever the file is called."""
        path = f"{self.settings.dir}/{current_name(slug(branch))}"
        if os.path.isfile(self.absolute(path)):
            stored = Stored(path, self.read(path))
            if stored.branch == branch:
                return stored
        return next((stored for stored in self.current() if stored.branch == branch), None)

    def find_renamed(self, branch: str) -> Stored | None:
        """The document of a branch that has been renamed since."""
        known = self.repo.branches().refs
        for former in self.repo.former_names(branch):
            if former not in known:
                stored = self.find(former)
                if stored is not None:
                    return stored
        return None

    def on_branches(self, branches: Iterable[str]) -> dict[str, Stored]:
        """The documents that branches hold in their own trees, by branch."""
        refs = self.repo.branches().refs
        names = {
            f"{refs[b].full}:{self.settings.dir}/{current_name(slug(b))}": b for b in branches if b in refs
        }
        found: dict[str, Stored] = {}
        for name, text in self.repo.texts(list(names)).items():
            branch = names[name]
            stored = Stored(name.partition(":")[2], Document.parse(text), ref=branch)
            if stored.branch == branch:
                found[branch] = stored
        return found

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the repository's lock; the system drops it when its holder ends."""
        import fcntl

        path = os.path.join(self.repo.common, LOCK_NAME)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            give_up = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > give_up:
                        raise BranchworkError(
                            f"{path}: held by another process for {LOCK_SECONDS:g} s; end it and try again"
                        ) from None
                    time.sleep(0.005)
            yield
        finally:
            os.close(handle)

    def edit(
        self, path: str, change: Callable[[Document], Document], *, write: bool = True
    ) -> tuple[str, str]:
        """Change a document under the lock; its text before and after.

        A change that somebody else saves while this one is made is kept: the
        edit is made again on the new text.
        """
        with self.locked():
            while True:
                before = self.read(path).text
                after = change(Document.parse(before)).text
                if after == before or not write:
                    return before, after
                if replace(self.absolute(path), after, expected=before):
                    return before, after


def replace(path: str, text: str, *, expected: str | None = None) -> bool:
    """Write a file beside its place, flush it to disk, and rename it into place.

    Args:
        expected: What the file must still hold just before; None for no such condition.

    Returns:
        False, with nothing changed, if the file holds something else by now.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    aside = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        mode = os.stat(path).st_mode & 0o7777
    except FileNotFoundError:
        mode = 0
    try:
        with open(aside, "wb") as file:
            file.write(text_lines.encode(text))
            file.flush()
            os.fsync(file.fileno())
        if mode:
            os.chmod(aside, mode)
        if expected is not None:
            with open(path, "rb") as file:
                if file.read() != text_lines.encode(expected):
                    return False
        os.replace(aside, path)
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)
    sync_folder(folder)
    return True


def sync_folder(folder: str) -> None:
    """Flush a rename to disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)

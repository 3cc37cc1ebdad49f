"""A folder of the file system as a source of files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from spelunk.files import fence as fences
from spelunk.files.stamp import file_stamp
from spelunk.settings import format_size
from spelunk.types import Entry, Failed, Skipped

if TYPE_CHECKING:
    from spelunk.config import Options
    from spelunk.files.changes import PartialWalk
    from spelunk.files.source import Walk

READ_ATTEMPTS: Final = 2
"""A file that changes while it is read is read once more, then given up."""

# O_NONBLOCK: a FIFO that took the file's place must not hold the worker
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


class FolderSource:
    """Implements :class:`spelunk.files.source.Source`. No symbolic link below the root is followed."""

    def __init__(self, root: str) -> None:
        """Name the folder; it need not exist yet."""
        self.root = os.path.realpath(root)
        self._device: int | None = None

    @property
    def id(self) -> str:
        """``folder:`` and the absolute path."""
        return f"folder:{self.root}"

    @property
    def location(self) -> str:
        """The folder itself."""
        return self.root

    def walk(self, options: Options) -> Walk:
        """See :func:`spelunk.files.walk.walk`."""
        from spelunk.files.walk import walk  # a search that finds its index current needs none of it

        return walk(self.root, options)

    def walk_changed(self, options: Options, fence: bytes, changed: Iterable[str]) -> PartialWalk | None:
        """See :func:`spelunk.files.changes.walk_changed`."""
        from spelunk.files.changes import walk_changed

        return walk_changed(self.root, options, fence, changed)

    def unchanged(self, fence: bytes, files: Iterable[tuple[str, bytes]] = ()) -> bool:
        """Compare stats alone; some 30 ms for 10,000 files. False also where a look fails."""
        look = os.stat
        try:
            fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if not fences.holds(fence, fd):
                    return False
                for path, stamp in files:
                    if file_stamp(look(path, dir_fd=fd, follow_symlinks=False)) != stamp:
                        return False
            finally:
                os.close(fd)
        except (OSError, ValueError):  # ValueError: a damaged path with a NUL
            return False
        return True

    def stamp(self, path: str) -> bytes | None:
        """The stamp of a regular file; None for anything else."""
        if not _is_below(path):
            return None
        try:
            st = os.lstat(os.path.join(self.root, path))
        except (OSError, ValueError):
            return None
        return file_stamp(st) if stat.S_ISREG(st.st_mode) else None

    def read(self, entry: Entry, limit: int) -> bytes | Skipped | Failed:
        """The bytes of a regular file; a link that took its place is not followed."""
        if not _is_below(entry.path):
            return Failed(entry.path, "read", "not below the root")
        try:
            return self._stable_bytes(entry, limit)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return Skipped(entry.path, "symlink", "a symbolic link took the file's place")
            return Failed(entry.path, "read", _one_line(error))

    def close(self) -> None:
        """Nothing stays open."""

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """Let the kernel read files ahead, where it offers that."""
        if not hasattr(os, "posix_fadvise"):
            return
        for entry in entries:
            try:
                fd = os.open(os.path.join(self.root, entry.path), _FLAGS)
            except OSError:
                continue
            try:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
            except OSError:
                pass
            finally:
                os.close(fd)

    def _open(self, entry: Entry) -> tuple[int, os.stat_result]:
        """Open a file; a folder above it that became a link since the walk is not followed.

        The file that the walk saw is in the workspace wherever it was reached;
        any other is opened again, one folder at a time.

        Raises:
            OSError: It cannot be opened; ELOOP if a link is in the way.
        """
        fd = os.open(f"{self.root}/{entry.path}", _FLAGS)
        try:
            seen = os.fstat(fd)
            if self._device is None:
                self._device = os.stat(self.root).st_dev
            if seen.st_dev == self._device and file_stamp(seen) == entry.stamp:
                return fd, seen
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        *folders, name = entry.path.split("/")
        here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                try:
                    below = os.open(folder, _FLAGS | os.O_DIRECTORY, dir_fd=here)
                except NotADirectoryError:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                os.close(here)
                here = below
            fd = os.open(name, _FLAGS, dir_fd=here)
        finally:
            os.close(here)
        return fd, os.fstat(fd)

    def _stable_bytes(self, entry: Entry, limit: int) -> bytes | Skipped | Failed:
        for _ in range(READ_ATTEMPTS):
            fd, before = self._open(entry)
            try:
                if not stat.S_ISREG(before.st_mode):
                    return Skipped(entry.path, "special", "not a regular file")
                size = before.st_size
                if size > limit:
                    return Skipped(
                        entry.path, "too-large", f"{format_size(size)}, the limit is {format_size(limit)}"
                    )
                if size == 0:
                    return b""
                # one byte more than expected: growth shows without reading it all
                raw = os.read(fd, size + 1)
                while len(raw) < size:
                    more = os.read(fd, size + 1 - len(raw))
                    if not more:
                        break
                    raw += more
                after = os.fstat(fd)
            finally:
                os.close(fd)
            if len(raw) == size and file_stamp(before) == file_stamp(after):
                return raw
        return Failed(entry.path, "read", "the file kept changing while it was read")


def _is_below(path: str) -> bool:
    """Whether a relative path leads nowhere else; one from a damaged index may."""
    return not path.startswith("/") and ".." not in path.split("/")


def _one_line(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file vanished before it was read"
    return error.strerror or type(error).__name__

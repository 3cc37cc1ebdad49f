"""A source of files from a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import xxhash

from spelunk.files.path_rules import describe, path_flags
from spelunk.files.source import Source, Walk
from spelunk.files.walk import too_large
from spelunk.types import Entry, Failed, Skipped

if TYPE_CHECKING:
    from spelunk.config import Options


class MemorySource:
    """Implements :class:`spelunk.files.source.Source`. There are no ignore rules and no hidden names.

    Attributes:
        files: Bytes by relative path. A test may change it between two walks.
    """

    def __init__(self, files: Mapping[str, str | bytes], name: str = "files") -> None:
        """Make a source.

        Args:
            files: Content by relative path; text is encoded as UTF-8.
            name: Identifies the source: equal names must have equal files.
        """
        self.name = name
        self.files = {
            path: content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
            for path, content in files.items()
        }

    @property
    def id(self) -> str:
        """``memory:`` and the name."""
        return f"memory:{self.name}"

    @property
    def location(self) -> str:
        """The root of the file system, since no file is read."""
        return "/"

    def walk(self, options: Options) -> Walk:
        """Offer every file whose name and size allow it; ``max_file_size`` alone counts."""
        walk = Walk(fence=self._fence())
        for path, content in sorted(self.files.items()):
            language, _, skip = describe(path.rpartition("/")[2])
            if skip is not None:
                walk.skipped.append(Skipped(path, *skip))
            elif len(content) > options.max_file_size:
                walk.skipped.append(too_large(path, len(content), options.max_file_size))
            else:
                walk.rows.append((path, len(content), _stamp(content), language, int(path_flags(path))))
        return walk

    def unchanged(self, fence: bytes, files: Iterable[tuple[str, bytes]] = ()) -> bool:
        """Compare the names, and the stamps of the files given."""
        return fence == self._fence() and all(stamp == self.stamp(path) for path, stamp in files)

    def stamp(self, path: str) -> bytes | None:
        """A digest of the content; None where there is no such file."""
        content = self.files.get(path)
        return None if content is None else _stamp(content)

    def read(self, entry: Entry, limit: int) -> bytes | Skipped | Failed:
        """The bytes of a file."""
        content = self.files.get(entry.path)
        if content is None:
            return Failed(entry.path, "read", "the file vanished before it was read")
        return too_large(entry.path, len(content), limit) if len(content) > limit else content

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """There is nothing to read ahead."""

    def close(self) -> None:
        """Nothing is open."""

    def _fence(self) -> bytes:
        names = "\0".join(sorted(self.files)).encode("utf-8", "surrogateescape")
        return b"names" + xxhash.xxh3_128_digest(names)


def _stamp(content: bytes) -> bytes:
    return xxhash.xxh3_128_digest(content)


_: type[Source] = MemorySource

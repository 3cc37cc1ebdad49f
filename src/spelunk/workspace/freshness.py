"""Compare an index with its source before and after a search, as the ``freshness`` setting says.

The comparison before a search looks at stamps alone: one stat for every folder
(which shows files added, removed and renamed), every rule file and every file
that was read. 10,000 files take some 30 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final, Protocol

from spelunk.config import Options
from spelunk.errors import ConfigError, IndexMissingError, IndexStateError
from spelunk.files import fence
from spelunk.files.source import Source
from spelunk.store import writer_lock
from spelunk.store.manifest import Manifest
from spelunk.types import Entry
from spelunk.workspace.state import embeds, fingerprint, walk_fingerprint

RELAXED: Final = float("inf")

KEEPER_SECONDS: Final = 2.0
"""A search waits for a keeper for at most so long, and then compares and updates by itself."""

POLL_SECONDS: Final = 0.05
"""Between two looks for the first generation that another process publishes."""


def seconds_allowed(setting: str) -> float:
    """Age that a comparison may have: 0 for ``strict``, n for ``bounded:n``, no limit for ``relaxed``.

    Raises:
        ConfigError: None of these.
    """
    if setting == "strict":
        return 0.0
    if setting == "relaxed":
        return RELAXED
    kind, _, seconds = setting.partition(":")
    try:
        if kind == "bounded" and float(seconds) >= 0:
            return float(seconds)
    except ValueError:
        pass
    raise ConfigError(f"freshness = {setting!r}: use strict, bounded:SECONDS or relaxed")


class Keeper(Protocol):
    """What keeps an index up to date beside searches: a watcher."""

    def caught_up(self, seconds: float) -> bool:
        """Whether the index holds every change made before this call; waits for it for at most so long."""
        ...


class Age:
    """When an index was last compared with its source or updated, against the allowed age."""

    def __init__(self, allowed: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Count from never.

        Args:
            allowed: Seconds, from :func:`seconds_allowed`.
            clock: Seconds that only grow.
        """
        self.allowed = allowed
        self._clock = clock
        self._last = float("-inf")

    def is_allowed(self, freshness: str | None = None) -> bool:
        """Whether the last comparison is recent enough, for the setting or for ``freshness`` instead of it."""
        allowed = self.allowed if freshness is None else seconds_allowed(freshness)
        return self._clock() - self._last < allowed

    def must_be_strict(self, freshness: str | None = None) -> bool:
        """Whether no changed file may be in an answer."""
        return (self.allowed if freshness is None else seconds_allowed(freshness)) <= 0

    @property
    def last(self) -> float:
        """When that was, by the clock; minus infinity for never."""
        return self._last

    def now(self) -> float:
        """The clock's time; take it before a comparison begins."""
        return self._clock()

    def reset(self, began: float) -> None:
        """Record that the index was found current by a comparison, or made current by an update, begun then."""
        self._last = began


def wait_for_generation(directory: str) -> bool:
    """Wait while another process builds an index that has no generation yet; whether it published one."""
    while writer_lock.holder(directory) is not None:
        time.sleep(POLL_SECONDS)
        if published(directory):
            return True
    return published(directory)


def is_being_completed(directory: str) -> bool:
    """Whether a process is indexing the rest of a tree of which a part is published, and never was all of it."""
    try:
        manifest = Manifest(directory)
    except IndexStateError:
        return False
    try:
        # The walk is recorded by the first update that reaches its end.
        part = manifest.generation > 0 and manifest.meta("walk") is None
    finally:
        manifest.close()
    return part and writer_lock.holder(directory) is not None


def is_current(manifest: Manifest, source: Source, options: Options) -> bool:
    """Whether the published generation holds exactly what the source has, as far as stamps show."""
    if not manifest.meta("complete", 0) or manifest.meta("walk") != walk_fingerprint(options):
        return False
    if manifest.meta("fingerprint") != fingerprint(options) or not embeds(manifest.meta("embedder"), options):
        return False
    return source.unchanged(manifest.fence(), manifest.stamps())


def is_current_in(directory: str, source: Source, options: Options, *, vectors: bool = False) -> bool:
    """:func:`is_current` of the index in a directory; with ``vectors``, and no vector is pending.

    Raises:
        IndexStateError: There is none, or it cannot be read.
    """
    manifest = Manifest(directory)
    try:
        return is_current(manifest, source, options) and not (vectors and manifest.pending()[0])
    finally:
        manifest.close()


def look(directory: str, source: Source, options: Options) -> bool:
    """:func:`is_current_in`, and False where there is no index or it cannot be read."""
    try:
        return is_current_in(directory, source, options)
    except IndexStateError:
        return False


def published(directory: str) -> bool:
    """Whether the index in a directory has a published generation."""
    try:
        manifest = Manifest(directory)
    except IndexMissingError:
        return False
    try:
        return manifest.generation > 0
    finally:
        manifest.close()


def last_seen(directory: str) -> tuple[list[str], list[str]]:
    """The folders and the rule files that the last walk saw; none where there was none."""
    try:
        manifest = Manifest(directory)
    except IndexStateError:
        return [], []
    try:
        folders, rules = fence.parse(manifest.fence())
    finally:
        manifest.close()
    return [*folders], [*rules]


def stale_paths(manifest: Manifest, source: Source, paths: Collection[str], limit: int) -> set[str]:
    """Those of the paths whose file no longer has the content that was indexed.

    A file whose stamp is another, or was not to be trusted, is read and its
    digest compared.

    Args:
        manifest: Of the generation that was searched.
        source: Where the files are now.
        paths: Indexed paths.
        limit: A file with more bytes than this counts as changed.
    """
    stale: set[str] = set()
    for path in paths:
        indexed = manifest.stamp_and_digest(path)
        stamp = source.stamp(path)
        if (
            indexed is None
            or stamp is None
            or (stamp != indexed[0] and _digest(source, path, limit) != indexed[1])
        ):
            stale.add(path)
    source.close()
    return stale


def _digest(source: Source, path: str, limit: int) -> bytes:
    import xxhash

    raw = source.read(Entry(path, 0, b"", "text"), limit)
    return xxhash.xxh3_128_digest(raw) if isinstance(raw, bytes) else b""

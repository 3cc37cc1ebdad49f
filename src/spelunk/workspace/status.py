"""The status of an index: its state, what it holds, and the process that is writing to it."""

from __future__ import annotations

import math
import os
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from spelunk.config import Options
from spelunk.errors import IndexCorruptError, IndexFormatError, IndexMissingError
from spelunk.remote.breaker import BreakerState, states
from spelunk.store import writer_lock
from spelunk.store.commits import CommitCounts, counts_in
from spelunk.store.location import vectors_in
from spelunk.store.manifest import Manifest
from spelunk.types import Failed, Skipped
from spelunk.workspace import background, freshness, state
from spelunk.workspace.background import BackgroundRun
from spelunk.workspace.repositories import source_of

MAX_REFUSED_SHOWN: Final = 100
"""Refused chunks that a status lists; the count has all of them."""


class Refused(Struct, frozen=True):
    """A chunk for which the embedder makes no vector; full-text search still finds it."""

    path: str
    start_line: int
    end_line: int
    reason: str


class Status(Struct, frozen=True):
    """The state of an index.

    Attributes:
        root: The workspace.
        directory: The index directory.
        state: One of the names in :mod:`spelunk.workspace.state`.
        detail: The one-line reason where the state alone does not say it.
        generation: The newest published one; 0 without any.
        published: Time of that publish, in seconds since the epoch; 0.0 without any.
        files: Files indexed.
        chunks: Chunks indexed.
        vectors: Chunks that have a vector.
        skipped: Files that were skipped.
        failures: Files that failed.
        bytes: Size of the index on disk.
        embedder: Id of the embedder whose vectors are stored.
        pending_vectors: Chunks whose vector is still to be made.
        refused_vectors: Chunks for which the embedder makes none.
        refused: The first :data:`MAX_REFUSED_SHOWN` of those.
        degraded: Why vectors are pending, or None.
        breakers: Circuit breakers of the providers that have failed.
        languages: Files by language, most first.
        history: What is stored of the commits behind HEAD; None where nothing is.
        writer: The process that is writing now (pid, host, command, since), as far as known; or None.
        background: The background run that has not completed the index, or None.
    """

    root: str
    directory: str
    state: str
    detail: str = ""
    generation: int = 0
    published: float = 0.0
    files: int = 0
    chunks: int = 0
    vectors: int = 0
    skipped: tuple[Skipped, ...] = ()
    failures: tuple[Failed, ...] = ()
    bytes: int = 0
    embedder: str = ""
    pending_vectors: int = 0
    refused_vectors: int = 0
    refused: tuple[Refused, ...] = ()
    degraded: str | None = None
    breakers: tuple[BreakerState, ...] = ()
    languages: tuple[tuple[str, int], ...] = ()
    history: CommitCounts | None = None
    writer: dict[str, Any] | None = None
    background: BackgroundRun | None = None


def read_status(root: str, directory: str, options: Options, *, look: bool = True) -> Status:
    """Read the status of the index in a directory.

    Args:
        root: The workspace.
        directory: The index directory.
        options: The settings it is compared with.
        look: Compare with the files on disk, to tell ``current`` from ``behind``.

    Raises:
        IndexBusyError: The manifest is locked by another process.
    """
    base = Status(
        root, directory, state.MISSING, writer=_writer(directory), background=background.read(directory)
    )
    try:
        manifest = Manifest(directory)
    except IndexMissingError:
        return base
    except IndexFormatError as error:
        return replace(base, state=state.TOO_NEW, detail=str(error))
    except IndexCorruptError as error:
        return replace(base, state=state.CORRUPT, detail=str(error))
    try:
        return _status_of(manifest, base, options, look) if manifest.generation else base
    except IndexCorruptError as error:
        return replace(base, state=state.CORRUPT, detail=str(error))
    finally:
        manifest.close()


def _status_of(manifest: Manifest, base: Status, options: Options, look: bool) -> Status:
    pending, refused = manifest.pending()
    error = str(manifest.meta("embedder_error", "")) if pending else ""
    now, detail = _state_of(manifest, base.root, options, look, pending, error)
    files, chunks = manifest.counts()
    others = [outcome for outcome, _ in manifest.unindexed().values()]
    return replace(
        base,
        state=now,
        detail=detail,
        generation=manifest.generation,
        published=manifest.published_at(),
        files=files,
        chunks=chunks,
        vectors=vectors_in(manifest),
        skipped=tuple(outcome for outcome in others if isinstance(outcome, Skipped)),
        failures=tuple(outcome for outcome in others if isinstance(outcome, Failed)),
        bytes=_size_of(base.directory),
        embedder=str(manifest.meta("embedder", "")),
        pending_vectors=pending,
        refused_vectors=refused,
        refused=tuple(Refused(*row) for row in manifest.refused(MAX_REFUSED_SHOWN)),
        degraded=error or None,
        breakers=states(base.directory),
        languages=tuple(manifest.languages()),
        history=counts_in(base.directory),
    )


def _state_of(
    manifest: Manifest, root: str, options: Options, look: bool, pending: int, error: str
) -> tuple[str, str]:
    """The state of a published index, and its reason where the name does not say it."""
    if manifest.meta("fingerprint") != state.fingerprint(options):
        return state.OPTIONS_CHANGED, ""
    if not state.embeds(manifest.meta("embedder"), options):
        return (
            state.OPTIONS_CHANGED,
            "the settings name another embedder: `spelunk index` makes the vectors again, and reads no file",
        )
    if look and not freshness.is_current(manifest, source_of(root, manifest.directory), options):
        return state.BEHIND, ""
    if pending:
        reason = error or "interrupted"
        return state.BEHIND, f"{pending:,} chunks wait for a vector ({reason}); `spelunk index` makes them"
    return state.CURRENT, ""


def _writer(directory: str) -> dict[str, Any] | None:
    """The process that holds the writer's lock; fields of another type than they should have are left out."""
    holder = writer_lock.holder(directory)
    if holder is None:
        return None
    kinds: dict[str, type] = {"pid": int, "host": str, "command": str, "since": float}
    known = {name: holder[name] for name, kind in kinds.items() if isinstance(holder.get(name), kind)}
    if not math.isfinite(known.get("since", 0.0)):
        del known["since"]
    return known


def _size_of(directory: str) -> int:
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                pass  # a merge deleted it meanwhile
    return total

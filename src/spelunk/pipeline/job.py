"""What one update is to do, and what the index holds before it, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from spelunk.config import Options
from spelunk.files.source import Source
from spelunk.observe import Observer, null_observer
from spelunk.store.records import Known, Retained
from spelunk.types import Failed, Skipped
from spelunk.workspace.focus import Focus


class Job(Struct, frozen=True):
    """One update.

    Attributes:
        root: Absolute path of the workspace.
        directory: The index directory.
        options: The settings.
        rebuild: Build all stores again beside the published ones.
        dry_run: Only report what would be done.
        wait: Wait for another writer instead of raising.
        command: The name of this run in ``writer.json``.
        observer: Receives every event.
        run_id: The run's name; empty makes one.
        changed: Relative paths that changed: only their folders are looked at. None looks at all.
        patient: Make all pending vectors, however long a provider takes. Without
            it one round of calls is made, since a search waits for its end.
        source: Where the files come from; None for the workspace's folder.
        part: The folder of another index directory that this one is a part of, without
            a name of its own; "" where it is a whole one.
        listed: Whether the index becomes the one that the workspace is searched in.
        focus: What a query that waits says of the files. Where the index was never
            complete and much is to do, only what fits it is indexed now
            (``Report.remaining``), without the calls of a provider.
        profile: Measure the time of each stage. This process does nothing but the update.
    """

    root: str
    directory: str
    options: Options
    rebuild: bool = False
    dry_run: bool = False
    wait: bool = False
    command: str = "index"
    observer: Observer = null_observer
    run_id: str = ""
    patient: bool = True
    changed: tuple[str, ...] | None = None
    source: Source | None = None
    part: str = ""
    listed: bool = True
    focus: Focus | None = None
    profile: bool = False


class Contents(NamedTuple):
    """Ids of what the settings put into an index: of its texts (:func:`fingerprint`), and of its embedder."""

    fingerprint: str
    embedder: str


class Indexed(Struct, frozen=True):
    """What the index holds before the update, read once.

    Attributes:
        generation: 0 where nothing is published.
        known: Indexed files by path.
        others: Files left out by path, with their stat.
        stale: Whether the settings need other contents: every file is indexed again.
        settled: Whether no unpublished or unpurged work of another writer is left.
        complete: Whether the last update reached its end.
        retained: Versions of files that can be shown again, by path.
    """

    generation: int = 0
    known: Mapping[str, Known] = field(default_factory=dict)
    others: Mapping[str, tuple[Skipped | Failed, bytes]] = field(default_factory=dict)
    stale: bool = False
    settled: bool = False
    complete: bool = False
    retained: Mapping[str, Sequence[Retained]] = field(default_factory=dict)

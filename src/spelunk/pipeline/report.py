"""Tally of an update: count each piece, report it to observers, and make the final report."""

from __future__ import annotations

import time

from msgspec import Struct

from spelunk.observe import Observer, events
from spelunk.pipeline.memory import Governor
from spelunk.pipeline.plan import Plan
from spelunk.store.packet import Item, Packet
from spelunk.types import Failed, FileCounts, Report, Skipped


class BackfillResult(Struct, frozen=True):
    """Result of a backfill.

    Attributes:
        made: Chunks that got a vector.
        pending: Chunks that are still without one.
        refused: Chunks whose text the embedder refuses.
        error: Why some are pending; "" where none are.
    """

    made: int = 0
    pending: int = 0
    refused: int = 0
    error: str = ""


class Tally:
    """Counts of the files done so far, and those left out."""

    def __init__(self) -> None:
        self.indexed = self.same = self.chunks = self.bytes = 0
        self.skipped: list[Skipped] = []
        self.failed: list[Failed] = []

    @property
    def files(self) -> int:
        """Files that are done: indexed, unchanged, skipped or failed."""
        return self.indexed + self.same + len(self.skipped) + len(self.failed)

    def add(self, items: list[Item], packet: Packet) -> None:
        """Count a piece of a batch."""
        self.indexed += len(packet.files)
        self.same += len(packet.same)
        self.chunks += packet.chunks
        self.bytes += packet.source_bytes
        self.skipped += [Skipped(items[i].candidate.path, r, d) for i, r, d in packet.skipped]
        self.failed += [Failed(items[i].candidate.path, s, e) for i, s, e in packet.failed]

    def add_restored(self, chunks: int, size: int) -> None:
        """Count a file of which a retained version is shown again."""
        self.indexed += 1
        self.chunks += chunks
        self.bytes += size


def dry_report(root: str, generation: int, todo: Plan, began: float) -> Report:
    """Report what an update would do.

    Args:
        root: The workspace.
        generation: The one that is published.
        todo: The plan.
        began: When the run began, by the monotonic clock.
    """
    counts = FileCounts(
        seen=todo.seen,
        indexed=len(todo.items) + len(todo.suspects),
        unchanged=todo.unchanged,
        removed=sum(1 for _, k in todo.gone if k),
        skipped=len(todo.skipped),
        failed=len(todo.failed),
    )
    return Report(
        root=root, generation=generation, mode="sequential", workers=0, seconds=time.monotonic() - began,
        files=counts, chunks=0, bytes=todo.bytes, peak_rss_bytes=0, failures=todo.failed, skipped=todo.skipped,
    )  # fmt: skip


def report(
    root: str,
    generation: int,
    todo: Plan,
    tally: Tally,
    filled: BackfillResult,
    governor: Governor,
    mode: str,
    workers: int,
    began: float,
) -> Report:
    """Report what an update did, and what is published now."""
    counts = FileCounts(
        seen=todo.seen,
        indexed=tally.indexed,
        unchanged=todo.unchanged + tally.same,
        removed=sum(1 for _, k in todo.gone if k),
        skipped=len(todo.skipped) + len(tally.skipped),
        failed=len(todo.failed) + len(tally.failed),
    )
    governor.total([])
    return Report(
        root=root,
        generation=generation,
        mode=mode,
        workers=workers,
        seconds=time.monotonic() - began,
        files=counts,
        chunks=tally.chunks,
        bytes=tally.bytes,
        peak_rss_bytes=governor.peak,
        failures=tuple(sorted([*todo.failed, *tally.failed], key=lambda f: f.path)),
        skipped=tuple(sorted([*todo.skipped, *tally.skipped], key=lambda s: s.path)),
        pending_vectors=filled.pending,
        refused_vectors=filled.refused,
        degraded=filled.error or None,
        remaining=todo.left,
    )


def tell_plan(tell: Observer, todo: Plan) -> None:
    """Report the plan to the observer."""
    tell(
        events.Planned(
            todo.seen, len(todo.items) + len(todo.suspects), todo.unchanged, sum(1 for _, k in todo.gone if k),
            len(todo.skipped), len(todo.failed), todo.bytes,
        )
    )  # fmt: skip
    for f in todo.failed:
        tell(events.FileFailed(f.path, f.stage, f.error))


def tell_piece(tell: Observer, items: list[Item], packet: Packet) -> None:
    """Report a piece and the files left out in it to the observer."""
    tell(
        events.PieceTaken(
            len(packet.files), len(packet.same), len(packet.skipped), len(packet.failed),
            packet.chunks, packet.source_bytes, packet.seconds,
        )
    )  # fmt: skip
    for i, stage, error in packet.failed:
        tell(events.FileFailed(items[i].candidate.path, stage, error))
    for i, reason, detail in packet.skipped:
        tell(events.FileSkipped(items[i].candidate.path, reason, detail))

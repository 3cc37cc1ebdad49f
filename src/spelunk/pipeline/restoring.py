"""Find the files of a plan whose content the index held before: they are neither cut nor embedded again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import xxhash
from msgspec.structs import replace

from spelunk.config import LOCAL
from spelunk.files.source import Source
from spelunk.pipeline.job import Indexed, Job
from spelunk.pipeline.plan import Plan
from spelunk.store.packet import Item
from spelunk.store.records import Retained
from spelunk.types import Entry

RETAIN_FROM: Final = 16
"""Files that an update replaces or removes from which on their versions are retained: as a switch of
branches does. To cut fewer again takes some tenths of a second."""


class Restored(NamedTuple):
    """A file that has the content of a retained version: its item of the plan, and the version's id."""

    item: Item
    file: int

    @property
    def entry(self) -> Entry:
        """The file as it was met."""
        return self.item.candidate


def retains(job: Job, todo: Plan, indexed: Indexed) -> bool:
    """Whether an update retains the versions that it replaces."""
    if job.options.store != LOCAL or job.part or indexed.stale:
        return False
    replaced = sum(1 for item in todo.items if item.known_digest is not None)
    return replaced + sum(1 for _, known in todo.gone if known is not None) >= RETAIN_FROM


def split(
    todo: Plan, retained: Mapping[str, Sequence[Retained]], source: Source, limit: int
) -> tuple[Plan, list[Restored]]:
    """Take the files out of a plan that have the content of a retained version.

    A file of the size of one is read here, and its digest decides.

    Args:
        todo: The plan.
        retained: Versions by path.
        source: Where the files are.
        limit: Bytes of a file that is read at most.
    """
    restored: list[Restored] = []
    left = []
    for item in todo.items:
        entry = item.candidate
        versions = [v for v in retained.get(entry.path, ()) if v.size == entry.size]
        raw = source.read(entry, limit) if versions else None
        digest = xxhash.xxh3_128_digest(raw) if isinstance(raw, bytes) else None
        version = next((v for v in versions if v.digest == digest != item.known_digest), None)
        if version is None:
            left.append(item)
        else:
            restored.append(Restored(item, version.file))
    return replace(todo, items=tuple(left)), restored


def with_items(todo: Plan, more: Sequence[Item]) -> Plan:
    """The plan with further files to index."""
    return replace(todo, items=tuple(sorted((*todo.items, *more), key=lambda item: item.candidate.path)))

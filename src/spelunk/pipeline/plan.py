"""Compare a walk with the manifest: which files to index, keep and remove. A pure function."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from spelunk.files.source import Row, entry_of
from spelunk.store.packet import Item
from spelunk.store.records import Known
from spelunk.types import Failed, Skipped


class Plan(Struct, frozen=True):
    """What to do with each file.

    Attributes:
        items: Files to index, in order of path.
        suspects: Files that killed their worker last time: each is done alone.
        unchanged: Files whose stamp equals the indexed one.
        gone: Paths to remove, with what is known of them if they are indexed.
        skipped: Files that stay skipped, and those that the walk skipped.
        failed: Folders and files that could not be listed.
        seen: Files offered, skipped or failed in all, without those left.
        left: Files to index that are left to a later update.
    """

    items: tuple[Item, ...]
    suspects: tuple[Item, ...]
    unchanged: int
    gone: tuple[tuple[str, Known | None], ...]
    skipped: tuple[Skipped, ...]
    failed: tuple[Failed, ...]
    seen: int
    left: int = 0

    @property
    def bytes(self) -> int:
        """Bytes of the files to index."""
        return sum(i.candidate.size for i in self.items)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.items or self.suspects or self.gone)


def plan(
    rows: Sequence[Row],
    skipped: Sequence[Skipped],
    failed: Sequence[Failed],
    known: Mapping[str, Known],
    others: Mapping[str, tuple[Skipped | Failed, bytes]],
) -> Plan:
    """Compare a walk with the manifest.

    A file is unchanged if its stamp is not empty and equals the known one. Any
    other file is read, and its digest decides.

    Args:
        rows: Files that the walk offers.
        skipped: Files that it skipped.
        failed: What it could not list.
        known: Indexed files by path.
        others: Files offered before and not indexed, with their stamps.
    """
    items: list[Item] = []
    suspects: list[Item] = []
    still: list[Skipped] = list(skipped)
    unchanged = 0
    seen: set[str] = set()
    for row in rows:
        path, stamp = row[0], row[2]
        seen.add(path)
        k = known.get(path)
        if k is not None:
            # Indexed access: attributes of a named tuple are the cost of this loop.
            if stamp and stamp == k[1]:
                unchanged += 1
            else:
                items.append(Item(entry_of(row), k[2]))
            continue
        other = others.get(path)
        if other is not None and stamp and stamp == other[1]:
            what = other[0]
            if isinstance(what, Skipped):
                still.append(what)
                continue
            if what.stage == "worker":
                suspects.append(Item(entry_of(row), None))
                continue
        items.append(Item(entry_of(row), None))
    gone: list[tuple[str, Known | None]] = [(p, k) for p, k in known.items() if p not in seen]
    gone += [(p, None) for p in others if p not in seen]
    return Plan(
        items=tuple(items),
        suspects=tuple(suspects),
        unchanged=unchanged,
        gone=tuple(gone),
        skipped=tuple(still),
        failed=tuple(failed),
        seen=len(rows) + len(skipped) + len(failed),
    )


def equal_together(todo: Plan) -> Plan:
    """The same plan with files of an equal stamp one behind the other.

    For a source whose stamps name contents: a worker then cuts each content once.
    """
    groups: dict[bytes, list[Item]] = {}
    for item in todo.items:
        groups.setdefault(item.candidate.stamp, []).append(item)
    return replace(todo, items=tuple(item for group in groups.values() for item in group))


def isolate(todo: Plan, paths: Collection[str]) -> Plan:
    """The same plan with these files as suspects, because a run died while it worked on them."""
    if not paths:
        return todo
    suspects = tuple(i for i in todo.items if i.candidate.path in paths)
    rest = tuple(i for i in todo.items if i.candidate.path not in paths)
    return replace(todo, items=rest, suspects=todo.suspects + suspects)

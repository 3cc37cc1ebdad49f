"""What an update is going to do: the walk held against the manifest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from spelunk.files.walk import Row
from spelunk.store.packet import Item
from spelunk.store.records import Known
from spelunk.types import Candidate, Failed, Skipped


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each file.

    Attributes:
        items: Files to look into, in order of path.
        suspects: Files that cost a worker its life last time: each is done alone.
        unchanged: Files whose stat agrees with the index.
        gone: Paths to remove, with what is known of them if they are indexed.
        skipped: Files that stay skipped, and those the walk recognised.
        failed: Folders and files that could not be listed.
        seen: Files offered or recognised in all.
    """

    items: tuple[Item, ...]
    suspects: tuple[Item, ...]
    unchanged: int
    gone: tuple[tuple[str, Known | None], ...]
    skipped: tuple[Skipped, ...]
    failed: tuple[Failed, ...]
    seen: int

    @property
    def bytes(self) -> int:
        """Bytes of the files to look into."""
        return sum(i.candidate.size for i in self.items)

    @property
    def empty(self) -> bool:
        """Is there nothing to do?"""
        return not (self.items or self.suspects or self.gone)


def plan(
    rows: Sequence[Row],
    skipped: Sequence[Skipped],
    failed: Sequence[Failed],
    known: Mapping[str, Known],
    others: Mapping[str, tuple[Skipped | Failed, tuple[int, int, int, int]]],
) -> Plan:
    """Hold what the walk found against what is indexed.

    A file is unchanged when size, modification time, change time and inode all
    agree; any difference means that it is read, and its digest decides.
    """
    items: list[Item] = []
    suspects: list[Item] = []
    still: list[Skipped] = list(skipped)
    unchanged = 0
    seen: set[str] = set()
    for row in rows:
        path, size, mtime_ns, ctime_ns, inode = row[:5]
        seen.add(path)
        k = known.get(path)
        if k is not None:
            # Indexed access: attributes of a named tuple are the cost of this loop.
            if mtime_ns == k[2] and size == k[1] and ctime_ns == k[3] and inode == k[4] and mtime_ns >= 0:
                unchanged += 1
            else:
                items.append(Item(Candidate(*row), k[5]))
            continue
        other = others.get(path)
        if other is not None:
            what, signature = other
            same = signature == (size, mtime_ns, ctime_ns, inode) and mtime_ns >= 0
            if same and isinstance(what, Skipped):
                still.append(what)
                continue
            if same and isinstance(what, Failed) and what.stage == "worker":
                suspects.append(Item(Candidate(*row), None))
                continue
        items.append(Item(Candidate(*row), None))
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


def isolate(todo: Plan, paths: Collection[str]) -> Plan:
    """The same plan with these files done alone: a run died while it was at them."""
    if not paths:
        return todo
    suspects = tuple(i for i in todo.items if i.candidate.path in paths)
    rest = tuple(i for i in todo.items if i.candidate.path not in paths)
    return replace(todo, items=rest, suspects=todo.suspects + suspects)

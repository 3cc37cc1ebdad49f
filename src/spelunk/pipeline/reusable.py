"""Offer the files of a plan the vectors that files of the same size have, in this index or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from spelunk.pipeline.plan import Plan
from spelunk.store.packet import Item
from spelunk.workspace import locate

if TYPE_CHECKING:
    from spelunk.store.segment import Segment


def with_reusable(
    todo: Plan, directory: str, embedder: str, *, own: bool
) -> tuple[Plan, list[list[Segment]]]:
    """Add existing vectors to a plan.

    Args:
        todo: The plan.
        directory: The index directory.
        embedder: Id that the vectors' index must have.
        own: Whether to look in this index too, before all others.

    Returns:
        The plan, and the open segments of each index that its items name.
    """
    from spelunk.store.reuse import reusable_vectors

    if not todo.items:
        return todo, []
    directories = [p.directory for p in locate.known_workspaces() if p.directory != directory]
    if own:
        directories.insert(0, directory)
    reusable, segments = reusable_vectors(directories, {i.candidate.size for i in todo.items}, embedder)
    if not reusable:
        return todo, []
    items = tuple(Item(i.candidate, i.known_digest, reusable.get(i.candidate.size)) for i in todo.items)
    return replace(todo, items=items), segments

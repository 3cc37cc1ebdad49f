"""The last commit that changed the lines of each hit, asked of git for the hits of one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from spelunk.history.places import Span, last_changes
from spelunk.types import Hit


def with_changes(hits: Sequence[Hit], prefixes: Mapping[str, str]) -> tuple[Hit, ...]:
    """Hits with :attr:`~spelunk.types.Hit.changed` filled in, where git tells.

    Args:
        hits: Of files.
        prefixes: By workspace, what stands before the paths of its hits.
    """
    changed = {}
    for root in dict.fromkeys(hit.root for hit in hits):
        spans = {_span(hit, prefixes[root]): None for hit in hits if hit.root == root}
        changed[root] = last_changes(root, list(spans))
    return tuple(replace(hit, changed=changed[hit.root].get(_span(hit, prefixes[hit.root]))) for hit in hits)


def _span(hit: Hit, prefix: str) -> Span:
    return Span(hit.path[len(prefix) :], hit.start_line, hit.end_line)

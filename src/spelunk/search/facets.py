"""Count the candidates of a search by language, kind, folder, flag and workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from spelunk.search.answer import Facets, FacetValue
from spelunk.types import names_of_flags

if TYPE_CHECKING:
    from spelunk.search.corpus import SearchTarget
    from spelunk.search.rank.signals import ScoredChunk


def count_candidates(
    ranked: Sequence[ScoredChunk], targets: Sequence[SearchTarget], *, complete: bool
) -> Facets:
    """Count ranked chunks."""
    by_file: dict[tuple[str, str], int] = {}
    for c in ranked:
        key = (targets[c.source].root, c.file.path)
        by_file[key] = by_file.get(key, 0) + 1
    shared = len(_common_folder([c.place for c in ranked]))

    def folder(place: str) -> str:
        return place[: place.find("/", shared) + 1]

    return Facets(
        hits=len(ranked),
        files=len(by_file),
        complete=complete,
        languages=_values((c.file.language, c.place) for c in ranked),
        kinds=_values((c.chunk.kind, c.place) for c in ranked),
        folders=_values((folder(c.place), c.place) for c in ranked),
        flags=_values((name, c.place) for c in ranked for name in names_of_flags(int(c.file.flags))),
        roots=_values((targets[c.source].root, c.place) for c in ranked),
        by_file=by_file,
    )


def _common_folder(places: Iterable[str]) -> str:
    """The deepest folder that holds all of the paths, with a slash; "" for the root."""
    folders = {place[: place.rfind("/") + 1] for place in places}
    if not folders:
        return ""
    low, high = min(folders), max(folders)
    n = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[: low.rfind("/", 0, n) + 1]


def _values(pairs: Iterable[tuple[str, str]]) -> tuple[FacetValue, ...]:
    """Count pairs of value and path; pairs without a value are left out."""
    hits: dict[str, int] = {}
    files: dict[str, set[str]] = {}
    for value, place in pairs:
        if value:
            hits[value] = hits.get(value, 0) + 1
            files.setdefault(value, set()).add(place)
    return tuple(
        FacetValue(value, n, len(files[value]))
        for value, n in sorted(hits.items(), key=lambda item: (-item[1], item[0]))
    )

"""Filters of a query, resolved against one generation: which chunks may be returned.

The result has two forms that say the same: a :class:`lexical.Scope` for the
full text and :class:`vectors.Allowed` ranges of chunk ids for the vectors.
Both are applied before the best are chosen, so that a filter never starves
an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spelunk.search.path_filter import path_predicate
from spelunk.search.query import Filters, Match
from spelunk.store import full_text as lexical
from spelunk.store.snapshot import Snapshot

if TYPE_CHECKING:
    from spelunk.store.scan import Allowed

FEW_FILES = 0.5
"""Above this share of the files the full text is given those left out instead."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which chunks may be returned.

    Attributes:
        lexical: For the full text; None allows everything.
        ranges: Ascending ``(first, end)`` of chunk ids of the files that pass;
            None allows all files.
        kinds: Allowed kinds; None allows all.
        not_kinds: Kinds left out.
        empty: Nothing can pass.
    """

    lexical: lexical.Scope | None = None
    ranges: tuple[tuple[int, int], ...] | None = None
    kinds: tuple[str, ...] | None = None
    not_kinds: tuple[str, ...] = ()
    empty: bool = False

    def allowed(self, snapshot: Snapshot) -> Allowed | None:
        """The same for the vectors."""
        import numpy as np

        from spelunk.store.scan import Allowed

        if self.ranges is None and self.kinds is None and not self.not_kinds:
            return None
        codes = None
        if self.kinds is not None or self.not_kinds:
            names = snapshot.manifest.kinds()
            codes = tuple(
                i
                for i, n in enumerate(names)
                if (self.kinds is None or n in self.kinds) and n not in self.not_kinds
            )
        ranges = None if self.ranges is None else np.asarray(self.ranges, np.int64).reshape(-1, 2)
        return Allowed(ranges, codes)


EVERYTHING = Scope()
NOTHING = Scope(empty=True)


def _path_test(match: Match) -> Callable[[str], bool]:
    include = [path_predicate(p) for p in match.include]
    exclude = [path_predicate(p) for p in match.exclude]
    return lambda path: (not include or any(t(path) for t in include)) and not any(t(path) for t in exclude)


def repo_matches(match: Match, names: Sequence[str]) -> bool:
    """Does a workspace of these names pass a ``repo:`` or ``branch:`` filter? Parts count, in any case."""
    lowered = [n.casefold() for n in names]

    def holds(value: str) -> bool:
        return any(value.casefold() in n for n in lowered)

    return (not match.include or any(map(holds, match.include))) and not any(map(holds, match.exclude))


def resolve(
    snapshot: Snapshot,
    filters: Filters,
    not_terms: Sequence[str] = (),
    *,
    prefix: str = "",
    within: Sequence[str] = (),
) -> Scope:
    """What the filters allow in this generation.

    ``repo:`` and ``branch:`` choose workspaces and are applied by the caller.

    Args:
        not_terms: Terms that a chunk must not hold.
        prefix: Put before each path for ``path:``.
        within: Files and folders to stay in, relative to the root; everywhere without any.
    """
    kinds = filters.kind.include or None
    lang = filters.lang
    if not (filters.path or filters.fields or within):
        if not (lang or filters.kind or not_terms):
            return EVERYTHING
        condition = lexical.Scope(
            languages=lang.include or None,
            not_languages=lang.exclude,
            kinds=kinds,
            not_kinds=filters.kind.exclude,
            not_terms=tuple(not_terms),
        )
        ranges = None
        if lang:
            rows = snapshot.manifest.language_ranges()
            ranges = _joined((first, count) for language, first, count in rows if lang.accepts(language))
        return Scope(condition, ranges, kinds, filters.kind.exclude, empty=ranges == ())
    files = [f for f in snapshot.manifest.all_files() if f.chunks and lang.accepts(f.language)]
    total = len(files)
    if within:
        beneath = tuple(place + "/" for place in within)
        files = [f for f in files if f.path in within or f.path.startswith(beneath)]
    if filters.path:
        test = _path_test(filters.path)
        files = [f for f in files if test(prefix + f.path)]
    for key, match in filters.fields:
        files = [f for f in files if f.id in _with_field(snapshot, key, match)] if match.include else files
        if match.exclude:
            without = _with_field(snapshot, key, Match(match.exclude))
            files = [f for f in files if f.id not in without]
    ids = tuple(sorted(f.id for f in files))
    condition = lexical.Scope(
        files=ids, kinds=kinds, not_kinds=filters.kind.exclude, not_terms=tuple(not_terms)
    )
    if total and len(ids) > FEW_FILES * total:
        inside = set(ids)
        condition = lexical.Scope(
            not_files=tuple(i for i in snapshot.manifest.file_ids() if i not in inside),
            kinds=kinds,
            not_kinds=filters.kind.exclude,
            not_terms=tuple(not_terms),
        )
    ranges = _joined((f.first_chunk, f.chunks) for f in sorted(files, key=lambda f: f.first_chunk))
    return Scope(condition, ranges, kinds, filters.kind.exclude, empty=not ids)


def _with_field(snapshot: Snapshot, key: str, match: Match) -> set[int]:
    """Files with one of the values in a front-matter field; case does not count."""
    return snapshot.manifest.files_with_field(key, match.include)


def _joined(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for first, count in ranges:
        if out and out[-1][1] == first:
            out[-1] = (out[-1][0], first + count)
        else:
            out.append((first, first + count))
    return tuple(out)

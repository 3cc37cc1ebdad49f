"""A neutral filter as conditions on one generation: for the full text and for the vectors.

Both are applied before the best are chosen, so that a narrow filter never empties an
answer. A file is looked at in Python only where a path pattern must be tried.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from spelunk.store.full_text_query import FullTextFilter
from spelunk.store.manifest import Manifest
from spelunk.store.path_filter import path_test
from spelunk.store.protocols import Filter
from spelunk.store.schema import decode_path

if TYPE_CHECKING:
    from spelunk.store.scan import Allowed

MOST_FILES: Final = 0.5
"""Above this share of the files the full text is given those left out instead."""


class FileSpan(NamedTuple):
    """A file and its chunks ``first`` to ``end - 1``."""

    file: int
    first: int
    end: int


class Where:
    """A :class:`Filter` resolved against one generation; each part is worked out when first used."""

    def __init__(self, manifest: Manifest, wanted: Filter) -> None:
        """Nothing is read yet.

        Args:
            manifest: Inside a read transaction that outlives this object.
            wanted: The filter.
        """
        self._manifest = manifest
        self._filter = wanted

    @property
    def by_files(self) -> bool:
        """Whether some condition can only be decided file by file."""
        f = self._filter
        return bool(f.paths or f.not_paths or f.fields or f.within) or f.only is not None

    @property
    def by_columns(self) -> bool:
        """Whether some condition is on a column of the file."""
        f = self._filter
        return bool(f.languages or f.not_languages or f.flags or f.not_flags)

    @property
    def by_chunks(self) -> bool:
        """Whether some condition holds for a chunk and not for its whole file."""
        return bool(self._filter.kinds or self._filter.not_kinds or self._filter.not_terms)

    @cached_property
    def spans(self) -> list[FileSpan]:
        """The files that pass and have chunks, by path."""
        f = self._filter
        sql = ["SELECT id, first_chunk, first_chunk + chunks, path FROM files WHERE chunks > 0"]
        values: list[str | int] = []
        for condition, accepted in (("IN", f.languages), ("NOT IN", f.not_languages)):
            if accepted:
                sql.append(f"AND language {condition} (SELECT value FROM json_each(?))")
                values.append(json.dumps(accepted))
        for condition, flags in (("AND flags & ?", f.flags), ("AND NOT flags & ?", f.not_flags)):
            if flags:
                sql.append(condition)
                values.append(int(flags))
        rows = self._manifest.all(" ".join(sql) + " ORDER BY path", values)
        if f.paths or f.not_paths or f.within or f.only is not None:
            test = path_test(f)
            rows = [row for row in rows if test(decode_path(row[3]))]
        for field in f.fields:  # SQLite ignores the case of ASCII alone
            having = self._manifest.files_having_field(field.key)
            rows = [row for row in rows if field.allows(having.get(row[0], ()))]
        return [FileSpan(row[0], row[1], row[2]) for row in rows]

    @cached_property
    def full_text(self) -> FullTextFilter | None:
        """The conditions for the full text; None where everything passes."""
        f = self._filter
        if not self.by_files:
            if not (self.by_columns or self.by_chunks):
                return None
            return FullTextFilter(
                languages=f.languages,
                not_languages=f.not_languages,
                kinds=f.kinds,
                not_kinds=f.not_kinds,
                not_terms=f.not_terms,
                flags=f.flags,
                not_flags=f.not_flags,
            )
        files = {span.file for span in self.spans}
        everything = self._manifest.all("SELECT id FROM files WHERE chunks > 0")
        left_out = None
        if len(files) > MOST_FILES * len(everything):
            left_out = tuple(i for (i,) in everything if i not in files)
        return FullTextFilter(
            kinds=f.kinds,
            not_kinds=f.not_kinds,
            files=tuple(sorted(files)) if left_out is None else None,
            not_files=left_out or (),
            not_terms=f.not_terms,
        )

    def vectors(self, excluded: Collection[int] = ()) -> Allowed | None:
        """The conditions for the vectors; None where everything passes.

        Args:
            excluded: Ids of the chunks that have one of the filter's ``not_terms``, ascending.
        """
        f = self._filter
        whole_files = not (self.by_files or self.by_columns)
        if whole_files and not (f.kinds or f.not_kinds or excluded):
            return None
        import numpy as np

        from spelunk.store.scan import Allowed

        codes = None
        if f.kinds or f.not_kinds:
            names = self._manifest.kinds()
            codes = tuple(code for code, name in enumerate(names) if f.allows_kind(name))
        ranges = None
        if not whole_files:
            joined = _joined(sorted((span.first, span.end) for span in self.spans))
            ranges = np.asarray(joined, np.int64).reshape(-1, 2)
        return Allowed(ranges, codes, np.asarray([*excluded], np.int64))


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending ranges with neighbours made one."""
    out: list[tuple[int, int]] = []
    for first, end in ranges:
        if out and out[-1][1] == first:
            out[-1] = (out[-1][0], end)
        else:
            out.append((first, end))
    return out

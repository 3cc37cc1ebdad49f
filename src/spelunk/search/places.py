"""Find the files and definitions that a pasted text names: stack frames, compiler messages, paths, modules."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from spelunk.search.evidence import Evidence, FileSignal
from spelunk.store.paths import ENTRY_NAMES, names_of
from spelunk.store.protocols import ChunkId, FileId, Reader
from spelunk.store.records import ChunkRecord, FileRow

if TYPE_CHECKING:
    from spelunk.pasted import FileMention

MAX_PLACES: Final = 40
"""Places of a text that are looked up, the strongest first."""
MAX_FILES: Final = 5
"""Files that one place may mean; a name that more files have, such as ``utils.py``, says nothing."""

_LAST_NAME: Final = re.compile(r"[^.:#/$>]+$")


class NamedFile(NamedTuple):
    """A file that a place may mean.

    Attributes:
        file: Its row.
        strength: The place's weight, shared among the files that fit equally well.
        name: The definition that the place names there; may be empty.
        line: The line that it names.
    """

    file: FileRow
    strength: float
    name: str
    line: int | None


def collect(reader: Reader, part: int, places: Sequence[FileMention], evidence: Evidence) -> set[ChunkId]:
    """Note what the places say of an index's files and chunks.

    Returns:
        Chunks to rank even where no word found them: those that are named, and the
        first one of each named file.
    """
    candidates: set[ChunkId] = set()
    chunks_of: dict[FileId, list[ChunkRecord]] = {}
    for place, found in _resolve(reader, places[:MAX_PLACES]):
        signal: FileSignal = "frame" if place.source == "frame" else "mention"
        evidence.of_file(part, found.file.id, signal, found.strength)
        if found.file.id not in chunks_of:
            chunks_of[found.file.id] = reader.chunks_of(found.file)
        chunks = chunks_of[found.file.id]
        named = _named(chunks, found)
        for chunk in named:
            evidence.of_chunk(part, chunk.id, "place", found.strength)
        candidates.update(chunk.id for chunk in named or chunks[:1])
    return candidates


def _named(chunks: Sequence[ChunkRecord], found: NamedFile) -> list[ChunkRecord]:
    """The chunks of a file that define the named function; without one, those at the line.

    The name comes first: the text may be of another version, in which lines differ.
    """
    last = _LAST_NAME.search(found.name)
    if last is not None:
        name = last.group()
        named = [c for c in chunks if any(_last(d.name) == name for d in c.definitions)]
        if named:
            at = [c for c in named if found.line and c.start_line <= found.line <= c.end_line]
            return at or named
    if not found.line:
        return []
    return [c for c in chunks if c.start_line <= found.line <= c.end_line]


def _last(name: str) -> str:
    match = _LAST_NAME.search(name)
    return match.group() if match else name


def _resolve(reader: Reader, places: Sequence[FileMention]) -> Iterator[tuple[FileMention, NamedFile]]:
    wanted = {place: _components(place.path) for place in places}
    names = {name for place, parts in wanted.items() for name in _keys(place, parts)}
    if not names:
        return
    by_name: dict[str, list[FileRow]] = {}
    for file in reader.files_named(names):
        for name in names_of(file.path):
            by_name.setdefault(name, []).append(file)
    for place, parts in wanted.items():
        if not parts:
            continue
        files, name = _module(parts, by_name) if place.source == "module" else _file(place, parts, by_name)
        if 0 < len(files) <= MAX_FILES:
            for file in files:
                yield place, NamedFile(file, place.weight / len(files), place.function or name, place.line)


def _components(path: str) -> list[str]:
    return [part for part in path.lower().split("/") if part not in ("", ".", "..")]


def _keys(place: FileMention, parts: Sequence[str]) -> Collection[str]:
    return parts if place.source == "module" else parts[-1:]


def _file(
    place: FileMention, parts: Sequence[str], by_name: dict[str, list[FileRow]]
) -> tuple[list[FileRow], str]:
    """The files that share the most components at the end, at least those that the place requires."""
    files = [f for f in by_name.get(parts[-1], ()) if _components(f.path)[-1] == parts[-1]]
    least = min(place.least, len(parts))
    return _longest([(f, _shared(_components(f.path), parts)) for f in files], least), ""


def _module(parts: Sequence[str], by_name: dict[str, list[FileRow]]) -> tuple[list[FileRow], str]:
    """The files of the longest beginning that is a module, two components at least; the next component
    is a name in it."""
    for cut in range(len(parts), 1, -1):
        head = parts[:cut]
        files = [
            f for f in by_name.get(head[-1], ()) if _shared(module_components(f.path), head) == len(head)
        ]
        if files:
            return files, parts[cut] if cut < len(parts) else ""
    return [], ""


def module_components(path: str) -> list[str]:
    """A file's path as a module's: without extensions, ``a/b/__init__.py`` as ``a/b``."""
    parts = _components(path)
    stem = parts[-1].split(".", 1)[0] or parts[-1]
    return parts[:-1] if stem in ENTRY_NAMES and len(parts) > 1 else [*parts[:-1], stem]


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """Components that two paths have in common at the end."""
    n = 0
    while n < min(len(a), len(b)) and a[-1 - n] == b[-1 - n]:
        n += 1
    return n


def _longest(scored: Sequence[tuple[FileRow, int]], least: int) -> list[FileRow]:
    best = max((n for _, n in scored), default=0)
    return [file for file, n in scored if n == best] if best >= least else []

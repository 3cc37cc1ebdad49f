"""Here is a candidate and a query, give me the facts that speak for it.

Every signal is a number that is 0 when the fact is absent; most lie from 0 to
1. They come from what was stored at index time: nothing here reads a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from spelunk.store.manifest import ChunkRow, FileRow
from spelunk.tokens import parts, singular
from spelunk.types import Flag

STOP_WORDS: Final = frozenset(
    ["a", "an", "and", "are", "as", "at", "be", "been", "being", "but", "by", "can", "could", "did", "do", "does", "doing", "for", "from", "get", "gets", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its", "let", "me", "of", "on", "or", "should", "so", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to", "up", "use", "used", "uses", "using", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your", "about", "after", "all", "also", "any", "before", "between", "both", "each", "implement", "implemented", "implementation", "work", "works"]
)
"""Words of questions, not of answers; kept when a query has nothing else."""

_WORDS: Final = re.compile(r"\w+")
_DEFINING: Final = frozenset(
    (
        "class",
        "interface",
        "struct",
        "trait",
        "enum",
        "type",
        "module",
        "impl",
        "protocol",
        "object",
        "namespace",
    )
)


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What ranking needs to know of a query.

    Attributes:
        kind: ``symbol``, ``prose`` or ``mixed``.
        names: Its words that have the shape of a name, or all of them where it
            is one name, in lower case.
        parts: Its words' parts in the singular, stop words left out.
        weights: The importance of each part (inverse document frequency), summing to 1.
    """

    kind: str
    names: frozenset[str]
    parts: frozenset[str]
    weights: dict[str, float] = field(default_factory=dict)

    def share(self, found: frozenset[str]) -> float:
        """The weight of the query's parts that are among ``found``, from 0 to 1."""
        return sum(self.weights.get(p, 0.0) for p in found & self.parts)


@dataclass(slots=True)
class Candidate:
    """A chunk on its way to becoming a hit; ``source`` numbers the index it is from."""

    chunk: ChunkRow
    file: FileRow
    source: int = 0
    lexical: float = 0.0
    dense: float = 0.0
    signals: dict[str, float] = field(default_factory=dict)
    score: float = 0.0

    @property
    def key(self) -> tuple[int, int]:
        """The file, unique over all indexes searched."""
        return self.source, self.file.id


@lru_cache(maxsize=65_536)
def name_parts(name: str) -> frozenset[str]:
    """The parts of a name, in the singular."""
    return frozenset(singular(p) for w in _WORDS.findall(name) for p in parts(w))


@lru_cache(maxsize=16_384)
def path_facts(path: str) -> tuple[frozenset[str], frozenset[str], str]:
    """Parts of a file's stem, parts of its folders, and the stem in lower case."""
    folder, _, name = path.rpartition("/")
    stem = name.split(".", 1)[0] if not name.startswith(".") else name
    if stem in ("__init__", "mod", "index", "lib", "main", "root"):
        stem = folder.rpartition("/")[2] or stem
    return name_parts(stem), name_parts(folder), stem.lower()


def of(candidate: Candidate, query: QueryFacts) -> dict[str, float]:
    """The signals of a candidate that depend on nothing but itself and the query."""
    chunk, file = candidate.chunk, candidate.file
    stem, folders, whole_stem = path_facts(file.path)
    out: dict[str, float] = {}
    if query.parts:
        in_stem = query.share(stem)
        if in_stem and stem:
            out["stem"] = in_stem * len(stem & query.parts) / len(stem)
            out["stem_query"] = in_stem
        in_folders = query.share(folders - stem)
        if in_folders:
            out["folder"] = in_folders
        best = whole = 0.0
        for n, d in enumerate(chunk.definitions):
            found = name_parts(d.name)
            share = query.share(found)
            if share:
                tight = share * len(found & query.parts) / len(found)
                first = 1.0 if n == 0 else 0.8
                best = max(best, tight * first)
            if d.name.lower() in query.names:
                whole = max(whole, 1.0 if d.kind in _DEFINING else 0.9)
        if best:
            out["definition"] = best
        if whole:
            out["defines"] = whole
        scope = query.share(name_parts(chunk.scope)) if chunk.scope else 0.0
        if scope:
            out["scope"] = scope
    if whole_stem in query.names:
        out["stem_is_name"] = 1.0
    for flag in (Flag.TEST, Flag.VENDORED, Flag.GENERATED, Flag.EXAMPLE, Flag.DOCS, Flag.CONFIG):
        if file.flags & flag:
            out[str(flag.name).lower()] = 1.0
    return out

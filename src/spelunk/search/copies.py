"""Near-copies among ranked chunks: one hit for a text that several files hold, with the places of the others.

Chunks of different files of a workspace are copies where they are of one kind and name and

- their texts are equal but for white space, as in forks within one tree; or
- their paths say that they are variants, which is another version, or a vendored,
  generated or legacy twin of that name, and their texts share most of their runs of
  three words.

Two implementations of one interface are no copies, however much boilerplate they
share. The canonical copy is shown (:func:`canonical_order`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from spelunk.errors import IndexCorruptError
from spelunk.text.tokens import words
from spelunk.types import Flag

if TYPE_CHECKING:
    from spelunk.search.rank.signals import ScoredChunk

SHINGLE: Final = 3
"""Words of a run that two texts are compared by."""
SHARED: Final = 0.8
"""Of the runs of both texts together, the share that both have (Jaccard) from which variants are
copies (docs/benchmarks/found-2026-11-27.md)."""
SHARED_IN_PAGES: Final = 0.6
"""The same for pages of one name in different versions of a documentation."""
EQUAL: Final = 1.0
"""The same for all other files: their texts must be equal."""
LEAST_WORDS: Final = 40
"""Words from which texts are compared; shorter ones are copies where they are equal in files of
one name, and the whole files are equal or variants."""
LEAST_WORDS_IN_NAMESAKES: Final = 24
"""The same for variants of one name."""
MOST_READ: Final = 120
"""Chunks whose texts are read for one answer; what is ranked behind them is taken for no copy."""
MOST_RIVALS: Final = 8
"""Hits of one kind and name that a further chunk is compared with."""
MOST_COMPARED: Final = 4
"""Copies of a hit that a further chunk is compared with."""
DENSITY: Final = 0.8
"""Two texts that share so many runs of words may still differ in length by white space; lengths that
differ by more than the share times this are not compared."""

_VERSION: Final = re.compile(
    r"(?:.*[-_@ ])?(?:(?:v|ver|version|release|rel)[-_.]?(\d+(?:[._]\d+)*)|(\d+(?:[._]\d+)+|\d+(?=\.x)))(?:[._]x)*"
    r"[-_.]?((?:alpha|beta|rc|pre|preview|dev|next|snapshot)[-_.]?\d*)?"
)
"""A name that states a version: ``v9``, ``10.x``, ``version-1.2``, ``lib-2.0-beta1``; not ``step-2``."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNRELEASED: Final = _names("next unreleased nightly canary dev develop trunk edge snapshot preview")
_LEGACY: Final = _names(
    "legacy deprecated old obsolete archive archives archived attic backup backups bak historical outdated"
)
_NEWEST: Final = (1 << 30,)
"""The version of a path that names none."""
_UNRELEASED_VERSION: Final = (-1,)
_UNNUMBERED: Final = {tuple(-n for n in _NEWEST), tuple(-n for n in _UNRELEASED_VERSION)}
"""The versions of paths, as in :class:`Origin`, that have no number."""

SECTION: Final = "section"
"""Kind of a part of a document, whose enclosing headings may differ between versions."""
ASIDE: Final = int(Flag.VENDORED | Flag.GENERATED)
SECONDARY: Final = int(Flag.TEST | Flag.EXAMPLE)

ReadText = Callable[["ScoredChunk"], str]
"""The text of a chunk."""


class Group(Struct, frozen=True):
    """A hit: the chunk that is shown, with the score and place of the best of its copies, and the others."""

    shown: ScoredChunk
    copies: tuple[ScoredChunk, ...] = ()


def collapse(ranked: Sequence[ScoredChunk], limit: int, text_of: ReadText) -> list[Group]:
    """The first ``limit`` hits of a ranking, near-copies taken together.

    Texts are read only of chunks whose kind, name and length agree.

    Args:
        ranked: Best first.
        limit: Hits wanted.
        text_of: Reads the text of a chunk.
    """
    groups: list[list[ScoredChunk]] = []
    alike: dict[tuple[int, str, str], list[list[ScoredChunk]]] = {}
    contents = _Contents(text_of)
    for c in ranked:
        rivals = alike.setdefault(_key(c), [])
        for group in rivals[:MOST_RIVALS]:
            if contents.are_copies(group, c):
                group.append(c)
                break
        else:
            if len(groups) < limit:
                groups.append([c])
                rivals.append(groups[-1])
    return [_group(members) for members in groups]


def _key(c: ScoredChunk) -> tuple[int, str, str]:
    """What copies have in common: their index, kind and name; the file's name where they have none."""
    return c.source, c.chunk.kind, c.chunk.symbol or "/" + c.file.path.rpartition("/")[2]


class _Contents:
    """Comparisons of chunks by their texts, each of which is read once."""

    def __init__(self, text_of: ReadText) -> None:
        self._text_of = text_of
        self._words: dict[int, list[str]] = {}
        self._shingles: dict[int, frozenset[tuple[str, ...]]] = {}

    def are_copies(self, group: Sequence[ScoredChunk], c: ScoredChunk) -> bool:
        """Whether a chunk is a copy of one of a group, and of another file than all of them."""
        if any(member.key == c.key for member in group):
            return False
        return any(self.is_copy(member, c) for member in group[:MOST_COMPARED])

    def is_copy(self, a: ScoredChunk, b: ScoredChunk) -> bool:
        """Whether two chunks of one kind and name hold nearly the same text."""
        namesakes = _file_name(a) == _file_name(b)
        if namesakes and a.file.digest == b.file.digest:
            return (a.chunk.start, a.chunk.end) == (b.chunk.start, b.chunk.end)
        if a.chunk.kind != SECTION and a.chunk.scope != b.chunk.scope:
            return False
        least = _least_shared(a, b, namesakes)
        shorter, longer = sorted((a.chunk.end - a.chunk.start, b.chunk.end - b.chunk.start))
        if shorter < longer * least * DENSITY or len({*self._words, id(a), id(b)}) > MOST_READ:
            return False
        first, second = self._words_of(a), self._words_of(b)
        if first and first == second and self._text_of(a).split() == self._text_of(b).split():
            return len(first) >= LEAST_WORDS or (namesakes and least < EQUAL)
        least_words = LEAST_WORDS_IN_NAMESAKES if namesakes else LEAST_WORDS
        if least == EQUAL or min(len(first), len(second)) < least_words:
            return False
        one, other = self._shingles_of(a), self._shingles_of(b)
        shared = len(one & other)
        return shared >= least * (len(one) + len(other) - shared)

    def _words_of(self, c: ScoredChunk) -> list[str]:
        found = self._words.get(id(c))
        if found is None:
            try:
                found = words(self._text_of(c))
            except IndexCorruptError:
                found = []  # equal to no other
            self._words[id(c)] = found
        return found

    def _shingles_of(self, c: ScoredChunk) -> frozenset[tuple[str, ...]]:
        found = self._shingles.get(id(c))
        if found is None:
            own = self._words_of(c)
            found = self._shingles[id(c)] = frozenset(zip(*(own[n:] for n in range(SHINGLE)), strict=False))
        return found


def _file_name(c: ScoredChunk) -> str:
    return c.file.path.rpartition("/")[2]


def _least_shared(a: ScoredChunk, b: ScoredChunk, namesakes: bool) -> float:
    """The share of their runs that two chunks must have in common to be copies."""
    one, other = _origin(a.file.path, int(a.file.flags)), _origin(b.file.path, int(b.file.flags))
    versions = {one.version, other.version}
    if len(versions) > 1 and versions != _UNNUMBERED:  # a package may be called "next"
        return SHARED_IN_PAGES if namesakes and a.chunk.kind == SECTION else SHARED
    return SHARED if namesakes and one.aside != other.aside else EQUAL


def _group(members: Sequence[ScoredChunk]) -> Group:
    """The canonical one of some copies, best ranked first, at the place of the best."""
    if len(members) == 1:
        return Group(members[0])
    shown, *others = sorted(members, key=canonical_order)
    gained = members[0].score - shown.score
    if gained > 0:
        shown = replace(shown, score=members[0].score, signals={**shown.signals, "copies": gained})
    return Group(shown, tuple(others))


class Origin(NamedTuple):
    """What a path says about where its text is from; the least is the one to show.

    Attributes:
        aside: It is vendored, generated or legacy.
        secondary: It is a test or an example.
        version: The version that it names, negated, so that the highest is least.
        depth: Folders above it.
    """

    aside: bool
    secondary: bool
    version: tuple[int, ...]
    depth: int


def canonical_order(c: ScoredChunk) -> tuple[Origin, str]:
    """A key that is least for the copy to show.

    Vendored, generated and legacy files come last, tests and examples before
    them. Then a path that names no version comes before the highest version, and
    what is not released yet after all others; then the shallowest; then by path.
    """
    return _origin(c.file.path, int(c.file.flags)), c.place


@lru_cache(maxsize=4096)
def _origin(path: str, flags: int) -> Origin:
    *folders, name = path.lower().split("/")
    stem = name.rpartition(".")[0] or name
    versions = map(_version_of, (*folders, stem))
    return Origin(
        bool(flags & ASIDE) or not _LEGACY.isdisjoint(folders),
        bool(flags & SECONDARY),
        tuple(-n for n in min(versions)),
        len(folders),
    )


@lru_cache(maxsize=4096)
def _version_of(name: str) -> tuple[int, ...]:
    """The version that a folder or file names, a released one above its previews; the highest without one."""
    if name in _UNRELEASED:
        return _UNRELEASED_VERSION
    match = _VERSION.fullmatch(name)
    if match is None:
        return _NEWEST
    numbers = tuple(int(n[:9]) for n in re.split("[._]", match[1] or match[2]))
    return (*numbers, -1) if match[3] else (*numbers, 0)

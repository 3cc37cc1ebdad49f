"""Names of the files in an index directory.

========================  =====================================================
``manifest.sqlite``       the manifest, or ``manifest-N.sqlite`` after a rebuild;
                          the highest number counts
``manifest-N.sqlite.new`` the manifest of a rebuild that is not published yet
``lexical-N``             folder of the full-text index; the manifest names its N
``vectors``               folder of the vector segments; the manifest lists them
``graph``                 folder of the reference segments; the manifest lists them
``history``               folder of the index of commits: all of these again, and
                          ``commits.sqlite`` (:mod:`spelunk.store.commits`)
========================  =====================================================
"""

from __future__ import annotations

import os
import re
from typing import Final

MANIFEST: Final = "manifest.sqlite"
VECTORS: Final = "vectors"
GRAPH: Final = "graph"
FULL_TEXT: Final = "lexical-"
HISTORY: Final = "history"
COMMITS: Final = "commits.sqlite"
BUILDING: Final = ".new"
MAX_KINDS: Final = 255
"""Code of a vector's kind that further kinds share."""

_MANIFEST: Final = re.compile(r"manifest(?:-([1-9]\d{0,8}))?\.sqlite(\.new)?(-wal|-shm|-journal)?")


def manifest_name(directory: str) -> str | None:
    """Name of the published manifest, or None where there is none."""
    published = [
        (_number(match), match.group())
        for match in map(_MANIFEST.fullmatch, _names(directory))
        if match is not None and not match.group(2) and not match.group(3)
    ]
    return max(published)[1] if published else None


def next_manifest(directory: str) -> tuple[str, int]:
    """Name and number of the manifest that a rebuild makes; it gets the name when it is published."""
    numbers = [_number(m) for m in map(_MANIFEST.fullmatch, _names(directory)) if m and not m.group(2)]
    number = max(numbers, default=1) + 1
    return f"manifest-{number}.sqlite", number


def manifest_files(directory: str) -> list[str]:
    """Every file that belongs to a manifest, old, published or under construction."""
    return [name for name in _names(directory) if _MANIFEST.fullmatch(name)]


def full_text_name(number: int) -> str:
    """Name of the folder of a full-text index."""
    return f"{FULL_TEXT}{number}"


def full_texts(directory: str) -> list[str]:
    """Names of all folders of full-text indexes."""
    return [name for name in _names(directory) if name.startswith(FULL_TEXT)]


def next_full_text(directory: str) -> int:
    """A number that no full-text index in the directory has."""
    numbers = [name.removeprefix(FULL_TEXT) for name in full_texts(directory)]
    return max((int(n) for n in numbers if n.isdecimal() and len(n) < 10), default=0) + 1


def _number(match: re.Match[str]) -> int:
    return int(match.group(1) or 1)


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


ENTRY_NAMES: Final = frozenset(("__init__", "mod", "index"))
"""Files without a name of their own: modules of their folder's name."""


def names_of(path: str) -> set[str]:
    """The names by which a file is looked up, in lower case: the last component of its path, that
    without extensions, and the folder's name for ``__init__.py`` and its like."""
    folder, _, name = path.lower().rpartition("/")
    stem = name.split(".", 1)[0] or name
    names = {name, stem}
    if stem in ENTRY_NAMES and folder:
        names.add(folder.rpartition("/")[2])
    return names

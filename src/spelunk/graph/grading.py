"""Grade what a rule left: a confidence for each definition, shared among those that it cannot tell apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from spelunk.chunk.relation import Role
from spelunk.graph import go_builds
from spelunk.graph.languages import EXTENDING, fits
from spelunk.graph.nearness import nearest_and_count
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow

MOST_CANDIDATES: Final = 50
"""Candidates of one reference that are told apart."""

OWN_MEMBER, INHERITED, LOCAL, SAME_FILE = "own-member", "inherited", "local", "same-file"
IMPORT, WIDE_IMPORT, PACKAGE, SHARED = "import", "wide-import", "package", "shared"
MEMBER, CALLED_LIKE, IN_REACH, ONLY_ONE, NAME = "type", "called-like", "in-reach", "only-one", "name"

TRUST: Final = {
    OWN_MEMBER: 0.95,
    LOCAL: 0.95,
    SAME_FILE: 0.95,
    IMPORT: 0.97,
    PACKAGE: 0.92,
    INHERITED: 0.9,
    WIDE_IMPORT: 0.9,
    MEMBER: 0.9,
    SHARED: 0.8,
    CALLED_LIKE: 0.7,
    IN_REACH: 0.65,
    ONLY_ONE: 0.3,
    NAME: 0.4,
}
"""How far each rule is trusted where it leaves one definition."""


MOST_ATTRIBUTES: Final = 12
"""Attributes of Rust above a definition that are read."""
_OTHER_SYSTEM: Final = re.compile(
    r'#\[cfg\((?:windows|not\((?:any\()?unix|(?:all\()?target_os\s*=\s*"(?!linux)|target_family\s*=\s*"wasm)'
)
VALUE_SHARE: Final = 0.3
"""What is left of the trust in a bare name that is not called: it is a field more often than a method."""
FIELD_SHARE: Final = 0.7
"""The same where all that have the name are fields."""
COMMON_SHARE: Final = 0.3
"""What is left of the trust in a bare name where values of the language itself have such a member."""
COMMON_REACHED: Final = 0.6
"""The same where a file that is imported defines the member."""
SURE: Final = 0.75
"""From this confidence on a function that is called tells the type of the result."""
LEAST_CONFIDENCE: Final = 0.1
"""A weaker candidate is none."""


class Candidate(NamedTuple):
    """A definition that a reference may mean."""

    row: DefinitionRow
    confidence: float
    rule: str


class Resolution(NamedTuple):
    """What a reference may mean.

    Attributes:
        candidates: The most likely first; none where nothing in the index fits.
        outside: Whether it is known to mean something outside the index.
    """

    candidates: list[Candidate]
    outside: bool = False


UNKNOWN: Final = Resolution([])
OUTSIDE: Final = Resolution([], outside=True)


def fitting(rows: Sequence[DefinitionRow], role: Role) -> list[DefinitionRow]:
    """Those whose kind fits a role; all where none does, since values that hold functions can be called.

    What is assigned to is a value, and nothing else.
    """
    fit = [row for row in rows if fits(role, row.kind)]
    if role is Role.WRITE:
        return fit
    if not fit and role in (Role.TYPE, Role.INHERIT):
        fit = [row for row in rows if row.kind in EXTENDING]
    return fit or [row for row in rows if row.kind not in EXTENDING]


def definitions_first(rows: Sequence[DefinitionRow]) -> list[DefinitionRow]:
    """Definitions where there are any, else declarations."""
    return [row for row in rows if row.kind != "declaration"] or list(rows)


def graded(
    view: GraphView, file: int, rows: Sequence[DefinitionRow], rule: str, share: float = 1.0
) -> Resolution:
    """Candidates in order of nearness, with the rule's trust shared among those that it cannot tell apart.

    Several definitions of a name in one file are variants or overloads of one thing.
    """
    if not rows:
        return UNKNOWN
    trust = round(TRUST[rule] * share, 3)
    if trust < LEAST_CONFIDENCE:
        return UNKNOWN
    if len(rows) == 1:
        return Resolution([Candidate(rows[0], trust, rule)])
    view.load_rows(row.file for row in rows)
    if len({group_of(view, row) for row in rows}) == 1:
        ordered = sorted(rows, key=lambda row: (row.kind == "declaration", not is_usual_build(view, row)))
        return Resolution([Candidate(row, trust, rule) for row in ordered[:MOST_CANDIDATES]])
    ordered, near = nearest_and_count(view, file, rows)
    count = len({group_of(view, row) for row in rows})
    kept = ordered[:MOST_CANDIDATES]
    if near == 1 or len({group_of(view, row) for row in ordered[:near]}) == 1:
        best = trust * (0.5 + 0.5 / count)
        rest = trust / (2 * count)
    else:
        best = rest = trust / count
    first = group_of(view, ordered[0])
    shared = [(row, best if group_of(view, row) == first else rest) for row in kept]
    return Resolution(
        [Candidate(row, round(part, 3), rule) for row, part in shared if part >= LEAST_CONFIDENCE]
    )


def is_usual_build(view: GraphView, row: DefinitionRow) -> bool:
    """Whether a definition is part of the usual build, as Go and Rust write it down."""
    file = view.row(row.file)
    if file.language == "rust":
        above = view.lines(row.file)[max(0, row.line - 1 - MOST_ATTRIBUTES) : row.line - 1]
        attributes = itertools.takewhile(lambda text: text.lstrip().startswith(("#[", "//")), reversed(above))
        return not any(_OTHER_SYSTEM.search(text) for text in attributes)
    return file.language != "go" or go_builds.is_usual(file.path, view.lines(row.file))


def group_of(view: GraphView, row: DefinitionRow) -> tuple[str, str]:
    """What variants of one definition share: file and scope; in Go the folder, whose files may be for other systems."""
    file = view.row(row.file)
    return file.path.rpartition("/")[0] if file.language == "go" else file.path, row.scope

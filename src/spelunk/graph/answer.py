"""Answers of the symbol graph as callers see them: symbols, and edges with their confidence and rule."""

from __future__ import annotations

from msgspec import Struct

from spelunk.types import Flag


class Symbol(Struct, frozen=True):
    """A definition, or a file as a whole, which has the kind ``file``.

    Attributes:
        name: Its bare name; of a file its path.
        kind: ``function``, ``method``, ``class``, ... or ``file``.
        scope: Names around it, joined by dots; "" at top level.
        path: Relative path of its file.
        line: First line, 1-based.
        end_line: Last line, inclusive.
        language: The file's language.
        signature: Its head as written, on one line; "" where it has none.
        doc: The first line of its documentation; "" where it has none.
        flags: The file's flags.
    """

    name: str
    kind: str
    scope: str
    path: str
    line: int
    end_line: int
    language: str = ""
    signature: str = ""
    doc: str = ""
    flags: Flag = Flag.NONE

    @property
    def qualified(self) -> str:
        """Scope and name, joined by a dot."""
        return f"{self.scope}.{self.name}" if self.scope else self.name

    @property
    def citation(self) -> str:
        """``path:start-end``, exact in the file as indexed."""
        return f"{self.path}:{self.line}-{self.end_line}"


class Edge(Struct, frozen=True):
    """A relation between a place in a file and a symbol.

    Attributes:
        name: The name as written at the place.
        role: What the place does with it: ``call``, ``type``, ``import``, ``inherit``, ...;
            ``define`` where the place is the definition itself.
        path: Relative path of the place.
        line: Its line, 1-based.
        text: That line, without blanks around it.
        symbol: The symbol at the other end: the definition found, the function that
            calls, the class that inherits. None where none is known.
        confidence: From 0 to 1, that the place means what was asked for.
        rule: The rule that decided, a short name (docs/symbol-graph.md).
        alternatives: Other definitions that it may mean as well as this one.
        lines: Further lines of the same relation in the same symbol.
        depth: Steps from what was asked for, from 1.
        edges: The next step: callers of this caller.
        repeated: Whether the symbol's own edges are shown elsewhere in the answer.
    """

    name: str
    role: str
    path: str
    line: int
    text: str = ""
    symbol: Symbol | None = None
    confidence: float = 1.0
    rule: str = ""
    alternatives: int = 0
    lines: tuple[int, ...] = ()
    depth: int = 1
    edges: tuple[Edge, ...] = ()
    repeated: bool = False

    @property
    def citation(self) -> str:
        """``path:line`` of the place, exact in the file as indexed."""
        return f"{self.path}:{self.line}"


class GraphAnswer(Struct, frozen=True):
    """The answer to a question about symbols.

    Attributes:
        question: ``definition``, ``references``, ``callers``, ``callees``,
            ``implementations``, ``impact`` or ``route``.
        asked: What was asked for, as given.
        targets: What it was taken to mean; at most as many as edges were asked for.
        edges: The edges, the most certain first.
        tests: Of ``impact`` the edges that lead into tests, the most urgent first; ``edges`` has the others.
        total: How many edges there are, those that are left out among them.
        left_out: What the answer leaves out and why, one sentence each.
        nearest: Names near the one asked for, where nothing has it.
        generation: The generation that was asked.
        stale: Whether files are known to have changed since.
        took_ms: Milliseconds.
    """

    question: str
    asked: str
    targets: tuple[Symbol, ...] = ()
    edges: tuple[Edge, ...] = ()
    tests: tuple[Edge, ...] = ()
    total: int = 0
    left_out: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    generation: int = 0
    stale: bool = False
    took_ms: float = 0.0


class Package(Struct, frozen=True):
    """A folder of code on the map of a repository.

    Attributes:
        path: Relative path of the folder; "." for the root.
        files: Files of code in it, without those of its sub-folders that are packages themselves.
        languages: Their languages, the commonest first.
        symbols: Its most central definitions, the most central first.
        uses: Packages that it refers to, with the number of references, most first.
        used_by: Packages that refer to it, as ``uses``.
    """

    path: str
    files: int
    languages: tuple[str, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    uses: tuple[tuple[str, int], ...] = ()
    used_by: tuple[tuple[str, int], ...] = ()


class RepositoryMap(Struct, frozen=True):
    """The repository on a page.

    Attributes:
        packages: The most central ones, the most central first.
        symbols: The most central definitions of all, the most central first.
        files: Files of code.
        definitions: Definitions in them.
        references: References that could be joined to definitions.
        left_out: What the map leaves out, one sentence each.
        generation: The generation that was read.
        stale: Whether files are known to have changed since.
        took_ms: Milliseconds.
    """

    packages: tuple[Package, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    files: int = 0
    definitions: int = 0
    references: int = 0
    left_out: tuple[str, ...] = ()
    generation: int = 0
    stale: bool = False
    took_ms: float = 0.0


def doubt(confidence: float, sure: float) -> float:
    """A key to sort by: the least doubtful first, and all from the confidence ``sure`` on alike."""
    return 0.0 if confidence >= sure else 1 - confidence

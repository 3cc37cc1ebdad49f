"""Questions about symbols as tools and endpoints ask them: one call for all, and what may be told of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from msgspec.structs import replace

from spelunk.errors import UsageError
from spelunk.graph.many import prefixed_symbol
from spelunk.workspace.locate import is_within

if TYPE_CHECKING:
    from spelunk.graph.answer import Edge, GraphAnswer, RepositoryMap
    from spelunk.index import Index

T = TypeVar("T")

QUESTIONS: Final = ("definition", "references", "callers", "callees", "implementations", "path")
STEPS: Final = ("callers", "callees")
MOST_DEPTH: Final = 10
MOST_IMPACT_DEPTH: Final = 8
IMPACT_DEPTH: Final = 3

_PLACE: Final = re.compile(r"(?P<path>.+?):(?P<line>\d{1,9})(?::\d{1,9}|-\d{1,9})?", re.DOTALL)


class SymbolQuestion(NamedTuple):
    """A question about a symbol.

    Attributes:
        question: One of :data:`QUESTIONS`.
        symbol: A name, ``Scope.name``, ``FILE:LINE`` or ``FILE:LINE:COLUMN``.
        to: Of ``path`` the symbol that is to be reached.
        depth: Steps of a tree of calls; 0 for one.
        roles: Of ``references``: only these.
        limit: Results wanted.
    """

    question: str
    symbol: str
    to: str = ""
    depth: int = 0
    roles: Sequence[str] = ()
    limit: int = 50

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            UsageError: The message says what to do.
        """
        if (self.question == "path") != bool(self.to):
            raise UsageError("path needs `to`, the symbol to reach; other questions do not take it")
        if self.depth and self.question not in STEPS:
            raise UsageError(
                f"depth: {self.question} has no steps; leave depth out, or ask for callers or callees"
            )
        if self.roles and self.question != "references":
            raise UsageError(f"role: {self.question} has no roles; leave role out, or ask for references")

    def ask(self, index: Index, within: Sequence[str], *, refresh: bool) -> GraphAnswer:
        """The answer of an index, from the files and folders ``within`` alone."""
        symbol, limit = self.symbol, self.limit
        if self.question == "path":
            answer = index.route(symbol, self.to, refresh=refresh)
        elif self.question == "definition":
            answer = index.definition(symbol, limit=limit, within=within, refresh=refresh)
        elif self.question == "references":
            answer = index.references(symbol, roles=self.roles, limit=limit, within=within, refresh=refresh)
        elif self.question == "implementations":
            answer = index.implementations(symbol, limit=limit, within=within, refresh=refresh)
        else:
            tree = index.callers if self.question == "callers" else index.callees
            answer = tree(symbol, depth=self.depth or 1, limit=limit, within=within, refresh=refresh)
        return inside(answer, within)


def place_in(symbol: str) -> tuple[str, str] | None:
    """The path and the rest of ``FILE:LINE``, ``FILE:LINE-LINE`` or ``FILE:LINE:COLUMN``; None for a name."""
    found = _PLACE.fullmatch(symbol.strip())
    if found is None:
        return None
    path = found["path"]
    return path, symbol.strip()[len(path) + 1 :]


def inside(answer: GraphAnswer, within: Sequence[str]) -> GraphAnswer:
    """An answer without the symbols and places that lie outside of some files and folders; empty for all."""
    if not within:
        return answer
    return without(answer, lambda path: not any(is_within(path, w) for w in within), "are not served")


def without(answer: GraphAnswer, is_hidden: Callable[[str], bool], why: str) -> GraphAnswer:
    """An answer without the symbols and places in some files; it says how many were left out.

    Args:
        answer: Whole.
        is_hidden: Whether nothing of a path may be told.
        why: The end of the sentence about them.
    """
    hidden = 0

    def edges(found: Iterable[Edge]) -> tuple[Edge, ...]:
        nonlocal hidden
        kept = []
        for edge in found:
            if is_hidden(edge.path) or (edge.symbol is not None and is_hidden(edge.symbol.path)):
                hidden += 1
            else:
                kept.append(replace(edge, edges=edges(edge.edges)) if edge.edges else edge)
        return tuple(kept)

    targets = tuple(symbol for symbol in answer.targets if not is_hidden(symbol.path))
    hidden += len(answer.targets) - len(targets)
    shown = replace(answer, targets=targets, edges=edges(answer.edges), tests=edges(answer.tests))
    if not hidden:
        return answer
    return replace(shown, left_out=(*answer.left_out, f"{hidden:,} in files that {why}"))


def cited_paths(answer: GraphAnswer) -> set[str]:
    """The files that an answer cites."""
    paths = {symbol.path for symbol in answer.targets}
    edges = [*answer.edges, *answer.tests]
    while edges:
        edge = edges.pop()
        paths |= {edge.path} | ({edge.symbol.path} if edge.symbol is not None else set())
        edges += edge.edges
    return paths


def prefixed_map(found: RepositoryMap, prefix: str) -> RepositoryMap:
    """A map with something put before each path."""
    if not prefix:
        return found

    def folder(path: str) -> str:
        return prefix.rstrip("/") if path == "." else prefix + path

    packages = tuple(
        replace(
            package,
            path=folder(package.path),
            symbols=tuple(prefixed_symbol(s, prefix) for s in package.symbols),
            uses=tuple((folder(p), n) for p, n in package.uses),
            used_by=tuple((folder(p), n) for p, n in package.used_by),
        )
        for package in found.packages
    )
    return replace(found, packages=packages, symbols=tuple(prefixed_symbol(s, prefix) for s in found.symbols))


def only_one(
    workspaces: Sequence[T], ask: Callable[[T], GraphAnswer], name_of: Callable[[T], str], parameter: str
) -> tuple[T, GraphAnswer]:
    """Ask all workspaces, and give the answer of the one that knows the symbol; the first one's where none does.

    Args:
        workspaces: At least one.
        ask: Asks one.
        name_of: What the parameter that chooses a workspace takes.
        parameter: What it is called.

    Raises:
        UsageError: Several of them know it; or no answer, as ``ask`` says.
    """
    found: list[tuple[T, GraphAnswer]] = []
    for n, workspace in enumerate(workspaces):
        try:
            found.append((workspace, ask(workspace)))
        except UsageError as error:
            # The other end of a path may be a place in another workspace.
            if "not indexed" not in str(error) or (n + 1 == len(workspaces) and not found):
                raise
    knowing = [one for one in found if one[1].targets or one[1].edges or one[1].tests]
    if len(knowing) > 1:
        names = ", ".join(name_of(workspace) for workspace, _ in knowing[:10])
        raise UsageError(f"several workspaces have this name: {names}; give one of them as {parameter}")
    return (knowing or found)[0]

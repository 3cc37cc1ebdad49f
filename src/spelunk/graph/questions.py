"""The methods of an index that answer questions about symbols."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from spelunk.errors import UsageError

if TYPE_CHECKING:
    from spelunk.chunk.relation import Role
    from spelunk.graph.answer import GraphAnswer, RepositoryMap
    from spelunk.graph.impact import Changed
    from spelunk.graph.resolve import Resolver
    from spelunk.graph.view import GraphView
    from spelunk.history.reader import History
    from spelunk.observe.progress import OnProgress
    from spelunk.store.protocols import Reader
    from spelunk.store.records import FileRow
    from spelunk.store.relation_reader import DefinitionRow

DEFAULT_LIMIT: Final = 50
MOST_LIMIT: Final = 10_000
MOST_FOLDER_FILES: Final = 500
"""Files of a folder whose impact is asked for."""


class GraphQuestions(ABC):
    """The methods of :class:`spelunk.Index` that ask the symbol graph.

    A symbol is given as its name, as ``Scope.name`` with as many scopes or folders as
    tell it apart, as ``FILE:LINE``: the definition at that line, or the one around it; or as
    ``FILE:LINE:COLUMN``: what the name there means.
    """

    root: str

    @abstractmethod
    def refresh(self, *, progress: OnProgress | None = None, freshness: str | None = None) -> bool:
        """See :class:`spelunk.Index`."""

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[Reader]:
        """See :class:`spelunk.Index`."""

    @abstractmethod
    def commits(self) -> AbstractContextManager[History | None]:
        """See :class:`spelunk.Index`."""

    @abstractmethod
    def changed_paths(
        self, reader: Reader, paths: Collection[str], freshness: str | None = None
    ) -> Collection[str]:
        """See :class:`spelunk.Index`."""

    def definition(
        self, symbol: str, *, limit: int = DEFAULT_LIMIT, within: Sequence[str] = (), refresh: bool = True
    ) -> GraphAnswer:
        """Where a symbol is defined.

        Args:
            symbol: As for the class.
            limit: Definitions wanted.
            within: Only files and folders at these paths.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: A place that is not indexed, an empty name, a limit out of range.
        """
        from spelunk.graph.definition import definition

        def ask(resolver: Resolver, rows: list[DefinitionRow], _: Reader) -> GraphAnswer:
            return definition(resolver, symbol, rows, limit, inside=_inside(within))

        return self._about(symbol, ask, limit, refresh=refresh)

    def references(
        self,
        symbol: str,
        *,
        roles: Collection[str] = (),
        limit: int = DEFAULT_LIMIT,
        within: Sequence[str] = (),
        refresh: bool = True,
    ) -> GraphAnswer:
        """Every place that refers to a symbol.

        Args:
            symbol: As for the class.
            roles: Only these: ``call``, ``type``, ``import``, ``inherit``, ``decorate``, ``macro``,
                ``write``, ``use``.
            limit: References wanted.
            within: Only references in files and folders at these paths.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: As :meth:`definition`; an unknown role.
        """
        from spelunk.graph.references import references

        wanted = _roles(roles)

        def ask(resolver: Resolver, rows: list[DefinitionRow], reader: Reader) -> GraphAnswer:
            return references(
                resolver, symbol, rows, limit, roles=wanted, finder=_finder(reader), inside=_inside(within)
            )

        return self._about(symbol, ask, limit, refresh=refresh)

    def callers(
        self,
        symbol: str,
        *,
        depth: int = 1,
        limit: int = DEFAULT_LIMIT,
        within: Sequence[str] = (),
        refresh: bool = True,
    ) -> GraphAnswer:
        """The definitions that call a symbol, and their callers up to ``depth`` steps.

        Args:
            symbol: As for the class.
            depth: Steps, from 1 to 10.
            limit: Callers wanted of each.
            within: Only callers in files and folders at these paths.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: As :meth:`definition`.
        """
        from spelunk.graph.callers import callers

        def ask(resolver: Resolver, rows: list[DefinitionRow], _: Reader) -> GraphAnswer:
            return callers(resolver, symbol, rows, limit, depth=depth, inside=_inside(within))

        return self._about(symbol, ask, limit, refresh=refresh)

    def callees(
        self,
        symbol: str,
        *,
        depth: int = 1,
        limit: int = DEFAULT_LIMIT,
        within: Sequence[str] = (),
        refresh: bool = True,
    ) -> GraphAnswer:
        """What a symbol calls, in the index and out of it; the arguments are those of :meth:`callers`."""
        from spelunk.graph.callees import callees

        def ask(resolver: Resolver, rows: list[DefinitionRow], _: Reader) -> GraphAnswer:
            return callees(resolver, symbol, rows, limit, depth=depth, inside=_inside(within))

        return self._about(symbol, ask, limit, refresh=refresh)

    def implementations(
        self, symbol: str, *, limit: int = DEFAULT_LIMIT, within: Sequence[str] = (), refresh: bool = True
    ) -> GraphAnswer:
        """The types below a type, or the members below that override a member; see :meth:`definition`."""
        from spelunk.graph.implementations import implementations

        def ask(resolver: Resolver, rows: list[DefinitionRow], _: Reader) -> GraphAnswer:
            return implementations(resolver, symbol, rows, limit, inside=_inside(within))

        return self._about(symbol, ask, limit, refresh=refresh)

    def impact(
        self,
        asked: str = "",
        *,
        diff: str = "",
        depth: int = 3,
        limit: int = DEFAULT_LIMIT,
        within: Sequence[str] = (),
        refresh: bool = True,
    ) -> GraphAnswer:
        """What a change reaches; ``tests`` are the test files to run, the most urgent first.

        Args:
            asked: A file, a folder, or a symbol as for the class.
            diff: Instead: a revision of git; what changed since then is what changes.
            depth: Steps that are followed, from 1 to 8.
            limit: Tests, and other places, wanted.
            within: Only places in files and folders at these paths.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: As :meth:`definition`; neither or both of ``asked`` and ``diff``; no
                repository, or no such revision.
        """
        from spelunk.graph.changed import changed_since
        from spelunk.graph.impact import impact

        if bool(asked) == bool(diff):
            raise UsageError("give a PATH or a symbol, or --diff REV, and not both")

        def ask(resolver: Resolver, reader: Reader) -> GraphAnswer:
            view = resolver.view
            if diff:
                changed = changed_since(view, self.root, diff)
            else:
                changed = _named(view, asked, reader)
            answer = impact(
                resolver,
                asked or f"--diff {diff}",
                changed,
                limit,
                steps=depth,
                inside=_inside(within),
                companions=self._companions,
            )
            if not diff and not answer.targets:
                answer = replace(answer, nearest=_nearest(reader, asked))
            return answer

        return self._ask(ask, limit, refresh=refresh)

    def _companions(self, paths: Sequence[str]) -> dict[str, float]:
        """How often files changed in the same commits as one of some files, from 0 to 1."""
        with self.commits() as history:
            return {} if history is None else history.companions(paths)

    def route(self, start: str, end: str, *, refresh: bool = True) -> GraphAnswer:
        """How one symbol reaches another: the shortest chain of calls, else of any references.

        Args:
            start: As for the class.
            end: As for the class.
            refresh: Bring the index up to date first.

        Raises:
            UsageError: As :meth:`definition`.
        """
        from spelunk.graph.route import route

        def ask(resolver: Resolver, reader: Reader) -> GraphAnswer:
            asked = f"{start} {end}"
            starts, ends = _rows(resolver.view, start, reader), _rows(resolver.view, end, reader)
            for symbol, rows in ((start, starts), (end, ends)):
                if not rows:
                    left = (f"nothing is defined as {symbol}",)
                    return _empty("route", asked, left, _nearest(reader, symbol))
            return route(resolver, asked, starts, ends)

        return self._ask(ask, 1, refresh=refresh)

    def map(self, *, limit: int = 20, within: Sequence[str] = (), refresh: bool = True) -> RepositoryMap:
        """The repository on a page: packages, central symbols, who depends on whom.

        Args:
            limit: Packages, and symbols, wanted.
            within: Only files and folders at these paths.
            refresh: Bring the index up to date first.
        """
        from spelunk.graph.overview import repository_map
        from spelunk.graph.view import GraphView

        _check(limit)
        fresh = self.refresh() if refresh else True
        began = time.perf_counter()
        with self.snapshot() as reader:
            found = repository_map(GraphView(reader.relations), limit, inside=_inside(within))
            took = (time.perf_counter() - began) * 1000
            return replace(found, generation=reader.generation, stale=not fresh, took_ms=took)

    def _about(
        self,
        symbol: str,
        ask: Callable[[Resolver, list[DefinitionRow], Reader], GraphAnswer],
        limit: int,
        *,
        refresh: bool,
    ) -> GraphAnswer:
        """An answer about the definitions of a symbol."""

        def with_rows(resolver: Resolver, reader: Reader) -> GraphAnswer:
            rows = _rows(resolver.view, symbol, reader)
            answer = ask(resolver, rows, reader)
            return answer if rows else replace(answer, nearest=_nearest(reader, symbol))

        return self._ask(with_rows, limit, refresh=refresh)

    def _ask(
        self, ask: Callable[[Resolver, Reader], GraphAnswer], limit: int, *, refresh: bool
    ) -> GraphAnswer:
        from spelunk.graph.resolve import Resolver
        from spelunk.graph.view import GraphView

        _check(limit)
        fresh = self.refresh() if refresh else True
        began = time.perf_counter()
        with self.snapshot() as reader:
            answer = ask(Resolver(GraphView(reader.relations)), reader)
            took = (time.perf_counter() - began) * 1000
            changed = self.changed_paths(reader, _paths(answer)) if refresh else ()
            return replace(
                answer, generation=reader.generation, stale=not fresh or bool(changed), took_ms=took
            )


def _check(limit: int) -> None:
    if not 1 <= limit <= MOST_LIMIT:
        raise UsageError(f"{limit} results: ask for 1 to {MOST_LIMIT:,}")


def _empty(question: str, asked: str, left: tuple[str, ...], nearest: tuple[str, ...]) -> GraphAnswer:
    from spelunk.graph.answer import GraphAnswer

    return GraphAnswer(question, asked, left_out=left, nearest=nearest)


def _paths(answer: GraphAnswer) -> set[str]:
    """The files that an answer cites."""
    paths = {symbol.path for symbol in answer.targets}
    edges = [*answer.edges, *answer.tests]
    while edges:
        edge = edges.pop()
        paths.add(edge.path)
        edges += edge.edges
    return paths


def _inside(within: Iterable[str]) -> Callable[[str], bool] | None:
    """Whether a path is one of some files, or in one of some folders; None for everywhere."""
    places = [place.strip("/") for place in within if place not in (".", "")]
    if not places:
        return None
    return lambda path: any(path == place or path.startswith(place + "/") for place in places)


def _roles(names: Iterable[str]) -> list[Role]:
    from spelunk.chunk.relation import Role

    known = {role.name.lower(): role for role in Role}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"role {unknown[0]!r}: use {', '.join(known)}")
    return [known[name] for name in names]


def _rows(view: GraphView, asked: str, reader: Reader) -> list[DefinitionRow]:
    """The definitions of a symbol; fields and variants where nothing that is stored has the name."""
    from spelunk.graph.fields import fields_named
    from spelunk.graph.names import find

    return find(view, asked) or fields_named(view, asked, _finder(reader))


def _named(view: GraphView, asked: str, reader: Reader) -> Changed:
    """A file, the files of a folder, or the definitions of a symbol."""
    from spelunk.graph.impact import Changed

    path = asked.removeprefix("./").rstrip("/")
    row = view.row_at(path)
    if row is not None:
        return Changed(view.definitions(row.id), [row.id])
    inside = [p for p in view.reader.all_paths() if p.startswith(path + "/")] if path not in ("", ".") else []
    if inside:
        rows = view.rows_at(inside[:MOST_FOLDER_FILES])
        view.load(r.id for r in rows)
        left = []
        if len(inside) > len(rows):
            left.append(f"{len(inside) - len(rows):,} more files of the folder were left out")
        return Changed([d for r in rows for d in view.definitions(r.id)], [r.id for r in rows], left)
    return Changed(_rows(view, asked, reader))


def _nearest(reader: Reader, asked: str) -> tuple[str, ...]:
    from spelunk.graph.nearest import nearest_names

    return nearest_names(reader, asked)


def _finder(reader: Reader) -> Callable[[str, int], list[FileRow]]:
    """Finds files by an identifier of their text, through the full text."""
    from spelunk.search.terms import whole_term
    from spelunk.store.protocols import Filter, Requirement
    from spelunk.text.required import Run

    def files(name: str, limit: int) -> list[FileRow]:
        if reader.damage is not None:
            return []
        kept, key = reader.relations.kept, ("files", name, limit)
        found: list[FileRow] | None = kept.get(key)
        if found is None:
            run = Run(whole_term(name), starts=True, ends=True)
            found = reader.files_with(Filter(), [[Requirement(frozenset((run,)))]], limit)
            if reader.damage is None:
                kept.put(key, found, 100 + 100 * len(found))  # the rows are kept anyway, most of them
        return [*found]

    return files

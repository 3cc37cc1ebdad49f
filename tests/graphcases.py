"""Small repositories for the tests of the symbol graph, and questions about them without an index."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.answer import Edge, GraphAnswer
from spelunk.graph.grading import Resolution
from spelunk.graph.names import find
from spelunk.graph.resolve import Resolver
from spelunk.graph.view import GraphView
from spelunk.store.records import FileRow
from spelunk.store.relation_reader import DefinitionRow
from spelunk.testing import MemoryReader


class Repository:
    """Files, parsed and indexed in memory, with a resolver over them."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.reader = MemoryReader.of_files(files)
        self.view = GraphView(self.reader.relations)
        self.resolver = Resolver(self.view)

    def rows(self, asked: str) -> list[DefinitionRow]:
        """The definitions of a symbol."""
        return find(self.view, asked)

    def finder(self, name: str, limit: int) -> list[FileRow]:
        """The files whose text has a name."""
        relations = self.reader.relations
        found = relations.files_at(relations.all_paths())
        word = re.compile(rf"\b{re.escape(name)}\b")
        return [row for row in found.values() if word.search(relations.text_of_file(row.id))][:limit]

    def place(self, row: DefinitionRow) -> str:
        """``path:line`` of a definition."""
        return f"{self.view.row(row.file).path}:{row.line}"

    def resolve(self, path: str, name: str, *, line: int = 0, role: Role | None = None) -> Resolution:
        """What the first reference to a name in a file, at a line or in a role, may mean."""
        file = self.view.row_at(path)
        assert file is not None, path
        found = [
            r
            for r in self.view.relations(file.id).references
            if r.name == name
            and (not line or r.line == line)
            and (role is r.role if role is not None else r.role is not Role.IMPORT)
        ]
        assert found, f"{path} has no reference to {name}"
        return self.resolver.resolve(file.id, Reference(*found[0]))

    def meaning(self, path: str, name: str, *, line: int = 0, role: Role | None = None) -> tuple[str, str]:
        """The best candidate as ``path:line``, and its rule; ``("", "outside")`` or ``("", "")`` where there is none."""
        found = self.resolve(path, name, line=line, role=role)
        if not found.candidates:
            return "", "outside" if found.outside else ""
        best = found.candidates[0]
        return self.place(best.row), best.rule


def places(answer: GraphAnswer) -> list[str]:
    """The places of an answer's edges, those of the next steps behind their own."""
    out: list[str] = []

    def add(edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            out.append(edge.citation)
            add(edge.edges)

    add(answer.edges)
    return out


def symbols(answer: GraphAnswer) -> list[str]:
    """The names of the symbols at the other ends of an answer's edges."""
    return [edge.symbol.qualified if edge.symbol is not None else edge.name for edge in answer.edges]

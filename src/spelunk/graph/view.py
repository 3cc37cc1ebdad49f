"""What a question reads of one generation: rows, texts and trees, each read once and within a bound."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from spelunk.chunk.receivers import MAX_RECEIVER
from spelunk.chunk.relation import NO_RELATIONS, Import, Reference, Relations, Role
from spelunk.config import DEFAULTS
from spelunk.graph.answer import Edge, Symbol
from spelunk.graph.kept_trees import KEPT_TREES, TREES
from spelunk.graph.languages import CLASSES, EXTENDING, FIELDS_APART, NOT_CODE, family_of
from spelunk.graph.parse_budget import ParseBudget
from spelunk.graph.signature import doc_line, signature
from spelunk.graph.spans import Spans, Surroundings, last_line
from spelunk.store.relation_reader import DefinitionRow, RelationReader
from spelunk.types import Document

if TYPE_CHECKING:
    from spelunk.chunk.parsed import Parsed
    from spelunk.store.records import FileRow

MOST_PARSES: Final = 400
"""Files that one question parses again: some 2 s of source code in all."""
MOST_PARSED_CHARS: Final = 20_000_000
"""Bytes of source that one question parses again."""
MOST_TEXTS: Final = 2_000
"""Texts kept in memory at a time."""
MOST_LINE: Final = 200
"""Characters of a line that is quoted."""


class GraphView:
    """One generation, for one question.

    Attributes:
        reader: The generation.
        unparsed: Files that were not parsed because a bound was reached.
        told: What an answer has to say about its bounds, one sentence each.
        surroundings: The definitions around places.
        stored: Definitions that are known to be stored ones.
        budget: What is left to parse.
    """

    def __init__(
        self, reader: RelationReader, most_parses: int = MOST_PARSES, shared: GraphView | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            reader: The generation.
            most_parses: Files that are parsed again at most; their size is bounded in proportion.
            shared: Another view of it, whose rows and texts need not be read again. Its bounds are its own.
        """
        self.reader = reader
        self.unparsed: set[int] = set()
        self.told: set[str] = set()
        self._rows: dict[int, FileRow] = {}
        self._definitions: dict[int, list[DefinitionRow]] = {}
        self._spans: dict[int, Spans] = {}
        self._by_name: dict[int, dict[str, list[DefinitionRow]]] = {}
        self._imports: dict[int, list[Import]] = {}
        self._lines: dict[int, list[str]] = {}
        self._relations: dict[int, Relations] = {}
        self._read: dict[int, Relations] = {}
        self._within: dict[tuple[int, int, int], list[Reference]] = {}
        if shared is not None:
            self._rows, self._definitions, self._imports = shared._rows, shared._definitions, shared._imports
            self._spans, self._by_name, self._lines = shared._spans, shared._by_name, shared._lines
            self._read = shared._read
        self._bindings: dict[tuple[int, int], dict[str, str]] = {}
        self.surroundings = Surroundings(reader, self.spans)
        self.stored: set[DefinitionRow] = set()
        self._at: dict[str, FileRow | None] = {}
        self.budget = ParseBudget(most_parses, MOST_PARSED_CHARS * most_parses // MOST_PARSES)
        self._fields: dict[int, list[DefinitionRow]] = {}
        self._locals: dict[int, list[DefinitionRow]] = {}
        self._field_types: dict[DefinitionRow, tuple[str, str]] = {}
        self._assigned: set[DefinitionRow] = set()
        self._tree = lru_cache(KEPT_TREES)(self._parse)

    def load_rows(self, files: Iterable[int]) -> None:
        """Read the rows of many files at once."""
        lacking = sorted({file for file in files if file not in self._rows})
        if lacking:
            self._rows.update(self.reader.file_rows(lacking))

    def load(self, files: Iterable[int]) -> None:
        """Read the rows and definitions of many files at once."""
        files = set(files)
        self.load_rows(files)
        lacking = sorted({file for file in files if file not in self._definitions})
        if lacking:
            found = self.reader.definitions_in(lacking)
            self._definitions.update({file: found.get(file, []) for file in lacking})

    def row(self, file: int) -> FileRow:
        """A file's row."""
        if file not in self._rows:
            self._rows.update(self.reader.file_rows([file]))
        return self._rows[file]

    def row_at(self, path: str) -> FileRow | None:
        """The row of the file at a path."""
        row = self.reader.files_at([path]).get(path)
        if row is not None:
            self._rows[row.id] = row
        return row

    def rows_at(self, paths: Collection[str]) -> list[FileRow]:
        """The rows of those of the paths that are indexed, in their order."""
        lacking = [path for path in paths if path not in self._at]
        if lacking:
            found = self.reader.files_at(lacking)
            self._rows.update((row.id, row) for row in found.values())
            self._at.update((path, found.get(path)) for path in lacking)
        return [row for row in map(self._at.get, paths) if row is not None]

    def lives(self, file: int) -> bool:
        """Whether a file is of this generation."""
        if file not in self._rows:
            self._rows.update(self.reader.file_rows([file]))
        return file in self._rows

    def definitions(self, file: int) -> list[DefinitionRow]:
        """The definitions of a file, by line."""
        if file not in self._definitions:
            self._definitions[file] = self.reader.definitions_in([file]).get(file, [])
        return self._definitions[file]

    def imports(self, file: int) -> list[Import]:
        """The imports of a file."""
        if file not in self._imports:
            self._imports[file] = self.reader.imports_of([file]).get(file, [])
        return self._imports[file]

    def preload_imports(self, files: Iterable[int]) -> None:
        """Read the imports of many files at once."""
        lacking = [file for file in files if file not in self._imports]
        found = self.reader.imports_of(lacking)
        self._imports.update((file, found.get(file, [])) for file in lacking)

    def lines(self, file: int) -> list[str]:
        """The lines of a file; none of a notebook, whose lines are not those of the file."""
        found = self._lines.get(file)
        if found is None:
            if len(self._lines) >= MOST_TEXTS:
                self._lines.clear()
            wrapped = self.row(file).language == "notebook"
            found = [] if wrapped else self.reader.text_of_file(file).split("\n")
            self._lines[file] = found
        return found

    def line(self, file: int, number: int) -> str:
        """A line without blanks around it, cut where it is long; "" where there is none."""
        kept: str | None = self.reader.kept.get(("line", file, number))
        if kept is None:
            lines = self.lines(file)
            text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
            kept = text if len(text) <= MOST_LINE else text[: MOST_LINE - 1] + "…"
            self.reader.kept.put(("line", file, number), kept, 100 + len(kept))
        return kept

    def parsed(self, file: int) -> Parsed | None:
        """A file parsed again; None where a bound is reached."""
        try:
            return self._tree(file)
        except _BoundReachedError:
            self.unparsed.add(file)
            return None

    def _parse(self, file: int) -> Parsed:
        row = self.row(file)
        if not self.budget.allows(row):
            raise _BoundReachedError
        kept = TREES.get(row.digest, row.path)
        if kept is not None:
            return kept
        from spelunk.chunk import parse

        text = self.reader.text_of_file(file)
        options = DEFAULTS
        if row.size > options.max_parse_size and self.definitions(file):  # it was parsed when it was indexed
            options = replace(options, max_parse_size=row.size)
        parsed = parse(Document(row.path, text, row.digest, row.language, size=row.size), options)
        TREES.keep(parsed)
        return parsed

    def has_table(self, file: int) -> bool:
        """Whether references are known of a file: its language has a table, and it could be parsed."""
        from spelunk.chunk.relations import extractor_for

        if self.row(file).language in NOT_CODE:
            return False
        parsed = self.parsed(file)
        return parsed is not None and extractor_for(parsed) is not None

    def relations(self, file: int) -> Relations:
        """References and imports of a file, from its text; none where a bound is reached."""
        found = self._relations.get(file)
        if found is None:
            from spelunk.chunk.relations import relations

            parsed = self.parsed(file)  # counted also where the references were read before
            if parsed is None:
                found = NO_RELATIONS
            else:
                found = self._read.get(file) or relations(parsed)
                self._read[file] = found
            self._relations[file] = found
        return found

    def references_in(self, definition: DefinitionRow) -> list[Reference]:
        """References within the lines of a definition, by line."""
        return self.references_within(definition.file, definition.line, last_line(definition))

    def references_within(self, file: int, first: int, last: int) -> list[Reference]:
        """References on some lines, by line, without reading the rest of the file; none where a bound is reached."""
        known = self._relations.get(file)
        if known is None:
            key = (file, first, last)
            found = self._within.get(key)
            if found is None:
                from spelunk.chunk.relations import references_within

                parsed = self.parsed(file)
                found = [] if parsed is None else references_within(parsed, first, last)
                self._within[key] = found
            return found
        references = known.references
        begin = bisect_left(references, first, key=_line_of)
        return references[begin : bisect_right(references, last, key=_line_of)]

    def bindings(self, file: int, line: int) -> dict[str, str]:
        """The types of variables that are written down and hold at a line; none where a bound is reached."""
        from spelunk.chunk.bindings import bindings

        key = (file, line)
        found = self._bindings.get(key)
        if found is None:
            parsed = self.parsed(file)
            found = self._bindings[key] = {} if parsed is None else bindings(parsed, line)
        return found

    def spans(self, file: int) -> Spans:
        """The definitions of a file by their lines."""
        found = self._spans.get(file)
        if found is None:
            found = self._spans[file] = Spans(self.definitions(file))
        return found

    def named_in(self, file: int, name: str) -> Sequence[DefinitionRow]:
        """The definitions of a file that have a name, by line."""
        found = self._by_name.get(file)
        if found is None:
            found = self._by_name[file] = {}
            for row in self.definitions(file):
                found.setdefault(row.name, []).append(row)
        return found.get(name, ())

    def fields(self, file: int) -> list[DefinitionRow]:
        """The fields, attributes and variants of a file's types that are no stored definitions, by line.

        None where a bound on parsing is reached. Of several assignments of one attribute the first counts.
        """
        found = self._fields.get(file)
        if found is None:
            from spelunk.chunk.fields import fields

            parsed = self.parsed(file)
            known = {(row.name, row.line) for row in self.definitions(file)}
            first: dict[tuple[str, str], DefinitionRow] = {}
            for one in fields(parsed) if parsed is not None else ():
                scope = self._scope_of(file, one.owner, one.line)
                if (one.name, one.line) in known or not scope:
                    continue
                row = DefinitionRow(file, one.name, one.kind, scope, one.line, one.end_line)
                if first.setdefault((scope, one.name), row) is row:
                    self._field_types[row] = one.type, one.element
                    if one.inside:
                        self._assigned.add(row)
            members: set[tuple[str, str]] = set()
            if family_of(self.row(file).language) not in FIELDS_APART:
                members = {(row.scope, row.name) for row in self.definitions(file)}
            found = self._fields[file] = [row for key, row in first.items() if key not in members]
        return found

    def locals(self, file: int) -> list[DefinitionRow]:
        """The functions and types inside functions of a file, by line; none where a bound on parsing is reached."""
        found = self._locals.get(file)
        if found is None:
            from spelunk.chunk.local_definitions import local_definitions

            parsed = self.parsed(file)
            inner = local_definitions(parsed) if parsed is not None else ()
            found = [DefinitionRow(file, d.name, d.kind, d.scope, d.line, d.end_line) for d in inner]
            self._locals[file] = found
        return found

    def field_type(self, row: DefinitionRow, *, element: bool = False) -> str:
        """The type of a field, or of its elements, as it is written in its declaration; "" where it is not."""
        return self._field_types.get(row, ("", ""))[element]

    def is_assigned(self, row: DefinitionRow) -> bool:
        """Whether a field is defined by an assignment in a method, and not in the body of its type."""
        return row in self._assigned

    def _scope_of(self, file: int, owner: str, line: int) -> str:
        """The type that a field belongs to, with its own scope; "" where there is none."""
        if not owner:
            around = self.class_around(file, line)
            return "" if around is None else qualified(around)
        types = [row for row in self.named_in(file, owner) if row.kind in CLASSES]
        return qualified(min(types, key=lambda row: abs(row.line - line))) if types else owner

    def literal_around(self, file: int, name: str, line: int) -> str | None:
        """The type of the literal that has a name as a key at a line; None where it is no key."""
        from spelunk.chunk.fields import literal_around

        parsed = self.parsed(file)
        return None if parsed is None else literal_around(parsed, name, line)

    def whole_receiver(self, file: int, reference: Reference) -> str:
        """What stands before a name, also where the stored text was cut: a long chain, long arguments in it."""
        written = reference.receiver
        if len(written) < MAX_RECEIVER and not written.startswith((".", "::", "->")):
            if written or reference.role is not Role.CALL:
                return written
            before, dot, _ = self.line(file, reference.line).partition(f".{reference.name}(")
            if not dot or before[-1:].isalnum():
                return written
        from spelunk.chunk.chains import receiver_at

        parsed = self.parsed(file)
        found = "" if parsed is None else receiver_at(parsed, reference.name, reference.line)
        return found or reference.receiver

    def around(self, file: int, line: int) -> list[DefinitionRow]:
        """The definitions that a line lies in, the innermost last."""
        return self.surroundings.around(file, line)

    def enclosing(self, file: int, line: int) -> DefinitionRow | None:
        """The function, else the type, else the value that a line lies in; None at the top of the file."""
        return self.surroundings.innermost(file, line)

    def class_around(self, file: int, line: int) -> DefinitionRow | None:
        """The innermost type, or addition to a type, that a line lies in."""
        return next(iter(self.classes_around(file, line)), None)

    def classes_around(self, file: int, line: int) -> list[DefinitionRow]:
        """The types, and additions to types, that a line lies in, the innermost first."""
        kinds = CLASSES | EXTENDING
        return [row for row in reversed(self.around(file, line)) if row.kind in kinds]

    def symbol(self, row: DefinitionRow) -> Symbol:
        """A definition as callers see it, with its head and the first line of its documentation."""
        kept: Symbol | None = self.reader.kept.get(("symbol", row))
        if kept is None:
            kept = self._symbol(row)
            self.reader.kept.put(("symbol", row), kept, 500 + len(kept.signature) + len(kept.doc))
        return kept

    def _symbol(self, row: DefinitionRow) -> Symbol:
        file = self.row(row.file)
        lines = self.lines(row.file)
        head = signature(lines, row.line, last_line(row), file.language)
        doc = doc_line(lines, row.line, last_line(row), file.language)
        place = file.path, row.line, last_line(row), file.language
        return Symbol(row.name, row.kind, row.scope, *place, head, doc, file.flags)

    def file_symbol(self, file: int) -> Symbol:
        """A file as a symbol."""
        row = self.row(file)
        return Symbol(row.path, "file", "", row.path, 1, max(1, row.lines), row.language, flags=row.flags)

    def symbol_around(self, file: int, line: int) -> Symbol:
        """What a line lies in: a definition, or else the file."""
        inside = self.enclosing(file, line)
        return self.file_symbol(file) if inside is None else self.symbol(inside)

    def of_definition(
        self, row: DefinitionRow, confidence: float, rule: str, alternatives: int = 0, depth: int = 1
    ) -> Edge:
        """An edge to a definition, at its own place."""
        symbol = self.symbol(row)
        text = self.line(row.file, row.line)
        return Edge(
            row.name,
            "define",
            symbol.path,
            row.line,
            text,
            symbol,
            confidence,
            rule,
            alternatives,
            depth=depth,
        )


_line_of: Final = attrgetter("line")


class _BoundReachedError(Exception):
    """A bound on parsing is reached."""


def qualified(row: DefinitionRow) -> str:
    """Scope and name of a definition."""
    return f"{row.scope}.{row.name}" if row.scope else row.name

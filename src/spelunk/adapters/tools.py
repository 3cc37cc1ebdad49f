"""What each tool does: checked arguments in, plain values and a text out. It knows no transport."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from spelunk.adapters.budget import fit, fit_lines, json_tokens
from spelunk.adapters.indexes import OpenIndexes
from spelunk.adapters.scope import Scope
from spelunk.adapters.symbol_tools import impact_answer, map_answer, symbol_answer
from spelunk.adapters.tool_answer import FRAME_TOKENS, FileLink, ToolAnswer, clean
from spelunk.adapters.tool_table import BY_NAME, DEFAULT_TOKENS, checked
from spelunk.errors import QuerySyntaxError, UsageError
from spelunk.index import Index
from spelunk.io.printable import printable, printable_name
from spelunk.present.commits import place_object, place_text
from spelunk.present.objects import status_text, to_json
from spelunk.present.render import notices, to_object
from spelunk.search.answer import Answer
from spelunk.search.many import search_many
from spelunk.search.request import SearchRequest
from spelunk.text.token_estimate import token_estimate
from spelunk.types import Definition
from spelunk.workspace.targets import Target

T = TypeVar("T")

_CITED: Final = re.compile(r"(?P<path>.+?):(?P<first>\d{1,12})(?:-(?P<last>\d{1,12}))?")


class Tools:
    """The tools of a server. Usable from several threads; each call may take as long as an update."""

    def __init__(self, indexes: OpenIndexes) -> None:
        self.indexes = indexes

    def call(
        self, name: str, arguments: Mapping[str, Any], scope: Scope, *, refresh: bool = True
    ) -> ToolAnswer:
        """Run a tool.

        Args:
            name: One of the table.
            arguments: As the client sent them.
            scope: What the client may search.
            refresh: Bring indexes up to date first; else answer from what is published.

        Raises:
            KeyError: There is no such tool.
            SpelunkError: The message says what to do next.
        """
        args = checked(BY_NAME[name], arguments)
        runs: dict[str, Callable[[dict[str, Any], Scope, bool], ToolAnswer]] = {
            "search": self._search,
            "read": self._read,
            "related": self._related,
            "outline": self._outline,
            "symbol": partial(symbol_answer, self.indexes),
            "impact": partial(impact_answer, self.indexes),
            "map": partial(map_answer, self.indexes),
            "history": self._history,
            "index_status": self._status,
        }
        return runs[name](args, scope, refresh)

    def roots(self, arguments: Mapping[str, Any], scope: Scope) -> list[str]:
        """The roots that a call is about, for its progress; empty where they cannot be told."""
        chosen = arguments.get("workspace") or ()
        try:
            return [t.root for t in scope.targets([chosen] if isinstance(chosen, str) else chosen)]
        except (UsageError, TypeError, ValueError):
            return []

    def whole_file(self, path: str, scope: Scope) -> str:
        """The text of an indexed file, for a resource link.

        Raises:
            SpelunkError: It is not indexed, or outside the scope.
        """
        return self._at_file(path, (), scope, lambda index, inner: index.read(inner).text)[2]

    def _search(self, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
        found = scope.targets(args["workspace"])
        indexes = [self.indexes.index(target, scope.index_dir) for target in found]
        request = SearchRequest(
            args["query"],
            mode=args["mode"],
            limit=args["limit"],
            within=[target.within for target in found],
            refresh=refresh,
            related=args["related"],
        )
        try:
            answer = search_many(indexes, request)
        except QuerySyntaxError as error:
            raise UsageError(f'{error}; put text that is meant literally in "double quotes"') from None
        notes = [] if answer.hits or answer.notes else [_nothing_found(indexes)]
        return _hits_answer(answer, args["max_tokens"], notes)

    def _related(self, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
        cited = _CITED.fullmatch(args["place"])
        if cited is None:
            raise UsageError(f"{args['place']}: give a place as path:line, e.g. src/app.py:42")
        line = int(cited["first"])
        target, _, answer = self._at_file(
            cited["path"],
            args["workspace"],
            scope,
            lambda index, inner: index.similar(inner, line, limit=args["limit"], refresh=refresh),
        )
        notes = [f"in {target.root}"] if answer.hits else ["nothing is similar; search for its words"]
        return _hits_answer(answer, DEFAULT_TOKENS, notes)

    def _read(self, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
        path, first, last = args["path"], args["start_line"], args["end_line"]
        cited = _CITED.fullmatch(path)
        if cited is not None:
            path = cited["path"]
            first = first or int(cited["first"])
            last = last or int(cited["last"] or 0)
        if last and last < (first or 1):
            raise UsageError(f"end_line {last} is before start_line {first}")
        target, inner, passage = self._at_file(
            path,
            args["workspace"],
            scope,
            lambda index, inner: index.read(inner, first or 1, last or None, refresh=refresh),
        )
        lines = _lines(passage.text)
        shown = fit_lines(lines, args["max_tokens"] - FRAME_TOKENS - token_estimate(inner))
        text, note = "".join(lines[:shown]), ""
        end = passage.end_line if shown == len(lines) else passage.start_line + shown - 1
        if not lines:
            note = f"no such line; the file ends at line {passage.lines}"
        elif not shown:  # one line is longer than all that may be shown
            text = lines[0][: args["max_tokens"]]
            end = passage.start_line
            note = f"line {end} is cut after {len(text):,} characters"
        values: dict[str, Any] = {
            "path": clean(inner),
            "start_line": passage.start_line,
            "end_line": end,
            "lines": passage.lines,
            "language": passage.language,
            "root": clean(target.root),
            "text": clean(text),
        }
        links: tuple[FileLink, ...] = ()
        if lines and shown < len(lines):
            following = end + 1
            values["next_line"] = following
            note = "; ".join(filter(None, [note, f"more: call read with start_line {following}"]))
            links = (_link(target, inner),)
        if passage.stale:
            note = "; ".join(filter(None, [note, "the file has changed since it was indexed"]))
        if note:
            values["note"] = note
        head = f"{printable_name(inner)}:{passage.start_line}-{end} of {passage.lines} lines"
        body = "\n".join(printable(line) for line in clean(text).split("\n"))
        return ToolAnswer(values, head + (f" ({note})" if note else "") + "\n" + body, links)

    def _outline(self, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
        target, inner, outline = self._at_file(
            args["path"],
            args["workspace"],
            scope,
            lambda index, inner: index.outline(inner, refresh=refresh),
        )
        wanted = [d for d in outline.definitions if max(d.line, d.end_line) >= args["start_line"]]
        left = args["max_tokens"] - FRAME_TOKENS - token_estimate(inner)
        rows: list[dict[str, Any]] = []
        texts: list[str] = []
        for d in wanted:
            row = _definition(d)
            text = f"{d.line}-{d.end_line or d.line} {'  ' * _depth(d)}{d.kind} {d.name}"
            left -= max(json_tokens(row), token_estimate(text)) + 2
            if left < 0:
                break
            rows.append(row)
            texts.append(printable_name(text))
        values: dict[str, Any] = {
            "path": clean(inner),
            "lines": outline.lines,
            "language": outline.language,
            "root": clean(target.root),
            "definitions": rows,
        }
        note = ""
        links: tuple[FileLink, ...] = ()
        if len(rows) < len(wanted):
            values["next_line"] = wanted[len(rows)].line
            note = f"{len(wanted) - len(rows)} more: call outline with start_line {values['next_line']}"
            links = (_link(target, inner),)
        elif not rows:
            note = "no definitions; call read for its lines"
        if note:
            values["note"] = note
        head = f"{printable_name(inner)}: {outline.lines} lines, {outline.language}"
        return ToolAnswer(values, "\n".join([head + (f" ({note})" if note else ""), *texts]), links)

    def _history(self, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
        cited = _CITED.fullmatch(args["place"])
        path = cited["path"] if cited is not None else args["place"]
        first = int(cited["first"]) if cited is not None else None
        last = int(cited["last"] or cited["first"]) if cited is not None else None
        target, inner = scope.file(path, args["workspace"])[0]
        told = self.indexes.index(target, scope.index_dir).history(inner, first, last, limit=args["limit"])
        values = place_object(told)
        del values["schema_version"]
        left = DEFAULT_TOKENS - FRAME_TOKENS - json_tokens(values | {"commits": [], "worklogs": []})
        rows = [
            *(
                ("commits", c, replace(told, commits=(one,), worklogs=()))
                for c, one in zip(values["commits"], told.commits, strict=True)
            ),
            *(
                ("worklogs", w, replace(told, commits=(), worklogs=(one,)))
                for w, one in zip(values["worklogs"], told.worklogs, strict=True)
            ),
        ]
        kept: dict[str, list[Any]] = {"commits": [], "worklogs": []}
        texts: list[str] = []
        for key, row, alone in rows:
            text = place_text(alone, verbose=True)
            left -= max(json_tokens(row), token_estimate(text)) + 2
            if left < 0:
                break
            kept[key].append(row)
            texts.append(text)
        note = told.notice
        hidden = len(rows) - len(texts)
        if hidden > 0:
            note = "; ".join(filter(None, [note, f"{hidden} more: ask for fewer lines"]))
        elif not texts and not note:
            note = "no commits; search kind:commit finds some by topic"
        values |= kept | ({"note": note} if note else {})
        return ToolAnswer(values, "".join(texts) + (f"Note: {printable(note)}\n" if note else ""))

    def _status(self, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
        rows, texts = [], []
        for target in scope.targets(args["workspace"]):
            index = self.indexes.index(target, scope.index_dir)
            progress = self.indexes.progress(index.root)
            status = index.status(look=refresh and progress is None)
            values = to_json(status)
            row = {key: values[key] for key in _STATUS_KEYS} | {
                "skipped": len(status.skipped),
                "failed": len(status.failures),
                "languages": dict(status.languages[:8]),
            }
            text = status_text(status).split("\nfailed: ")[0].rstrip("\n")
            if progress is not None:
                row["indexing"] = {"done": progress.done, "total": progress.total, "unit": progress.unit}
                text += f"\nindexing     {progress}"
            rows.append(row)
            texts.append(text)
        return ToolAnswer({"workspaces": rows}, "\n\n".join(texts))

    def _at_file(
        self, path: str, chosen: Sequence[str], scope: Scope, use: Callable[[Index, str], T]
    ) -> tuple[Target, str, T]:
        """Apply ``use`` to the first place that a path may mean and that is indexed."""
        places = scope.file(path, chosen)
        for n, (target, inner) in enumerate(places):
            index = self.indexes.index(target, scope.index_dir)
            try:
                return target, inner, use(index, inner)
            except UsageError as error:
                if n + 1 < len(places) or "not indexed" not in str(error):
                    raise
                raise UsageError(_not_indexed(index, inner)) from None
        raise AssertionError("a path has at least one place")


_STATUS_KEYS: Final = (
    "root",
    "state",
    "detail",
    "generation",
    "files",
    "chunks",
    "vectors",
    "pending_vectors",
    "degraded",
    "writer",
)


def _not_indexed(index: Index, path: str) -> str:
    shown = printable_name(path)
    why = index.why(path)
    if why.verdict == "missing":
        return f"{shown}: no such file in {index.root}; search for its name"
    if os.path.isdir(os.path.join(index.root, path)):
        return f"{shown}: a folder; search with path:{shown}"
    reason = why.detail or why.rule or why.verdict
    return f"{shown}: not indexed ({printable(reason)}); search finds other files"


def _nothing_found(indexes: Sequence[Index]) -> str:
    files = sum(index.status(look=False).files for index in indexes)
    if not files:
        return "nothing found: no files are indexed here; index_status says more"
    return f"nothing found in {files:,} files; try fewer or other words, or mode lexical or semantic"


def _hits_answer(answer: Answer, tokens: int, notes: list[str]) -> ToolAnswer:
    notes = [clean(note) for note in [*notes, *notices(answer)]]
    values = to_object(answer)
    del values["query"], values["schema_version"]
    values |= {"hits": [], "notes": notes}
    hits, dropped = fit(answer, tokens - FRAME_TOKENS - json_tokens(values))
    cut = sum(not hit.complete for hit in hits)
    if cut:
        notes.append(f"{cut} hits without their whole text; call read with path:start-end")
    if dropped:
        notes.append(f"{dropped} hits left out; raise max_tokens, or narrow the query")
        values["dropped"] = dropped
    values["hits"] = [hit.values for hit in hits]
    text = "".join(hit.text for hit in hits) + "".join(f"Note: {printable(note)}\n" for note in notes)
    return ToolAnswer(values, text)


def _definition(definition: Definition) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": clean(definition.name),
        "kind": definition.kind,
        "start_line": definition.line,
        "end_line": definition.end_line or definition.line,
    }
    return row | ({"scope": clean(definition.scope)} if definition.scope else {})


def _depth(definition: Definition) -> int:
    if not definition.scope:
        return 0
    return 1 + max(definition.scope.count(" > "), definition.scope.count("."))


def _lines(text: str) -> list[str]:
    """Lines with their ends; ``\\n`` alone ends one, as in the index."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _link(target: Target, inner: str) -> FileLink:
    return FileLink(
        "file://" + urllib.parse.quote(os.fsencode(os.path.join(target.root, inner))), clean(inner)
    )


def path_of(uri: str) -> str:
    """The path that a ``file:`` address names.

    Raises:
        UsageError: It is of another kind.
    """
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path:
        raise UsageError(f"{uri[:200]}: give the file: address of an indexed file")
    return os.fsdecode(urllib.parse.unquote_to_bytes(parts.path))

"""Answers of the API as plain values: searches, files, outlines."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from spelunk.adapters.http.problems import ApiError
from spelunk.adapters.http.revisions import revision_of
from spelunk.adapters.http.workspaces import Fresh, PreparedIndex, ServedWorkspace, Workspaces
from spelunk.present.highlight import html_line, line_offsets, paint
from spelunk.present.objects import SCHEMA_VERSION, flag_names
from spelunk.present.related import related_object
from spelunk.present.render import hit_object, notices, to_object
from spelunk.present.snippet import Finder, choose, finder, lines_of, window
from spelunk.search.answer import NOTHING_MATCHED, Answer, Facets, FacetValue, Matched
from spelunk.search.many import search_many
from spelunk.search.related import mapped
from spelunk.search.request import SearchRequest
from spelunk.types import Hit

FACET_CANDIDATES: Final = 200
"""As many as are ranked anyway: counting them changes no answer."""
MAX_FILE_LINES: Final = 10_000
MAX_FILE_CHARS: Final = 4_000_000
MAX_LINE_CHARS: Final = 20_000
MAX_DEFINITIONS: Final = 20_000
PAINT_BYTES: Final = 16 * 1024 * 1024
"""For the painted texts that are kept."""

Painted = tuple[bytes, bytearray] | None


class PaintCache:
    """Painted texts of recent answers, up to a number of bytes. Usable from several threads."""

    def __init__(self, limit: int = PAINT_BYTES) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[Hashable, Painted] = OrderedDict()
        self._bytes = 0
        self._limit = limit

    def paint(self, key: Hashable, text: str, language: str) -> Painted:
        """The painted text; ``key`` names its content and language."""
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = paint(text, language)
        with self._guard:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += _size(made)
            while self._bytes > self._limit:
                self._bytes -= _size(self._kept.popitem(last=False)[1])
        return made


def _size(painted: Painted) -> int:
    return 200 + (2 * len(painted[0]) if painted is not None else 0)


class Views:
    """Make the answers. Called in threads; what it needs of the disk is brought up to date before."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._cache = PaintCache()

    def search(
        self, args: dict[str, Any], found: Sequence[ServedWorkspace], fresh: Sequence[Fresh]
    ) -> dict[str, Any]:
        """The answer of ``/api/search``."""
        answer = self._answer(
            args, found, fresh, limit=args["limit"], facets=FACET_CANDIDATES * args["facets"]
        )
        values = self._answered(answer, args, found, fresh)
        if answer.facets is not None:
            values["facets"] = self._facets(answer.facets)
        return values

    def _answer(
        self,
        args: dict[str, Any],
        found: Sequence[ServedWorkspace],
        fresh: Sequence[Fresh],
        *,
        limit: int,
        facets: int,
    ) -> Answer:
        request = SearchRequest(
            args["q"],
            mode=args["mode"],
            limit=limit,
            languages=args["lang"],
            include=args["include"],
            exclude=args["exclude"],
            kinds=args["kind"],
            within=[w.target.within for w in found],
            context=args.get("context", 0),
            explain=args.get("explain", False),
            freshness=args["freshness"],
            facets=facets,
            related=args.get("related", 0),
        )
        prepared = [PreparedIndex(w.index(), f.ok) for w, f in zip(found, fresh, strict=True)]
        return search_many(prepared, request)

    def matches(
        self, args: dict[str, Any], found: Sequence[ServedWorkspace], fresh: Sequence[Fresh], candidates: int
    ) -> Facets:
        """Where the best candidates of a query are."""
        facets = self._answer(args, found, fresh, limit=1, facets=candidates).facets
        assert facets is not None
        return facets

    def related(
        self, args: dict[str, Any], place: tuple[ServedWorkspace, str], fresh: Fresh
    ) -> dict[str, Any]:
        """The answer of ``/api/related``."""
        workspace, file = place
        index = workspace.index()
        with index.snapshot() as reader:
            if reader.file(file) is None:
                raise not_indexed()
        answer = index.similar(file, args["line"], limit=args["limit"], refresh=False)
        with index.snapshot() as reader:
            changed = index.changed_paths(reader, {h.path for h in answer.hits}, args["freshness"])
        values = self._answered(answer, args, [workspace], [fresh])
        values["hits"] = [hit for hit in values["hits"] if hit["file"] not in changed]
        values["query"] = f"{workspace.prefix}{file}:{args['line']}"
        values["index"]["stale"] = not fresh.ok or bool(changed)
        return values

    def _answered(
        self, answer: Answer, args: dict[str, Any], found: Sequence[ServedWorkspace], fresh: Sequence[Fresh]
    ) -> dict[str, Any]:
        values = to_object(answer)
        values["notices"] = [*(f.notice for f in fresh if f.notice), *notices(answer)]
        values["indexing"] = next((p for w in found if (p := w.update.progress()) is not None), None)
        find = finder(answer.matched)
        several = len(found) > 1
        values["hits"] = [self._hit(hit, args, find, several) for hit in answer.hits]
        values["facets"] = None
        return values

    def _hit(self, hit: Hit, args: dict[str, Any], find: Finder, several: bool) -> dict[str, Any]:
        workspace = self._workspaces.of_root(hit.root)
        file = hit.path.removeprefix(workspace.prefix) if several else hit.path
        shown = hit_object(hit)
        values: dict[str, Any] = {
            "path": clean(workspace.prefix + file),
            "repo": workspace.repo,
            "file": clean(file),
            **{key: shown[key] for key in ("start_line", "end_line", "language", "kind", "symbol")},
            **({"copies": shown["copies"]} if "copies" in shown else {}),
            "scope": clean(hit.scope),
            "flags": flag_names(hit.flags),
            "score": shown["score"],
            "id": hit.chunk_id,
            "lines": self._snippet(hit, args, find),
        }
        if args["content"]:
            values["content"] = shown["content"]
        if "signals" in shown:
            values["signals"] = shown["signals"]
        if hit.related is not None:
            own = workspace.prefix
            values["related"] = related_object(
                mapped(hit.related, lambda path: own + (path.removeprefix(own) if several else path))
            )
        return values

    def _snippet(self, hit: Hit, args: dict[str, Any], find: Finder) -> list[dict[str, Any]]:
        lines = lines_of(hit.content)
        chosen = choose(lines, find, hit.symbol, limit=args["lines"]) if args["lines"] else []
        painted: Painted = None
        offsets: list[int] = []
        if args["highlight"]:
            key = (hit.chunk_id, hit.start_line, hit.end_line)
            painted = self._cache.paint(key, hit.content, hit.language)
            offsets = line_offsets(painted[0]) if painted is not None else []
        out: list[dict[str, Any]] = []
        for i in chosen:
            line = lines[i]
            spans = find.spans(line)
            start, end = window(line, spans)
            text = line[start:end]
            marks = [[max(a, start) - start, min(b, end) - start] for a, b in spans if a < end and b > start]
            row = {
                "n": min(hit.start_line + i, hit.end_line),
                "text": clean(text),
                "marks": marks,
                "cut": len(text) < len(line),
            }
            if args["highlight"]:
                codes = None
                if painted is not None:
                    codes = painted[1][offsets[i] + len(line[:start].encode("utf-8", "replace")) :]
                row["html"] = html_line(text, codes, [(a, b) for a, b in marks])
            out.append(row)
        return out

    def _facets(self, facets: Facets) -> dict[str, Any]:
        repos = [value._replace(value=self._workspaces.of_root(value.value).repo) for value in facets.roots]
        return {
            "hits": facets.hits,
            "files": facets.files,
            "complete": facets.complete,
            "language": _rows(facets.languages),
            "kind": _rows(facets.kinds),
            "folder": _rows(facets.folders),
            "flag": _rows(facets.flags),
            "repo": _rows(repos),
        }

    def place(self, path: str, repo: str | None) -> tuple[ServedWorkspace, str]:
        """The indexed file that a path means.

        Raises:
            ApiError: There is none.
        """
        for workspace, file in self._workspaces.places(path, repo):
            with workspace.index().snapshot() as reader:
                if reader.file(file) is not None:
                    return workspace, file
        raise not_indexed()

    def file(self, args: dict[str, Any], place: tuple[ServedWorkspace, str], fresh: Fresh) -> dict[str, Any]:
        """The answer of ``/api/file``."""
        workspace, file = place
        index = workspace.index()
        with index.snapshot() as reader:
            row = _unchanged_file(index, reader, file, args["freshness"])
            text = reader.text(row.id)
            generation = reader.generation
        find = finder(_matched_in(text.text, args["q"], args["mode"]) if args["q"] else NOTHING_MATCHED)
        lines = lines_of(text.text)
        first, last = _range(args, lines, text.line_map)
        stop = _fitting(lines, first, min(last, first + MAX_FILE_LINES))
        painted: Painted = None
        if args["highlight"] and len(text.text) <= index.options.max_parse_size:
            painted = self._cache.paint((row.digest, row.language), text.text, row.language)
        numbers = list(text.line_map[first:stop]) if text.line_map is not None else None
        shown = [line[:MAX_LINE_CHARS] for line in lines[first:stop]]
        spans = [find.spans(line) for line in shown]
        html = None
        if args["highlight"]:
            offsets = line_offsets(painted[0]) if painted is not None else []
            html = [
                html_line(
                    line, painted[1][offsets[first + i] :][: 4 * len(line)] if painted else None, spans[i]
                )
                for i, line in enumerate(shown)
            ]

        def number(i: int) -> int:
            return numbers[i] if numbers is not None else first + i + 1

        def line_after(i: int) -> int | None:
            if i >= last:
                return None
            return text.line_map[i] if text.line_map is not None else i + 1

        return {
            "path": clean(workspace.prefix + file),
            "repo": workspace.repo,
            "file": clean(file),
            "language": row.language,
            "flags": flag_names(row.flags),
            "size": row.size,
            "lines": max(text.line_map, default=0) if text.line_map is not None else len(lines),
            "start_line": number(0) if shown else args["start"],
            "end_line": number(len(shown) - 1) if shown else args["start"] - 1,
            "next_line": line_after(stop),
            "generation": generation,
            "stale": not fresh.ok,
            "highlighted": painted is not None,
            "html": html,
            "text": None if html is not None else [clean(line) for line in shown],
            "marked": [number(i) for i, found in enumerate(spans) if found],
            "numbers": numbers,
            "cut": [number(i) for i, line in enumerate(lines[first:stop]) if len(line) > MAX_LINE_CHARS],
            "revision": revision_of(index, row, args["rev"]) if args["rev"] else None,
        }

    def outline(
        self, args: dict[str, Any], place: tuple[ServedWorkspace, str], fresh: Fresh
    ) -> dict[str, Any]:
        """The answer of ``/api/outline``."""
        workspace, file = place
        index = workspace.index()
        with index.snapshot() as reader:
            row = _unchanged_file(index, reader, file, args["freshness"])
            found = {d for chunk in reader.chunks_of(row) for d in chunk.definitions}
        order = sorted(found, key=lambda d: (d.line, -d.end_line, d.name, d.kind, d.scope))
        values: dict[str, Any] = {
            "path": clean(workspace.prefix + file),
            "repo": workspace.repo,
            "file": clean(file),
            "language": row.language,
            "lines": row.lines,
            "stale": not fresh.ok,
            "definitions": [
                {
                    "name": clean(d.name),
                    "kind": d.kind,
                    "start_line": d.line,
                    "end_line": d.end_line or d.line,
                    "scope": clean(d.scope),
                    "depth": 1 + max(d.scope.count(" > "), d.scope.count(".")) if d.scope else 0,
                }
                for d in order[:MAX_DEFINITIONS]
            ],
        }
        return values | ({"truncated": True} if len(order) > MAX_DEFINITIONS else {})


def not_indexed() -> ApiError:
    """The error for a file that is not in an index."""
    return ApiError(404, "not_indexed", "no indexed file has this path", "give a path as an answer gives it")


def _unchanged_file(index: Any, reader: Any, file: str, freshness: str | None) -> Any:
    row = reader.file(file)
    if row is None:
        raise not_indexed()
    if index.changed_paths(reader, {file}, freshness):
        message = "the file has changed since it was indexed"
        raise ApiError(503, "changed", message, "ask again, or with freshness=relaxed", retry=1)
    return row


def _matched(query: str, mode: str) -> Matched:
    from spelunk.search.query import parse
    from spelunk.search.terms import matched_by

    return matched_by(parse(query, mode=mode), mode)


def _matched_in(text: str, query: str, mode: str) -> Matched:
    """What of a query is marked in a file: of a single name the name alone, where the file has it."""
    matched = _matched(query, mode)
    names = [name for name in matched.literals if name.lower() == query.strip().lower()]
    return Matched(literals=tuple(names)) if names and names[0].lower() in text.lower() else matched


def _range(args: dict[str, Any], lines: Sequence[str], line_map: Sequence[int] | None) -> tuple[int, int]:
    """First index, and the index behind the last one, of the lines asked for."""
    start, end = args["start"], args["end"]
    if end is not None and end < start:
        raise ApiError(400, "bad_request", f"end {end} is before start {start}")
    if line_map is None:
        first, last = min(start - 1, len(lines)), min(end or len(lines), len(lines))
        return first, max(first, last)
    chosen = [i for i, n in enumerate(line_map[: len(lines)]) if start <= n and (end is None or n <= end)]
    return (chosen[0], chosen[-1] + 1) if chosen else (0, 0)


def _fitting(lines: Sequence[str], first: int, last: int) -> int:
    """The index behind the last line that fits into an answer; one line always does."""
    left = MAX_FILE_CHARS
    for i in range(first, last):
        left -= min(len(lines[i]), MAX_LINE_CHARS) + 1
        if left < 0 and i > first:
            return i
    return last


def _rows(values: Sequence[FacetValue]) -> list[dict[str, Any]]:
    return [{"value": clean(v.value), "hits": v.hits, "files": v.files} for v in values]


_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Without lone surrogates, which no UTF-8 stream can carry."""
    return _SURROGATES.sub("\ufffd", text)


Work = Callable[[], dict[str, Any]]
SCHEMA: Final = SCHEMA_VERSION

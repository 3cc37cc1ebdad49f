"""The OpenAPI document, made from the table of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from spelunk import __version__
from spelunk.adapters.http import params
from spelunk.adapters.http.params import Param


class _Operation(NamedTuple):
    path: str
    method: str
    about: str
    table: Sequence[Param]
    answer: dict[str, Any]
    status: str = "200"
    errors: tuple[str, ...] = ("400", "403", "404", "413", "429", "431", "500", "503")
    kinds: tuple[str, ...] = ("application/json",)


def _object(**properties: Any) -> dict[str, Any]:
    """An object that has at least these keys."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_SWITCH: Final = {"type": "boolean"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_WHOLE_OR_NULL: Final = {"type": ["integer", "null"]}
_OBJECT_OR_NULL: Final = {"type": ["object", "null"]}

_LINE: Final = _object(n=_WHOLE, text=_TEXT, marks=_list(_list(_WHOLE)), cut=_SWITCH)
_LINE["properties"]["html"] = _TEXT
_HIT: Final = _object(
    path=_TEXT, repo=_TEXT, file=_TEXT, start_line=_WHOLE, end_line=_WHOLE, language=_TEXT, kind=_TEXT,
    symbol=_TEXT, scope=_TEXT, flags=_list(_TEXT), score=_NUMBER, id=_TEXT, lines=_list(_LINE),
)  # fmt: skip
_NEIGHBOUR: Final = _object(
    symbol=_TEXT, kind=_TEXT, path=_TEXT, line=_WHOLE, text=_TEXT, confidence=_NUMBER, rule=_TEXT,
    alternatives=_WHOLE,
)  # fmt: skip
_RELATED: Final = _object(callers=_list(_NEIGHBOUR), uses=_list(_NEIGHBOUR))
_RELATED["properties"]["left_out"] = _list(_TEXT)
_HIT["properties"] |= {
    "content": _TEXT,
    "related": _RELATED,
    "signals": {"type": "object", "additionalProperties": _NUMBER},
}
_VALUES: Final = _list(_object(value=_TEXT, hits=_WHOLE, files=_WHOLE))
_FACETS: Final = _object(
    hits=_WHOLE, files=_WHOLE, complete=_SWITCH,
    language=_VALUES, kind=_VALUES, folder=_VALUES, flag=_VALUES, repo=_VALUES,
)  # fmt: skip
_UPDATE: Final = _object(
    repo=_TEXT, state={"type": "string", "enum": ["running", "idle"]}, joined=_SWITCH, phase=_TEXT,
    done=_WHOLE, total=_WHOLE, unit=_TEXT, bytes_done=_WHOLE, bytes_total=_WHOLE, started=_NUMBER,
    seconds=_NUMBER, memory=_WHOLE, outcome=_TEXT_OR_NULL, error=_OBJECT_OR_NULL, report=_OBJECT_OR_NULL,
)  # fmt: skip
_DEFINITION: Final = _object(
    name=_TEXT, kind=_TEXT, start_line=_WHOLE, end_line=_WHOLE, scope=_TEXT, depth=_WHOLE
)
_NODE: Final = _object(
    name=_TEXT, path=_TEXT, type={"type": "string", "enum": ["folder", "file"]}, files=_WHOLE,
    lines=_WHOLE, bytes=_WHOLE, language=_TEXT, matches=_WHOLE, matched_files=_WHOLE,
)  # fmt: skip
_NODE["properties"] |= {
    "children": _list(_ref("Node")),
    "rest": _object(files=_WHOLE, lines=_WHOLE, bytes=_WHOLE, matches=_WHOLE, matched_files=_WHOLE),
}
_SYMBOL: Final = _object(
    name=_TEXT, kind=_TEXT, scope=_TEXT, path=_TEXT, line=_WHOLE, end_line=_WHOLE, language=_TEXT
)
_SYMBOL["properties"] |= {"signature": _TEXT, "doc": _TEXT, "flags": _list(_TEXT)}
_EDGE: Final = _object(
    name=_TEXT, role=_TEXT, path=_TEXT, line=_WHOLE, text=_TEXT,
    symbol={"anyOf": [_ref("Symbol"), {"type": "null"}]}, confidence=_NUMBER, rule=_TEXT,
    alternatives=_WHOLE, depth=_WHOLE,
)  # fmt: skip
_EDGE["properties"] |= {"lines": _list(_WHOLE), "repeated": _SWITCH, "edges": _list(_ref("Edge"))}
_GRAPH: Final = _object(
    schema_version=_WHOLE, question=_TEXT, asked=_TEXT, took_ms=_NUMBER, repo=_TEXT,
    index=_object(generation=_WHOLE, stale=_SWITCH), targets=_list(_ref("Symbol")), total=_WHOLE,
    left_out=_list(_TEXT), edges=_list(_ref("Edge")), notices=_list(_TEXT),
)  # fmt: skip
_GRAPH["properties"] |= {"nearest": _list(_TEXT), "tests": _list(_ref("Edge"))}
_DEPENDENCIES: Final = _list(_object(path=_TEXT, references=_WHOLE))

SCHEMAS: Final = {
    "Error": _object(error=_object(code=_TEXT, message=_TEXT, hint=_TEXT)),
    "Answer": _object(
        schema_version=_WHOLE, query=_TEXT, mode=_TEXT, took_ms=_NUMBER, degraded=_TEXT_OR_NULL,
        index=_object(generation=_WHOLE, coverage=_NUMBER, stale=_SWITCH), notices=_list(_TEXT),
        indexing=_OBJECT_OR_NULL, hits=_list(_HIT), facets={"anyOf": [_FACETS, {"type": "null"}]},
    ),
    "File": _object(
        path=_TEXT, repo=_TEXT, file=_TEXT, language=_TEXT, flags=_list(_TEXT), size=_WHOLE, lines=_WHOLE,
        start_line=_WHOLE, end_line=_WHOLE, next_line=_WHOLE_OR_NULL, generation=_WHOLE, stale=_SWITCH,
        highlighted=_SWITCH, html={"type": ["array", "null"], "items": _TEXT},
        text={"type": ["array", "null"], "items": _TEXT}, marked=_list(_WHOLE),
        numbers={"type": ["array", "null"], "items": _WHOLE}, cut=_list(_WHOLE), revision=_OBJECT_OR_NULL,
    ),
    "Outline": _object(
        path=_TEXT, repo=_TEXT, file=_TEXT, language=_TEXT, lines=_WHOLE, stale=_SWITCH,
        definitions=_list(_DEFINITION),
    ),
    "Node": _NODE,
    "Map": _object(
        query=_TEXT, mode=_TEXT, candidates=_WHOLE, complete=_SWITCH, tree=_ref("Node"), stale=_SWITCH
    ),
    "Symbol": _SYMBOL,
    "Edge": _EDGE,
    "Graph": _GRAPH,
    "RepositoryMap": _object(
        schema_version=_WHOLE, took_ms=_NUMBER, repo=_TEXT, index=_object(generation=_WHOLE, stale=_SWITCH),
        files=_WHOLE, definitions=_WHOLE, references=_WHOLE, left_out=_list(_TEXT),
        symbols=_list(_ref("Symbol")), notices=_list(_TEXT),
        packages=_list(_object(
            path=_TEXT, files=_WHOLE, languages=_list(_TEXT), symbols=_list(_ref("Symbol")),
            uses=_DEPENDENCIES, used_by=_DEPENDENCIES,
        )),
    ),
    "Status": _object(
        version=_TEXT, pid=_WHOLE, started=_NUMBER, uptime_seconds=_NUMBER, freshness=_TEXT,
        memory=_object(server=_WHOLE, updates=_WHOLE, total=_WHOLE, limit=_WHOLE_OR_NULL),
        requests=_object(running=_WHOLE, waiting=_WHOLE, connections=_WHOLE), searches=_WHOLE,
        indexes=_list(_object(
            repo=_TEXT, root=_TEXT, state=_TEXT, detail=_TEXT, generation=_WHOLE, files=_WHOLE,
            chunks=_WHOLE, coverage=_NUMBER, failed=_WHOLE, error=_OBJECT_OR_NULL, watched=_SWITCH,
            update=_OBJECT_OR_NULL, last_update=_OBJECT_OR_NULL,
        )),
    ),
    "Updates": _object(updates=_list(_UPDATE)),
}  # fmt: skip

_BOTH: Final = ("application/json", "text/event-stream")
_POST_ERRORS: Final = ("400", "403", "404", "408", "413", "415", "429", "431", "500", "503")
_OPERATIONS: Final = (
    _Operation("/api/search", "get", "Search", params.SEARCH, _ref("Answer")),
    _Operation("/api/search", "post", "Search", params.SEARCH, _ref("Answer"), errors=_POST_ERRORS),
    _Operation("/api/related", "get", "Chunks like the one at a place", params.RELATED, _ref("Answer")),
    _Operation(
        "/api/related",
        "post",
        "Chunks like the one at a place",
        params.RELATED,
        _ref("Answer"),
        errors=_POST_ERRORS,
    ),
    _Operation("/api/file", "get", "Lines of an indexed file", params.FILE, _ref("File")),
    _Operation("/api/outline", "get", "The names that a file defines", params.OUTLINE, _ref("Outline")),
    _Operation("/api/map", "get", "The tree of folders and files", params.MAP, _ref("Map")),
    _Operation("/api/symbol", "get", "Relations of a symbol", params.SYMBOL, _ref("Graph")),
    _Operation("/api/impact", "get", "What a change reaches", params.IMPACT, _ref("Graph")),
    _Operation("/api/repo-map", "get", "The repository on a page", params.REPO_MAP, _ref("RepositoryMap")),
    _Operation("/api/status", "get", "The state of the server", params.STATUS, _ref("Status")),
    _Operation("/api/index", "get", "The state of updates", params.INDEX_STATE, _ref("Updates"), kinds=_BOTH),
    _Operation(
        "/api/index",
        "post",
        "Start or join an update",
        params.INDEX,
        _ref("Updates"),
        "202",
        _POST_ERRORS,
        _BOTH,
    ),
    _Operation(
        "/api/session",
        "get",
        "Whether a token is needed and shown",
        (),
        _object(required=_SWITCH, ok=_SWITCH),
    ),
    _Operation(
        "/api/session",
        "post",
        "Show the token",
        params.SESSION,
        _object(ok=_SWITCH),
        errors=("401", *_POST_ERRORS),
    ),
    _Operation("/api/session", "delete", "Forget the token", (), _object(ok=_SWITCH)),
    _Operation("/healthz", "get", "Whether the process lives", (), _object(status=_TEXT)),
    _Operation("/readyz", "get", "Whether every index can be read", (), _object(ready=_SWITCH)),
    _Operation("/api/openapi.json", "get", "This document", (), {"type": "object"}),
)


def document(*, token: bool) -> dict[str, Any]:
    """The OpenAPI document; ``token`` says whether the server has one."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in _OPERATIONS:
        open_ = operation.path in ("/healthz", "/readyz", "/api/session")
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, token and not open_)
    components: dict[str, Any] = {"schemas": SCHEMAS}
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Spelunk", "version": __version__, "description": "See docs/http-api.md."},
        "paths": paths,
        "components": components,
    }


def _operation(operation: _Operation, token: bool) -> dict[str, Any]:
    error = {"application/json": {"schema": _ref("Error")}}
    errors = [*operation.errors, *(["401"] if token and "401" not in operation.errors else [])]
    content = {
        kind: {"schema": operation.answer if kind == "application/json" else _TEXT}
        for kind in operation.kinds
    }
    responses: dict[str, Any] = {operation.status: {"description": operation.about, "content": content}}
    if "text/event-stream" in operation.kinds:
        stream = {"text/event-stream": content["text/event-stream"]}
        responses.setdefault("200", {"description": "A stream of events", "content": stream})
    for status in errors:
        responses[status] = {"description": "An error; see docs/http-api.md", "content": error}
    if operation.path == "/readyz":
        responses["503"]["content"] = content
    made: dict[str, Any] = {"summary": operation.about, "responses": responses}
    if operation.method == "post":
        schema = {
            "type": "object",
            "properties": {p.name: p.schema() | {"description": p.about} for p in operation.table},
            "required": [p.name for p in operation.table if p.required],
            "additionalProperties": False,
        }
        made["requestBody"] = {
            "required": bool(schema["required"]),
            "content": {"application/json": {"schema": schema}},
        }
    else:
        made["parameters"] = [
            {
                "name": p.name,
                "in": "query",
                "required": p.required,
                "description": p.about,
                "schema": p.schema(),
            }
            for p in operation.table
        ]
    if token:
        made["security"] = [{"token": []}]
    return made

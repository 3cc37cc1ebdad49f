"""Parameters of the endpoints: one table for their checks and for the OpenAPI document."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl

from spelunk.adapters.http.problems import bad_request
from spelunk.adapters.symbols import IMPACT_DEPTH, MOST_DEPTH, MOST_IMPACT_DEPTH, QUESTIONS
from spelunk.errors import ConfigError
from spelunk.search.request import DEFAULT_LIMIT, MODES
from spelunk.workspace.freshness import seconds_allowed

MAX_QUERY: Final = 10_000
MAX_TEXT: Final = 8_192
MAX_ITEMS: Final = 100
MAX_FIELDS: Final = 500
MAX_HITS: Final = 1_000
MAX_LINE: Final = 1 << 40
DEFAULT_WAIT: Final = 10.0
MAX_WAIT: Final = 60.0
_SHOWN: Final = 60

Type = Literal["text", "whole", "seconds", "switch", "list"]


class Param(NamedTuple):
    """A parameter of an endpoint.

    Attributes:
        name: As in the request.
        about: One line.
        type: ``whole`` is a whole number, ``switch`` true or false, ``list`` a list of texts.
        default: Where it is not given; None where it is required or absent.
        low: Least number.
        high: Greatest number, or most characters of a text.
        choices: The texts that are accepted; empty for any.
        required: It has to be given.
    """

    name: str
    about: str
    type: Type = "text"
    default: Any = None
    low: int = 0
    high: int = MAX_TEXT
    choices: tuple[str, ...] = ()
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """The parameter as JSON Schema."""
        item: dict[str, Any] = {"type": "string", "maxLength": self.high}
        if self.type == "list":
            return {"type": "array", "items": item, "maxItems": MAX_ITEMS, "default": []}
        if self.type == "switch":
            return {"type": "boolean", "default": self.default}
        if self.type in ("whole", "seconds"):
            kind = "integer" if self.type == "whole" else "number"
            item = {"type": kind, "minimum": self.low, "maximum": self.high}
        elif self.choices:
            item = {"type": "string", "enum": list(self.choices)}
        elif self.required:
            item["minLength"] = 1
        return item if self.default is None else item | {"default": self.default}


REPO: Final = Param("repo", "names of served workspaces; all by default", "list")
ONE_REPO: Final = Param("repo", "name of the workspace that the path is within")
PATH: Final = Param("path", "path of a file as an answer gives it", required=True)
QUERY: Final = Param("q", "the query, in the query language", required=True, high=MAX_QUERY)
MODE: Final = Param("mode", "how to search", default="hybrid", choices=MODES)
FRESHNESS: Final = (
    Param("freshness", "strict, bounded:SECONDS or relaxed; the server's by default", high=40),
    Param("wait", "seconds to wait for an update", "seconds", DEFAULT_WAIT, 0, int(MAX_WAIT)),
)
SHOWN: Final = (
    Param("lines", "lines of a snippet", "whole", 6, 0, 200),
    Param("content", "give the whole text of each hit", "switch", True),
    Param("highlight", "give lines as HTML with classes", "switch", False),
)
FILTERS: Final = (
    Param("lang", "only these languages", "list"),
    Param("kind", "only these kinds of chunk", "list"),
    Param("include", "only paths with this part, or that match this glob", "list"),
    Param("exclude", "no path with this part, or that matches this glob", "list"),
)
LIMIT: Final = Param("limit", "hits wanted", "whole", DEFAULT_LIMIT, 1, MAX_HITS)

SEARCH: Final = (
    QUERY,
    MODE,
    LIMIT,
    *FILTERS,
    Param("context", "lines around each hit", "whole", 0, 0, 100),
    *SHOWN,
    Param("explain", "give the signals of each score", "switch", False),
    Param("facets", "count the candidates by language, kind, folder, flag", "switch", False),
    *FRESHNESS,
    REPO,
)
RELATED: Final = (
    PATH,
    Param("line", "line of the file", "whole", None, 1, MAX_LINE, required=True),
    LIMIT,
    *SHOWN,
    *FRESHNESS,
    ONE_REPO,
)
FILE: Final = (
    PATH,
    ONE_REPO,
    Param("start", "first line", "whole", 1, 1, MAX_LINE),
    Param("end", "last line; the last of the file by default", "whole", None, 1, MAX_LINE),
    Param("highlight", "give lines as HTML with classes", "switch", False),
    Param("q", "mark what this query would match", high=MAX_QUERY),
    MODE,
    *FRESHNESS,
)
OUTLINE: Final = (PATH, ONE_REPO, *FRESHNESS)
MAP: Final = (
    Param("path", "folder to begin with", default=""),
    ONE_REPO,
    Param("depth", "levels of folders", "whole", 3, 1, 12),
    Param("nodes", "nodes in the answer", "whole", 1_000, 1, 5_000),
    Param("q", "count the matches of this query", high=MAX_QUERY),
    MODE,
    *FILTERS,
    *FRESHNESS,
)
SYMBOL: Final = (
    Param("symbol", "a name, Scope.name, or FILE:LINE[:COLUMN]", required=True),
    Param("question", "what to tell of it", default="definition", choices=QUESTIONS),
    Param("to", "of path: the symbol to reach"),
    Param("depth", "of callers and callees: steps", "whole", None, 1, MOST_DEPTH),
    Param("role", "of references: only these roles", "list"),
    Param("limit", "results wanted; of a tree for each symbol", "whole", 50, 1, MAX_HITS),
    *FRESHNESS,
    ONE_REPO,
)
IMPACT: Final = (
    Param("changed", "a file, a folder, or a symbol"),
    Param("diff", "instead: a revision of git, to tell what changed since", high=200),
    Param("depth", "steps that are followed", "whole", IMPACT_DEPTH, 1, MOST_IMPACT_DEPTH),
    Param("limit", "tests, and other places, wanted", "whole", 50, 1, MAX_HITS),
    *FRESHNESS,
    ONE_REPO,
)
REPO_MAP: Final = (
    Param("limit", "packages, and symbols, wanted", "whole", 20, 1, MAX_HITS),
    *FRESHNESS,
    ONE_REPO,
)
STATUS: Final = (Param("look", "compare files with the index", "switch", False), REPO)
INDEX: Final = (REPO, Param("rebuild", "index every file again", "switch", False))
INDEX_STATE: Final = (REPO,)
SESSION: Final = (Param("token", "the token of the server", required=True, high=1_000),)


def from_query(table: Sequence[Param], raw: bytes) -> dict[str, Any]:
    """The parameters in a query string, checked.

    Raises:
        ApiError: One is unknown, missing, given twice, or has a value that cannot be used.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise bad_request("the query string is not percent-encoded UTF-8, or has too many fields") from None
    known = {p.name: p for p in table}
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in known and known[name].type == "list":
            given.setdefault(name, []).append(value)
        elif name in given:
            raise bad_request(f"{name} is given twice", "give it once")
        else:
            given[name] = value
    return checked(table, {name: _converted(known.get(name), value) for name, value in given.items()})


def _converted(param: Param | None, value: Any) -> Any:
    """The value as JSON would have it, or as it is where it cannot be."""
    if param is None or not isinstance(value, str):
        return value
    if param.type == "switch":
        return {"1": True, "true": True, "0": False, "false": False}.get(value, value)
    if param.type in ("whole", "seconds") and len(value) < 20:
        try:
            return int(value) if param.type == "whole" else float(value)
        except ValueError:
            return value
    return value


def from_json(table: Sequence[Param], body: bytes) -> dict[str, Any]:
    """The parameters in a JSON object, checked; an empty body is an empty object.

    Raises:
        ApiError: As :func:`from_query`, or it is no JSON object.
    """
    try:
        values = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        where = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
        raise bad_request(f"the body is not JSON{where}") from None
    if not isinstance(values, dict):
        raise bad_request("the body is not a JSON object", 'for example {"q": "flush"}')
    return checked(table, values)


def checked(table: Sequence[Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of the table, with defaults where they are not given."""
    known = {p.name: p for p in table}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name[:_SHOWN], known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise bad_request(f"unknown parameter {_shown(name)}", hint)
    for name, value in given.items():
        if value is None:
            raise bad_request(f"{name} is null", "leave it out, or give a value")
    values = {p.name: _value(p, given.get(p.name)) for p in table}
    if values.get("freshness") is not None:
        try:
            seconds_allowed(values["freshness"])
        except ConfigError as error:
            raise bad_request(str(error)) from None
    return values


def _value(param: Param, value: Any) -> Any:
    if value is None:
        if param.required:
            raise bad_request(f"{param.name} is missing", f"give {param.name}: {param.about}")
        return [] if param.type == "list" else param.default
    if param.type == "list":
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or len(items) > MAX_ITEMS:
            raise bad_request(f"{param.name}: {_shown(value)} is not a list of at most {MAX_ITEMS} texts")
        return [_text(param, item) for item in items]
    if param.type == "switch":
        if not isinstance(value, bool):
            raise bad_request(f"{param.name}: {_shown(value)} is neither true nor false", "give 1 or 0")
        return value
    if param.type in ("whole", "seconds"):
        return _number(param, value)
    text = _text(param, value)
    if param.required and not text.strip():
        raise bad_request(f"{param.name} is empty", f"give {param.name}: {param.about}")
    return text


def _number(param: Param, value: Any) -> int | float:
    if isinstance(value, float) and value.is_integer() and param.type == "whole":
        value = int(value)
    kinds = (int,) if param.type == "whole" else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise bad_request(
            f"{param.name}: {_shown(value)} is not a {'whole ' * (param.type == 'whole')}number"
        )
    if not param.low <= value <= param.high:
        raise bad_request(f"{param.name}: {_shown(value)}", f"give {param.low:,} to {param.high:,}")
    return value


def _text(param: Param, value: Any) -> str:
    if not isinstance(value, str):
        raise bad_request(f"{param.name}: {_shown(value)} is not a text")
    if len(value) > param.high:
        raise bad_request(
            f"{param.name}: {len(value):,} characters are too many", f"give at most {param.high:,}"
        )
    if param.choices and value not in param.choices:
        raise bad_request(f"{param.name}: {_shown(value)}", f"use one of {', '.join(param.choices)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise bad_request(f"{param.name}: has half of a surrogate pair, which is no character") from None
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return (text if len(text) <= _SHOWN else text[:_SHOWN] + "…").encode("utf-8", "replace").decode()

"""The tools that agents are offered: names, descriptions, parameters and results, and the check of arguments.

A model reads the whole table with every conversation, so it is written to be
short: `tests/test_mcp_tools.py` holds it to 2,400 tokens of an estimate that
counts too many; in o200k_base it is 1,108 (2026-11-28). The checks are
stricter than the schemas, and more lenient where clients are known to differ:
a text is taken for a list of one, digits for a number.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from spelunk.adapters.symbols import MOST_DEPTH, QUESTIONS
from spelunk.errors import UsageError
from spelunk.search.request import MAX_QUERY, MAX_RELATED

DEFAULT_TOKENS: Final = 4_000
MAX_TOKENS: Final = 25_000
"""Clients cut or refuse a longer result."""
MIN_TOKENS: Final = 200
MAX_HITS: Final = 100
MAX_EDGES: Final = 1_000
MAX_PATH: Final = 4_096
MAX_PATHS: Final = 64

_SHOWN: Final = 60


class Parameter(NamedTuple):
    """A parameter of a tool.

    Attributes:
        name: As in the call.
        type: ``paths`` is a list of texts.
        default: Without it the parameter is required.
        low: Least number.
        high: Greatest number, or most characters.
        choices: The texts that are accepted; empty for any.
    """

    name: str
    type: Literal["text", "number", "paths"]
    default: Any = None
    low: int = 0
    high: int = MAX_PATH
    choices: tuple[str, ...] = ()
    required: bool = False


class ToolSpec(NamedTuple):
    """A tool: what a model reads of it, and what it takes and gives.

    Attributes:
        name: A verb first.
        description: What it does, an example, and what it is not for.
        parameters: In the order of the schema.
        gives: Main keys of the structured result, with their JSON types.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    gives: Mapping[str, str]

    def input_schema(self) -> dict[str, Any]:
        """The parameters as JSON Schema."""
        required = [p.name for p in self.parameters if p.required]
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {p.name: _schema(p) for p in self.parameters},
        }
        return schema | ({"required": required} if required else {})

    def output_schema(self) -> dict[str, Any]:
        """The main keys of the structured result as JSON Schema; there are others."""
        return {"type": "object", "properties": {name: {"type": kind} for name, kind in self.gives.items()}}


_JSON_TYPES: Final = {"text": "string", "number": "integer", "paths": "array"}


def _schema(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _JSON_TYPES[parameter.type]}
    if parameter.type == "paths":
        schema["items"] = {"type": "string"}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    return schema


_WORKSPACE: Final = Parameter("workspace", "paths", default=())
_TOKENS: Final = Parameter("max_tokens", "number", default=DEFAULT_TOKENS, low=MIN_TOKENS, high=MAX_TOKENS)
_LIMIT: Final = Parameter("limit", "number", default=10, low=1, high=MAX_HITS)
_HITS: Final = {"hits": "array"}
_EDGES: Final = {"edges": "array"}

TOOLS: Final = (
    ToolSpec(
        "search",
        "Find code and documents by words, meaning or names, best first, cited path:start-end. "
        'Ask questions ("where are batches flushed"). Filters: lang:python path:src -path:test '
        'kind:function sym:Name "phrase" /regex/. workspace: folders, merged. '
        "Not for: a known file (read, outline).",
        (
            Parameter("query", "text", required=True, high=MAX_QUERY),
            _WORKSPACE,
            Parameter(
                "mode",
                "text",
                default="hybrid",
                choices=("hybrid", "lexical", "semantic", "symbol", "regex"),
            ),
            _LIMIT,
            Parameter("related", "number", default=0, low=0, high=MAX_RELATED),
            _TOKENS,
        ),
        _HITS,
    ),
    ToolSpec(
        "read",
        "Read an indexed file. Example: path src/app.py:10-40, as cited. Not for: files elsewhere.",
        (
            Parameter("path", "text", required=True),
            Parameter("start_line", "number", default=0, low=1, high=1 << 40),
            Parameter("end_line", "number", default=0, low=1, high=1 << 40),
            _WORKSPACE,
            _TOKENS,
        ),
        {"text": "string"},
    ),
    ToolSpec(
        "related",
        "Find chunks similar to the one at a place. Example: place src/app.py:42. "
        "Not for: uses of a name (search it).",
        (Parameter("place", "text", required=True), _WORKSPACE, _LIMIT),
        _HITS,
    ),
    ToolSpec(
        "outline",
        "List a file's functions, classes, headings with lines. Example: path src/app.py. Not for: folders.",
        (
            Parameter("path", "text", required=True),
            Parameter("start_line", "number", default=1, low=1, high=1 << 40),
            _WORKSPACE,
            _TOKENS,
        ),
        {"definitions": "array"},
    ),
    ToolSpec(
        "symbol",
        "Tell a symbol's definition, references, callers, callees, implementations, or the path of calls to "
        "another, with a confidence. Example: symbol Writer.flush or src/app.py:42. Not for: text (search).",
        (
            Parameter("question", "text", required=True, choices=QUESTIONS),
            Parameter("symbol", "text", required=True),
            Parameter("to", "text", default="", high=MAX_PATH),
            Parameter("depth", "number", default=0, low=1, high=MOST_DEPTH),
            _WORKSPACE,
            Parameter("limit", "number", default=30, low=1, high=MAX_EDGES),
            _TOKENS,
        ),
        _EDGES,
    ),
    ToolSpec(
        "impact",
        "Tell what a change reaches, tests to run first. Example: changed src/app.py or Writer.flush, "
        "or diff HEAD~1. Not for: history.",
        (
            Parameter("changed", "text", default=""),
            Parameter("diff", "text", default="", high=200),
            _WORKSPACE,
            _TOKENS,
        ),
        {"tests": "array"} | _EDGES,
    ),
    ToolSpec(
        "map",
        "Show a repository on a page: packages, central symbols, dependencies. "
        "Example: a project that is new to you. Not for: one file (outline).",
        (_WORKSPACE, _TOKENS),
        {"packages": "array"},
    ),
    ToolSpec(
        "history",
        "Tell which commits changed a file or lines, and why. Example: place src/app.py:10-40. "
        "Not for: topics (search kind:commit).",
        (Parameter("place", "text", required=True), _WORKSPACE, _LIMIT),
        {"commits": "array"},
    ),
    ToolSpec(
        "index_status",
        "Tell what is indexed and how far. Not for: preparing a search.",
        (_WORKSPACE,),
        {"workspaces": "array"},
    ),
)
BY_NAME: Final = {tool.name: tool for tool in TOOLS}


def checked(tool: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, complete and of the right types.

    Raises:
        UsageError: One is unknown, missing, of another type or out of range.
    """
    known = {p.name: p for p in tool.parameters}
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(str(name)[:_SHOWN], known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"{tool.name} has no argument {_shown(name)}; {hint}")
    return {p.name: _value(tool, p, arguments.get(p.name)) for p in tool.parameters}


def _value(tool: ToolSpec, parameter: Parameter, value: Any) -> Any:
    if value is None:
        if parameter.required:
            raise UsageError(f"{tool.name} needs {parameter.name}; call it again with {parameter.name}")
        return parameter.default
    if parameter.type == "number":
        return _number(parameter, value)
    if parameter.type == "paths":
        return _paths(parameter, value)
    return _text(parameter, value)


def _number(parameter: Parameter, value: Any) -> int:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{parameter.name}: {_shown(value)} is not a whole number")
    if not parameter.low <= value <= parameter.high:
        raise UsageError(
            f"{parameter.name}: {_shown(value)}; give {parameter.low:,} to {parameter.high:,}"
            if parameter.high < 1 << 40
            else f"{parameter.name}: {_shown(value)}; give {parameter.low:,} or more"
        )
    return value


def _text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{parameter.name}: {_shown(value)} is not a text")
    if len(value) > parameter.high:
        raise UsageError(
            f"{parameter.name}: {len(value):,} characters; give at most {parameter.high:,}, "
            "the part that matters"
        )
    if parameter.choices and value not in parameter.choices:
        raise UsageError(f"{parameter.name}: {_shown(value)}; use one of {', '.join(parameter.choices)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{parameter.name}: has half of a surrogate pair, which is no character") from None
    return value


def _paths(parameter: Parameter, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _list_in(value) if value.startswith("[") else [value] if value else []
    if not isinstance(value, list):
        raise UsageError(f"{parameter.name}: {_shown(value)} is not a list of folders")
    if len(value) > MAX_PATHS:
        raise UsageError(f"{parameter.name}: {len(value)} folders; give at most {MAX_PATHS}")
    return tuple(_text(parameter, item) for item in value)


def _list_in(text: str) -> list[Any]:
    """The list that a client wrote as a text, or the text as a list of one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [text]
    return found if isinstance(found, list) else [text]


def _shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    try:
        text = json.dumps(value)
    except (ValueError, TypeError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

"""The hook of a coding agent: after its own search, add what the index finds and the search did not.

It never holds the agent up: it answers from the index as it is, does nothing
where there is none, and whatever goes wrong, it says nothing and ends with 0.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Final

from spelunk.adapters.agents.clients import CLIENTS
from spelunk.errors import SpelunkError
from spelunk.io.printable import printable_name
from spelunk.workspace.targets import indexed_above, target_of

MAX_INPUT: Final = 8 * 1024 * 1024
LOOKED_AT: Final = 10
SHOWN: Final = 5
"""Hits; more would distract from the agent's own result."""

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9.]{2,}")
_ESCAPES: Final = re.compile(r"\\[bBwWdDsSAZnrt]")


def answer(name: str, data: bytes) -> dict[str, Any] | None:
    """The hook's output for its input; None for nothing.

    Args:
        name: The client.
        data: The JSON that the client writes to its hooks.
    """
    try:
        event = json.loads(data[:MAX_INPUT])
        text = _hits(event)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError, SpelunkError):
        return None
    if not text:
        return None
    return {"hookSpecificOutput": {"hookEventName": CLIENTS[name].event, "additionalContext": text}}


def words_of(pattern: str) -> str:
    """The words of a search pattern, as a query."""
    return " ".join(dict.fromkeys(_WORD.findall(_ESCAPES.sub(" ", pattern))))


def _hits(event: dict[str, Any]) -> str:
    from spelunk.index import Index

    pattern = event["tool_input"]["pattern"]
    query = words_of(pattern)
    folder = os.path.realpath(event.get("cwd") or os.getcwd())
    if not query or indexed_above(folder) is None:
        return ""
    shown = json.dumps(event.get("tool_response", ""))
    target = target_of(folder)
    with Index.open(target.root) as index:
        hits = index.search(query, limit=LOOKED_AT, refresh=False, within=[target.within]).hits
    new = [hit for hit in hits if hit.path not in shown][:SHOWN]
    lines = [
        f"{printable_name(hit.path)}:{hit.start_line}-{hit.end_line} "
        f"{printable_name(f'{hit.kind} {hit.symbol}'.strip())}"
        for hit in new
    ]
    if not lines:
        return ""
    return "\n".join(["Spelunk's index also finds (read them with the tool `read`):", *lines])

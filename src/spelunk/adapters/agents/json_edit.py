"""Add one entry to a JSON file, and take it out again, byte for byte.

An entry is inserted right behind the bracket of its object or array, with a
comma of its own, so nothing that was there changes. Where a text ends up
depends on what was there before: into an empty object it is put with blanks
around it, a container that was missing is written without them. So the text
before can be told from the text after, and no record is kept: what is taken out
is the one candidate that the insertion turns into the present text.
"""

from __future__ import annotations

import json
from typing import Any, Final

from msgspec import Struct

from spelunk.adapters.agents.json_spans import Spot, parse, skip

ADDED: Final = "added"
PRESENT: Final = "present"
DIFFERENT: Final = "different"
"""What :func:`add` found: nothing of that name, the same entry, another one."""


class JsonEntry(Struct, frozen=True):
    """An entry of a JSON document.

    Attributes:
        path: Keys of the containers around it, outermost first.
        key: Its name in an object; None for an element of an array.
        value: Plain values.
    """

    path: tuple[str, ...]
    key: str | None
    value: Any


def created(entry: JsonEntry) -> str:
    """The text of a new file that holds an entry alone."""
    whole: Any = [entry.value] if entry.key is None else {entry.key: entry.value}
    for name in reversed(entry.path):
        whole = {name: whole}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def add(text: str, entry: JsonEntry) -> tuple[str, str]:
    """The text with an entry, and what was found.

    Raises:
        ValueError: It is no JSON, or a container is of another kind.
    """
    root = parse(text)
    if not isinstance(root.value, dict):
        raise ValueError("not an object")
    place, missing = _container(root, entry)
    if not missing:
        found = _present(place, entry)
        if found is not None:
            return text, PRESENT if found.value == entry.value else DIFFERENT
    key, value = _to_insert(entry, missing)
    # In the style of json.dumps without indent; the outer containers of a value have no blanks inside.
    member = ("" if key is None else json.dumps(key, ensure_ascii=False) + ": ") + json.dumps(
        value, ensure_ascii=False
    )
    at = place.start + 1
    first = next((start for start, _ in place.children()), None)
    if first is None:
        return f"{text[:at]} {member} {text[at:]}", ADDED
    return f"{text[:at]}{_separator(text, at, first)}{member},{text[at:]}", ADDED


def remove(text: str, entry: JsonEntry) -> tuple[str | None, bool]:
    """The text without an entry, and whether it was there as :func:`add` makes it.

    None for the text where the file held the entry alone. An entry that was
    changed by hand stays.

    Raises:
        ValueError: It is no JSON.
    """
    root = parse(text)
    place, missing = _container(root, entry)
    found = None if missing else _present(place, entry)
    if found is None or found.value != entry.value:
        return text, False
    if text == created(entry):
        return None, True
    for depth in range(len(entry.path), -1, -1):
        candidate = _without(text, root, entry, depth)
        if candidate is not None and add(candidate, entry)[0] == text:
            return candidate, True
    return _cut_out(text, place, found), True


def _container(root: Spot, entry: JsonEntry) -> tuple[Spot, tuple[str, ...]]:
    """The innermost container that exists, and the names of those that do not."""
    place = root
    for n, name in enumerate(entry.path):
        inner = place.member(name)
        if inner is None:
            return place, entry.path[n:]
        wanted: type = list if entry.key is None and n + 1 == len(entry.path) else dict
        if not isinstance(inner.value, wanted):
            kind = "an array" if wanted is list else "an object"
            raise ValueError(f"{'.'.join(entry.path[: n + 1])} is not {kind}")
        place = inner
    return place, ()


def _present(place: Spot, entry: JsonEntry) -> Spot | None:
    if entry.key is not None:
        return place.member(entry.key)
    return next((item for item in place.items if item.value == entry.value), None)


def _to_insert(entry: JsonEntry, missing: tuple[str, ...]) -> tuple[str | None, Any]:
    if not missing:
        return entry.key, entry.value
    value: Any = [entry.value] if entry.key is None else {entry.key: entry.value}
    for name in reversed(missing[1:]):
        value = {name: value}
    return missing[0], value


def _separator(text: str, at: int, first: int) -> str:
    """What stands before the first member, to be repeated before ours; without comments."""
    between = text[at:first]
    if between.isspace() or not between:
        return between
    return "\n" + text[text.rfind("\n", 0, first) + 1 : first] if "\n" in between else " "


def _without(text: str, root: Spot, entry: JsonEntry, depth: int) -> str | None:
    """The text without what was inserted, if the containers from ``depth`` inwards were part of it."""
    place = root
    for name in entry.path[:depth]:
        inner = place.member(name)
        assert inner is not None
        place = inner
    children = list(place.children())
    found = place.member(entry.path[depth]) if depth < len(entry.path) else _present(place, entry)
    if not children or found is not children[0][1]:
        return None
    at = place.start + 1
    if len(children) == 1:
        end = found.end + 1
        return text[:at] + text[end:] if text[found.end : end] == " " else None
    comma = skip(text, found.end)
    return text[:at] + text[comma + 1 :] if text[comma : comma + 1] == "," else None


def _cut_out(text: str, place: Spot, found: Spot) -> str:
    """The text without a member that has been moved or got neighbours since; its comma goes with it."""
    children = list(place.children())
    n = next(i for i, (_, spot) in enumerate(children) if spot is found)
    start = children[n][0]
    behind = skip(text, found.end)
    if text[behind : behind + 1] == ",":
        end = behind + 1
        while text[end : end + 1] in (" ", "\t"):
            end += 1
        before = len(text[:start].rstrip(" \t\r\n"))
        if "\n" in text[before:start]:  # the whole line goes
            return text[:before] + text[behind + 1 :]
        return text[:start] + text[end:]
    if n:
        previous = children[n - 1][1].end
        return text[:previous] + text[found.end :]
    return text[:start] + text[found.end :]

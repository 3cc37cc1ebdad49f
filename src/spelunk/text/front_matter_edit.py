"""Edits of YAML front matter: each replaces one value, or adds a line, and keeps every other byte."""

from __future__ import annotations

import re
from typing import Final

from spelunk.text.front_matter import Field, FrontMatter, parse

_PLAIN: Final = re.compile(r"[^\s\[\]{},#&*!|>'\"%@`?:-][^\x00-\x1f]*\Z")
_UNSAFE: Final = re.compile(r":(?:\s|\Z)|\s#|\s\Z")
_NOT_TEXT: Final = re.compile(
    r"(?:[-+]?[\d.][\d_.,:eE+-]*|0x[\da-f]+|true|false|yes|no|on|off|null|~)$", re.I
)


class FrontMatterError(ValueError):
    """The front matter has a form in which a value cannot be set safely; the message names line and key."""


def set_value(lines: list[str], key: str, value: str, eol: str = "\n", *, word: bool = False) -> list[str]:
    """Give a key a value; a missing key is added behind its siblings.

    Args:
        lines: The document, lines with their endings.
        key: Dotted, at most one dot.
        value: Text on one line; ``""`` empties the value.
        eol: The ending of new lines.
        word: See :func:`scalar`.

    Raises:
        FrontMatterError: There is none, or the value would not be read back as it was set.
    """
    front = parse(lines)
    if front is None:
        raise FrontMatterError("the document has no front matter")
    if front.text(key) == value and (key in front.fields or not value):
        return lines
    new = _with_value(lines, front, key, scalar(value, word=word), eol)
    again = parse(new)
    if again is None or again.text(key) != value:
        raise _unwritable(front, key, "cannot be set in the form it has")
    return new


def extend_list(lines: list[str], key: str, values: list[str], eol: str = "\n") -> list[str]:
    """Add to a list those values that it lacks, ignoring case and ``@``, in the form the list has.

    Raises:
        FrontMatterError: The list cannot be read, or could not be afterwards.
    """
    front = parse(lines)
    old = front.items(key) if front else []
    present = {item.lstrip("@").casefold() for item in old}
    new = [value for value in dict.fromkeys(values) if value.casefold() not in present]
    if front is None or not new:
        return lines
    maps = any("\n" in item for item in old)
    grown = lines if maps else _with_items(lines, front, key, [scalar(v, word=True) for v in new], eol)
    again = parse(grown)
    if again is None or again.items(key) != old + new:
        raise _unwritable(front, key, "is not a list that can be added to")
    return grown


def _unwritable(front: FrontMatter, key: str, reason: str) -> FrontMatterError:
    line = front.fields[key].line if key in front.fields else front.end
    return FrontMatterError(f"line {line + 1}: {key} {reason}; correct it and try again")


def _with_value(lines: list[str], front: FrontMatter, key: str, written: str, eol: str) -> list[str]:
    field = front.fields.get(key)
    if field is not None and field.style != "map":
        return [*lines[: field.line], replace_value(lines[field.line], field, written), *lines[field.end :]]
    parent, _, leaf = key.rpartition(".")
    above = front.fields.get(parent)
    at, added = front.end, [f"{key}: {written}{eol}"]
    if parent and above is None:
        added = [f"{parent}:{eol}", f"  {leaf}: {written}{eol}"]
    elif above is not None:
        if above.style not in ("map", "empty"):
            raise _unwritable(front, parent, f"must hold {leaf} and others below it, not a value")
        siblings = [f for k, f in front.fields.items() if k.startswith(parent + ".")]
        at = max([above.line + 1, *(f.end for f in siblings)])
        first = lines[siblings[0].line] if siblings else "  "
        added = [f"{first[: len(first) - len(first.lstrip(' '))]}{leaf}: {written}{eol}"]
    return [*lines[:at], *added, *lines[at:]]


def _with_items(lines: list[str], front: FrontMatter, key: str, quoted: list[str], eol: str) -> list[str]:
    field = front.fields.get(key)
    if field is None:
        return [*lines[: front.end], f"{key}: [{', '.join(quoted)}]{eol}", *lines[front.end :]]
    if field.style == "list":
        lead = lines[field.end - 1].partition("-")[0]
        return [*lines[: field.end], *(f"{lead}- {value}{eol}" for value in quoted), *lines[field.end :]]
    if field.style == "flow":
        inner = lines[field.line][field.start + 1 : field.stop - 1].strip()
        quoted = [inner, *quoted] if inner else quoted
    else:
        quoted = [scalar(item, word=True) for item in front.items(key)] + quoted
    line = replace_value(lines[field.line], field, f"[{', '.join(quoted)}]")
    return [*lines[: field.line], line, *lines[field.end :]]


def scalar(text: str, *, word: bool = False) -> str:
    """``text`` as a YAML scalar, quoted only where it must be.

    Args:
        word: Also quote what another reader would take for a number or a truth value.
    """
    ambiguous = word and _NOT_TEXT.match(text)
    if not text or (_PLAIN.match(text) and not _UNSAFE.search(text) and not ambiguous):
        return text
    if any(ord(char) < 32 for char in text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if ord(c) >= 32 else f"\\x{ord(c):02x}" for c in escaped) + '"'
    return "'" + text.replace("'", "''") + "'"


def replace_value(line: str, field: Field, value: str) -> str:
    """The line of a field's key with another value, already written by :func:`scalar`."""
    head, tail = line[: field.start], line[field.stop :]
    if field.start != field.stop:
        return f"{head}{value}{tail}"
    hint = tail.lstrip(" \t")  # an empty value: `key:` or `key: # hint`
    if not value:
        return line
    gap = tail[: len(tail) - len(hint)]
    behind = (gap if len(gap) > 1 else " ") if hint.strip() else ""
    return f"{head} {value}{behind}{hint}"

"""Neighbours of a hit in the symbol graph as plain values for JSON, and as lines for people and models."""

from __future__ import annotations

from typing import Any, Final

from spelunk.io.printable import printable_name
from spelunk.types import Neighbour, Neighbours

SURE: Final = 0.75
"""A neighbour with less confidence is marked in the text."""


def related_object(related: Neighbours) -> dict[str, Any]:
    """Neighbours as plain values; ``left_out`` only where something is."""
    found: dict[str, Any] = {
        "callers": [_object(one) for one in related.callers],
        "uses": [_object(one) for one in related.uses],
    }
    if related.left_out:
        found["left_out"] = [_text(line) for line in related.left_out]
    return found


def related_lines(related: Neighbours) -> list[str]:
    """A line for each neighbour, and one for what was left out: ``called by src/app.py:12 main``."""
    lines = [
        f"{word} {printable_name(one.citation)} {_name(one)}{_doubt(one)}"
        for word, found in (("called by", related.callers), ("uses", related.uses))
        for one in found
    ]
    if related.left_out:
        lines.append(f"left out: {'; '.join(map(printable_name, related.left_out))}")
    return lines


def _object(one: Neighbour) -> dict[str, Any]:
    return {
        "symbol": _text(one.symbol),
        "kind": one.kind,
        "path": _path(one.path),
        "line": one.line,
        "text": _text(one.text),
        "confidence": one.confidence,
        "rule": one.rule,
        "alternatives": one.alternatives,
    }


def _name(one: Neighbour) -> str:
    return "(top of the file)" if one.kind == "file" else printable_name(one.symbol)


def _doubt(one: Neighbour) -> str:
    if one.confidence >= SURE:
        return ""
    more = f", {one.alternatives} alternative{'s' * (one.alternatives > 1)}" if one.alternatives else ""
    return f" [{one.confidence:.2f} {one.rule}{more}]"


def _text(text: str) -> str:
    """Without lone surrogates, which no UTF-8 stream can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _path(path: str) -> str:
    return path if path == _text(path) else printable_name(path)

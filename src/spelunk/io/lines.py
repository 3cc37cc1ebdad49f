"""Split a text into lines that keep their own endings, so that joining them gives the same text."""

from __future__ import annotations


def decode(raw: bytes) -> str:
    """UTF-8 text; bytes that are none survive as lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The inverse of :func:`decode`."""
    return text.encode("utf-8", "surrogateescape")


def split(text: str) -> list[str]:
    """Lines with their endings; only ``\\n`` ends a line (``\\r\\n`` included)."""
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    if parts[-1]:
        lines.append(parts[-1])
    return lines


def ending(lines: list[str]) -> str:
    """The line ending that most lines have."""
    crlf = sum(line.endswith("\r\n") for line in lines)
    return "\r\n" if crlf * 2 > sum(line.endswith("\n") for line in lines) else "\n"


def body(line: str) -> str:
    """The line without its ending."""
    if line.endswith("\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith("\n") else line


def with_ending(texts: list[str], eol: str) -> list[str]:
    """Each text as a line."""
    return [text + eol for text in texts]


def normal(text: str) -> list[str]:
    """Any text as bare lines, without the blank ones around it."""
    found = [line.rstrip("\r") for line in text.split("\n")]
    while found and not found[-1].strip():
        found.pop()
    while found and not found[0].strip():
        found.pop(0)
    return found

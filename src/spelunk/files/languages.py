"""Recognise the language of a file: by name, by extension, and if needed by its head.

Names are those of tree-sitter-language-pack where it has a grammar; the others
(``text``, ``notebook``, ``asciidoc``, ...) are Spelunk's own. The tables are
plain text split once at import (some 0.2 ms); nothing here touches the disk.
"""

from __future__ import annotations

from typing import Final

from spelunk.files.language_tables import ALIASES, EXTENSIONS, INTERPRETERS, NAMES

TEXT: Final = "text"
"""The language of a file that nothing else claims."""


def _inverted(table: str) -> dict[str, str]:
    """``{word: language}`` from lines of ``language word word ...``."""
    result: dict[str, str] = {}
    for line in table.split("\n"):
        language, _, words = line.partition(" ")
        for word in words.split(" "):
            result[word] = language
    result.pop("", None)
    return result


_BY_EXTENSION: Final = _inverted(EXTENSIONS)
_BY_NAME: Final = _inverted(NAMES)
_BY_ALIAS: Final = _inverted(ALIASES)
_BY_INTERPRETER: Final = _inverted(INTERPRETERS)
_UNLISTED: Final = ("kconfig", "query", "requirements", "gitcommit", "udev")
LANGUAGES: Final = frozenset({*_BY_EXTENSION.values(), *_BY_NAME.values(), *_UNLISTED})
"""Every canonical name."""

PROSE: Final = frozenset(
    [
        "asciidoc",
        "latex",
        "markdown",
        "notebook",
        "org",
        "rst",
        "text",
        "textile",
        "troff",
        "typst",
        "wikitext",
    ]
)
"""Languages whose text is written for people."""

DATA: Final = frozenset(["csv", "gosum", "json", "pem", "pgn", "po", "psv", "ron", "tsv", "xml"])
"""Languages that mostly hold data rather than behaviour."""

_TEMPLATE_SUFFIXES: Final = frozenset(
    [
        "in",
        "tmpl",
        "tpl",
        "template",
        "j2",
        "jinja",
        "jinja2",
        "dist",
        "sample",
        "example",
        "orig",
        "bak",
        "inc",
        "tt",
        "tp",
    ]
)
"""Suffixes that wrap another name: ``config.h.in`` is C. Alone they say nothing."""

_PREFIXES: Final = (
    ("Dockerfile", "dockerfile"),
    ("Containerfile", "dockerfile"),
    ("Makefile", "make"),
    ("Kconfig", "kconfig"),
    ("Jenkinsfile", "groovy"),
    ("requirements", "requirements"),
    ("constraints", "requirements"),
)
_MANUAL_SECTIONS: Final = frozenset("123456789")


def language_of(path: str) -> str:
    """The language of a path, by its name alone; ``"text"`` if nothing decides."""
    name = path[path.rfind("/") + 1 :]
    known = _BY_NAME.get(name)
    if known is not None:
        return known
    stem, dot, extension = name.rpartition(".")
    if dot:
        known = _BY_EXTENSION.get(extension) or _BY_EXTENSION.get(extension.lower())
        if known is not None and not (known == TEXT and name.startswith(("requirements", "constraints"))):
            if known == "html" and "." in stem and extension in _TEMPLATE_SUFFIXES:
                return _wrapped(stem) or known
            return known
        if stem and (extension in _TEMPLATE_SUFFIXES or extension.endswith("-tpl")):
            if extension.endswith("-tpl"):
                stem = f"{stem}.{extension[:-4]}"
            wrapped = _wrapped(stem)
            if wrapped is not None:
                return wrapped
    for prefix, language in _PREFIXES:
        if name.startswith(prefix) and (name[len(prefix) : len(prefix) + 1] in (".", "", "-", "_")):
            return TEXT if language == "requirements" and extension != "txt" else language
    return TEXT


def by_name(name: str) -> str | None:
    """The language that a whole file name fixes, or None."""
    return _BY_NAME.get(name)


def by_extension(extension: str) -> str | None:
    """The language of every name with this extension, or None where :func:`language_of` needs the whole name."""
    if extension in _TEMPLATE_SUFFIXES:
        return None
    known = _BY_EXTENSION.get(extension) or _BY_EXTENSION.get(extension.lower())
    return None if known == TEXT else known


def _wrapped(stem: str) -> str | None:
    known = _BY_NAME.get(stem)
    if known is None and "." in stem:
        known = _BY_EXTENSION.get(stem.rpartition(".")[2])
    return known


def canonical(name: str) -> str | None:
    """The canonical name of what a person typed (``py``, ``C++``, ``golang``), or None."""
    lowered = name.strip().lower().lstrip(".")
    if lowered in LANGUAGES:
        return lowered
    return _BY_ALIAS.get(lowered) or _BY_EXTENSION.get(lowered)


def refine(path: str, head: str) -> str:
    """The language of a path once the beginning of its text is known.

    Settles extensions that several languages share (``.h``, ``.m``, ``.v``,
    ``.ts``, ...), and files without an extension by their ``#!`` line, an Emacs
    mode line or an XML or HTML prologue.

    Args:
        path: The file's path.
        head: Its first characters; 4,096 are plenty.
    """
    language = language_of(path)
    name = path[path.rfind("/") + 1 :]
    extension = name.rpartition(".")[2] if "." in name else ""
    if language != TEXT and extension not in _AMBIGUOUS:
        return language
    if extension in _AMBIGUOUS:
        from spelunk.files import language_heuristics as ambiguous  # few files need its regular expressions

        return ambiguous.settle(extension, head, language)
    if extension in ("txt", "text", "log"):
        return language
    return _by_first_line(head, extension)


_AMBIGUOUS: Final = frozenset(
    [
        "h",
        "m",
        "v",
        "ts",
        "cls",
        "fs",
        "inc",
        "pl",
        "t",
        "pp",
        "pro",
        "d",
        "r",
        "cl",
        "l",
        "as",
        "ms",
        "asc",
        "rules",
    ]
)


def _by_first_line(head: str, extension: str) -> str:
    first = head[:300].lstrip("\ufeff")
    line = first.split("\n", 1)[0]
    if line.startswith("#!"):
        return _shebang(line) or TEXT
    start = first.lstrip()
    if start.startswith("<?php"):
        return "php"
    if start.startswith("<?xml"):
        return "xml"
    if start[:14].lower() == "<!doctype html":
        return "html"
    if extension in _MANUAL_SECTIONS and start.startswith((".TH", ".Dd", '.\\"', "'\\\"", ".so ")):
        return "troff"
    if "-*-" in line:
        mode = line.split("-*-")[1].strip()
        if ":" in mode:
            pairs = dict(part.split(":", 1) for part in mode.lower().split(";") if ":" in part)
            mode = {key.strip(): value for key, value in pairs.items()}.get("mode", "").strip()
        return canonical(mode) or TEXT
    return TEXT


def _shebang(line: str) -> str | None:
    words = line[2:].split()
    if not words:
        return None
    program = words[0].rpartition("/")[2]
    if program == "env":
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        if not rest:
            return None
        program = rest[0].rpartition("/")[2]
    known = _BY_INTERPRETER.get(program)
    return known or _BY_INTERPRETER.get(program.rstrip("0123456789.-"))

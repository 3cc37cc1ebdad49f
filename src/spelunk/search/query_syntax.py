"""The terms of the query language: read from text with their columns, and written back.

The language is described in :mod:`spelunk.search.query`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from spelunk.errors import QuerySyntaxError, UsageError
from spelunk.types import Flag

RELATIONS: Final = ("calls", "called-by", "uses", "implements")
"""The filters by what a definition calls, is called by, refers to and implements."""

FILTERS: Final = ("lang", "path", "kind", "is", "repo", "branch", *RELATIONS)
"""The filters every chunk has; any other field is front matter."""

_ALIASES: Final = {"file": "path", "language": "lang"}
_LISTS: Final = frozenset(("lang", "kind", "is"))
FLAGS: Final = {str(flag.name).lower(): flag for flag in Flag if flag}
"""Values of ``is:``."""
_SYMBOL_NAME: Final = re.compile(r"[^\W\d][\w$]*(?:(?:\.|::|#)~?[^\W\d][\w$]*)*(?:\(\))?")
"""A value of a filter by relation; ``uses:actions/checkout@v4`` is text."""
_NEVER_EMPTY: Final = frozenset(("sym", "lang"))
"""Not words of English, so that ``sym:`` alone is a slip, and ``path:`` may be prose."""

_FIELD: Final = re.compile(r"([a-z][a-z0-9_-]+):(?!:|//|\\)")
_PHRASE: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"|"((?:[^"\\]++|\\.)*\\)"', re.DOTALL)
"""A quoted text; in the second form the last quote is escaped and closes it for want of another. Each
alternative reads the text in one way only, so that the time is linear."""
_REGEX: Final = re.compile(r"/(?![\s/*+?])((?:[^/\\]|\\.)+)/(?!\S)", re.DOTALL)
_WORD: Final = re.compile(r"\S+")
_SPACE: Final = re.compile(r"\s*")
_ESCAPED: Final = re.compile(r'\\(?=[-/"]|[a-z][a-z0-9_-]+:)')
_FRONT_MATTER_VALUE: Final = re.compile(r"[^\s\"'`()\[\]{}<>=;,|&!:]+")
_NOT_FIELDS: Final = frozenset(("localhost", "http", "https", "ftp", "ssh", "mailto", "urn", "node", "npm"))
_NO_PATH: Final = re.compile(r"[\\|^()]|\.[*+]|\[[^\]]*$")
_PLAIN: Final = re.compile(r'(?!:|//)[^\s"\\]+')

WORD, PHRASE, REGEX, SYMBOL, FILTER = "word", "phrase", "regex", "symbol", "filter"


class Term(Struct, frozen=True):
    """One term.

    Attributes:
        kind: ``word``, ``phrase``, ``regex``, ``symbol`` or ``filter``.
        value: Its text, without quotes, slashes, escapes and field name.
        negated: Excludes instead.
        field: Of a filter: ``lang``, ``path``, ``kind``, ``is``, ``repo``, ``branch``,
            one of :data:`RELATIONS` or a front-matter name.
    """

    kind: str
    value: str
    negated: bool = False
    field: str = ""

    def __str__(self) -> str:
        sign = "-" if self.negated else ""
        if self.kind == WORD:
            return sign + _escape(self.value, self.negated)
        if self.kind == PHRASE:
            return sign + _quote(self.value)
        if self.kind == REGEX:
            return "/" + _slashed(self.value) + "/"
        name, value = self.field or "sym", self.value
        bare = _PLAIN if name in FILTERS or name == "sym" else _FRONT_MATTER_VALUE
        if not bare.fullmatch(value) or name in _NOT_FIELDS or (name in _LISTS and "," in value):
            value = _quote(value)
        return f"{sign}{name}:{value}"


def canonical_language(name: str) -> str:
    """The canonical language of a name or alias.

    Raises:
        UsageError: No such language; suggests the nearest.
    """
    from spelunk.files import languages  # tables that most queries need not load

    found = languages.canonical(name)
    if found is None:
        import difflib  # only on the error path

        near = difflib.get_close_matches(name.lower(), languages.LANGUAGES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown language {name!r}{hint}")
    return found


def read_terms(text: str) -> Iterator[Term]:
    """The terms of a query in their order.

    Raises:
        QuerySyntaxError: As :func:`spelunk.search.query.parse`, but for what only the whole query shows.
    """
    for made, _, _ in constructs(text):
        yield from made


def constructs(text: str) -> Iterator[tuple[list[Term], int, int]]:
    """What each construct of a query makes, and where it begins and ends: none, one or several terms.

    Raises:
        QuerySyntaxError: As :func:`read_terms`.
    """
    at = len(text) - len(text.lstrip())
    while at < len(text):
        start = at
        made, at = _term_at(text, at)
        yield made, start, at
        space = _SPACE.match(text, at)
        at = space.end() if space else at


def _term_at(text: str, start: int) -> tuple[list[Term], int]:
    """The terms that one construct makes (a list of languages makes several), and where it ends."""
    word = _WORD.match(text, start)
    assert word is not None
    raw, end = word.group(), word.end()
    escaped = raw.startswith("-")
    if _ESCAPED.match(raw, escaped):
        return [Term(WORD, raw[1 + escaped :], negated=escaped)], end
    negated = raw[0] == "-" and _negates(raw[1:2])
    at = start + negated
    if text[at] == '"':
        value, end = _phrase(text, at)
        return [Term(PHRASE, value, negated)] if value else [], end
    if text[at] == "/":
        body = _REGEX.match(text, at)
        if body is not None:
            if negated:
                raise QuerySyntaxError('a regex cannot be negated; use -word or -"phrase"', text, start + 1)
            pattern = _unslashed(body.group(1))
            _check_regex(pattern, text, start + 1)
            return [Term(REGEX, pattern)], body.end()
        if not negated and raw[1:2] not in ("", "/", "*", "+", "?") and _NO_PATH.search(raw):
            message = (
                'regex without an end; close it with / and write \\/ for a slash inside, or quote it: "..."'
            )
            raise QuerySyntaxError(message, text, start + 1)
        return [Term(WORD, raw)], end
    return _filter(text, at, start, negated) or ([Term(WORD, raw[negated:], negated)], end)


def _negates(character: str) -> bool:
    """Whether a ``-`` before it excludes, so that ``-1``, ``--flag`` and ``->`` are words."""
    return character.isalpha() or character in ("_", '"', "/")


def _filter(text: str, at: int, start: int, negated: bool) -> tuple[list[Term], int] | None:
    """The filters or the symbol at ``at``, or None where it is a plain word."""
    head = _FIELD.match(text, at)
    if head is None:
        return None
    name = _ALIASES.get(head.group(1), head.group(1))
    known = name in FILTERS or name == "sym"
    quoted = text[head.end() : head.end() + 1] == '"'
    if quoted:
        if not known and _PHRASE.match(text, head.end()) is None:
            return None
        value, end = _phrase(text, head.end())  # raises where the quote is open
        if not text[end : end + 1].isspace() and end < len(text):
            return None
    else:
        word = _WORD.match(text, head.end())
        value, end = (word.group(), word.end()) if word else ("", head.end())
    if not value:
        if head.group(1) in _NEVER_EMPTY or (known and quoted):
            raise QuerySyntaxError(f"{head.group()} needs a value right behind it", text, start + 1)
        return None
    if name == "sym":
        if negated:
            raise QuerySyntaxError("sym: cannot be negated; use -word", text, start + 1)
        return [Term(SYMBOL, value)], end
    if not known and not quoted and (name in _NOT_FIELDS or not _FRONT_MATTER_VALUE.fullmatch(value)):
        return None
    if name in RELATIONS and not quoted and not _SYMBOL_NAME.fullmatch(value):
        return None
    values = [value] if quoted or name not in _LISTS else [v for v in value.split(",") if v]
    if name == "lang":
        try:
            values = [canonical_language(v) for v in values]
        except UsageError as error:
            raise QuerySyntaxError(str(error), text, head.end() + 1) from None
    elif name in ("kind", "is"):
        values = [v.lower() for v in values]
        if name == "is" and not FLAGS.keys() >= set(values):
            return None  # "what is:this" is text
    return ([Term(FILTER, v, negated, name) for v in values], end) if values else None


def _phrase(text: str, at: int) -> tuple[str, int]:
    quoted = _PHRASE.match(text, at)
    if quoted is None:
        raise QuerySyntaxError('quote without an end; close it, or write \\" for a quote mark', text, at + 1)
    return _unquoted(quoted.group(quoted.lastindex or 1)), quoted.end()


def _unquoted(body: str) -> str:
    return " ".join(re.sub(r'\\(["\\])', r"\1", body).split())


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unslashed(body: str) -> str:
    return re.sub(r"\\(.)", lambda m: "/" if m[1] == "/" else m[0], body, flags=re.DOTALL)


def _slashed(pattern: str) -> str:
    return re.sub(r"\\.|/", lambda m: "\\/" if m[0] == "/" else m[0], pattern, flags=re.DOTALL)


def _escape(word: str, negated: bool) -> str:
    """``word`` with a backslash where it would not be read as a plain word."""
    first, second = word[0], word[1:2]
    if first == "-":
        special = negated or _negates(second) or second == "\\"
    elif first == "/":
        special = negated or bool(second)
    else:
        head = _FIELD.match(word)
        empty = head is not None and head.end() == len(word)
        special = first == '"' or (head is not None and (not empty or head.group(1) in _NEVER_EMPTY))
    return "\\" + word if special else word


def regex_term(text: str) -> Term:
    """The whole text as one pattern.

    Raises:
        QuerySyntaxError: Empty or not a regex.
    """
    pattern = _unslashed(text)
    if not pattern:
        raise QuerySyntaxError("the query is empty; say what to look for", text, 1)
    if pattern[0].isspace():  # the delimited form cannot start with white space
        pattern = f"[{pattern[0]}]{pattern[1:]}"
    _check_regex(pattern, text, 1)
    return Term(REGEX, pattern)


def _check_regex(pattern: str, text: str, column: int) -> None:
    from spelunk.text import regex  # the engine is loaded for a regex only

    try:
        regex.compile(pattern)
    except UsageError as error:
        raise QuerySyntaxError(str(error), text, column) from None

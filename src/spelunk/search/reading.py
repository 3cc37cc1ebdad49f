r"""Decide whether what was given to a search is a query or literal text, and read it so.

A query is *plainly* one where all of this holds; all else is text, and text is
never an error:

- it is one line of at most :data:`MAX_PLAIN` words beside its constructs, and of
  :data:`MAX_LINE` characters;
- it parses, and every phrase, regex and filter ends where a term ends;
- with a phrase or a regex it has at most :data:`MAX_BESIDE_LITERAL` other words: a
  sentence with a quotation is text;
- what it excludes looks like a word, and nothing else looks like a flag of a
  command line: ``cache -redis`` is a query, ``gcc -Wall -O2`` is text.

A text becomes a query of plain words without constraints. What it says about code
is in :attr:`spelunk.search.query.Query.pasted`, except of a line of a few words that
names no place, no error and no change: such a question is ranked like a query.
A plain query that asks for a change (``fix crash of the parser``) has it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from spelunk.errors import QuerySyntaxError
from spelunk.search.query import FILTERS, MAX_TEXT, Query, parse
from spelunk.search.query_syntax import FILTER, PHRASE, REGEX, SYMBOL, WORD, Term, constructs

if TYPE_CHECKING:
    from spelunk.search.request import Reading

MAX_PLAIN: Final = 12
"""Plain words of a query. The short questions that ranking was fitted to have at most 12."""
MAX_BESIDE_LITERAL: Final = 3
"""Plain words beside a phrase or a regex. Subjects of commits and titles of issues that quote
something have four or more."""
MAX_LINE: Final = 8_192
"""Characters of a query: one of many filters is long."""

MIN_CHANGE: Final = 3
CHANGES: Final = frozenset(
    [
        "add",
        "added",
        "adds",
        "adding",
        "allow",
        "allowed",
        "allows",
        "bump",
        "bumped",
        "cleanup",
        "deprecate",
        "deprecated",
        "deprecates",
        "disallow",
        "don't",
        "ensure",
        "ensures",
        "fix",
        "fixed",
        "fixes",
        "fixing",
        "implement",
        "implemented",
        "implements",
        "improve",
        "improved",
        "improves",
        "introduce",
        "introduced",
        "introduces",
        "prevent",
        "prevents",
        "refactor",
        "refactored",
        "refactors",
        "remove",
        "removed",
        "removes",
        "removing",
        "rename",
        "renamed",
        "renames",
        "replace",
        "replaced",
        "replaces",
        "revert",
        "reverts",
        "simplify",
        "simplified",
        "support",
        "supports",
        "tweak",
        "update",
        "updated",
        "updates",
    ]
)
"""First words of 70 % of the one-line subjects of commits, and of less than 2 % of the questions that
ranking was fitted to (docs/benchmarks)."""
_CONVENTIONAL: Final = re.compile(
    r"(?:build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)(?:\([^()]{1,40}\))?!?: "
)
"""https://www.conventionalcommits.org"""
_LINE_END: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_EXCLUDED: Final = re.compile(r"[^\W\d]\w{2,}(?:[.-]\w+)*")
_COMPILER_FLAG: Final = re.compile(r"(?:[WDXL][A-Za-z]|f[a-z]+-)")
_OTHER_FLAG: Final = re.compile(r"--[a-z]|-[A-Za-z](?:\d|$|=)|-[a-z]+=")
_PLACE: Final = re.compile(
    r"\.\w{1,8}[:(]\d|\bline \d|\w\\\w|\w/\w+[./]|(?:[Ee]rror|ERROR|Exception|[Ww]arning|[Pp]anic)\S{0,20}: "
)
"""What makes a short line more than a question: a place, a path of several folders, an error."""


def read(text: str, *, mode: str = "hybrid", reading: Reading = "auto") -> Query:
    """The query that was typed or the text that was pasted.

    Args:
        text: What was given.
        mode: As :func:`spelunk.search.query.parse` takes it; in ``regex`` the whole
            text is one pattern, whatever ``reading`` says.
        reading: ``text``, ``query``, or ``auto``: text unless it plainly is a query.

    Raises:
        QuerySyntaxError: There is nothing in it to look for; with ``query`` or in
            mode ``regex``, it does not parse.
    """
    if reading == "query" or mode == "regex":
        return parse(text, mode=mode)
    if not text or text.isspace():
        raise QuerySyntaxError("the query is empty; say what to look for", text, 1)
    why = ""
    if reading == "auto" and len(text) <= MAX_LINE:
        line = text.strip()
        if not _LINE_END.search(line):
            try:
                query = parse(text, mode=mode)
            except QuerySyntaxError as error:
                if len(line.split()) <= MAX_PLAIN:
                    why = f"; as a query, {str(error).removeprefix('query, ')}"
            else:
                if _is_plain(text, query, mode):
                    return _with_change(query, line)
    return _as_text(text, why)


def _with_change(query: Query, line: str) -> Query:
    """A query of plain words that asks for a change is ranked like the text of one."""
    if not all(t.kind == WORD and not t.negated for t in query.terms) or not asks_for_change(line):
        return query
    from spelunk.pasted import read_pasted

    return replace(query, pasted=read_pasted(line))


def asks_for_change(line: str) -> bool:
    """Whether a line begins as subjects of commits and titles of issues do: ``fix …``, ``feat(ui): …``.

    Such a line looks for the code to change, a question for the code or the page
    that explains it. It has three words at least.
    """
    words = line.split()
    if len(words) < MIN_CHANGE:
        return False
    if _CONVENTIONAL.match(line):
        return True
    first = words[1] if words[0].startswith("[") or words[0].endswith(":") else words[0]
    return first.lower() in CHANGES


def _is_plain(text: str, query: Query, mode: str) -> bool:
    """Whether a line that parses is plainly a query."""
    plain = SYMBOL if mode == "symbol" else WORD
    words = [t.value for t in query.terms if t.kind == plain and not t.negated]
    if len(words) > MAX_PLAIN:
        return False
    special = [t for t in query.terms if t.kind != plain or t.negated]
    if not special:
        return mode == "symbol" or not _PLACE.search(text)
    if len(words) > MAX_BESIDE_LITERAL and any(t.kind in (PHRASE, REGEX) for t in special):
        return False
    excluded = [t for t in special if t.negated and t.kind == WORD]
    if excluded and not _excludes(text, excluded):
        return False
    for made, _, end in constructs(text):
        if text[end : end + 1].strip():
            return False  # "a": of JSON, "a", of a list
        if any(t.kind == REGEX and t.value != t.value.strip() for t in made):
            return False  # two paths: /etc and /
        if any(t.kind == FILTER and t.field not in FILTERS for t in made) and text[end - 1] in ".?":
            return False  # the end of a sentence
    return True


def _excludes(text: str, excluded: list[Term]) -> bool:
    """Whether words with a hyphen before them leave something out, and are no flags of a command."""
    if any(not _EXCLUDED.fullmatch(t.value) or _COMPILER_FLAG.match(t.value) for t in excluded):
        return False
    return not any(_OTHER_FLAG.match(word) for word in text.split())


def _as_text(text: str, why: str) -> Query:
    """A text as a query of plain words."""
    from spelunk.pasted import read_pasted  # its tables are for texts only

    terms = tuple(Term(WORD, word) for word in text[:MAX_TEXT].split())
    pasted = read_pasted(text)
    line = text.strip()
    short = len(line.split()) <= MAX_PLAIN and not _LINE_END.search(line)
    question = short and not _PLACE.search(line) and not asks_for_change(line)
    return Query(terms, text, None if question else pasted, pasted.describe() + why)

r"""The query language: parse text into a frozen :class:`Query`; ``str()`` writes it back.

A query is a list of terms between white space, in any order. Everything that is not a
construct of the language is a plain word, so questions in English, file paths,
flags and pasted code need no escapes.

.. code-block:: text

    query   = { term }
    term    = [ "-" ] ( phrase | filter | word ) | symbol | regex | "\" word
    phrase  = '"' { character | '\"' | '\\' } '"'       literal, white space as one space
    regex   = "/" body "/"                              "\/" for a slash inside
    symbol  = "sym:" value                              a name that is defined there
    filter  = field ":" value { "," value }             lists for lang:, kind: and is: only
    field   = "lang" | "path" | "file" | "kind" | "is" | "repo" | "branch"
            | "calls" | "called-by" | "uses" | "implements" | name
    value   = word | phrase
    name    = a lower-case letter, then letters, digits, "_", "-"; two characters at least

- **Words** are the default. A backslash before a leading ``-``, ``/``, ``"`` or
  ``name:`` makes the term a plain word: ``\-Wall``, ``-\lang:c``.
- **Phrases** start at the start of a term only, so the apostrophe and the inch
  sign of prose, and ``print("x")``, are no phrases. An empty one is ignored.
- **A regex** starts with ``/`` at the start of a term and ends with the next
  unescaped ``/``, which must be at the end of a term. Its body is not empty and
  starts neither with white space nor with ``/``, ``*``, ``+`` or ``?`` (a
  comment). So ``/usr/bin``, ``src/net/``, ``//`` and ``/* x */`` are words, and
  ``/usr/`` is a regex. A term that starts like one, has no closing slash and
  could not be a path (``/foo\(``) is an error, not a word.
- **Filters.** A field given several times accepts any of its values; different
  fields must all accept. ``path:`` and ``file:`` are the same: a part of the
  path in any case, or a glob where it has ``*``, ``?`` or ``[``
  (:func:`spelunk.store.path_filter.path_predicate`). ``is:`` takes the names of
  :class:`~spelunk.types.Flag` and is text before anything else. Any other name filters by front matter
  (``status:in-review``) unless it looks like code: a value that is empty or
  starts with ``:``, ``\`` or ``//`` or has brackets, ``=``, ``;``, ``,`` or
  quotes inside (``std::vector``, ``http://x``, ``C:\x``, ``key: value``).
- **Negation.** ``-`` glued to a phrase, a filter or a word that starts with a
  letter or ``_`` excludes. A lone ``-``, ``--flag``, ``-1`` and ``->`` are words;
  so are the negated words of a query that has nothing else (``-Wall``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from spelunk.errors import QuerySyntaxError, UsageError
from spelunk.search.query_syntax import (
    FILTER,
    FILTERS,
    PHRASE,
    REGEX,
    RELATIONS,
    SYMBOL,
    WORD,
    Term,
    canonical_language,
    read_terms,
    regex_term,
)
from spelunk.text.tokens import words
from spelunk.text.whole_words import whole_words_literal, whole_words_regex

if TYPE_CHECKING:
    from spelunk.pasted import Pasted

__all__ = [
    "FILTER", "FILTERS", "PHRASE", "REGEX", "SYMBOL", "WORD",
    "Filters", "Match", "Query", "Term", "as_matched", "canonical_language", "kind_of_text", "narrow", "parse",
    "phrase_test", "with_known_fields",
]  # fmt: skip


MAX_CONDITIONS: Final = 1_000
"""Phrases, regexes, symbols, filters and exclusions of a query; each is tried on every candidate."""

MAX_WHOLE_WORDS: Final = 12
"""Words that may be asked for as whole words: each is looked for in every candidate's text. As many as the
plain words of a query (:mod:`spelunk.search.reading`)."""

MAX_TEXT: Final = 8_192
"""Characters of a query that are tokenised and embedded; a pasted page is found by its beginning."""

LONG_PHRASE: Final = 2_000
"""Characters from which a phrase is looked for in the text made lower case, not by a regular
expression: compiling one takes longer than the search."""


class Match(Struct, frozen=True):
    """What one filter accepts: any of ``include`` (all, when empty) and none of ``exclude``."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def accepts(self, value: str) -> bool:
        """Whether a chunk with exactly this value passes."""
        return (not self.include or value in self.include) and value not in self.exclude


class Filters(Struct, frozen=True):
    """All filters of a query; false when there is none.

    Attributes:
        lang: Canonical language names.
        path: Parts of paths or globs, for :func:`spelunk.store.path_filter.path_predicate`.
        kind: Chunk kinds, lower-case.
        flags: Names of :class:`~spelunk.types.Flag`, lower-case, from ``is:``.
        repo: Names of repositories, as given.
        branch: Names of branches, as given.
        relations: For each of :data:`~spelunk.search.query_syntax.RELATIONS` names of symbols, as given.
        fields: Front-matter fields in the order of their first mention.
    """

    lang: Match = Match()
    path: Match = Match()
    kind: Match = Match()
    flags: Match = Match()
    repo: Match = Match()
    branch: Match = Match()
    relations: tuple[Match, ...] = (Match(),) * len(RELATIONS)
    fields: tuple[tuple[str, Match], ...] = ()

    def __bool__(self) -> bool:
        own = (self.lang, self.path, self.kind, self.flags, self.repo, self.branch, self.fields)
        return any(own) or any(self.relations)


class Query(Struct, frozen=True, dict=True):
    """A parsed query. The attributes below are made on each access: hold what you need.

    Attributes:
        terms: The terms in the order given.
        source: What was typed; not part of equality.
        pasted: What a text that was pasted says, where the query was read as one
            (:mod:`spelunk.search.reading`); not part of equality.
        reading: How it was read, for people: ``query``, or a sentence.
    """

    terms: tuple[Term, ...]
    source: str = ""
    pasted: Pasted | None = None
    reading: str = "query"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Query) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def _values(self, kind: str, *, negated: bool = False) -> tuple[str, ...]:
        return tuple(t.value for t in self.terms if t.kind == kind and t.negated == negated)

    @cached_property
    def text(self) -> str:
        """Words, phrases and symbol names in their order: what is tokenised and embedded."""
        return " ".join(t.value for t in self.terms if not t.negated and t.kind in (WORD, PHRASE, SYMBOL))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Plain words as typed, with their punctuation."""
        return self._values(WORD)

    @cached_property
    def phrases(self) -> tuple[str, ...]:
        """Literal strings, runs of white space as one space."""
        return self._values(PHRASE)

    @cached_property
    def regexes(self) -> tuple[str, ...]:
        """Valid patterns for :mod:`spelunk.text.regex`, all of which must match."""
        return self._values(REGEX)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Names that must be defined."""
        return self._values(SYMBOL)

    @cached_property
    def negated_words(self) -> tuple[str, ...]:
        """Words that must not occur."""
        return self._values(WORD, negated=True)

    @cached_property
    def negated_phrases(self) -> tuple[str, ...]:
        """Literal strings that must not occur."""
        return self._values(PHRASE, negated=True)

    @cached_property
    def bare_names(self) -> frozenset[str]:
        """The words and symbols in lower case without their scopes: ``b`` of ``A::b``."""
        return frozenset(_SCOPE.split(name)[-1].lower() for name in (*self.symbols, *self.words))

    @cached_property
    def filters(self) -> Filters:
        """The filters, collected by field."""
        sides: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        for t in self.terms:
            if t.kind == FILTER:
                sides.setdefault(t.field, ({}, {}))[t.negated][t.value] = None
        found = {name: Match(tuple(inc), tuple(exc)) for name, (inc, exc) in sides.items()}
        relations = tuple(found.pop(name, Match()) for name in RELATIONS)
        known = {_ATTRIBUTES.get(name, name): found.pop(name) for name in FILTERS if name in found}
        return Filters(**known, relations=relations, fields=tuple(found.items()))

    @cached_property
    def kind_of_query(self) -> str:
        """``symbol``, ``prose`` or ``mixed``; see :func:`kind_of_text`."""
        if any(t.kind == SYMBOL for t in self.terms) and not self.words and not self.phrases:
            return "symbol"
        return kind_of_text(self.text[:MAX_TEXT])


def parse(text: str, *, mode: str = "hybrid") -> Query:
    """The query tree of ``text`` read in the query language; ``parse(str(parse(x))) == parse(x)``.

    A search reads its query by :func:`spelunk.search.reading.read`, which takes text
    that plainly is no query as text.

    Args:
        text: What was typed.
        mode: In ``regex`` the whole text is one pattern; in ``symbol`` every
            word is a symbol name; all other modes read the language as it is.

    Raises:
        QuerySyntaxError: An open quote or regex, an invalid regex, an unknown
            language, an empty ``sym:`` or ``lang:``, a negated regex or
            symbol, or nothing to look for.
    """
    if mode == "regex":
        return Query((regex_term(text),), text)
    terms = list(read_terms(text))
    if mode == "symbol":
        terms = [replace(t, kind=SYMBOL) if t.kind == WORD and not t.negated else t for t in terms]
    if not any(t.kind == FILTER or not t.negated for t in terms):
        if not terms or any(t.kind == PHRASE for t in terms):
            what = "the query only excludes" if terms else "the query is empty"
            raise QuerySyntaxError(f"{what}; say what to look for", text, 1)
        terms = [Term(WORD, "-" + t.value) for t in terms]
    return Query(tuple(terms), text)


def narrow(
    query: Query,
    *,
    lang: Collection[str] = (),
    kind: Collection[str] = (),
    path: Collection[str] = (),
    not_path: Collection[str] = (),
    not_lang: Collection[str] = (),
) -> Query:
    """``query`` with the filters that flags gave beside it.

    Raises:
        UsageError: An unknown language.
    """
    more = [Term(FILTER, canonical_language(x), field="lang") for x in lang]
    more += [Term(FILTER, canonical_language(x), negated=True, field="lang") for x in not_lang]
    more += [Term(FILTER, x.lower(), field="kind") for x in kind]
    more += [Term(FILTER, x, field="path") for x in path]
    more += [Term(FILTER, x, negated=True, field="path") for x in not_path]
    return replace(query, terms=query.terms + tuple(more)) if more else query


def as_matched(query: Query, *, whole_words: bool = False, ignore_case: bool = False) -> Query:
    """``query`` with stricter or looser matching.

    Args:
        query: The query.
        whole_words: Each of its words has to stand in the text as a whole word, in any case,
            and no word character right before and behind a match of a regex.
        ignore_case: Its regexes match in any case.

    Raises:
        UsageError: Whole words are asked for, and it has no word and no regex, or more words than
            :data:`MAX_WHOLE_WORDS`.
    """
    terms = query.terms
    if whole_words:
        terms = tuple(replace(t, value=whole_words_regex(t.value)) if t.kind == REGEX else t for t in terms)
    if ignore_case:
        terms = tuple(replace(t, value=f"(?i){t.value}") if t.kind == REGEX else t for t in terms)
    if whole_words:
        found = dict.fromkeys(word for text in query.words for word in words(text))
        if not found and not query.regexes:
            raise UsageError("whole words are asked for, and the query has no word")
        if len(found) > MAX_WHOLE_WORDS:
            raise UsageError(f"{len(found):,} whole words are asked for; at most {MAX_WHOLE_WORDS}")
        patterns = (f"(?i){whole_words_literal(word)}" for word in found)
        terms += tuple(Term(REGEX, pattern) for pattern in patterns)
    return replace(query, terms=terms)


def with_known_fields(query: Query, known: Collection[str]) -> Query:
    """``query`` with front-matter filters on fields that no document has read as plain words.

    So ``redis:alpine`` or a pasted ``error:404`` finds text in a corpus where
    nothing has a field of that name.

    Raises:
        QuerySyntaxError: More than :data:`MAX_CONDITIONS` conditions are left.
    """

    def word_if_unknown(t: Term) -> Term:
        if t.kind != FILTER or t.field in FILTERS or t.field in known:
            return t
        if any(c.isspace() for c in t.value):
            return Term(PHRASE, f"{t.field}: {t.value}", t.negated)
        return Term(WORD, f"{t.field}:{t.value}", t.negated)

    terms = tuple(map(word_if_unknown, query.terms))
    conditions = sum(t.negated or t.kind != WORD for t in terms)
    if conditions > MAX_CONDITIONS:
        raise QuerySyntaxError(
            f"{conditions:,} phrases, regexes, symbols, filters and exclusions; at most {MAX_CONDITIONS:,}",
            query.source,
            1,
        )
    return replace(query, terms=terms)


_ATTRIBUTES: Final = {"is": "flags"}
_SCOPE: Final = re.compile(r"\.|::|#")
_IDENTIFIER: Final = re.compile(r"[@$#]?[^\W\d][\w$]*(?:(?:\.|::|->|#)~?[^\W\d][\w$]*)*(?:\(\))?")
_COMPOUND: Final = re.compile(r"[^\W_]_\w|^_+\w|[a-z0-9][A-Z]|\w(?:::|->|\.|#)\w|\w\(\)")


def phrase_test(phrase: str) -> Callable[[str], bool]:
    """Whether a text has a phrase: literally, in any case, white space matching any white space."""
    if len(phrase) > LONG_PHRASE:
        literal = " ".join(phrase.lower().split())
        return lambda text: len(text) >= len(phrase) // 2 and literal in " ".join(text.lower().split())
    search = re.compile(r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE).search
    return lambda text: search(text) is not None


def kind_of_text(text: str) -> str:
    """What a text is, which decides how far names are trusted.

    Returns:
        ``symbol`` for one name (``flush_batches``, ``HttpServer.run``, ``Server``);
        ``prose`` for several words none of which has the shape of a name;
        ``mixed`` for the rest: a question that names something, a single
        lower-case word, which may be either.
    """
    spoken = text.split()
    if len(spoken) == 1:
        name = bool(_IDENTIFIER.fullmatch(text.strip())) and not text.strip().islower()
        return "symbol" if name or _is_compound(spoken[0]) else "mixed"
    if not spoken or any(map(_is_compound, spoken)):
        return "mixed"
    return "prose"


def _is_compound(word: str) -> bool:
    """Whether the word has the shape of a name with parts, so that it is none of plain prose."""
    bare = word.strip(".,;:!?'\"`")
    if not _IDENTIFIER.fullmatch(bare) or not _COMPOUND.search(bare):
        return False
    return max(map(len, re.split(r"\W+", bare))) > 2  # not "e.g" and "i.e"

r"""The query language: text -> frozen :class:`Query`; ``str()`` gives it back.

A query is a list of terms between white space, in any order. Whatever is no
construct of the language is a plain word, so questions in English, file paths,
flags and pasted code pass through unharmed.

.. code-block:: text

    query   = { term }
    term    = [ "-" ] ( phrase | filter | word ) | symbol | regex | "\" word
    phrase  = '"' { character | '\"' | '\\' } '"'       literal, white space as one space
    regex   = "/" body "/"                              "\/" for a slash inside
    symbol  = "sym:" value                              a name that is defined there
    filter  = field ":" value { "," value }             lists for lang: and kind: only
    field   = "lang" | "path" | "file" | "kind" | "repo" | "branch" | name
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
  (:func:`spelunk.pathglob.path_predicate`). Any other name filters by front matter
  (``status:in-review``) unless it looks like code: a value that is empty or
  starts with ``:``, ``\`` or ``//`` or has brackets, ``=``, ``;``, ``,`` or
  quotes inside (``std::vector``, ``http://x``, ``C:\x``, ``key: value``).
- **Negation.** ``-`` glued to a word, phrase or filter excludes. A lone ``-``
  and ``--flag`` are words; so are the negated words of a query that has nothing
  else (``-Wall``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from spelunk.errors import QuerySyntaxError, UsageError

FILTERS: Final = ("lang", "path", "kind", "repo", "branch")
"""The filters every chunk has; any other field is front matter."""

_ALIASES: Final = {"file": "path", "language": "lang"}
_LISTS: Final = frozenset(("lang", "kind"))
_NEVER_EMPTY: Final = frozenset(("sym", "lang"))
"""Not words of English, so that ``sym:`` alone is a slip, and ``path:`` may be prose."""

_FIELD: Final = re.compile(r"([a-z][a-z0-9_-]+):(?!:|//|\\)")
_PHRASE: Final = re.compile(r'"((?:[^"\\]|\\.|\\)*?)"', re.DOTALL)
_QUOTED_VALUE: Final = re.compile(_PHRASE.pattern + r"(?!\S)", re.DOTALL)
_REGEX: Final = re.compile(r"/(?![\s/*+?])((?:[^/\\]|\\.)+)/(?!\S)", re.DOTALL)
_WORD: Final = re.compile(r"\S+")
_SPACE: Final = re.compile(r"\s*")
_ESCAPED: Final = re.compile(r'\\(?=[-/"]|[a-z][a-z0-9_-]+:)')
_FRONT_MATTER_VALUE: Final = re.compile(r"[^\s\"'`()\[\]{}<>=;,|&!:]+")
_NOT_FIELDS: Final = frozenset(("localhost", "http", "https", "ftp", "ssh", "mailto", "urn", "node", "npm"))
_NO_PATH: Final = re.compile(r"[\\|^()]|\.[*+]|\[[^\]]*$")
_PLAIN: Final = re.compile(r'(?!:|//)[^\s"\\]+')

WORD, PHRASE, REGEX, SYMBOL, FILTER = "word", "phrase", "regex", "symbol", "filter"


@dataclass(frozen=True, slots=True)
class Term:
    """One term.

    Attributes:
        kind: ``word``, ``phrase``, ``regex``, ``symbol`` or ``filter``.
        value: What it says, without quotes, slashes, escapes and field name.
        negated: Excludes instead.
        field: Of a filter: ``lang``, ``path``, ``kind``, ``repo``, ``branch`` or a front-matter name.
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


@dataclass(frozen=True, slots=True)
class Match:
    """What one filter accepts: any of ``include`` (all, when empty) and none of ``exclude``."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def accepts(self, value: str) -> bool:
        """Whether a chunk with exactly this value passes."""
        return (not self.include or value in self.include) and value not in self.exclude


@dataclass(frozen=True, slots=True)
class Filters:
    """All filters of a query; false when there is none.

    Attributes:
        lang: Canonical language names.
        path: Parts of paths or globs, for :func:`spelunk.pathglob.path_predicate`.
        kind: Chunk kinds, lower-case.
        repo: Names of repositories, as given.
        branch: Names of branches, as given.
        fields: Front-matter fields in the order of their first mention.
    """

    lang: Match = Match()
    path: Match = Match()
    kind: Match = Match()
    repo: Match = Match()
    branch: Match = Match()
    fields: tuple[tuple[str, Match], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lang or self.path or self.kind or self.repo or self.branch or self.fields)


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. The attributes below are made on each access: hold what you need.

    Attributes:
        terms: The terms in the order given.
        source: What was typed; not part of equality.
    """

    terms: tuple[Term, ...]
    source: str = field(default="", compare=False)

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def _values(self, kind: str, *, negated: bool = False) -> tuple[str, ...]:
        return tuple(t.value for t in self.terms if t.kind == kind and t.negated == negated)

    @property
    def text(self) -> str:
        """Words, phrases and symbol names in their order: what is tokenised and embedded."""
        return " ".join(t.value for t in self.terms if not t.negated and t.kind in (WORD, PHRASE, SYMBOL))

    @property
    def words(self) -> tuple[str, ...]:
        """Plain words as typed, with their punctuation."""
        return self._values(WORD)

    @property
    def phrases(self) -> tuple[str, ...]:
        """Literal strings, runs of white space as one space."""
        return self._values(PHRASE)

    @property
    def regexes(self) -> tuple[str, ...]:
        """Valid patterns for :mod:`spelunk.regex`, all of which must match."""
        return self._values(REGEX)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names that must be defined."""
        return self._values(SYMBOL)

    @property
    def negated_words(self) -> tuple[str, ...]:
        """Words that must not occur."""
        return self._values(WORD, negated=True)

    @property
    def negated_phrases(self) -> tuple[str, ...]:
        """Literal strings that must not occur."""
        return self._values(PHRASE, negated=True)

    @property
    def filters(self) -> Filters:
        """The filters, collected by field."""
        sides: dict[str, tuple[list[str], list[str]]] = {}
        for t in self.terms:
            if t.kind == FILTER:
                side = sides.setdefault(t.field, ([], []))[t.negated]
                if t.value not in side:
                    side.append(t.value)
        found = {name: Match(tuple(inc), tuple(exc)) for name, (inc, exc) in sides.items()}
        known = {name: found.pop(name) for name in FILTERS if name in found}
        return Filters(**known, fields=tuple(found.items()))

    @property
    def kind_of_query(self) -> str:
        """``symbol``, ``prose`` or ``mixed``; see :func:`kind_of_text`."""
        if any(t.kind == SYMBOL for t in self.terms) and not self.words and not self.phrases:
            return "symbol"
        return kind_of_text(self.text)


def parse(text: str, *, mode: str = "hybrid") -> Query:
    """The query tree of ``text``; ``parse(str(parse(x))) == parse(x)``.

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
        return Query((_whole_regex(text),), text)
    terms: list[Term] = []
    for column, term in _terms(text):
        if mode == "symbol" and term.kind == WORD and not term.negated:
            term = replace(term, kind=SYMBOL)
        if term.kind == REGEX:
            _check_regex(term.value, text, column)
        terms.append(term)
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
) -> Query:
    """``query`` with the filters that flags gave beside it.

    Raises:
        UsageError: An unknown language.
    """
    more = [Term(FILTER, canonical_language(x), field="lang") for x in lang]
    more += [Term(FILTER, x.lower(), field="kind") for x in kind]
    more += [Term(FILTER, x, field="path") for x in path]
    more += [Term(FILTER, x, negated=True, field="path") for x in not_path]
    return replace(query, terms=query.terms + tuple(more)) if more else query


def with_known_fields(query: Query, known: Collection[str]) -> Query:
    """``query`` with front-matter filters on fields that no document has read as plain words.

    So ``redis:alpine`` or a pasted ``error:404`` finds text in a corpus where
    nothing has a field of that name.
    """

    def word_if_unknown(t: Term) -> Term:
        if t.kind != FILTER or t.field in FILTERS or t.field in known:
            return t
        if any(c.isspace() for c in t.value):
            return Term(PHRASE, f"{t.field}: {t.value}", t.negated)
        return Term(WORD, f"{t.field}:{t.value}", t.negated)

    return replace(query, terms=tuple(map(word_if_unknown, query.terms)))


def canonical_language(name: str) -> str:
    """The canonical language of a name or alias.

    Raises:
        UsageError: No such language; suggests the nearest.
    """
    from spelunk import languages  # tables that most queries need not load

    found = languages.canonical(name)
    if found is None:
        import difflib  # only on the error path

        near = difflib.get_close_matches(name.lower(), languages.LANGUAGES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown language {name!r}{hint}")
    return found


def _terms(text: str) -> Iterator[tuple[int, Term]]:
    """Each term with its 1-based column."""
    at = _skip_space(text, 0)
    while at < len(text):
        terms, end = _term_at(text, at)
        for term in terms:
            yield at + 1, term
        at = _skip_space(text, end)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _term_at(text: str, start: int) -> tuple[list[Term], int]:
    """The terms that one construct makes (a list of languages makes several), and where it ends."""
    word = _WORD.match(text, start)
    assert word is not None
    raw, end = word.group(), word.end()
    escaped = raw.startswith("-")
    if _ESCAPED.match(raw, escaped):
        return [Term(WORD, raw[1 + escaped :], negated=escaped)], end
    negated = raw[0] == "-" and len(raw) > 1 and (raw[1].isalnum() or raw[1] in '_"/')
    at = start + negated
    if text[at] == '"':
        value, end = _phrase(text, at)
        return [Term(PHRASE, value, negated)] if value else [], end
    if text[at] == "/":
        body = _REGEX.match(text, at)
        if body is not None:
            if negated:
                raise QuerySyntaxError('a regex cannot be negated; use -word or -"phrase"', text, start + 1)
            return [Term(REGEX, _unslashed(body.group(1)))], body.end()
        if not negated and raw[1:2] not in ("", "/", "*", "+", "?") and _NO_PATH.search(raw):
            message = (
                'regex without an end; close it with / and write \\/ for a slash inside, or quote it: "..."'
            )
            raise QuerySyntaxError(message, text, start + 1)
        return [Term(WORD, raw)], end
    return _filter(text, at, start, negated) or ([Term(WORD, raw[negated:], negated)], end)


def _filter(text: str, at: int, start: int, negated: bool) -> tuple[list[Term], int] | None:
    """The filters or the symbol at ``at``, or None where it is a plain word."""
    head = _FIELD.match(text, at)
    if head is None:
        return None
    name = _ALIASES.get(head.group(1), head.group(1))
    known = name in FILTERS or name == "sym"
    quoted = text[head.end() : head.end() + 1] == '"'
    if quoted:
        found = _QUOTED_VALUE.match(text, head.end())
        if found is None:
            if known:
                _phrase(text, head.end())  # raises where the quote is open
            return None
        value, end = _unquoted(found.group(1)), found.end()
    else:
        found = _WORD.match(text, head.end())
        value, end = (found.group(), found.end()) if found else ("", head.end())
    if not value:
        if name in _NEVER_EMPTY or (known and quoted):
            raise QuerySyntaxError(f"{head.group()} needs a value right behind it", text, start + 1)
        return None
    if name == "sym":
        if negated:
            raise QuerySyntaxError("sym: cannot be negated; use -word", text, start + 1)
        return [Term(SYMBOL, value)], end
    if not known and not quoted and (name in _NOT_FIELDS or not _FRONT_MATTER_VALUE.fullmatch(value)):
        return None
    values = [value] if quoted or name not in _LISTS else [v for v in value.split(",") if v]
    if name == "lang":
        try:
            values = [canonical_language(v) for v in values]
        except UsageError as error:
            raise QuerySyntaxError(str(error), text, head.end() + 1) from None
    elif name == "kind":
        values = [v.lower() for v in values]
    return ([Term(FILTER, v, negated, name) for v in values], end) if values else None


def _phrase(text: str, at: int) -> tuple[str, int]:
    found = _PHRASE.match(text, at)
    if found is None:
        raise QuerySyntaxError('quote without an end; close it, or write \\" for a quote mark', text, at + 1)
    return _unquoted(found.group(1)), found.end()


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
        special = negated or second.isalnum() or second in tuple('_"/\\')
    elif first == "/":
        special = negated or bool(second)
    else:
        head = _FIELD.match(word)
        empty = head is not None and head.end() == len(word)
        special = first == '"' or (head is not None and (not empty or head.group(1) in _NEVER_EMPTY))
    return "\\" + word if special else word


def _whole_regex(text: str) -> Term:
    pattern = _unslashed(text)
    if not pattern:
        raise QuerySyntaxError("the query is empty; say what to look for", text, 1)
    if pattern[0].isspace():  # the delimited form cannot start with white space
        pattern = f"[{pattern[0]}]{pattern[1:]}"
    _check_regex(pattern, text, 1)
    return Term(REGEX, pattern)


def _check_regex(pattern: str, text: str, column: int) -> None:
    from spelunk import regex  # the engine is loaded for a regex only

    try:
        regex.compile(pattern)
    except UsageError as error:
        raise QuerySyntaxError(str(error), text, column) from None


_IDENTIFIER: Final = re.compile(r"[@$#]?[^\W\d][\w$]*(?:(?:\.|::|->|#|/)~?[^\W\d][\w$]*)*(?:\(\))?")
_COMPOUND: Final = re.compile(r"[^\W_]_\w|^_+\w|[a-z0-9][A-Z]|\w(?:::|->|\.|#)\w|\w\(\)")


def kind_of_text(text: str) -> str:
    """What a text is, which decides how far names are trusted.

    Returns:
        ``symbol`` for one name (``flush_batches``, ``HttpServer.run``, ``Server``);
        ``prose`` for several words none of which has the shape of a name;
        ``mixed`` for the rest: a question that names something, a single
        lower-case word, which may be either.
    """
    words = text.split()
    if len(words) == 1:
        name = bool(_IDENTIFIER.fullmatch(text.strip())) and not text.strip().islower()
        return "symbol" if name or _is_compound(words[0]) else "mixed"
    if not words or any(map(_is_compound, words)):
        return "mixed"
    return "prose"


def _is_compound(word: str) -> bool:
    """Whether the word has the shape of a name with parts, so that it is none of plain prose."""
    bare = word.strip(".,;:!?'\"`")
    if not _IDENTIFIER.fullmatch(bare) or not _COMPOUND.search(bare):
        return False
    return max(map(len, re.split(r"\W+", bare))) > 2  # not "e.g" and "i.e"

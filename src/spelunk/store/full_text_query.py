"""Conditions on the full text as Tantivy queries: terms, requirements, filters; and its schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import tantivy
from msgspec import Struct
from tantivy import Occur, Query

from spelunk.store.impact import any_level, forms
from spelunk.store.protocols import Requirement
from spelunk.text.required import Run
from spelunk.text.tokens import LONG_WORD, MAX_WORD

ANALYSER: Final = "terms"
_NEEDS_ESCAPE: Final = re.compile(r"[^\w]")

Clause = tuple[Any, Query]
"""Occurrence (must, should, must not) and query."""


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("cid", indexed=True, fast=True)
    builder.add_unsigned_field("file", indexed=True)
    builder.add_unsigned_field("tie", fast=True)
    for name in ("body", "name", "path"):
        builder.add_text_field(name, tokenizer_name=ANALYSER, index_option="basic")
    for name in ("language", "kind", "flag"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    return builder.build()


SCHEMA: Final = _schema()


class FullTextFilter(Struct, frozen=True):
    """Which documents may be returned; applied before the best are chosen.

    An empty tuple is no condition, but ``files`` may allow none at all: None is
    no condition there. The values of one attribute are alternatives, and all
    attributes hold together.
    """

    languages: tuple[str, ...] = ()
    not_languages: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()
    files: tuple[int, ...] | None = None
    not_files: tuple[int, ...] = ()
    not_terms: tuple[str, ...] = ()
    flags: int = 0
    not_flags: int = 0


def flag_terms(bits: int) -> list[str]:
    """The terms of a file's flags in the field ``flag``: one for each bit."""
    return [str(n) for n in range(bits.bit_length()) if bits >> n & 1]


def has_term(term: str, field: str) -> Query:
    """The condition that a field has a term, at whatever level."""
    return Query.term_set_query(SCHEMA, field, forms(term))


def required_query(requirement: Requirement) -> Query:
    """The condition that a requirement is met, or that the chunk may hold anything."""
    field = requirement.field
    choices = [_run_query(run, field) for run in sorted(requirement.any_of) if len(run.text) <= MAX_WORD]
    if field == "body" or not choices:
        choices.append(has_term(LONG_WORD, field))
    return _any_of(choices)


def _run_query(run: Run, field: str) -> Query:
    """The condition that some term of a field fits a run; a whole term or a start needs no walk
    over the whole dictionary."""
    if run.starts and run.ends:
        return has_term(run.text, field)
    escaped = _NEEDS_ESCAPE.sub(lambda m: "\\" + m.group(), run.text)
    before, after = "" if run.starts else ".*", "" if run.ends else ".*"
    return Query.regex_query(SCHEMA, field, f"{before}{escaped}{after}{any_level()}")


def _any_of(queries: Sequence[Query]) -> Query:
    return Query.boolean_query([(Occur.Should, q) for q in queries])


def constant(query: Query) -> Query:
    """The same condition, adding nothing to the score."""
    return Query.const_score_query(query, 0.0)


def filter_clauses(where: FullTextFilter | None) -> list[Clause]:
    """The conditions of a filter."""
    if where is None:
        return []
    out: list[Clause] = []

    def one_of(field: str, values: Sequence[str]) -> Query:
        return _any_of([Query.term_query(SCHEMA, field, v, "basic") for v in values])

    if where.languages:
        out.append((Occur.Must, constant(one_of("language", where.languages))))
    if where.kinds:
        out.append((Occur.Must, constant(one_of("kind", where.kinds))))
    if where.files is not None:
        out.append((Occur.Must, constant(Query.term_set_query(SCHEMA, "file", list(where.files)))))
    if where.not_languages:
        out.append((Occur.MustNot, one_of("language", where.not_languages)))
    if where.flags:
        out.append((Occur.Must, constant(one_of("flag", flag_terms(where.flags)))))
    if where.not_flags:
        out.append((Occur.MustNot, one_of("flag", flag_terms(where.not_flags))))
    if where.not_kinds:
        out.append((Occur.MustNot, one_of("kind", where.not_kinds)))
    if where.not_files:
        out.append((Occur.MustNot, Query.term_set_query(SCHEMA, "file", list(where.not_files))))
    if where.not_terms:
        excluded = [form for term in where.not_terms for form in forms(term)]
        out.append((Occur.MustNot, Query.term_set_query(SCHEMA, "body", excluded)))
    return out

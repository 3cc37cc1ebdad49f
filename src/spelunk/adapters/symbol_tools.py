"""The tools about symbols: who calls what, what a change reaches, the repository on a page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from spelunk.adapters.indexes import OpenIndexes
from spelunk.adapters.scope import Scope
from spelunk.adapters.symbols import SymbolQuestion, inside, only_one, place_in
from spelunk.adapters.tool_answer import ToolAnswer, clean
from spelunk.errors import UsageError
from spelunk.graph.answer import GraphAnswer, RepositoryMap
from spelunk.index import Index
from spelunk.io.printable import printable
from spelunk.present.graph import (
    fit_graph,
    fit_map,
    graph_notices,
    graph_object,
    graph_text,
    map_object,
    map_text,
)
from spelunk.text.token_estimate import token_estimate
from spelunk.workspace.targets import Target

Ask = Callable[[Index, str, Sequence[str]], GraphAnswer]
"""Asks an index, given the symbol or path as its workspace knows it, and the paths to stay in."""

IMPACT_LIMIT: Final = 20
"""Tests, and other places: as many as the command shows."""
MAP_LIMIT: Final = 20
MOST_SHOWN_NAME: Final = 200
"""Characters of what was asked for that an answer repeats."""
FEWER_TARGETS: Final = (None, 20, 5, 1, 0)
"""Where a budget has no room for all definitions that a name means, so many are shown."""


def symbol_answer(indexes: OpenIndexes, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
    """What the tool ``symbol`` answers."""
    question = SymbolQuestion(
        args["question"], args["symbol"], args["to"], args["depth"], limit=args["limit"]
    )
    question.check()
    if question.to:
        question = question._replace(to=_without_root(question.to, args["workspace"], scope))

    def ask(index: Index, symbol: str, within: Sequence[str]) -> GraphAnswer:
        return question._replace(symbol=symbol).ask(index, within, refresh=refresh)

    target, answer = _asked(indexes, args["symbol"], args["workspace"], scope, ask, path=False)
    return _fitted(answer, target, args["max_tokens"])


def impact_answer(indexes: OpenIndexes, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
    """What the tool ``impact`` answers."""
    changed, diff = args["changed"], args["diff"]
    if bool(changed) == bool(diff):
        raise UsageError("impact needs changed (a file, folder or symbol) or diff (a revision), not both")

    def ask(index: Index, asked: str, within: Sequence[str]) -> GraphAnswer:
        answer = index.impact(asked, diff=diff, limit=IMPACT_LIMIT, within=within, refresh=refresh)
        return inside(answer, within)

    target, answer = _asked(indexes, changed, args["workspace"], scope, ask, path=True)
    return _fitted(answer, target, args["max_tokens"])


def map_answer(indexes: OpenIndexes, args: dict[str, Any], scope: Scope, refresh: bool) -> ToolAnswer:
    """What the tool ``map`` answers."""
    found = scope.targets(args["workspace"])
    if len(found) > 1:
        raise UsageError(
            f"map shows one workspace; call again with one of {', '.join(t.root for t in found[:10])}"
            " as workspace"
        )
    (target,) = found
    made = indexes.index(target, scope.index_dir).map(limit=MAP_LIMIT, within=target.within, refresh=refresh)

    notes = list(made.left_out)
    if not made.packages:
        notes.append("no code is indexed here; index_status says more")
    if made.stale:
        notes.append("files have changed since they were indexed")
    tried: dict[str, ToolAnswer] = {}

    def show(one: RepositoryMap, dropped: int) -> str:
        more = [f"{dropped} packages left out; raise max_tokens"] if dropped else []
        return _tried(tried, map_text(one), _values(map_object(one, dropped), target), [*notes, *more])

    for one in (made, replace(made, symbols=())):
        with suppress(UsageError):
            return tried[fit_map(one, args["max_tokens"], show)[0]]
    raise UsageError("the map does not fit; raise max_tokens")


def _asked(
    indexes: OpenIndexes, symbol: str, chosen: Sequence[str], scope: Scope, ask: Ask, *, path: bool
) -> tuple[Target, GraphAnswer]:
    """The answer of the workspace that a symbol is in.

    Args:
        indexes: Open ones.
        symbol: As in the call; "" asks about no symbol.
        chosen: As in :meth:`Scope.targets`.
        scope: Of the client.
        ask: Asks one index.
        path: The symbol may be the path of a file or folder.

    Raises:
        SpelunkError: The message says what to do next.
    """
    place = place_in(symbol)
    if place is not None and (os.path.isabs(place[0]) or "/" in place[0] or "." in place[0]):
        found = [(target, f"{inner}:{place[1]}") for target, inner in scope.file(place[0], chosen)]
        return _first_indexed(indexes, found, scope, ask)
    if path and (os.path.isabs(symbol) or "/" in symbol):
        return _first_indexed(indexes, scope.file(symbol, chosen), scope, ask)

    def ask_one(target: Target) -> GraphAnswer:
        return ask(indexes.index(target, scope.index_dir), symbol, target.within)

    return only_one(scope.targets(chosen), ask_one, lambda target: target.root, "workspace")


def _first_indexed(
    indexes: OpenIndexes, places: Sequence[tuple[Target, str]], scope: Scope, ask: Ask
) -> tuple[Target, GraphAnswer]:
    """The answer about the first place that is indexed."""
    for n, (target, inner) in enumerate(places):
        try:
            answer = ask(indexes.index(target, scope.index_dir), inner, target.within)
        except UsageError as error:
            if n + 1 < len(places) and "not indexed" in str(error):
                continue
            raise
        if answer.targets or n + 1 == len(places):
            return target, answer
    raise AssertionError("a path has at least one place")


def _without_root(symbol: str, chosen: Sequence[str], scope: Scope) -> str:
    """``FILE:LINE`` with the path as its workspace knows it."""
    place = place_in(symbol)
    if place is None or not ("/" in place[0] or "." in place[0]):
        return symbol
    return f"{scope.file(place[0], chosen)[0][1]}:{place[1]}"


def _fitted(answer: GraphAnswer, target: Target, tokens: int) -> ToolAnswer:
    """An answer within a budget: the last edges go first, then definitions that the name means."""
    answer = replace(answer, asked=answer.asked[:MOST_SHOWN_NAME])
    notes = graph_notices(answer)
    tried: dict[str, ToolAnswer] = {}

    def show(one: GraphAnswer, dropped: int) -> str:
        more = []
        if hidden := len(answer.targets) - len(one.targets):
            more.append(f"{hidden} of the definitions that are meant are not shown")
        if dropped:
            more.append(f"{dropped} results left out; raise max_tokens, or narrow the question")
        return _tried(tried, graph_text(one), _values(graph_object(one, dropped), target), [*notes, *more])

    attempts = [replace(answer, targets=answer.targets[:fewer]) for fewer in FEWER_TARGETS]
    for one in attempts:
        with suppress(UsageError):
            return tried[fit_graph(one, tokens, show)[0]]
    notes.clear()
    with suppress(UsageError):
        return tried[fit_graph(replace(attempts[-1], left_out=(), nearest=()), tokens, show)[0]]
    raise UsageError("the answer does not fit; raise max_tokens")


def _values(values: dict[str, Any], target: Target) -> dict[str, Any]:
    del values["schema_version"], values["took_ms"]
    return values | {"root": clean(target.root)}


def _tried(tried: dict[str, ToolAnswer], text: str, values: dict[str, Any], notes: Sequence[str]) -> str:
    """Make an answer, keep it in ``tried``, and give the one of its two forms that costs more."""
    shown = [printable(clean(note)) for note in notes]
    # What was left out is among the values already.
    told = [note for note in shown if note not in values["left_out"]]
    values |= {"notes": told} if told else {}
    answer = ToolAnswer(values, clean(text) + "".join(f"Note: {note}\n" for note in shown))
    written = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    costly = max(answer.text, written, key=token_estimate)
    tried[costly] = answer
    return costly

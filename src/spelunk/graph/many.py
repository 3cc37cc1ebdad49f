"""One question about a symbol to several indexes: the answers as one, with the workspaces' names before the paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from spelunk.errors import UsageError
from spelunk.graph.answer import Edge, GraphAnswer, Symbol, doubt

if TYPE_CHECKING:
    from spelunk.graph.questions import GraphQuestions

QUESTIONS: Final = ("definition", "references", "callers", "callees", "implementations")
"""The methods of an index that can be asked of several at once."""
SURE: Final = 0.75
"""From this confidence on, edges stay in the order of their own answer."""


def ask_many(
    indexes: Sequence[GraphQuestions],
    question: str,
    symbol: str,
    *,
    limit: int = 50,
    within: Sequence[Sequence[str]] = (),
    refresh: bool = True,
    **more: Any,
) -> GraphAnswer:
    """Ask several indexes about a symbol. No reference leads from one workspace into another.

    Args:
        indexes: Where to ask; with several, paths carry the workspace's name.
        question: One of :data:`QUESTIONS`.
        symbol: As for :class:`spelunk.Index`; ``FILE:LINE`` also with the workspace's name in front.
        limit: Results wanted in all.
        within: For each index the files and folders to stay in.
        refresh: Bring the indexes up to date first.
        more: Further arguments of the question.

    Raises:
        UsageError: As the question; an unknown question.
    """
    from spelunk.search.many import prefixes

    if question not in QUESTIONS:
        raise UsageError(f"question {question!r}: use one of {', '.join(QUESTIONS)}")
    shown = prefixes([index.root for index in indexes])
    found: list[tuple[str, GraphAnswer]] = []
    refused: UsageError | None = None
    named = [n for n, prefix in enumerate(shown) if prefix and symbol.startswith(prefix)]
    for n in named or range(len(indexes)):
        asked = symbol.removeprefix(shown[n])
        places = within[n] if within else ()
        try:
            ask = getattr(indexes[n], question)
            found.append((shown[n], ask(asked, limit=limit, within=places, refresh=refresh, **more)))
        except UsageError as error:
            if "not indexed" not in str(error):  # a place in one of the others
                raise
            refused = error
    if not found:
        assert refused is not None
        raise refused
    return merged(symbol, found, limit)


def merged(asked: str, answers: Sequence[tuple[str, GraphAnswer]], limit: int) -> GraphAnswer:
    """Several answers to one question as one.

    Args:
        asked: What was asked for.
        answers: Each with what to put before its paths.
        limit: Edges, and definitions meant, wanted.
    """
    if len(answers) == 1:
        prefix, answer = answers[0]
        return replace(prefixed(answer, prefix), asked=asked)
    parts = [prefixed(answer, prefix) for prefix, answer in answers]
    knowing = [part for part in parts if part.targets]
    if parts[0].question == "definition" and len(knowing) > 1:
        parts = [_shared(part, knowing) for part in parts]
    edges = sorted((e for part in parts for e in part.edges), key=lambda e: doubt(e.confidence, SURE))
    total = sum(part.total for part in parts)
    left = [
        f"{prefix.rstrip('/')}: {line}"
        for (prefix, _), part in zip(answers, parts, strict=True)
        for line in part.left_out
    ]
    if len(edges) > limit:
        left.append(f"{len(edges) - limit:,} more of all workspaces beyond the limit")
    nearest = () if knowing else tuple(dict.fromkeys(name for part in parts for name in part.nearest))
    return replace(
        parts[0],
        asked=asked,
        targets=tuple(target for part in parts for target in part.targets)[:limit],
        edges=tuple(edges[:limit]),
        total=total,
        left_out=tuple(left),
        nearest=nearest,
        generation=max(part.generation for part in parts),
        stale=any(part.stale for part in parts),
        took_ms=sum(part.took_ms for part in parts),
    )


def _shared(part: GraphAnswer, knowing: Sequence[GraphAnswer]) -> GraphAnswer:
    """Definitions that share the confidence with those of the other workspaces."""
    others = sum(other.total for other in knowing if other is not part)
    edges = tuple(
        replace(e, confidence=round(e.confidence / len(knowing), 3), alternatives=e.alternatives + others)
        for e in part.edges
    )
    return replace(part, edges=edges)


def prefixed(answer: GraphAnswer, prefix: str) -> GraphAnswer:
    """An answer with something put before each path."""
    if not prefix:
        return answer

    def edge(one: Edge) -> Edge:
        symbol = None if one.symbol is None else prefixed_symbol(one.symbol, prefix)
        return replace(one, path=prefix + one.path, symbol=symbol, edges=tuple(map(edge, one.edges)))

    targets = tuple(prefixed_symbol(symbol, prefix) for symbol in answer.targets)
    return replace(
        answer, targets=targets, edges=tuple(map(edge, answer.edges)), tests=tuple(map(edge, answer.tests))
    )


def prefixed_symbol(symbol: Symbol, prefix: str) -> Symbol:
    """A symbol with something put before its path; the name of a file is its path."""
    name = prefix + symbol.name if symbol.kind == "file" else symbol.name
    return replace(symbol, path=prefix + symbol.path, name=name)

"""Fit hits into a number of tokens: whole contents first, then first lines, then the citation alone.

A hit has two costs, as Markdown and as JSON, since some clients give the model
the one and some the other; the higher one counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from spelunk.io.printable import printable_name
from spelunk.present.render import hit_object, render
from spelunk.present.snippet import lines_of
from spelunk.search.answer import Answer
from spelunk.text.token_estimate import token_estimate
from spelunk.types import Hit

LARGEST_SHARE: Final = 0.5
"""Of what is left, for one hit while others follow: one long chunk must not hide the rest."""
FEWEST_LINES: Final = 3
"""A hit that is cut shows at least this many lines; fewer are not worth their frame."""


class FittedHit(NamedTuple):
    """A hit as it is shown.

    Attributes:
        text: As Markdown.
        values: As plain values.
        complete: Whether all of its content is shown.
    """

    text: str
    values: dict[str, Any]
    complete: bool


def fit(answer: Answer, tokens: int) -> tuple[list[FittedHit], int]:
    """The hits of an answer within a budget, best first, and how many were left out at the end.

    Args:
        answer: Its hits have their whole contents.
        tokens: For all hits together, by :func:`token_estimate`.
    """
    brief = [_brief(hit) for hit in answer.hits]
    costs = [_cost(b) for b in brief]
    kept = len(brief)
    while kept and sum(costs[:kept]) > tokens:
        kept -= 1
    left = tokens - sum(costs[:kept])
    shown: list[FittedHit] = []
    for n, hit in enumerate(answer.hits[:kept]):
        share = left if n + 1 == kept else int(left * LARGEST_SHARE)
        best = _largest(answer, hit, share + costs[n]) or brief[n]
        left -= _cost(best) - costs[n]
        shown.append(best)
    return shown, len(answer.hits) - kept


def json_tokens(values: object) -> int:
    """Tokens of plain values as JSON."""
    return token_estimate(json.dumps(values, ensure_ascii=False, separators=(",", ":")))


def _cost(hit: FittedHit) -> int:
    return max(token_estimate(hit.text), json_tokens(hit.values)) + 1


def _brief(hit: Hit) -> FittedHit:
    values = hit_object(replace(hit, related=None))
    del values["content"]
    about = printable_name(f"{hit.kind} {hit.symbol}".strip())
    place = printable_name(hit.path)
    return FittedHit(f"- `{place}:{hit.start_line}-{hit.end_line}` {about}\n", values, False)


def _largest(answer: Answer, hit: Hit, tokens: int) -> FittedHit | None:
    """The hit with as many of its first lines as fit, or None."""
    whole = FittedHit(_markdown(answer, hit), hit_object(hit), True)
    if _cost(whole) <= tokens:
        return whole
    best = None
    lines = hit.content.split("\n")
    low, high = FEWEST_LINES, len(lines) - 1
    while low <= high:
        middle = (low + high) // 2
        cut = _first_lines(answer, hit, lines, middle)
        if _cost(cut) <= tokens:
            best, low = cut, middle + 1
        else:
            high = middle - 1
    return best


def _markdown(answer: Answer, hit: Hit) -> str:
    return render(replace(answer, hits=(hit,)), "markdown").text


def _first_lines(answer: Answer, hit: Hit, lines: Sequence[str], count: int) -> FittedHit:
    numbered = len(lines_of(hit.content)) == hit.end_line - hit.start_line + 1
    end = hit.start_line + count - 1 if numbered else hit.end_line
    cut = replace(hit, content="\n".join(lines[:count]), end_line=end)
    text = _markdown(answer, cut).rstrip("\n") + f"\n(continues to line {hit.end_line})\n\n"
    return FittedHit(text, hit_object(cut) | {"continues_to": hit.end_line}, False)


def fit_lines(lines: Sequence[str], tokens: int) -> int:
    """How many of the first lines cost at most ``tokens`` together."""
    total = 0
    for n, line in enumerate(lines):
        total += max(token_estimate(line), json_tokens(line))
        if total > tokens:
            return n
    return len(lines)

"""An :class:`Answer` as text for a terminal, JSON, JSON lines or Markdown.

Nothing of a file reaches a terminal unescaped: names and contents go through
:mod:`spelunk.io.printable`. Contents are otherwise verbatim, never re-indented.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from spelunk.errors import UsageError
from spelunk.io.printable import DIM, LINE, MATCH, PATH, printable, printable_name, styled
from spelunk.present.commits import change_line, change_object, commit_line, commit_object, files_line
from spelunk.present.phrases import several
from spelunk.present.related import related_lines, related_object
from spelunk.present.snippet import DEFAULT_LINES, Finder, around, choose, finder, lines_of, window
from spelunk.search.answer import Answer, MissingWord
from spelunk.text.token_estimate import token_estimate
from spelunk.types import Hit

if TYPE_CHECKING:  # only a terminal has links
    from spelunk.present.hyperlinks import Hyperlinks

SCHEMA_VERSION: Final = 1
SHOWN_COPIES: Final = 3
"""Places of copies that a text names; JSON has all of them."""
FORMS: Final = ("text", "json", "jsonl", "markdown")

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_RAW_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class View(Struct, frozen=True):
    """How much to show.

    Attributes:
        color: Colour the text form.
        lines: Lines of each hit in the text form.
        context: In the text form, instead: the best matching lines and this
            many lines around each, within the hit.
        full: In the text form, instead: the whole content.
        before: In the text form, lines before each matching line where more than ``context``.
        after: The same of lines after it.
        links: In the text form, makes places hyperlinks.
        prefixes: What paths of hits have before them, by root; for links.
        max_tokens: Upper bound of :func:`token_estimate` over all that is emitted.
    """

    color: bool = False
    lines: int = DEFAULT_LINES
    context: int | None = None
    full: bool = False
    before: int = 0
    after: int = 0
    links: Hyperlinks | None = None
    prefixes: Mapping[str, str] = field(default_factory=dict)
    max_tokens: int | None = None


DEFAULT_VIEW: Final = View()


class Rendered(NamedTuple):
    """An answer as text, and the answer that the text shows: what a token budget left of it."""

    text: str
    answer: Answer


def render(answer: Answer, form: str, view: View = DEFAULT_VIEW) -> Rendered:
    """The answer in one of :data:`FORMS`, ending with a line end unless empty.

    ``text`` is for a person: a heading ``path:start-end  kind symbol  score`` and
    numbered lines. ``json`` is one object on one line (:func:`to_object`),
    ``jsonl`` one hit a line (:func:`hit_object`). ``markdown`` is for a model: a
    heading and a fenced block for each hit, whole contents.

    Raises:
        UsageError: ``max_tokens`` is too small for the form's own frame.
    """
    shown, blocks = _fitted(answer, form, view)
    if form == "json":
        head, tail = _json_frame(shown)
        return Rendered(head + ",".join(blocks) + tail, shown)
    return Rendered(("\n" if form == "text" else "").join(blocks), shown)


def to_object(answer: Answer) -> dict[str, Any]:
    """The answer as plain values for JSON.

    ``missing`` and ``notes`` only where there are any, ``dropped`` and ``truncated`` only where a budget bit.
    """
    cut = (
        {"dropped": answer.dropped, "truncated": answer.truncated}
        if answer.dropped or answer.truncated
        else {}
    )
    told: dict[str, Any] = {}
    if answer.missing:
        told["missing"] = [
            {"word": _well_formed(m.word), "nearest": _well_formed(m.nearest), "parts": m.parts}
            for m in answer.missing
        ]
    if answer.notes:
        told["notes"] = [_well_formed(note) for note in answer.notes]
    return {
        "schema_version": SCHEMA_VERSION,
        "query": _well_formed(answer.query),
        "mode": answer.mode,
        "reading": _well_formed(answer.reading),
        "took_ms": _rounded(answer.took_ms, 2),
        "degraded": None if answer.degraded is None else _well_formed(answer.degraded),
        "index": {
            "generation": answer.generation,
            "files": answer.files,
            "chunks": answer.chunks,
            "coverage": _rounded(answer.coverage, 4),
            "stale": answer.stale,
        },
        "confident": answer.confident,
        **told,
        **cut,
        "hits": [hit_object(hit) for hit in answer.hits],
    }


def hit_object(hit: Hit) -> dict[str, Any]:
    """A hit as plain values for JSON; what was not asked for or is not there has no key."""
    found: dict[str, Any] = {
        "path": _well_formed_path(hit.path),
        "start_line": hit.start_line,
        "end_line": hit.end_line,
        "language": hit.language,
        "kind": hit.kind,
        "symbol": _well_formed(hit.symbol),
        "score": _rounded(hit.score, 4),
        "content": _well_formed(hit.content),
    }
    if hit.copies:
        found["copies"] = [
            {"path": _well_formed_path(c.path), "start_line": c.start_line, "end_line": c.end_line}
            for c in hit.copies
        ]
    if hit.commit is not None:
        found["commit"] = commit_object(hit.commit)
    if hit.changed is not None:
        found["changed"] = change_object(hit.changed)
    if hit.related is not None:
        found["related"] = related_object(hit.related)
    if hit.signals:
        found["signals"] = {name: _rounded(value, 4) for name, value in hit.signals.items()}
    return found


def searched(answer: Answer) -> str:
    """What was searched, and what came of it: one line for people."""
    where = f"{several(answer.files, 'file')} ({several(answer.chunks, 'chunk')})"
    found = several(len(answer.hits), "hit") if answer.hits else "nothing found"
    return f"{found} in {where}, generation {answer.generation}, {answer.took_ms:.0f} ms"


def notices(answer: Answer) -> list[str]:
    """What a person must know beside the hits, a line each, for standard error."""
    found = [printable(answer.reading)] if answer.reading != "query" else []
    found += [printable(note) for note in answer.notes]
    found += [
        f"not found: {', '.join(map(_missing_text, some))}"
        for some in (
            [m for m in answer.missing if not m.parts],
            [m for m in answer.missing if m.parts],
        )
        if some
    ]
    if answer.hits and not answer.confident:
        found.append("no confident hit: the best ones share little with the query")
    if answer.degraded:
        found.append(f"degraded: {printable(answer.degraded)}")
    if answer.coverage < 1:
        share = math.floor(answer.coverage * 100)
        found.append(f"{f'only {share}' if share else 'less than 1'} % of the files are indexed so far")
    elif answer.stale:
        found.append("files have changed since they were indexed")
    if answer.dropped or answer.truncated:
        cut = ((answer.dropped, "left out"), (answer.truncated, "cut short"))
        parts = [(n, what) for n, what in cut if n]
        noun = "hit" if parts[0][0] == 1 else "hits"
        told = " and ".join(
            [f"{parts[0][0]} {noun} {parts[0][1]}", *(f"{n} {what}" for n, what in parts[1:])]
        )
        found.append(f"{told} to stay within --max-tokens")
    return found


def _missing_text(missing: MissingWord) -> str:
    word = f"`{printable(missing.word)}`"
    if missing.nearest:
        return f"{word} (did you mean `{printable(missing.nearest)}`?)"
    return f"{word} as a whole (its parts are)" if missing.parts else word


def _fitted(answer: Answer, form: str, view: View) -> tuple[Answer, list[str]]:
    """As many of the first hits as ``view.max_tokens`` allows, and the block of each.

    The first hit that does not fit is cut at a line end, its ``end_line`` with
    it, if a line of it does fit; the rest are dropped and counted.

    Raises:
        UsageError: The budget is too small for the form's own frame.
    """
    block = _block_maker(answer, form, view)
    if view.max_tokens is None:
        return answer, [block(hit) for hit in answer.hits]
    left = view.max_tokens
    if form == "json":
        worst = replace(
            answer, hits=(), dropped=answer.dropped + len(answer.hits), truncated=answer.truncated + 1
        )
        needed = token_estimate("".join(_json_frame(worst)))
        if needed > left:
            raise UsageError(
                f"a budget of {left} tokens is too small; {needed} hold the answer without a hit"
            )
        left -= needed
    kept: list[Hit] = []
    blocks: list[str] = []
    for hit in answer.hits:
        made = block(hit)
        cost = token_estimate(made) + 1  # what separates it from the next
        if cost > left:
            shorter = _cut_to(hit, left, block)
            if shorter is not None:
                kept.append(shorter)
                blocks.append(block(shorter))
            shown = replace(
                answer,
                hits=tuple(kept),
                dropped=answer.dropped + len(answer.hits) - len(kept),
                truncated=answer.truncated + int(shorter is not None),
            )
            return shown, blocks
        kept.append(hit)
        blocks.append(made)
        left -= cost
    return answer, blocks


def _cut_to(hit: Hit, tokens: int, block: Callable[[Hit], str]) -> Hit | None:
    """``hit`` with as many first lines as fit, or None."""
    lines = hit.content.split("\n")
    numbered = len(lines_of(hit.content)) == hit.end_line - hit.start_line + 1
    low, best = 1, None
    high = len(lines) - 1
    while low <= high:
        middle = (low + high) // 2
        end = hit.start_line + middle - 1 if numbered else hit.end_line
        shorter = replace(hit, content="\n".join(lines[:middle]), end_line=end)
        if token_estimate(block(shorter)) + 1 <= tokens:
            best, low = shorter, middle + 1
        else:
            high = middle - 1
    return best


def _block_maker(answer: Answer, form: str, view: View) -> Callable[[Hit], str]:
    if form == "text":
        find = finder(answer.matched)
        return lambda hit: _text_block(hit, find, view)
    if form == "markdown":
        return _markdown_block
    if form == "json":
        return lambda hit: _dumps(hit_object(hit))
    if form == "jsonl":
        return lambda hit: _dumps(hit_object(hit)) + "\n"
    raise UsageError(f"no such form: {form}; use one of {', '.join(FORMS)}")


def _text_block(hit: Hit, find: Finder, view: View) -> str:
    score = styled(_score(hit.score), DIM, view.color)
    if hit.commit is None:
        best = _best_line(hit, find) if view.links else hit.start_line
        place = _linked(styled(printable_name(hit.path), PATH, view.color), hit, best, view)
        name = printable_name(f"{hit.kind} {hit.symbol}".strip())
        out = [f"{place}:{hit.start_line}-{hit.end_line}  {name}  {score}"]
    else:
        prefix = printable_name(hit.path[: -len(hit.commit.id)])
        out = [f"{prefix}{commit_line(hit.commit, view.color)}  {score}"]
        out.append(styled(f"  files: {files_line(hit.commit)}", DIM, view.color))
    if hit.changed is not None:
        out.append(styled(f"  {change_line(hit.changed)}", DIM, view.color))
    if hit.copies:
        out.append(styled(f"  {_copies_text(hit)}", DIM, view.color))
    if hit.signals:
        signals = "  ".join(f"{printable_name(k)} {_score(v)}" for k, v in hit.signals.items())
        out.append(styled(f"  why: {signals}", DIM, view.color))
    lines = lines_of(hit.content)
    if view.full:
        chosen = list(range(len(lines)))
    elif view.context is not None or view.before or view.after:
        least = view.context or 0
        before, after = max(least, view.before), max(least, view.after)
        chosen = around(lines, find, hit.symbol, before=before, after=after, limit=view.lines)
    else:
        chosen = choose(lines, find, hit.symbol, limit=view.lines)
    if hit.commit is not None:  # its subject is in the heading
        chosen = [i for i in chosen if hit.start_line + i > 1 and lines[i].strip()]
    width = len(str(hit.start_line + chosen[-1])) if chosen else 0
    previous = chosen[0] - 1 if chosen else 0
    for i in chosen:
        if i != previous + 1:
            out.append("--")
        previous = i
        spans = find.spans(lines[i])
        number = styled(f"{hit.start_line + i:>{width}}", LINE, view.color)
        if hit.commit is None:
            head = lines[i][: spans[0][0]] if spans and view.links else ""
            number = _linked(number, hit, hit.start_line + i, view, head)
        out.append(f"{number}{':' if spans else '-'}{_marked(lines[i], spans, view)}")
    if hit.related is not None:
        out += [styled(f"  {line}", DIM, view.color) for line in related_lines(hit.related)]
    return "\n".join(out) + "\n"


def _best_line(hit: Hit, find: Finder) -> int:
    """The line of a hit that most of the query stands in; its first where none matches."""
    found = [len(find.terms(line)) for line in lines_of(hit.content)]
    return hit.start_line + (found.index(max(found)) if found else 0)


def _linked(text: str, hit: Hit, line: int, view: View, before: str = "") -> str:
    """A text as a link to a line of the hit's file, behind what stands ``before``, where there are links."""
    if view.links is None:
        return text
    from spelunk.present.places import path_of

    column = 1 + len(before.encode("utf-8", "replace"))
    return view.links.wrap(text, path_of(hit, view.prefixes), line, column)


def _copies_text(hit: Hit) -> str:
    """The number of copies, and the places of the first of them."""
    shown = [f"{printable_name(c.path)}:{c.start_line}-{c.end_line}" for c in hit.copies[:SHOWN_COPIES]]
    more = ", …" if len(hit.copies) > SHOWN_COPIES else ""
    noun = "copy" if len(hit.copies) == 1 else "copies"
    return f"+{len(hit.copies)} {noun}: {', '.join(shown)}{more}"


def _marked(line: str, spans: list[tuple[int, int]], view: View) -> str:
    """The printable line, cut where it is very long, its matches in bold."""
    start, end = (0, len(line)) if view.full else window(line, spans)
    out, at = ["…" if start else ""], start
    for a, b in spans if view.color else ():
        a, b = max(a, at), min(b, end)
        if a < b:
            out += (printable(line[at:a]), styled(printable(line[a:b]), MATCH, True))
            at = b
    out += (printable(line[at:end]), "…" if end < len(line) else "")
    return "".join(out)


def _markdown_block(hit: Hit) -> str:
    title = printable_name(hit.path) + f":{hit.start_line}-{hit.end_line}"
    about = printable_name(" ".join(filter(None, (hit.kind, hit.symbol)))).replace("`", "'")
    if hit.commit is not None:
        title = commit_line(hit.commit)
        about = f"commit, files: {files_line(hit.commit)}"
    if hit.changed is not None:
        about += f", {change_line(hit.changed)}"
    lines = [printable(line) for line in lines_of(hit.content)]
    body = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    tick = "`" * (1 + max(map(len, re.findall("`+", title)), default=0))
    pad = " " if "`" in title else ""
    why = "".join(f", {printable_name(k)} {_score(v)}" for k, v in hit.signals.items())
    language = re.sub(r"[^\w+#-]", "", hit.language)
    copies = f"\n{_copies_text(hit)}" if hit.copies else ""
    related = "".join(f"- {line}\n" for line in related_lines(hit.related)) if hit.related else ""
    block = f"{fence}{language}\n{body}\n{fence}\n\n{related}" + ("\n" if related else "")
    return f"### {tick}{pad}{title}{pad}{tick}\n{about} ({_score(hit.score)}{why}){copies}\n\n{block}"


def _json_frame(answer: Answer) -> tuple[str, str]:
    whole = _dumps(to_object(replace(answer, hits=())))
    return whole[: -len("]}")], "]}\n"


def _dumps(value: Any) -> str:
    import json  # only these forms need it

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _RAW_IN_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def _well_formed(text: str) -> str:
    """Without lone surrogates, which no UTF-8 stream can carry."""
    return _SURROGATES.sub("\ufffd", text)


def _well_formed_path(path: str) -> str:
    return printable_name(path) if _SURROGATES.search(path) else path


def _rounded(value: float, digits: int) -> float:
    return round(float(value), digits) if math.isfinite(value) else 0.0


def _score(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"

"""Read a pasted text: weigh its words by region, and collect what it says about code.

Only the first :data:`MAX_HEAD` and the last :data:`MAX_TAIL` characters are
analysed, since an innermost frame often stands last; what is between gives its
words. Every step is linear in the text, and what it collects is bounded.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from spelunk.pasted import mentions, regions, traces
from spelunk.pasted.frames import formats_for
from spelunk.pasted.regions import CODE, COMMENT, ENVIRONMENT, HEADING, PROSE, TEMPLATE, TITLE, Line
from spelunk.pasted.types import FileMention, Pasted
from spelunk.pasted.vocabulary import NO_SCOPES
from spelunk.text.tokens import MAX_WORD, words

MAX_HEAD: Final = 65_536
MAX_TAIL: Final = 16_384
MAX_ROW: Final = 2_000
"""Characters of a line that are analysed; a longer one is data."""

MAX_WORDS: Final = 8_192
MAX_PLACES: Final = 256
MAX_NAMES: Final = 512
MAX_MESSAGES: Final = 32
MAX_ERRORS: Final = 32
MAX_TESTS: Final = 64

ERROR_LINE: Final = "error"
FRAME: Final = "frame"
SOURCE_LINE: Final = "source"
MIDDLE: Final = "middle"

WORDS: Final[Mapping[str, float]] = {
    TITLE: 3.0, HEADING: 1.5, PROSE: 1.0, ERROR_LINE: 1.0, CODE: 0.4, FRAME: 0.25, SOURCE_LINE: 0.25,
    ENVIRONMENT: 0.1, TEMPLATE: 0.02, COMMENT: 0.02, MIDDLE: 0.1,
}  # fmt: skip
"""Weight of a word by its region. None is zero: a word may be all that a corpus has of a text."""
NAMES: Final[Mapping[str, float]] = {
    TITLE: 3.0, HEADING: 1.5, PROSE: 1.0, ERROR_LINE: 0.8, CODE: 0.4, FRAME: 0.0, SOURCE_LINE: 0.25,
    ENVIRONMENT: 0.05, TEMPLATE: 0.0, COMMENT: 0.0,
}  # fmt: skip
PATHS: Final[Mapping[str, float]] = {
    TITLE: 1.0, HEADING: 0.8, PROSE: 0.7, ERROR_LINE: 0.6, CODE: 0.3, SOURCE_LINE: 0.1, ENVIRONMENT: 0.2,
    TEMPLATE: 0.05, COMMENT: 0.0,
}  # fmt: skip
MODULE: Final = 0.6
"""A module's weight beside a path's: dotted names are often attributes."""
PAIR: Final = 0.4
"""Of two parts: ``np.zeros`` and ``and/or`` are no modules."""
SCOPE: Final = 0.5
"""Of the component that a title names before a colon or in brackets."""
DATA: Final = 0.1
"""Of a word that is a number, an address or a digest."""

_DATA: Final = re.compile(r"\d+|0x[0-9A-Fa-f]+|(?=\w*\d)[0-9A-Fa-f]{7,}|[0-9]\w*[0-9]\w*")
_LINK: Final = re.compile(r"(?<!\w)https?://[^\s)>\]\"'`]++")
_SCOPE: Final = re.compile(
    r"\[([\w./-]{2,40})\]|[a-z]{2,10}\(([\w./-]{2,40})\)!?:|((?=\S{2,40}: )[\w-]++(?:(?:[./]|::)[\w-]++)*):(?!:[\w-])"
)
_TEST_NAME: Final = re.compile(
    r"(?:test_+(?P<snake>\w+)|(?P<snake2>\w+?)_(?:test|spec)s?|Tests?(?P<camel>[A-Z]\w*)|(?P<camel2>[A-Z]\w*?)(?:Tests?|TestCase|Specs?|IT))(?:_\w*)?"
)


class _Tally:
    """Weights of words or names: of each the largest, and the sum."""

    def __init__(self) -> None:
        self.most: dict[str, float] = {}
        self.sums: dict[str, float] = {}

    def add(self, word: str, weight: float, times: int = 1) -> None:
        if weight > self.most.get(word, 0.0):
            self.most[word] = weight
        self.sums[word] = self.sums.get(word, 0.0) + weight * times

    def weights(self, limit: int) -> dict[str, float]:
        """Each with its largest weight, raised by the logarithm of its occurrences; the heaviest first."""
        found = {w: round(m * (1 + math.log(self.sums[w] / m)), 4) for w, m in self.most.items()}
        heaviest = sorted(found, key=found.__getitem__, reverse=True)[:limit]
        return {w: found[w] for w in heaviest}


class _Reading:
    """What was collected so far."""

    def __init__(self) -> None:
        self.words = _Tally()
        self.names = _Tally()
        self.places: list[FileMention] = []
        self.errors: dict[str, None] = {}
        self.messages: dict[str, None] = {}
        self.tests: dict[str, None] = {}
        self.subjects: dict[str, None] = {}
        self.title = ""
        self.failure = ""
        self.traces = 0

    def part(self, text: str) -> None:
        """Analyse a part of the text."""
        lines = regions.lines_of(text)
        rows = [_head(line.text) for line in lines]
        found, messages = traces.scan(rows, formats_for(text))
        told = traces.message_places(messages)
        frames = {frame.at: frame for trace in found for frame in trace.frames}
        inside: set[int] = set()
        for trace in found:
            ends = [frame.at for frame in trace.frames]
            inside.update(range(min(ends), max(ends)))
            inside.update(range(max(ends), max(ends) + 2 if len(ends) > 1 else max(ends)))
        self.traces += len(found)
        for place in traces.places_of(found):
            self.place(place)
            if place.function:
                self.name(place.function, 0.8 * place.weight)
        for n, (line, row) in enumerate(zip(lines, rows, strict=True)):
            region = line.region
            if len(line.text) > len(row):
                self.count(line.text[len(row) :], WORDS[region])
            if line.tags:
                self.count(line.tags, WORDS[TEMPLATE])
            if n in frames or (region == TITLE and traces.is_header(row)):
                self.count(row, WORDS[FRAME])
                continue
            message = messages.get(n)
            if message is not None and n in told:
                place = told[n]
                self.place(place if region != ENVIRONMENT else replace(place, weight=PATHS[ENVIRONMENT]))
                self._pieces(message.message)
            self._line(line, row, SOURCE_LINE if n in inside else region)

    def _line(self, line: Line, row: str, region: str) -> None:
        code = region in (CODE, SOURCE_LINE) or line.fenced
        weight = NAMES[region]
        error = False
        whole = row
        if region == TITLE:
            row = regions.without_label(row)
            self.count(whole.removesuffix(row), WORDS[TEMPLATE])
        if region == TITLE and not self.title:
            self.title = " ".join(row.split())
            self._scope(row)
        linkless = _LINK.sub(" ", row) if "://" in row else row
        if region not in (ENVIRONMENT, TEMPLATE, COMMENT):
            # A title begins with its label: ``Error: cannot open …``
            self._pieces(mentions.labelled(_LINK.sub(" ", whole) if whole is not row else linkless) or "")
        for name in mentions.names(linkless, code=code):
            if mentions.is_error(name.text) and region != ENVIRONMENT:
                self.errors.setdefault(name.text)
            message = mentions.error_message(linkless, name)
            if message is not None and region not in (ENVIRONMENT, TEMPLATE, COMMENT):
                error = error or mentions.is_error(name.text)
                self._pieces(message)
            if weight:
                self.name(name.text, weight * name.shape)
        if error and region in (SOURCE_LINE, CODE, PROSE):
            region = ERROR_LINE
            if not self.title and not self.failure:
                self.failure = " ".join(row.split())
        if region in (TITLE, HEADING, PROSE, ERROR_LINE):
            for option in mentions.options(linkless):
                self.names.add(option, 0.7 * weight)
            for text in mentions.quoted(row):
                self._pieces(text)
        if PATHS.get(region):
            self._paths(row, PATHS[region])
        self.count(linkless, WORDS[region])
        if linkless is not row:
            for link in _LINK.findall(row):
                self.count(link, WORDS[region] * DATA)

    def _scope(self, title: str) -> None:
        """``autodoc: …``, ``fix(router): …`` and ``[Console] …`` name a component."""
        m = _SCOPE.match(title.strip())
        scope = next((g for g in m.groups() if g), "") if m else ""
        if scope and scope.lower() not in NO_SCOPES and not mentions.is_error(scope):
            self.place(FileMention(scope.replace(".", "/").replace("::", "/"), None, "", SCOPE, "module"))

    def _paths(self, row: str, weight: float) -> None:
        for found in mentions.paths(row):
            path, least = traces.where(found.path.replace("::", "/"))
            if found.module and "/" not in path:
                path = path.replace(".", "/")
            share = 1.0 if not found.module else MODULE if path.count("/") > 1 else PAIR
            self.place(
                FileMention(
                    path,
                    found.line,
                    "",
                    round(weight * share, 4),
                    "module" if found.module else "path",
                    least,
                )
            )
            if found.test:
                for name in mentions.parts_of(found.test):
                    self._test(name.partition("[")[0])
            elif not found.module:
                self._test(path.rpartition("/")[2].split(".")[0])

    def count(self, row: str, weight: float) -> None:
        """Count the words of a row."""
        for word in words(row):
            if len(word) <= MAX_WORD:
                self.words.add(word, weight * DATA if word[0].isdigit() and _DATA.fullmatch(word) else weight)

    def _pieces(self, message: str) -> None:
        for piece in mentions.constant_pieces(message):
            self.messages.setdefault(piece)

    def _test(self, name: str) -> None:
        m = _TEST_NAME.fullmatch(name)
        subject = next((g for g in m.groups() if g), "").strip("_") if m else ""
        if len(subject) > 1:
            self.tests.setdefault(name)
            self.subjects.setdefault(subject)

    def name(self, name: str, weight: float) -> None:
        """Count a name, and its last part a little less."""
        self.names.add(name, weight)
        parts = mentions.parts_of(name)
        if len(parts) > 1 and len(parts[-1]) > 2:
            self.names.add(parts[-1], 0.9 * weight)
        for part in parts:
            self._test(part)

    def place(self, place: FileMention) -> None:
        if place.path:
            self.places.append(place)

    def middle(self, text: str) -> None:
        """Count the words of a part that is not analysed."""
        for word, times in Counter(words(text)).items():
            if len(word) <= MAX_WORD:
                self.words.add(word, WORDS[MIDDLE], times)


def read_pasted(text: str) -> Pasted:
    """What a pasted text says: words, places, names, errors, messages and tests.

    Never raises, whatever the text is. Of a text of more than
    :data:`MAX_HEAD` + :data:`MAX_TAIL` characters the middle gives words only.
    """
    reading = _Reading()
    head, middle, tail = _cut(text)
    reading.part(head)
    if tail:
        reading.middle(middle)
        reading.part(tail)
    if not reading.title and reading.failure:  # a trace alone
        reading.title = reading.failure
        reading.count(reading.title, WORDS[TITLE])
    if not reading.words.most:
        reading.count(text, WORDS[PROSE])
    return Pasted(
        title=reading.title,
        words=reading.words.weights(MAX_WORDS),
        places=_strongest(reading.places),
        names=reading.names.weights(MAX_NAMES),
        errors=tuple(reading.errors)[:MAX_ERRORS],
        messages=tuple(reading.messages)[:MAX_MESSAGES],
        tests=tuple(reading.tests)[:MAX_TESTS],
        subjects=tuple(reading.subjects)[:MAX_TESTS],
        count=len(words(text)),
        traces=reading.traces,
        partial=bool(tail),
    )


def _head(row: str) -> str:
    """The beginning of a long row, cut between two words."""
    if len(row) <= MAX_ROW:
        return row
    at = MAX_ROW
    while at > MAX_ROW - MAX_WORD and (row[at - 1].isalnum() or row[at - 1] == "_"):
        at -= 1
    return row[:at]


def _cut(text: str) -> tuple[str, str, str]:
    """The beginning, the middle and the end of a long text, cut between lines where there are any."""
    if len(text) <= MAX_HEAD + MAX_TAIL:
        return text, "", ""
    first = text.rfind("\n", MAX_HEAD // 2, MAX_HEAD) + 1 or MAX_HEAD
    last = text.find("\n", len(text) - MAX_TAIL, len(text) - MAX_TAIL // 2) + 1 or len(text) - MAX_TAIL
    return text[:first], text[first:last], text[last:]


def _strongest(places: Iterable[FileMention]) -> tuple[FileMention, ...]:
    """Each path and line once, with its largest weight and the function that one of them names."""
    best: dict[tuple[str, int | None, str], FileMention] = {}
    for place in places:
        key = (place.path, place.line, place.function)
        known = best.get(key)
        if known is None or place.weight > known.weight:
            best[key] = place
    return tuple(sorted(best.values(), key=lambda p: -p.weight)[:MAX_PLACES])

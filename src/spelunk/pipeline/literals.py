"""Literal scan: how often words of a query occur in files, how near to each other, and whether a line defines them.

It reads files that are not indexed yet, so it opens them as the workers do: regular files only,
without following a link, up to a limit. Each file is searched literal by literal, at the speed of a
search for bytes; only the occurrences are looked at in Python, and of those a bounded number.
"""

from __future__ import annotations

import array
import os
import re
import signal
import stat
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from spelunk.io.streams import flush_before_fork
from spelunk.pipeline.processes import fork_is_safe
from spelunk.text.tokens import STEMS
from spelunk.workspace.focus import Literal

HEAD_BYTES: Final = 192 * 1024
"""Bytes of a file that are scanned: a longer one is data or generated, or shows its words early."""
WINDOW_BYTES: Final = 2_000
"""Distance within which words count as near: some 50 lines, the size of a chunk."""
MAX_MATCHES: Final = 200
"""Occurrences of a literal that are looked at in a file: one with more is full of it, which is enough to know."""
MAX_LINES_READ: Final = 24
"""Of those, the ones whose lines are read to see whether they define the word."""
MAX_HEAD: Final = 160
"""Bytes of a line before a name that are read for that."""
CLOCK_FILES: Final = 16
"""Files between two looks at the clock: a millisecond."""
SATURATION: Final = 1.2
"""``k1`` of BM25: how soon further occurrences of a word add nothing (Robertson and Zaragoza, 2009)."""

_SATURATED: Final = [n * (1 + SATURATION) / (n + SATURATION) for n in range(MAX_MATCHES + 1)]

_LOWER: Final = re.compile(rb"[a-z]*")
_UPPER: Final = re.compile(rb"[A-Z]*")
_KEYWORD: Final = re.compile(
    rb"\b(?:def|class|struct|enum|union|fn|func|function|type|typedef|interface|trait|impl|module|namespace"
    rb"|macro|define|object|protocol|record|sub|proc|data|newtype|extension|mixin)\s+[\w:.<>*&~$?]*\Z"
)
"""What stands before a name on a line that defines it with a keyword."""
_SIGNATURE: Final = re.compile(
    rb"(?!\s*(?:if|for|while|return|switch|else|match|await|throw|new|case|do|elif|unless|until)\b)"
    rb"[\w\s*&<>,:~\[\]]*\Z"
)
"""What stands before a name on a line that is a signature: types and modifiers."""
_PARAMETERS: Final = re.compile(rb"\w*[ \t]?\([^;\n]*+")
"""The rest of such a line."""


class Occurrences(NamedTuple):
    """How a literal occurs in a file.

    Attributes:
        literal: Its position among the literals.
        total: How often, up to :data:`MAX_MATCHES`.
        near: How often in the best window of :data:`WINDOW_BYTES`.
        defined: Whether a line defines a name with it.
    """

    literal: int
    total: int
    near: int
    defined: bool


Found = Sequence[Occurrences]
"""The literals that occur in a file, each once."""


class Literals(NamedTuple):
    """What to look for.

    Attributes:
        all: The literals; matched in any case.
        weights: Of each, to choose the best window.
        telling: Positions of those of which a file must have one; without any it may have any.
    """

    all: Sequence[Literal]
    weights: Sequence[float]
    telling: Collection[int] = ()


def saturated(count: int) -> float:
    """What ``count`` occurrences are worth, where one is worth 1."""
    return _SATURATED[count]


def scan(
    root: str,
    paths: Sequence[str],
    literals: Literals,
    seconds: float,
    processes: int,
    in_child: Callable[[], None] = lambda: None,
) -> dict[int, Found]:
    """Scan files, the first ones first, until the time is over.

    Args:
        root: The folder of the paths.
        paths: Relative paths.
        literals: What to look for.
        seconds: Wall time at most, beyond one file.
        processes: Processes to share the files; one where a fork is not safe.
        in_child: Called first in each forked process.

    Returns:
        Position in ``paths`` -> what was found, of every file that was scanned.
    """
    until = time.monotonic() + seconds
    if not literals.all:
        return {}
    match = matcher(literals)
    if processes < 2 or not fork_is_safe():
        return _scan(root, paths, match, range(len(paths)), until)
    readers: list[tuple[int, int]] = []
    out: dict[int, Found] = {}
    try:
        for n in range(1, processes):
            turns = range(n, len(paths), processes)
            readers.append(_fork(partial(_scan, root, paths, match, turns, until), in_child))
        out = _scan(root, paths, match, range(0, len(paths), processes), until)
    finally:
        for pid, fd in readers:
            out |= _collect(pid, fd)
    return out


Match = Callable[[bytes], Found]
NOTHING: Final[Found] = ()


def matcher(literals: Literals) -> Match:
    """The function that finds literals, of which there is one at least, in bytes."""
    texts = [literal.text.encode("utf-8", "replace") for literal in literals.all]
    finders = [_finder(text, literal.term) for text, literal in zip(texts, literals.all, strict=True)]
    telling = sorted((texts[n] for n in literals.telling), key=len, reverse=True)
    weights = literals.weights

    def match(data: bytes) -> Found:
        lowered = data.lower()
        if telling and not any(text in lowered for text in telling):
            return NOTHING
        places = [find(data, lowered) for find in finders]
        if not any(places):
            return NOTHING
        near = _best_window(places, weights, len(data))
        return [
            Occurrences(
                n, len(found), near.get(n, 0), any(_defines(data, at) for at in found[:MAX_LINES_READ])
            )
            for n, found in enumerate(places)
            if found
        ]

    return match


def _finder(text: bytes, term: str) -> Callable[[bytes, bytes], list[int]]:
    """The function that finds where a literal occurs: given the bytes, and the same in lower case."""
    size = len(text)
    known: dict[bytes, bool] = {}

    def is_word(data: bytes, lowered: bytes, at: int) -> bool:
        """Whether a part of a name begins here whose stem is the term."""
        first, second = data[at], data[at + 1] if size > 1 else 0
        before = data[at - 1] if at else 0
        upper = 65 <= first <= 90
        capitals = upper and not 97 <= second <= 122
        if 97 <= first <= 122:
            if 97 <= before <= 122 or 65 <= before <= 90:
                return False
        elif capitals and 65 <= before <= 90:
            return False
        end = (_UPPER if capitals else _LOWER).match(data, at + size)
        word = lowered[at : end.end() if end is not None else at + size]
        is_form = known.get(word)
        if is_form is None:
            is_form = known[word] = STEMS[word.decode("utf-8", "replace")] == term
        return is_form

    def find(data: bytes, lowered: bytes) -> list[int]:
        out: list[int] = []
        at = lowered.find(text)
        tries = 4 * MAX_MATCHES
        while at >= 0 and tries:
            if not term or is_word(data, lowered, at):
                out.append(at)
                if len(out) == MAX_MATCHES:
                    break
            at = lowered.find(text, at + size)
            tries -= 1
        return out

    return find


def _best_window(places: Sequence[Sequence[int]], weights: Sequence[float], size: int) -> dict[int, int]:
    """How often each literal occurs in the window where they are worth most together."""
    if size <= WINDOW_BYTES:
        return {n: len(found) for n, found in enumerate(places) if found}
    step = WINDOW_BYTES // 2
    steps: dict[int, dict[int, int]] = {}
    for n, found in enumerate(places):
        for at in found:
            here = steps.setdefault(at // step, {})
            here[n] = here.get(n, 0) + 1
    best: dict[int, int] = {}
    most = -1.0
    for number, here in steps.items():
        after = steps.get(number + 1)
        counts = here
        if after is not None:
            counts = {
                n: min(MAX_MATCHES, here.get(n, 0) + after.get(n, 0)) for n in here.keys() | after.keys()
            }
        worth = sum(weights[n] * _SATURATED[count] for n, count in counts.items())
        if worth > most:
            most, best = worth, counts
    return best


def _defines(data: bytes, at: int) -> bool:
    """Whether the line of an occurrence defines the name that it is in."""
    before = data[max(0, at - MAX_HEAD) : at]
    head = before[before.rfind(b"\n") + 1 :]
    if _KEYWORD.search(head) is not None:
        return True
    if _SIGNATURE.match(head) is None:
        return False
    rest = _PARAMETERS.match(data, at, at + 2 * MAX_HEAD)
    if rest is None:
        return False
    indented = head[:1].isspace()
    return rest.group().rstrip().endswith(b"{") if indented else data[rest.end() : rest.end() + 1] != b";"


def _scan(root: str, paths: Sequence[str], match: Match, turns: range, until: float) -> dict[int, Found]:
    out: dict[int, Found] = {}
    for count, n in enumerate(turns):
        if count % CLOCK_FILES == 0 and time.monotonic() >= until:
            break
        data = _head(os.path.join(root, paths[n]))
        if data is not None:
            out[n] = match(data)
    return out


def _head(path: str) -> bytes | None:
    """The first bytes of a regular file; None for anything else, or what cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, HEAD_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def _fork(work: Callable[[], dict[int, Found]], in_child: Callable[[], None]) -> tuple[int, int]:
    """Scan in a forked process; returns its pid and the pipe on which it answers."""
    read_fd, write_fd = os.pipe()
    flush_before_fork()
    pid = os.fork()
    if pid:
        os.close(write_fd)
        return pid, read_fd
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C too
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(read_fd)
        in_child()
        answer = array.array("i")
        for n, found in work().items():
            answer.extend((n, len(found)))
            for occurrences in found:
                answer.extend(occurrences)
        data = memoryview(answer.tobytes())
        while data:
            data = data[os.write(write_fd, data) :]
    finally:
        os._exit(0)


def _collect(pid: int, fd: int) -> dict[int, Found]:
    """What a scanning process found; of one that died, what it had written."""
    parts: list[bytes] = []
    try:
        while part := os.read(fd, 1 << 20):
            parts.append(part)
    finally:
        os.close(fd)
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass  # the host program has waited for all children
    data = b"".join(parts)
    answer: Any = array.array("i")
    answer.frombytes(data[: len(data) // 4 * 4])
    out: dict[int, Found] = {}
    at = 0
    while at + 2 <= len(answer):
        n, count = answer[at], answer[at + 1]
        at += 2
        if at + 4 * count > len(answer):
            break
        out[n] = [
            Occurrences(answer[i], answer[i + 1], answer[i + 2], bool(answer[i + 3]))
            for i in range(at, at + 4 * count, 4)
        ]
        at += 4 * count
    return out

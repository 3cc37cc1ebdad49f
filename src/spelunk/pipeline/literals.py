"""Literal scan: which of a few strings occur in files, and how near to each other, by one pass over their bytes.

It reads files that are not indexed yet, so it opens them as the workers do: regular files only,
without following a link, up to a limit. The pattern is one RE2 alternation, which takes time linear in the bytes.
"""

from __future__ import annotations

import array
import os
import signal
import stat
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from spelunk.io.streams import flush_before_fork
from spelunk.pipeline.processes import fork_is_safe

HEAD_BYTES: Final = 192 * 1024
"""Bytes of a file that are scanned: a longer one is data or generated, or shows its words early."""
WINDOW_BYTES: Final = 2_000
"""Distance within which words count as near: some 50 lines, the size of a chunk."""
MAX_MATCHES: Final = 4_000
"""Matches of a file that are looked at: one with more is full of these words, which is enough to know."""
CLOCK_FILES: Final = 16
"""Files between two looks at the clock: a millisecond."""


class Presence(NamedTuple):
    """What a file has of the literals, as bits in their order.

    Attributes:
        anywhere: Those in the scanned part.
        near: Those of the best window of :data:`WINDOW_BYTES`.
    """

    anywhere: int
    near: int


class Literals(NamedTuple):
    """What to look for.

    Attributes:
        texts: In lower case; matched in any case.
        weights: Of each, to choose the best window.
        telling: Positions of those of which a file must have one; without any it may have any.
    """

    texts: Sequence[str]
    weights: Sequence[float]
    telling: Collection[int] = ()


def scan(
    root: str,
    paths: Sequence[str],
    literals: Literals,
    seconds: float,
    processes: int,
    in_child: Callable[[], None] = lambda: None,
) -> dict[int, Presence]:
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
    if not literals.texts:
        return {}
    match = matcher(literals)
    if processes < 2 or not fork_is_safe():
        return _scan(root, paths, match, range(len(paths)), until)
    readers: list[tuple[int, int]] = []
    out: dict[int, Presence] = {}
    try:
        for n in range(1, processes):
            turns = range(n, len(paths), processes)
            readers.append(_fork(partial(_scan, root, paths, match, turns, until), in_child))
        out = _scan(root, paths, match, range(0, len(paths), processes), until)
    finally:
        for pid, fd in readers:
            out |= _collect(pid, fd)
    return out


Match = Callable[[bytes], Presence]
NOTHING: Final = Presence(0, 0)


def matcher(literals: Literals) -> Match:
    """The function that finds literals, of which there is one at least, in bytes."""
    import re2

    options = re2.Options()
    options.log_errors = False

    def alternation(texts: Collection[bytes]) -> Any:
        # The longest first: an alternation takes the first branch that fits.
        ordered = sorted(texts, key=lambda text: (-len(text), text))
        return re2.compile(b"(?i)" + b"|".join(map(re2.escape, ordered)), options)

    encoded = [text.encode("utf-8", "replace") for text in literals.texts]
    bits = {text: 1 << n for n, text in enumerate(encoded)}
    search = alternation([encoded[n] for n in literals.telling] or encoded).search
    finditer = alternation(bits).finditer
    # A match of `flush_batches` has `flush` in it, which the alternation passes over.
    within = {a: sum(bit for b, bit in bits.items() if b in a) for a in bits}
    worth = {mask: _sum(mask, literals.weights) for mask in within.values()}

    def match(data: bytes) -> Presence:
        if search(data) is None:
            return NOTHING
        anywhere = best = 0
        most = 0.0
        recent: list[tuple[int, int]] = []
        for count, m in enumerate(finditer(data)):
            mask = within.get(m.group().lower(), 0)
            at = m.start()
            anywhere |= mask
            recent = [(start, seen) for start, seen in recent if at - start < WINDOW_BYTES and seen != mask]
            recent.append((at, mask))
            near = 0
            for _, seen in recent:
                near |= seen
            if near not in worth:
                worth[near] = _sum(near, literals.weights)
            if worth[near] > most:
                most, best = worth[near], near
            if count >= MAX_MATCHES:
                break
        return Presence(anywhere, best)

    return match


def _sum(mask: int, weights: Sequence[float]) -> float:
    return sum(weight for n, weight in enumerate(weights) if mask >> n & 1)


def _scan(root: str, paths: Sequence[str], match: Match, turns: range, until: float) -> dict[int, Presence]:
    out: dict[int, Presence] = {}
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


def _fork(work: Callable[[], dict[int, Presence]], in_child: Callable[[], None]) -> tuple[int, int]:
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
        answer = array.array("q")
        for n, found in work().items():
            answer.extend((n, *found))
        data = memoryview(answer.tobytes())
        while data:
            data = data[os.write(write_fd, data) :]
    finally:
        os._exit(0)


def _collect(pid: int, fd: int) -> dict[int, Presence]:
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
    answer: Any = array.array("q")
    answer.frombytes(data[: len(data) // 24 * 24])
    return {answer[i]: Presence(answer[i + 1], answer[i + 2]) for i in range(0, len(answer), 3)}

"""No lock is held while another is taken; see docs/reliability.md for which there are."""

from __future__ import annotations

import fcntl
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spelunk import Index
from spelunk.errors import IndexBusyError
from spelunk.store.writer_lock import WriterLock
from tests.corpus import python_file, write_tree

WAITED = frozenset(("writer lock",))
"""Locks that may be held while another is taken: the writer lock is the first of the order,
and nothing that holds another ever waits for it."""


class Detector:
    """Which locks each thread holds, in the order taken, and every pair that was ever nested."""

    def __init__(self) -> None:
        self.held = threading.local()
        self.nested: dict[tuple[str, str], str] = {}
        self.taken: set[str] = set()
        self._real = threading.Lock()

    def stack(self) -> list[str]:
        if not hasattr(self.held, "stack"):
            self.held.stack = []
        return self.held.stack

    def take(self, name: str) -> None:
        stack = self.stack()
        with self._real:
            self.taken.add(name)
            for outer in stack:
                self.nested.setdefault((outer, name), "".join(traceback.format_stack(limit=8)))
        stack.append(name)

    def give(self, name: str) -> None:
        stack = self.stack()
        if name in stack:
            stack.reverse()
            stack.remove(name)
            stack.reverse()


class Watched:
    """A threading lock that tells the detector."""

    def __init__(self, detector: Detector, name: str, real: Any) -> None:
        self.detector, self.name, self.real = detector, name, real

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        got = self.real.acquire(*args, **kwargs)
        if got:
            self.detector.take(self.name)
        return got

    def release(self) -> None:
        self.real.release()
        self.detector.give(self.name)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Detector]:
    """Every lock that the package makes or takes from here on is watched."""
    found = Detector()

    def maker(real: Any) -> Any:
        def make() -> Any:
            frame = traceback.extract_stack(limit=2)[0]
            if "/spelunk/" not in frame.filename:
                return real()
            return Watched(found, f"{Path(frame.filename).stem}:{frame.lineno}", real())

        return make

    monkeypatch.setattr(threading, "Lock", maker(threading.Lock))
    monkeypatch.setattr(threading, "RLock", maker(threading.RLock))
    real_flock = fcntl.flock

    def flock(fd: int, operation: int) -> None:
        real_flock(fd, operation)
        if operation & fcntl.LOCK_EX:
            found.take("writer lock")
        elif operation & fcntl.LOCK_SH:  # a look at the holder, given back at once
            found.take("look at the writer lock")
            found.give("look at the writer lock")

    monkeypatch.setattr(fcntl, "flock", flock)
    release = WriterLock.release

    def released(self: WriterLock) -> None:
        if self._fd is not None:
            found.give("writer lock")
        release(self)

    monkeypatch.setattr(WriterLock, "release", released)
    yield found


def wrongly_nested(detector: Detector) -> dict[tuple[str, str], str]:
    return {pair: where for pair, where in detector.nested.items() if pair[0] not in WAITED}


def test_the_detector_notices(detector: Detector) -> None:
    a = Watched(detector, "a", threading.Lock())
    b = Watched(detector, "b", threading.Lock())

    with a, b:
        pass
    with b:
        pass

    assert set(wrongly_nested(detector)) == {("a", "b")}
    assert detector.stack() == []


def test_no_lock_is_taken_while_another_is_held(detector: Detector, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 30)
    index = Index.open(root)
    index.update()
    errors: list[BaseException] = []
    done = threading.Event()

    def readers() -> None:
        try:
            while not done.is_set():
                for mode in ("hybrid", "semantic", "regex"):
                    index.search("flush", mode=mode, refresh=False)
                index.status()
                index.similar("pkg1/mod_19.py", 3, refresh=False)  # one that nobody writes to
                index.check()
        except BaseException as error:
            errors.append(error)

    def writers() -> None:
        try:
            for n in range(6):
                (root / "pkg0" / f"mod_{n}.py").write_text(python_file(400 + n))
                try:
                    index.update(wait=n % 2 == 0)
                except IndexBusyError:
                    pass
        except BaseException as error:
            errors.append(error)

    reading = [threading.Thread(target=readers) for _ in range(2)]
    writing = [threading.Thread(target=writers) for _ in range(2)]
    for thread in reading + writing:
        thread.start()
    for thread in writing:
        thread.join()
    done.set()
    for thread in reading:
        thread.join()
    index.status()  # while nobody writes, so that the look at the holder meets no lock
    index.check(repair=True)
    index.close()

    assert not errors, errors
    assert {"writer lock", "look at the writer lock"} <= detector.taken
    assert any(name.startswith(("index:", "index_views:")) for name in detector.taken)
    assert not wrongly_nested(detector), "\n".join(map(str, wrongly_nested(detector).items()))
    assert not any(inner == "writer lock" for _, inner in detector.nested)


def test_nothing_that_holds_the_writer_lock_waits_for_a_thread_lock_that_is_held_over_it(
    detector: Detector, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 5)
    with Index.open(root) as index:
        index.update()
        index.check(repair=True)
        index.search("flush")
        index.clear()

    # One order only: no pair of locks was ever taken both ways round.
    assert not {pair for pair in detector.nested if pair[::-1] in detector.nested}

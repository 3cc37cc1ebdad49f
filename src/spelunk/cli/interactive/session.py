"""The state of an interactive search, and the thread that searches: only the answer to the last query counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from msgspec import Struct
from msgspec.structs import replace

from spelunk.errors import SpelunkError

if TYPE_CHECKING:
    from types import TracebackType

    from spelunk.search.answer import Answer
    from spelunk.types import Hit

ALL: Final = "all files"
CODE: Final = "code"
TEXT: Final = "text for people"
FILES: Final = (ALL, CODE, TEXT)
"""What the filter goes through."""
MODES: Final = ("hybrid", "lexical", "symbol", "regex")
"""Modes that answer while one types, on any model."""


class Wanted(Struct, frozen=True):
    """What is searched for.

    Attributes:
        query: As typed.
        mode: Of :class:`~spelunk.search.request.SearchRequest`.
        files: One of :data:`FILES`.
    """

    query: str
    mode: str = MODES[0]
    files: str = ALL


class State(Struct):
    """What the screen shows.

    Attributes:
        wanted: What was asked for last.
        answer: The newest answer; None before the first.
        error: Why there is none, in one line; "" where there is.
        selected: The number of the hit that the cursor is on.
        searching: Whether the answer to ``wanted`` is still awaited.
        message: What to tell besides, such as an editor that cannot be started.
    """

    wanted: Wanted
    answer: Answer | None = None
    error: str = ""
    selected: int = 0
    searching: bool = False
    message: str = ""

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The hits of the answer."""
        return self.answer.hits if self.answer is not None else ()

    @property
    def hit(self) -> Hit | None:
        """The hit that the cursor is on."""
        return self.hits[self.selected] if self.selected < len(self.hits) else None

    def move(self, steps: int) -> None:
        """Move the cursor, not beyond the ends of the list."""
        self.selected = max(0, min(len(self.hits) - 1, self.selected + steps))


class _Result(Struct, frozen=True):
    number: int
    answer: Answer | None = None
    error: str = ""


class Session:
    """An interactive search. Its methods are called by the screen's thread; searches run in another.

    Attributes:
        changed: Called in the other thread with what brings a result into the state; the screen
            runs it in its own thread.
    """

    def __init__(self, search: Callable[[Wanted], Answer], query: str = "", mode: str = MODES[0]) -> None:
        """Make the session; its thread begins with the context.

        Args:
            search: Answers; called in the other thread, one call at a time.
            query: What to begin with.
            mode: The mode to begin with.
        """
        self.search = search
        self.changed: Callable[[Callable[[], None]], object] = lambda apply: apply()
        self.state = State(Wanted(query, mode))
        self._wake = threading.Condition()
        self._asked: tuple[int, Wanted] | None = None
        self._number = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="interactive search", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()  # indexes are closed after it

    def ask(self, query: str) -> None:
        """Search for what is typed now."""
        self._want(replace(self.state.wanted, query=query))

    def next_files(self) -> None:
        """Go on to the next filter of files."""
        self._want(replace(self.state.wanted, files=_next(FILES, self.state.wanted.files)))

    def next_mode(self) -> None:
        """Go on to the next mode."""
        self._want(replace(self.state.wanted, mode=_next(MODES, self.state.wanted.mode)))

    def _want(self, wanted: Wanted) -> None:
        state = self.state
        state.wanted = wanted
        state.message = ""
        self._number += 1
        if not wanted.query.strip():
            state.answer, state.error, state.selected, state.searching = None, "", 0, False
            with self._wake:
                self._asked = None
            return
        state.searching = True
        with self._wake:
            self._asked = (self._number, wanted)
            self._wake.notify()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or self._asked is not None)
                if self._closed:
                    return
                assert self._asked is not None
                number, wanted = self._asked
                self._asked = None
            try:
                result = _Result(number, self.search(wanted))
            except SpelunkError as error:
                result = _Result(number, error=str(error))
            except Exception as error:  # the screen stays, and says so
                result = _Result(number, error=f"{type(error).__name__}: {error}; this is a bug")
            self.changed(partial(self._apply, result))

    def _apply(self, result: _Result) -> None:
        """Show a result, unless something else was asked for meanwhile."""
        if result.number != self._number:
            return
        state = self.state
        state.answer, state.error, state.selected, state.searching = result.answer, result.error, 0, False


def _next(values: tuple[str, ...], value: str) -> str:
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]

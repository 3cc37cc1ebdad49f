"""The session behind the interactive search: the last query counts, whatever comes when."""

from __future__ import annotations

import queue
import threading

from spelunk.cli.interactive.paint import list_pieces, preview_pieces, status_pieces
from spelunk.cli.interactive.session import CODE, FILES, MODES, Session, Wanted
from spelunk.errors import UsageError
from spelunk.search.answer import Answer, Matched
from spelunk.types import Hit


def hit(path: str, content: str = "flush\n") -> Hit:
    return Hit(
        path=path, start_line=1, end_line=content.count("\n"), language="python", kind="block", symbol="",
        score=1.0, content=content, signals={}, chunk_id="0", root="/w",
    )  # fmt: skip


def answer(query: str, hits: int = 2, content: str = "flush\n") -> Answer:
    matched = Matched(frozenset(["flush"]))
    return Answer(
        query, "hybrid", 1.0, tuple(hit(f"{n}.py", content) for n in range(hits)), files=9, matched=matched
    )


class Slow:
    """A search whose answers come when they are let go."""

    def __init__(self) -> None:
        self.begun: queue.Queue[Wanted] = queue.Queue()
        self.go: queue.Queue[Answer | Exception] = queue.Queue()

    def __call__(self, wanted: Wanted) -> Answer:
        self.begun.put(wanted)
        given = self.go.get(timeout=60)
        if isinstance(given, Exception):
            raise given
        return given


def session_of(search: Slow) -> tuple[Session, queue.Queue]:
    """A session, and the results that wait for its screen's thread."""
    results: queue.Queue = queue.Queue()
    session = Session(search)
    session.changed = results.put
    return session, results


def test_a_stale_answer_is_dropped_and_queries_in_between_are_not_searched():
    search = Slow()
    session, results = session_of(search)
    with session:
        session.ask("f")
        assert search.begun.get(timeout=60).query == "f"
        for typed in ("fl", "flu", "flush"):
            session.ask(typed)
        search.go.put(answer("f"))
        results.get(timeout=60)()
        assert session.state.answer is None and session.state.searching
        assert search.begun.get(timeout=60).query == "flush"
        search.go.put(answer("flush"))
        results.get(timeout=60)()

    assert session.state.answer is not None and session.state.answer.query == "flush"
    assert not session.state.searching and search.begun.empty()


def test_searches_run_in_one_thread_beside_the_screen():
    threads: list[threading.Thread] = []
    results: queue.Queue = queue.Queue()

    def search(wanted: Wanted) -> Answer:
        threads.append(threading.current_thread())
        return answer(wanted.query)

    session = Session(search)
    session.changed = results.put
    with session:
        for typed in ("a", "b"):
            session.ask(typed)
            results.get(timeout=60)()

    assert len(set(threads)) == 1 and threads[0] is not threading.current_thread()
    assert not threads[0].is_alive()


def test_an_empty_query_clears_the_list_and_its_late_answer_is_dropped():
    search = Slow()
    session, results = session_of(search)
    with session:
        session.ask("x")
        search.begun.get(timeout=60)
        session.ask("  ")
        search.go.put(answer("x"))
        results.get(timeout=60)()

    assert session.state.answer is None and not session.state.searching


def test_errors_are_shown_and_the_next_query_works():
    search = Slow()
    session, results = session_of(search)
    with session:
        for given, part in (
            (UsageError("no such type"), "no such type"),
            (ZeroDivisionError("x"), "this is a bug"),
        ):
            session.ask("x")
            search.go.put(given)
            results.get(timeout=60)()
            assert part in session.state.error
            assert part in "".join(text for _, text in status_pieces(session.state))
        session.ask("flush")
        search.go.put(answer("flush"))
        results.get(timeout=60)()

    assert session.state.error == "" and len(session.state.hits) == 2


def test_filters_go_round_and_are_searched_for():
    search = Slow()
    session, results = session_of(search)
    with session:
        session.next_files()
        assert session.state.wanted.files == CODE and search.begun.empty()
        session.ask("x")
        assert search.begun.get(timeout=60) == Wanted("x", MODES[0], CODE)
        search.go.put(answer("x"))
        results.get(timeout=60)()
        for _ in FILES[1:]:
            session.next_files()
        for _ in MODES:
            session.next_mode()
        assert session.state.wanted == Wanted("x", MODES[0], CODE if len(FILES) == 1 else FILES[0])
        for _ in range(len(FILES) + len(MODES)):  # those that were begun
            search.go.put(answer("x"))


def test_the_cursor_stays_in_the_list():
    session = Session(lambda wanted: answer(wanted.query))
    state = session.state
    state.move(1)
    assert state.selected == 0 and state.hit is None
    state.answer = answer("x", hits=3)
    for steps, place in ((1, 1), (5, 2), (-1, 1), (-9, 0)):
        state.move(steps)
        assert state.selected == place


def test_what_is_painted():
    state = Session(lambda wanted: answer(wanted.query)).state
    state.answer = answer("flush", content="def f():\n\tself.flush(\x1b)\n")
    state.move(1)
    rows = "".join(text for _, text in list_pieces(state)).splitlines()
    preview = preview_pieces(state, 10)

    assert rows == ["0.py:2  block  self.flush(\\x1b)", "1.py:2  block  self.flush(\\x1b)"]
    assert ("class:match", "flush") in preview
    assert "".join(text for _, text in preview).splitlines() == ["1 def f():", "2     self.flush(\\x1b)"]
    assert "2 hits in 9 files" in "".join(text for _, text in status_pieces(state))


def test_a_long_hit_is_previewed_around_its_best_line():
    state = Session(lambda wanted: answer(wanted.query)).state
    state.answer = answer("flush", content="x\n" * 50 + "flush\n" + "y\n" * 50)

    shown = "".join(text for _, text in preview_pieces(state, 9)).splitlines()

    assert len(shown) == 9 and any(line.endswith(" flush") for line in shown)

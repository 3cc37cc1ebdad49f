"""The first answer over a tree that was never indexed: what is indexed first, and that the rest follows."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from spelunk import Index
from spelunk.config import DEFAULTS
from spelunk.files.folder import FolderSource
from spelunk.pipeline import background as starter
from spelunk.pipeline import first
from spelunk.pipeline.crash_note import CrashNote
from spelunk.pipeline.executor import Batches
from spelunk.pipeline.literals import MAX_MATCHES, NOTHING, Found, Literals, matcher, scan
from spelunk.pipeline.plan import plan
from spelunk.pipeline.update import Job, update
from spelunk.search.focus import MAX_LITERALS, focus_of
from spelunk.search.query import Query, narrow
from spelunk.search.reading import read
from spelunk.store import writer_lock
from spelunk.store.check import check
from spelunk.testing import logical_content
from spelunk.workspace import background
from spelunk.workspace.focus import Focus, Literal
from tests.corpus import write_tree
from tests.faultcases import finish, spelunk

FILES = 80
TOTAL = FILES + 3
"""With what ``write_tree`` adds, and the otter."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree of Python files, in one of which an otter swims."""
    place = tmp_path / "tree"
    place.mkdir()
    write_tree(place, FILES, 1)
    (place / "pkg3" / "otter_pool.py").write_text(
        "class OtterPool:\n    def admit(self, otter):\n        return self.swim(otter, depth=3)\n"
    )
    return place


@pytest.fixture
def never_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count every tree as one that takes long."""
    monkeypatch.setattr(first, "SMALL_FILES", 0)
    monkeypatch.setattr(first, "SMALL_BYTES", 0)
    monkeypatch.setattr(first, "MIN_FILES", 10)


def focus(text: str, **more: Any) -> Focus:
    return focus_of(narrow(read(text), **more), "hybrid")


def texts(wanted: Focus) -> list[str]:
    return [literal.text for literal in wanted.literals]


def ordered(root: Path, wanted: Focus, seconds: float = 600.0, processes: int = 1) -> list[str]:
    walked = FolderSource(str(root)).walk(DEFAULTS)
    todo = plan(walked.rows, walked.skipped, walked.failed, {}, {})
    return [i.candidate.path for i in first.order(str(root), todo.items, wanted, seconds, processes)]


# --- what a query says ---------------------------------------------------------------------------


def test_a_word_is_looked_for_in_every_form() -> None:
    assert texts(focus("where is the parser retried"))[:2] == ["retri", "pars"]
    assert texts(focus("retry")) == ["retr"]


def test_a_name_is_looked_for_whole_and_in_parts() -> None:
    assert texts(focus("flush_batches"))[0] == "flush_batches"
    assert set(texts(focus("flush_batches"))) == {"flush_batches", "flush", "batch"}


def test_words_of_questions_are_left_out_where_there_are_others() -> None:
    assert texts(focus("how does it work with the otter")) == ["ott"]
    assert texts(focus("how"))


def test_a_regular_expression_gives_what_it_requires() -> None:
    query = Query(read(r"/def\s+flush_\w+\(/").terms)
    assert {"flush_", "def"} <= set(texts(focus_of(query, "regex")))


def test_places_of_a_text_are_named() -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/srv/app/net/dial.py", line 3, in dial\nOSError: no\n'
    )
    assert any(place.endswith("net/dial.py") for place in focus(trace).places)


def test_a_long_text_gives_a_bounded_number_of_literals() -> None:
    many = "\n".join(f"error: thing{n} broke widget{n} badly" for n in range(300))
    assert 0 < len(focus(many).literals) <= MAX_LITERALS


# --- the scan ------------------------------------------------------------------------------------


def anywhere(*texts: str, telling: tuple[int, ...] = ()) -> Literals:
    """Literals that count wherever they occur."""
    return Literals([Literal(text, 1.0) for text in texts], [1.0] * len(texts), telling)


def terms(*words: str) -> Literals:
    """Literals of words: their stems, looked for in the parts of names."""
    found = [focus_of(narrow(read(f'"{word}"')), "hybrid").literals for word in words]
    return Literals([literals[0] for literals in found], [1.0] * len(words))


def of(found: Found) -> dict[int, int]:
    """Literal -> how often it occurs."""
    return {occurrences.literal: occurrences.total for occurrences in found}


def test_literals_are_found_in_any_case_and_inside_others() -> None:
    match = matcher(anywhere("flush_batches", "flush", "otter"))

    assert of(match(b"def FLUSH_Batches():")) == {0: 1, 1: 1}
    assert of(match("Größe: Otter".encode())) == {2: 1}
    assert match(b"nothing") == NOTHING


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"retry retries retried RETRY Retrying", 5),
        (b"maxRetries max_retry HTTPRetry RETRY_COUNT retry2", 5),
        (b"retrieve retro tryretry", 0),
        (b"XRETRY aRetry", 1),
    ],
)
def test_a_word_is_found_as_the_part_of_a_name_that_has_its_stem(text: bytes, count: int) -> None:
    assert of(matcher(terms("retry"))(text)).get(0, 0) == count


def test_occurrences_are_counted_up_to_a_number() -> None:
    assert of(matcher(anywhere("otter"))(b"otter " * 5_000)) == {0: MAX_MATCHES}


def test_the_best_window_has_what_is_near() -> None:
    match = matcher(anywhere("otter", "swims", "pool"))

    found = match(b"otter" + b" " * 5000 + b"swims in the pool, swims")

    assert of(found) == {0: 1, 1: 2, 2: 1}
    assert {o.literal: o.near for o in found} == {0: 0, 1: 2, 2: 1}


@pytest.mark.parametrize(
    ("line", "defined"),
    [
        ("def admit_otter(pool):", True),
        ("    pub fn otter(&self) -> bool {", True),
        ("class Otter(Animal):", True),
        ("#define OTTER_POOL 3", True),
        ("static int keep_otter(struct pool *pool)", True),
        ("    public List<Otter> keepOtter(Pool pool) {", True),
        ("    keep_otter(pool);", False),
        ("    return otter(pool)", False),
        ("keep_otter(pool);", False),
        ("x = otter", False),
        ("# the otter swims", False),
    ],
)
def test_a_line_that_defines_a_name_is_told_from_one_that_uses_it(line: str, defined: bool) -> None:
    found = matcher(terms("otter"))(f"// first\n{line}\n// last\n".encode())

    assert any(o.defined for o in found) == defined


def test_a_file_without_a_telling_literal_is_passed_over() -> None:
    match = matcher(anywhere("otter", "the", telling=(0,)))

    assert match(b"the the the") == NOTHING
    assert of(match(b"the otter")) == {0: 1, 1: 1}


def test_a_literal_is_no_pattern() -> None:
    match = matcher(anywhere("a.c", "x|y", "("))

    assert match(b"abc xy") == NOTHING
    assert of(match(b"a.c x|y (")) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_any_number_of_processes_finds_the_same(root: Path, processes: int) -> None:
    walked = FolderSource(str(root)).walk(DEFAULTS)
    paths = [row[0] for row in walked.rows]
    literals = terms("otter", "batch")

    found = scan(str(root), paths, literals, 600.0, processes)

    assert set(found) == set(range(len(paths)))
    assert {n: [*f] for n, f in found.items()} == {
        n: [*f] for n, f in scan(str(root), paths, literals, 600.0, 1).items()
    }


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret").write_text("otter")
    (tmp_path / "link").symlink_to(tmp_path / "secret")

    assert scan(str(tmp_path), ["pipe", "link", "gone"], anywhere("otter"), 600.0, 1) == {}


def test_a_scan_without_time_finds_nothing(root: Path) -> None:
    assert scan(str(root), ["pkg3/otter_pool.py"], anywhere("otter"), 0.0, 1) == {}


# --- the order -----------------------------------------------------------------------------------


def test_the_file_that_fits_comes_first(root: Path) -> None:
    (root / "pkg5" / "plain.py").write_text("def lodge():\n    return beaver_dam(height=3)\n")

    assert ordered(root, focus("otter pool"))[0] == "pkg3/otter_pool.py"
    assert ordered(root, focus("beaver dam"))[0] == "pkg5/plain.py"  # by its content alone


def test_paths_alone_decide_where_no_time_is_left_for_a_scan(root: Path) -> None:
    assert ordered(root, focus("otter pool"), seconds=0.0)[0] == "pkg3/otter_pool.py"


def test_a_named_path_comes_before_all(root: Path) -> None:
    trace = 'Traceback (most recent call last):\n  File "/x/pkg4/mod_41.py", line 3, in f\nOtterError: no\n'

    assert ordered(root, focus(trace))[0] == "pkg4/mod_41.py"


def test_a_test_comes_after_what_it_tests(root: Path) -> None:
    text = (root / "pkg3" / "otter_pool.py").read_text()
    (root / "tests").mkdir()
    (root / "tests" / "test_otter_pool.py").write_text(text)

    found = ordered(root, focus("otter pool"))

    assert found[:2] == ["pkg3/otter_pool.py", "tests/test_otter_pool.py"]


def test_filters_leave_out_what_cannot_be_an_answer(root: Path) -> None:
    (root / "pkg3" / "otter.md").write_text("# Otter\n")

    assert all(p.startswith("pkg3/") for p in ordered(root, focus("otter", path=["pkg3/"])))
    assert ordered(root, focus("otter", lang=["markdown"])) == ["pkg3/otter.md", "README.md"]


def test_some_others_are_indexed_too(root: Path, never_small: None) -> None:
    assert len(ordered(root, focus("zyzzyva"))) == first.MIN_FILES


# --- the batches ---------------------------------------------------------------------------------


def test_no_batch_is_handed_out_when_the_time_is_over(root: Path) -> None:
    walked = FolderSource(str(root)).walk(DEFAULTS)
    items = list(plan(walked.rows, walked.skipped, walked.failed, {}, {}).items)
    over = time.monotonic() - 1

    batches = Batches(items, 8, 2, until=over, least=20)
    taken = []
    while batches.left:
        taken += batches.take()

    assert taken == items[:24]
    assert batches.files == len(items) - 24
    assert not Batches(items, 8, 2, until=over).left


def test_some_bytes_are_handed_out_even_if_the_time_is_over(root: Path) -> None:
    walked = FolderSource(str(root)).walk(DEFAULTS)
    items = list(plan(walked.rows, walked.skipped, walked.failed, {}, {}).items)
    wanted = sum(item.candidate.size for item in items[:30])

    batches = Batches(items, 8, 2, until=time.monotonic() - 1, least=4, least_bytes=wanted)
    taken = []
    while batches.left:
        taken += batches.take()

    assert taken == items[:32]


# --- the update ----------------------------------------------------------------------------------


def first_update(root: Path, place: Path, limit: int, **settings: Any) -> Any:
    with Index.open(root, index_dir=str(place), **settings) as index:
        wanted = Focus(focus("otter pool").literals, limit=limit)
        return update(Job(index.root, index.directory, index.options, focus=wanted))


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_part_is_published_and_the_rest_completes_it(root: Path, tmp_path: Path, mode: str) -> None:
    place = tmp_path / "ix"

    report = first_update(root, place, 10, mode=mode, workers=2)

    assert report.files.indexed == 10
    assert report.files.seen + report.remaining == TOTAL
    assert check(str(place)).ok
    with Index.open(root, index_dir=str(place)) as index:
        answer = index.search("otter pool", refresh=False)
        assert answer.hits[0].path == "pkg3/otter_pool.py"
        assert answer.coverage == round(10 / TOTAL, 4)
        assert index.status().state == "behind"
        later = index.update()
        assert (later.files.unchanged, later.remaining) == (10, 0)
        assert index.search("otter pool").coverage == 1.0
    with Index.open(root, index_dir=str(tmp_path / "fresh")) as fresh:
        fresh.update()
    assert logical_content(str(place)) == logical_content(str(tmp_path / "fresh"))
    assert check(str(place)).ok


def test_a_second_first_answer_keeps_what_the_first_published(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)

    report = first_update(root, place, 10)

    assert report.files.unchanged == 10
    assert report.files.seen + report.remaining == TOTAL


def test_a_complete_index_has_no_first_answer(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    with Index.open(root, index_dir=str(place)) as index:
        index.update()
    (root / "pkg1" / "new.py").write_text("x = 1\n")
    (root / "pkg1" / "newer.py").write_text("x = 2\n")

    report = first_update(root, place, 1)

    assert (report.files.indexed, report.remaining) == (2, 0)


def test_suspects_are_left_to_the_update_that_nobody_waits_for(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 5)
    CrashNote(str(place)).write(["pkg1/mod_12.py"])

    report = first_update(root, place, 200)

    assert report.remaining == 1
    assert CrashNote(str(place)).suspects() == {"pkg1/mod_12.py"}


def test_other_vectors_than_the_workers_make_are_left(root: Path, tmp_path: Path) -> None:
    report = first_update(
        root, tmp_path / "ix", 10, embedder="api:none", embedding_url="http://127.0.0.1:9/v1"
    )

    assert report.files.indexed == 10
    with Index.open(root, index_dir=str(tmp_path / "ix")) as index:
        assert index.search("otter pool", refresh=False, mode="lexical").hits


# --- the search ----------------------------------------------------------------------------------


@pytest.fixture
def later() -> list[tuple[Any, ...]]:
    """Calls of ``complete_later``."""
    return []


def opened(root: Path, place: Path, later: list[tuple[Any, ...]], **settings: Any) -> Index:
    index = Index.open(root, index_dir=str(place), **{"first_answer": "early", **settings})
    index.complete_later = lambda *what: later.append(what)
    return index


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch, never_small: None) -> None:
    """Let the time of a first answer be over at once, so that the least is indexed."""
    monkeypatch.setattr(first, "MAX_SECONDS", 0.0)
    monkeypatch.setattr("spelunk.pipeline.update.LEAST_FILES", 10)
    monkeypatch.setattr("spelunk.pipeline.update.LEAST_BYTES", 0)


def test_a_first_search_answers_from_a_part(
    root: Path, tmp_path: Path, later: list[tuple[Any, ...]], no_time: None
) -> None:
    with opened(root, tmp_path / "ix", later) as index:
        answer = index.search("otter pool")

        assert answer.hits[0].path == "pkg3/otter_pool.py"
        assert 0 < answer.coverage < 1
        assert answer.stale
        assert later == [(index.root, index.directory, index.options)]


def test_a_first_search_waits_where_the_setting_says_so(
    root: Path, tmp_path: Path, later: list[tuple[Any, ...]], no_time: None
) -> None:
    with opened(root, tmp_path / "ix", later, first_answer="wait") as index:
        assert index.search("otter pool").coverage == 1.0
        assert not later


def test_a_small_tree_is_indexed_whole(root: Path, tmp_path: Path, later: list[tuple[Any, ...]]) -> None:
    with opened(root, tmp_path / "ix", later) as index:
        assert index.search("otter pool").coverage == 1.0
        assert not later


def test_another_process_that_builds_is_joined_at_its_first_publish(
    root: Path, tmp_path: Path, later: list[tuple[Any, ...]], no_time: None
) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    lock = writer_lock.WriterLock(str(place))
    lock.acquire("index")
    try:
        with opened(root, place, later) as index:
            answer = index.search("otter pool")
    finally:
        lock.release()

    assert answer.coverage == round(10 / TOTAL, 4)
    assert not later


# --- the process in the background ---------------------------------------------------------------


def wait_until_complete(index: Index, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        # The process removes its record after it has let the lock go, so it has to be over.
        if not starter.reap() and index.status().state == "current":
            return
        time.sleep(0.05)
    raise AssertionError((index.status(), Path(index.directory, background.LOG).read_text()))


def test_the_background_completes_the_index_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    with Index.open(root, index_dir=str(place)) as index:
        assert starter.start(index.root, index.directory, index.options)

        wait_until_complete(index)

        status = index.status()
        assert (status.files, status.background, status.writer) == (TOTAL, None, None)
        assert not (place / background.LOG).exists()


def test_a_failure_of_the_background_is_told(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    with Index.open(root, index_dir=str(place)) as index:
        away = root.rename(tmp_path / "away")
        assert starter.start(index.root, index.directory, index.options)
        run = _poll(lambda: _if_state(index, background.FAILED))
        away.rename(root)

        assert str(root) in run.error
        assert Path(run.log).exists()
        index.update()
        assert index.status().background is None


def test_a_killed_background_is_told_and_continued(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    monkeypatch.setattr(background, "STARTING_SECONDS", 0.0)
    background.record(str(place), background.STARTED, time.time() - 1)

    with Index.open(root, index_dir=str(place)) as index:
        run = index.status().background
        assert run is not None and run.state == background.KILLED
        assert index.update().files.unchanged == 10
        assert index.status().background is None


def test_an_update_waits_for_the_background_run(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    with Index.open(root, index_dir=str(place)) as index:
        assert starter.start(index.root, index.directory, index.options)
        _poll(lambda: background.is_writing(index.directory) or index.status().state == "current")

        assert index.update().remaining == 0
        wait_until_complete(index)


def test_the_index_directory_that_was_deleted_is_not_made_again(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    with Index.open(root, index_dir=str(place)) as index:
        options = index.options
        index.clear()

    assert not starter.start(str(root), str(place), options)
    assert not place.exists()


def _if_state(index: Index, state: str) -> background.BackgroundRun | None:
    run = background.read(index.directory)
    return run if run is not None and run.state == state else None


def _poll(condition: Any, seconds: float = 120.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen")


# --- killed for real -----------------------------------------------------------------------------


def test_a_build_that_is_killed_again_and_again_goes_on_from_the_first_part(
    root: Path, tmp_path: Path
) -> None:
    place = tmp_path / "ix"
    first_update(root, place, 10)
    early = set(logical_content(str(place)))
    for turn in range(3):
        note = tmp_path / f"begun{turn}"
        process = spelunk("index", root, place, f"worker.file=note:{note}", "--mode", "sequential")
        _poll(lambda p=process, n=note: n.exists() or p.poll() is not None)
        process.send_signal(signal.SIGKILL)
        finish(process)

        assert early <= set(logical_content(str(place)))
        assert check(str(place)).ok

    code, _, err = finish(spelunk("index", root, place))
    assert code == 0, err
    with Index.open(root, index_dir=str(tmp_path / "fresh")) as fresh:
        fresh.update()
    assert logical_content(str(place)) == logical_content(str(tmp_path / "fresh"))

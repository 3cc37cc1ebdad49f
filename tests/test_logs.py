"""Logs: one safe line each, for people or as JSON, whatever a name holds."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.observe import broadcast, events, null_observer
from spelunk.observe.logs import DEBUG, INFO, JSON, KINDS, LEVELS, NAMES, TEXT, WARNING, Log, level_for
from tests.corpus import write_tree

DOCS = Path(__file__).parent.parent / "docs"
HOSTILE = "a\x1b]0;title\x07\r\nspelunk: error: forged\u202egnp.\x7f\x9b2J\udc80 \"x\"\\ = 'y'"


def lines(form: str, level: int, *told: events.Event, **more: object) -> list[str]:
    stream = io.StringIO()
    log = Log(form, level, run_id="run-1", stream=stream, clock=lambda: 1_773_226_076.5, **more)  # type: ignore[arg-type]
    for event in told:
        log(event)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(("flags", "names"), [
    ((0, True), []),
    ((0, False), ["worker-died"]),
    ((1, False), ["worker-died", "published"]),
    ((2, False), ["worker-died", "published", "worker-started"]),
    ((7, False), ["worker-died", "published", "worker-started"]),
])  # fmt: skip
def test_the_flags_say_how_much_is_told(flags: tuple[int, bool], names: list[str]) -> None:
    told = lines(
        JSON,
        level_for(*flags),
        events.WorkerDied(1, "killed", "r", 2),
        events.Published(1, 2, 3, 0.5),
        events.WorkerStarted(1, "fork"),
    )

    assert [json.loads(line)["event"] for line in told] == names


def test_a_line_of_json_has_what_is_promised() -> None:
    (line,) = lines(JSON, INFO, events.Published(3, 120, 900, 0.4100000001))

    assert json.loads(line) == {
        "time": "2026-03-11T10:47:56.500Z", "level": "info", "event": "published", "run_id": "run-1",
        "generation": 3, "files": 120, "chunks": 900, "seconds": 0.41,
    }  # fmt: skip


def test_a_line_for_people_is_the_one_of_the_page() -> None:
    (line,) = lines(TEXT, INFO, events.Published(3, 120, 900, 0.41))

    assert (
        line
        == "spelunk: 10:47:56.500 info: published run=run-1 generation=3 files=120 chunks=900 seconds=0.41"
    )
    assert line.split("run=")[0].replace("500", "123") in (DOCS / "logging.md").read_text()


@pytest.mark.parametrize("form", [TEXT, JSON])
def test_a_name_cannot_forge_a_line_or_steer_a_terminal(form: str) -> None:
    told = lines(form, WARNING, events.FileFailed(HOSTILE, "read", HOSTILE))

    assert len(told) == 1
    assert re.fullmatch(r"[\x20-\x7e]+", told[0])


def test_json_keeps_a_name_as_far_as_json_can() -> None:
    (line,) = lines(JSON, WARNING, events.FileFailed(HOSTILE, "read", ""))

    assert json.loads(line)["path"] == HOSTILE.replace("\udc80", "\\x80")
    json.loads(line)["path"].encode("utf-8")  # no lone surrogate is left


def test_quotes_in_text_can_be_told_from_the_value() -> None:
    (line,) = lines(TEXT, WARNING, events.FileFailed('say "x" = \\', "read", ""))

    assert 'path="say \\"x\\" = \\\\"' in line and 'error=""' in line


def test_an_update_brings_its_own_name() -> None:
    told = lines(
        JSON, INFO, events.RunStarted("run-2", "/r", "index", {"workers": 2}), events.VectorsPending(3)
    )

    assert [json.loads(line)["run_id"] for line in told] == ["run-2", "run-2"]
    assert json.loads(told[0])["settings"] == {"workers": 2}


def test_events_that_are_told_elsewhere_are_left_out() -> None:
    assert (
        lines(TEXT, DEBUG, events.FileFailed("p", "read", "e"), leave_out=frozenset([events.FileFailed]))
        == []
    )


def test_a_stream_that_is_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    raw = os.fdopen(write, "wb", buffering=0)
    stream = io.TextIOWrapper(raw, write_through=True)  # type: ignore[type-var]
    Log(level=DEBUG, stream=stream)(events.VectorsPending(1))
    raw.close()
    closed = io.StringIO()
    closed.close()
    Log(level=DEBUG, stream=closed)(events.VectorsPending(1))


def test_every_event_is_logged_or_a_sample() -> None:
    everything = set(events.Event.__args__)  # type: ignore[attr-defined]

    assert everything - set(KINDS) == {events.QueueSampled, events.MemorySampled}
    assert set(LEVELS.values()) == set(NAMES)


def test_the_page_has_every_event_with_its_level_and_facts() -> None:
    text = (DOCS / "logging.md").read_text()
    rows = {
        name: (level, about)
        for name, level, about in re.findall(
            r"^\| `([\w-]+)` \| (\w+) \| (.*) \|$", text.partition("## Events")[2], re.M
        )
    }

    rows.pop("event")  # the heading
    assert set(rows) == {kind.name for kind in KINDS.values()} | {"message", "native-output"}
    for event, kind in KINDS.items():
        level, about = rows[kind.name]
        assert level == NAMES[kind.level], kind.name
        facts = set(event._fields) - {"run_id"}  # type: ignore[attr-defined]
        assert {f for f in facts if f"`{f}`" not in about} == set(), kind.name


def test_run_names_sort_by_time_and_differ() -> None:
    names = [events.new_run_id() for _ in range(50)]

    assert len(set(names)) == 50
    assert [n.split("-")[0] for n in names] == sorted(n.split("-")[0] for n in names)
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", n) for n in names)


def test_an_update_tells_its_story_in_order(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", 12)
    (tmp_path / "tree" / "empty.py").write_text("")
    heard: list[events.Event] = []
    index = Index.open(tmp_path / "tree", mode="sequential", observer=broadcast(null_observer, heard.append))

    report = index.update()

    story = [KINDS[type(e)].name for e in heard if type(e) in KINDS and KINDS[type(e)].level >= INFO]
    assert story == ["run-started", "planned", "workers-chosen", "published", "run-ended"]
    skipped = [e.path for e in heard if isinstance(e, events.FileSkipped)]
    stages = {e.stage for e in heard if isinstance(e, events.StageEnded)}
    assert skipped == ["empty.py"]
    assert stages == set(events.RUN_STAGES) - {"publish", "choose"}
    ended = heard[-1]
    assert isinstance(ended, events.RunEnded) and ended.outcome == events.DONE
    assert (ended.generation, ended.chunks) == (report.generation, report.chunks)


def test_a_worker_that_is_killed_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spelunk import faults

    write_tree(tmp_path / "tree", 12)
    monkeypatch.setenv("SPELUNK_FAULTS", "worker.file@mod_3.py=kill")
    monkeypatch.setattr(faults, "ARMED", [faults.Fault("worker.file@mod_3.py=kill")])
    heard: list[events.Event] = []
    index = Index.open(tmp_path / "tree", mode="parallel", workers=2, observer=heard.append)

    index.update()

    deaths = [e for e in heard if isinstance(e, events.WorkerDied)]
    failed = [e for e in heard if isinstance(e, events.FileFailed)]
    assert deaths and all("SIGKILL" in e.reason for e in deaths)
    assert deaths[0].files_again > 0
    assert [(e.path, e.stage) for e in failed] == [("pkg0/mod_3.py", "worker")]

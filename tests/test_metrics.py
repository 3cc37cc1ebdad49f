"""Metrics: what is counted, the file that processes share, and the docs and dashboard that name it."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spelunk import Index
from spelunk.errors import IndexBusyError, StorageError, UsageError
from spelunk.observe import broadcast, events
from spelunk.observe.metrics import (
    BY_NAME,
    COUNTER,
    FAILURE_STAGES,
    INSTRUMENTS,
    Key,
    Metrics,
    at_zero,
    family_of,
)
from spelunk.observe.prometheus import TextFile, labelled
from spelunk.store.writer_lock import WriterLock
from tests.corpus import write_tree
from tests.provider import Provider
from tests.tools import tool

TOP = Path(__file__).parent.parent
PROMTOOL = tool("promtool")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(path: Path) -> Samples:
    """The samples of a file, by name and labels without the workspace's."""
    return {
        (s.name, frozenset((k, v) for k, v in s.labels.items() if k != "workspace")): s.value
        for family in text_string_to_metric_families(path.read_text())
        for s in family.samples
    }


def value(samples: Samples, name: str, /, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 20)
    (root / "empty.py").write_text("")
    return root


def counted(index: Index) -> dict[Key, float]:
    metrics = Metrics("index")
    index.observer = metrics
    index.update()
    return metrics.values()


# What is counted


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_an_update_is_counted_as_it_is_reported(tree: Path, mode: str) -> None:
    metrics = Metrics("index")
    index = Index.open(tree, mode=mode, workers=2, observer=metrics)

    report = index.update()

    seen = metrics.values()
    files = {k.labels[0][1]: v for k, v in seen.items() if k.name == "spelunk_index_files_total"}
    assert files["indexed"] == report.files.indexed == 22
    assert files["skipped"] == report.files.skipped == 1
    assert seen[Key("spelunk_index_chunks_total")] == report.chunks
    assert seen[Key("spelunk_index_bytes_total")] == report.bytes
    assert seen[Key("spelunk_index_generation")] == report.generation
    assert seen[Key("spelunk_index_lag_files")] == seen[Key("spelunk_index_queue_files")] == 0
    assert seen[Key("spelunk_index_memory_peak_bytes")] == report.peak_rss_bytes > 0
    assert 0 < seen[Key("spelunk_index_worker_busy_ratio")] <= 1
    assert Key("spelunk_run_info", (("run_id", report.run_id), ("command", "index"), ("mode", mode))) in seen
    for stage in ("read", "chunk", "tokenise", "embed", "walk", "write", "publish"):
        assert seen[Key("spelunk_index_stage_seconds_total", (("stage", stage),))] > 0
    started = seen.get(Key("spelunk_index_worker_starts_total", (("how", "fork"),)), 0)
    started += seen.get(Key("spelunk_index_worker_starts_total", (("how", "spawn"),)), 0)
    assert started == (2 if mode == "parallel" else 0)


def test_an_unchanged_folder_is_counted_and_known_to_be_current(tree: Path) -> None:
    index = Index.open(tree)
    index.update()

    seen = counted(index)

    assert seen[Key("spelunk_index_files_total", (("result", "unchanged"),))] == 22
    assert Key("spelunk_index_files_total", (("result", "indexed"),)) not in seen
    assert seen[Key("spelunk_index_current_timestamp_seconds")] > 0
    assert seen[Key("spelunk_index_last_run_success")] == 1


def test_removed_and_failed_files_are_counted(tree: Path) -> None:
    index = Index.open(tree)
    index.update()
    (tree / "core.c").unlink()
    heard: list[events.Event] = []
    metrics = Metrics("index")
    metrics(events.FileFailed("secret/name.py", "read", "permission denied"))
    index.observer = lambda event: (heard.append(event), metrics(event))[0]  # type: ignore[func-returns-value]

    index.update()

    seen = metrics.values()
    assert seen[Key("spelunk_index_files_total", (("result", "removed"),))] == 1
    assert seen[Key("spelunk_index_errors_total", (("stage", "read"),))] == 1
    assert not any("secret" in str(key) for key in seen)
    assert isinstance(heard[0], events.RunStarted) and isinstance(heard[-1], events.RunEnded)


def test_a_search_is_counted_by_its_mode_and_without_its_query(tree: Path) -> None:
    index = Index.open(tree)
    index.update()
    metrics = Metrics("search")
    index.observer = metrics

    index.search("flush queue", mode="lexical")
    index.search("flush queue", mode="lexical")

    seen = metrics.values()
    assert seen[Key("spelunk_search_seconds_count", (("mode", "lexical"),))] == 2
    assert seen[Key("spelunk_search_seconds_bucket", (("mode", "lexical"), ("le", "+Inf")))] == 2
    assert not any("flush" in str(key) for key in seen)


def test_a_busy_index_counts_a_refusal_and_tells_nothing_of_the_state(tree: Path) -> None:
    index = Index.open(tree)
    index.update()
    lock = WriterLock(index.directory)
    lock.acquire("another")
    metrics = Metrics("index")
    index.observer = metrics
    try:
        with pytest.raises(IndexBusyError):
            index.update()
    finally:
        lock.release()

    seen = metrics.values()
    assert seen[Key("spelunk_index_runs_total", (("outcome", "busy"),))] == 1
    assert Key("spelunk_index_running") not in seen and Key("spelunk_index_last_run_success") not in seen


def test_breakers_retries_and_missing_vectors_are_counted() -> None:
    metrics = Metrics("index")

    metrics(events.CallRetried("embedder", 1, 0.5, "503"))
    metrics(events.BreakerChanged("embedder", "open", "5 failures"))
    metrics(events.BreakerChanged("embedder", "half-open"))
    metrics(events.VectorsPending(12))

    seen = metrics.values()
    states = {k.labels[1][1]: v for k, v in seen.items() if k.name == "spelunk_breaker_state"}
    assert states == {"closed": 0, "open": 0, "half-open": 1}
    assert seen[Key("spelunk_retries_total", (("name", "embedder"),))] == 1
    assert seen[Key("spelunk_index_pending_vectors")] == 12


def test_stages_of_failures_are_those_of_the_source() -> None:
    source = "".join(p.read_text() for p in (TOP / "src" / "spelunk").rglob("*.py"))
    written = set(re.findall(r"Failed\([^()]*?(?:\([^()]*\))?[^()]*?, \"(\w+)\",", source))
    written |= set(re.findall(r"failed\.append\(\(i, \"(\w+)\"", source)) | set(
        re.findall(r"\[\(0, \"(\w+)\"", source)
    )

    assert {"read", "chunk", "worker", "discover"} <= written <= set(FAILURE_STAGES)


# The file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spelunk.prom"


def test_counters_go_on_and_gauges_are_replaced(file: Path) -> None:
    for generation, chunks in ((1, 10), (2, 5)):
        metrics = Metrics("index")
        metrics(events.RunStarted(f"run-{generation}", "/r", "index", {}))
        metrics(events.PieceTaken(1, 0, 0, 0, chunks, 100, (0.1, 0.1, 0.1, 0.1)))
        metrics(events.Published(generation, 1, chunks, 0.02))
        TextFile(str(file), metrics, "w").write()

    seen = read(file)
    assert value(seen, "spelunk_index_chunks_total") == 15
    assert value(seen, "spelunk_index_publish_seconds_count") == 2
    assert value(seen, "spelunk_index_generation") == 2
    assert [dict(labels)["run_id"] for name, labels in seen if name == "spelunk_run_info"] == ["run-2"]


def test_writing_again_adds_only_what_is_new(file: Path) -> None:
    metrics = Metrics("index")
    text = TextFile(str(file), metrics, "w")
    for _ in range(3):
        metrics(events.PieceTaken(1, 0, 0, 0, 2, 100, (0.1, 0.1, 0.1, 0.1)))
        text.write()

    assert value(read(file), "spelunk_index_chunks_total") == 6


def test_a_search_leaves_the_gauges_of_an_update_alone(file: Path) -> None:
    update = Metrics("index")
    update(events.Published(7, 1, 1, 0.1))
    TextFile(str(file), update, "w").write()
    search = Metrics("search")
    search(events.Searched("regex", 0.003, 1, None))
    TextFile(str(file), search, "w").write()

    seen = read(file)
    assert value(seen, "spelunk_index_generation") == 7
    assert value(seen, "spelunk_search_seconds_count", mode="regex") == 1


def test_workspaces_share_a_file_without_mixing(file: Path) -> None:
    for name, chunks in (("a", 1), ("b", 2)):
        metrics = Metrics("index")
        metrics(events.PieceTaken(1, 0, 0, 0, chunks, 1, (0.0, 0.0, 0.0, 0.0)))
        TextFile(str(file), metrics, name).write()

    lines = file.read_text().splitlines()
    assert 'spelunk_index_chunks_total{workspace="a"} 1.0' in lines
    assert 'spelunk_index_chunks_total{workspace="b"} 2.0' in lines
    assert sum(line.startswith("# TYPE spelunk_index_chunks_total") for line in lines) == 1


def _count(path: str, workspace: str, times: int) -> None:
    metrics = Metrics("search")
    text = TextFile(path, metrics, workspace)
    for _ in range(times):
        metrics(events.Searched("hybrid", 0.004, 3, None))
        text.write()


def test_processes_that_write_at_once_lose_nothing(file: Path) -> None:
    start = multiprocessing.get_context("spawn").Process
    processes = [start(target=_count, args=(str(file), f"w{n % 2}", 15)) for n in range(4)]
    for process in processes:
        process.start()
    read_meanwhile = 0
    while any(p.is_alive() for p in processes):
        if file.exists():
            read(file)  # never half a file
            read_meanwhile += 1
    for process in processes:
        process.join()

    assert [p.exitcode for p in processes] == [0] * 4
    total = 0.0
    for family in text_string_to_metric_families(file.read_text()):
        total += sum(
            s.value
            for s in family.samples
            if s.name == "spelunk_search_seconds_count" and s.labels["mode"] == "hybrid"
        )
    assert total == 60
    assert read_meanwhile > 0
    assert [p.name for p in file.parent.iterdir()] == [file.name]  # nothing left aside


@pytest.mark.parametrize(
    "content",
    [
        b"# Notes\n\nnot metrics at all\n",
        b"# Notes\n",
        b"node_load1 0.5\n",
        b"\xff\xfe\0",
        b'spelunk_x{a="b 1\n',
    ],
)
def test_a_file_of_something_else_is_refused_and_kept(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(UsageError, match="something else"):
        TextFile(str(file), Metrics("index"), "w")
    assert file.read_bytes() == content


def test_a_file_that_cannot_be_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "x.prom", tmp_path):
        with pytest.raises(UsageError, match="metrics file"):
            TextFile(str(path), Metrics("index"), "w")


def test_a_disk_that_refuses_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics("index")
    text = TextFile(str(file), metrics, "w")
    text.write()
    before = file.read_bytes()
    metrics(events.Published(1, 1, 1, 0.1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        with pytest.raises(StorageError, match="No space"):
            text.write()

    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    text.write()
    assert value(read(file), "spelunk_index_generation") == 1


def test_metrics_of_an_older_version_are_left_behind(file: Path) -> None:
    file.write_text('# TYPE spelunk_gone gauge\nspelunk_gone{workspace="w"} 1\n')

    TextFile(str(file), Metrics("index"), "w").write()

    assert "spelunk_gone" not in file.read_text()


def test_the_surrounding_program_may_use_multiprocess_mode(tree: Path, file: Path, tmp_path: Path) -> None:
    shared = tmp_path / "multiprocess"
    shared.mkdir()
    code = (
        "import sys; from spelunk.cli import main; "
        f"sys.exit(main(['index', {str(tree)!r}, '-q', '--metrics-file', {str(file)!r}]))"
    )

    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(shared)}, check=True
    )

    assert value(read(file), "spelunk_index_files_total", result="indexed") == 22
    assert list(shared.iterdir()) == []


# No cost without them


@pytest.mark.parametrize("command", [["index"], ["search", "flush"], ["status"]])
def test_without_the_flags_nothing_of_it_is_imported(tree: Path, command: list[str]) -> None:
    code = (
        "import sys; from spelunk.cli import main; status = main(sys.argv[1:]); "
        "print([m for m in sys.modules if m.startswith('prometheus_client') "
        "or m in ('spelunk.observe.metrics', 'spelunk.observe.prometheus', 'logging')], file=sys.stderr)"
    )
    subprocess.run([sys.executable, "-c", code, "index", "-q"], cwd=tree, check=True)

    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=tree, capture_output=True, text=True, check=True
    )

    assert done.stderr.splitlines()[-1] == "[]"


def test_a_search_that_nobody_watches_imports_no_events(tree: Path) -> None:
    code = (
        "import sys; from spelunk.cli import main; main(['search', 'flush', '-q']); "
        "print([m for m in ('spelunk.observe.events', 'spelunk.observe.logs') if m in sys.modules], file=sys.stderr)"
    )
    subprocess.run([sys.executable, "-m", "spelunk", "index", "-q"], cwd=tree, check=True)

    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"


# What Prometheus thinks of it, the docs, the dashboard


def everything() -> Metrics:
    """Metrics in which every series there can be has been touched."""
    metrics = Metrics("index", "20260311T104755Z-9e2b482a")
    for event in (
        events.RunStarted("20260311T104755Z-9e2b482a", "/r", "index", {"memory_limit": 1 << 30}),
        events.Planned(4, 3, 1, 1, 1, 1, 1000),
        events.WorkersChosen("parallel", 2),
        events.WorkerStarted(1, "fork"),
        events.WorkerDied(1, "killed", "worker killed by SIGKILL", 3),
        events.MemorySampled(1 << 20, 1 << 30),
        events.MemoryHigh(1 << 30, 1 << 30, 1),
        events.PieceTaken(1, 1, 1, 1, 10, 1000, (0.1, 0.2, 0.3, 0.4)),
        events.FileFailed("p", "read", "e"),
        events.StageEnded("walk", 0.1),
        events.Published(3, 4, 10, 0.02),
        events.Searched("hybrid", 0.004, 3, "no vectors"),
        events.CallRetried("embedder", 1, 0.5, "503"),
        events.BreakerChanged("embedder", "open", "5 failures"),
        events.VectorsPending(12),
        events.HistoryUpdated(9, 2, 0, 0, 0.1),
        events.HistoryUpdated(0, 0, 0, 0, 0.1, "no git"),
        events.RunEnded(events.DONE, 1.5, 3),
    ):
        metrics(event)
    return metrics


def test_every_instrument_can_be_counted() -> None:
    names = {family_of(key.name) for key in labelled(everything().values(), "w")}

    assert names == set(INSTRUMENTS)


def test_series_are_few() -> None:
    assert len(list(at_zero())) < 200


def test_names_follow_the_conventions() -> None:
    for i in INSTRUMENTS:
        assert re.fullmatch(r"spelunk_[a-z_]+", i.name)
        assert i.name.endswith("_total") == (i.kind == COUNTER)
        assert not {"path", "query", "file", "root"} & set(i.labels)


def promtool(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *args], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload, no-any-return]


needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian: prometheus)")


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_file(file: Path) -> None:
    TextFile(str(file), everything(), "tree-0123").write()

    done = promtool("check", "metrics", input=file.read_text())

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_has_every_metric_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(spelunk_\w+)` \| (\w+) \| (.*?) \|", (TOP / "docs" / "metrics.md").read_text(), re.M
    )

    assert {name for name, _, _ in rows} == set(BY_NAME) and len(rows) == len(BY_NAME)
    for name, kind, labels in rows:
        known = BY_NAME[name]
        assert kind == known.kind, name
        named = re.findall(r"`([\w-]+)`", labels)
        assert set(known.labels) <= set(named), name
        if ":" in labels and len(known.labels) == 1:
            assert set(named) - set(known.labels) == set(known.values), name


DASHBOARD = json.loads((TOP / "docs" / "grafana" / "spelunk.json").read_text())


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    yield from re.findall(r"expr: (.+)", (TOP / "docs" / "metrics.md").read_text())


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_uses_metrics_and_labels_that_exist(expression: str) -> None:
    names = re.findall(r"\b(spelunk_\w+)", expression)
    labels = {"workspace", "le"}
    for name in names:
        known = family_of(name)
        assert known is not None, name
        labels |= set(known.labels)
    used = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
    used |= {n.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for n in group.split(",")}

    assert names and used <= labels


def test_the_dashboard_shows_every_metric_and_its_panels_do_not_overlap() -> None:
    shown = {family_of(n) for e in expressions() for n in re.findall(r"\b(spelunk_\w+)", e)}
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        area = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not area & cells and at["x"] + at["w"] <= 24
        cells |= area

    assert {i.name for i in INSTRUMENTS} - {i.name for i in shown if i} == {
        "spelunk_index_last_publish_timestamp_seconds"
    }
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@needs_promtool
def test_promtool_parses_every_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{n}", "expr": e.replace("$__rate_interval", "5m").replace("$workspace", ".*")}
        for n, e in enumerate(expressions())
    ]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = promtool("check", "rules", str(tmp_path / "rules.json"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


# A provider that fails


def test_a_provider_that_fails_and_heals_is_told_and_counted(tree: Path, file: Path) -> None:
    heard: list[events.Event] = []
    metrics = Metrics("index")
    settings = {
        "embedder": "api:m", "retry_attempts": 2, "retry_wait": 0.01, "retry_max_wait": 0.02, "breaker_failures": 3,
        "breaker_wait": 0, "embedding_concurrency": 2, "embedding_timeout": 30,
    }  # fmt: skip
    with Provider() as provider:
        provider.behave = lambda handler, texts: handler.send(503, b"overloaded") is None
        told = broadcast(heard.append, metrics)
        index = Index.open(tree, observer=told, **settings, embedding_url=provider.url)
        chunks = index.update().chunks
        waiting = metrics.values()[Key("spelunk_index_pending_vectors")]
        provider.behave = lambda handler, texts: False
        index.update()

    states = [e.state for e in heard if isinstance(e, events.BreakerChanged)]
    retried = [e for e in heard if isinstance(e, events.CallRetried)]
    assert states[0] == "open" and states[-1] == "closed" and "half-open" in states
    assert retried and all(e.name == "embedder" and "503" in e.reason for e in retried)
    seen = metrics.values()
    assert waiting == chunks > 0 and seen[Key("spelunk_index_pending_vectors")] == 0
    assert seen[Key("spelunk_breaker_state", (("name", "embedder"), ("state", "closed")))] == 1
    assert seen[Key("spelunk_retries_total", (("name", "embedder"),))] == len(retried)
    assert not any(provider.url in str(key) for key in seen)


def test_a_breaker_that_is_open_is_shown_by_a_run_that_asks_no_provider(tree: Path, file: Path) -> None:
    index = Index.open(tree)
    index.update()
    breaker = {"state": "open", "failures": 5, "opened": time.time(), "rest": 3600.0, "reason": "503"}
    (Path(index.directory) / "breakers.json").write_text(json.dumps({"embedder": breaker}))

    subprocess.run(
        [sys.executable, "-m", "spelunk", "index", str(tree), "-q", "--metrics-file", str(file)], check=True
    )

    assert value(read(file), "spelunk_breaker_state", name="embedder", state="open") == 1

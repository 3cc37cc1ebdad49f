"""``spelunk bench``: each benchmark runs for real on a small folder, and says what it measured."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from spelunk.bench import sample
from spelunk.bench.chart import draw
from spelunk.bench.measure import Chart, compare, in_turn, percentile
from spelunk.cli import main
from spelunk.cli.commands.bench import BENCHMARKS
from spelunk.errors import SpelunkError
from spelunk.io.cache_dir import index_home

WORDS = ("parse", "render", "flush", "merge", "queue", "batch", "index", "token", "route", "cache", "frame", "node")  # fmt: skip
TIMING = {"seconds", "speedup", "min", "max"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve files in which each word has its function."""
    root = tmp_path / "corpus"
    for n, word in enumerate(WORDS):
        at = root / f"part{n % 3}" / f"{word}.py"
        at.parent.mkdir(parents=True, exist_ok=True)
        other = WORDS[(n + 1) % len(WORDS)]
        at.write_text(
            f'"""About the {word}."""\n\n\ndef {word}_all(items, limit):\n'
            f"    # {word} every item before the {other}\n    return [{other}(item) for item in items[:limit]]\n"
        )
    return root


def bench(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Run with ``--json``; the object, its envelope checked."""
    status = main(["bench", *words, "--json"])
    out = capsys.readouterr().out

    assert status == 0
    made = json.loads(out)
    assert set(made) == {"schema_version", "benchmark", "folder", "machine", "about", "results"}
    assert (made["schema_version"], made["benchmark"], made["folder"]) == (1, words[0], "corpus")
    assert set(made["machine"]) == {"cores", "cpu", "system", "python", "spelunk", "load"}
    assert made["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert made["results"]
    return dict(made)


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(root.rglob("*")) if p.is_file()}


def test_parallel(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(capsys, "parallel", str(folder), "--files", "5,12", "--workers", "2", "--rounds", "2")

    assert made["about"] == {"files_available": 12}
    assert [(r["files"], r["variant"], r["workers"]) for r in made["results"]] == [
        (5, "sequential", 1), (5, "auto", 1), (5, "workers=2", 2),
        (12, "sequential", 1), (12, "auto", 1), (12, "workers=2", 2),
    ]  # fmt: skip
    for row in made["results"]:
        assert set(row) == {"files", "variant", "workers", "efficiency", "rounds"} | TIMING
        assert row["rounds"] == 2 and row["seconds"] > 0
        assert row["min"] <= row["speedup"] <= row["max"]
        assert row["efficiency"] == pytest.approx(row["speedup"] / row["workers"], abs=0.001)
    assert all(r["speedup"] == 1 for r in made["results"] if r["variant"] == "sequential")


def test_incremental(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(capsys, "incremental", str(folder), "--files", "10", "--changed", "1,4", "--rounds", "1")

    assert [(r["update"], r["indexed"]) for r in made["results"]] == [
        ("full build", 10), ("nothing changed", 0), ("1 file changed", 1), ("4 files changed", 4),
    ]  # fmt: skip
    assert all(set(r) == {"files", "update", "indexed", "rounds"} | TIMING for r in made["results"])


def test_memory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(capsys, "memory", str(folder), "--files", "12")

    assert [(r["files"], r["variant"]) for r in made["results"]] == [(12, "sequential"), (12, "auto")]
    for row in made["results"]:
        assert set(row) == {
            "files", "variant", "pss_mib", "pss_anonymous_mib", "rss_mib", "reported_mib", "workers", "chunks",
            "seconds", "to_sequential", "rounds",
        }  # fmt: skip
        assert 5 < row["pss_anonymous_mib"] <= row["pss_mib"] <= row["rss_mib"] < 2000
        assert row["chunks"] >= 12


def test_io(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(capsys, "io", str(folder), "--files", "10", "--rounds", "1")

    assert made["about"]["files"] == 10
    assert [(r["what"], r["cache"], r.get("at_a_time")) for r in made["results"]] == [
        *(("read", cache, n) for cache in ("cold", "warm") for n in (1, 2, 4, 8)),
        ("index", "cold", None), ("index", "warm", None),
    ]  # fmt: skip
    for row in made["results"]:
        assert row["seconds"] > 0 and row["files_per_second"] > 0
    assert all(r["from_disk"] == 0 for r in made["results"] if r["what"] == "read" and r["cache"] == "warm")


def test_io_takes_one_sample(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "io", str(folder), "--files", "5,10"]) == 2
    assert "one number" in capsys.readouterr().err


def test_memory_counts_children(tmp_path: Path) -> None:
    import subprocess
    import sys

    from spelunk.bench.memory import sizes, tree

    inner = "b = bytearray(64 << 20); b[::4096] = b'x' * len(b[::4096]); print('held', flush=True); input()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        pids = tree(process.pid)
        assert len(pids) == 2
        assert sum(sizes(pid)[0] for pid in pids) > 64 << 20 > sizes(process.pid)[0]
    finally:
        process.communicate(b"\n")


def test_search(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queries = tmp_path / "queries.txt"
    queries.write_text('flush every item\n\n{"query": "merge_all", "relevant": []}\n')

    made = bench(capsys, "search", str(folder), "--queries", str(queries), "--rounds", "1")

    assert made["about"] == {"chunks": 12, "queries": 2, "rounds": 1, "embedder": "static"}
    rows = {r["what"]: r for r in made["results"]}
    assert list(rows) == ["hybrid", "lexical", "semantic", "symbol", "regex", "import numpy", "warm command"]
    assert all(r["p50_ms"] <= r["p95_ms"] <= r["max_ms"] for r in rows.values())
    assert rows["hybrid"]["found"] == rows["regex"]["found"] == 1 and rows["symbol"]["found"] == 0.5
    assert rows["warm command"]["to_import"] > 0


def test_search_makes_up_questions_that_find_something(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bench(capsys, "search", str(folder), "--modes", "lexical", "--rounds", "1")

    assert made["about"]["queries"] == 12
    assert made["results"][0]["what"] == "lexical" and made["results"][0]["found"] == 1


def test_embed_of_an_embedder_in_workers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench(capsys, "embed", str(folder), "--embedder", "hashed", "--rounds", "1", "--chunks", "8")

    assert made["about"]["chunks"] == 8 and made["about"]["embedder"].startswith("hashed-")
    assert [r["variant"] for r in made["results"]][:2] == ["one at a time", "2 processes"]
    for row in made["results"]:
        assert set(row) == {
            "variant", "processes", "callers", "chunks_per_second", "mb_per_second",
            "efficiency", "cpu_seconds",
        } | TIMING  # fmt: skip
        assert row["chunks_per_second"] > 0 and row["cpu_seconds"] > 0


def test_the_workspace_and_the_home_are_only_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(folder)

    bench(capsys, "search", str(folder), "--modes", "lexical", "--rounds", "1")
    bench(capsys, "incremental", str(folder), "--files", "4", "--changed", "2", "--rounds", "1")

    assert snapshot(folder) == before
    assert not os.path.exists(index_home())


def test_the_table_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "incremental", str(folder), "--files", "3", "--changed", "1", "--rounds", "1"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bench incremental: corpus, rounds 1") and " cores, " in lines[1]
    assert lines[3].split()[:2] == ["files", "update"]
    assert [line.split()[0] for line in lines[4:]] == ["3", "3", "3"]


def test_the_plot_is_svg_with_every_value(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    file = tmp_path / "out.svg"

    made = bench(capsys, "memory", str(folder), "--files", "3,6", "--plot", str(file))

    drawn = ET.fromstring(file.read_text())
    said = ["".join(e.itertext()) for e in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"3 files", "6 files", "sequential", "auto"} <= set(said)
    assert all(f"{row['pss_mib']:g}" in said for row in made["results"])


# Bad input


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "invalid choice: 'nothing'"),
        ([], "required: WHAT"),
        (["parallel", "nowhere"], "nowhere: no such folder"),
        (["parallel", "--files", "13"], "--files 13: only 12 files here"),
        (["parallel", "--files", "0"], "0 is less than 1"),
        (["parallel", "--files", "a,b"], "'a' is not a whole number"),
        (["parallel", "--workers", "99"], "--workers 99: at most 16"),
        (["parallel", "--embedder", "hashed"], "--embedder is for bench embed and search, not for bench parallel"),
        (["search", "--modes", "lexical,fast"], "--modes fast: use some of hybrid"),
        (["search", "--queries", "absent"], "absent: cannot be read"),
        (["embed", "--embedder", "nothing"], "unknown embedder 'nothing'"),
        (["memory", "--plot", "x.png"], "only SVG is drawn"),
        (["memory", "--plot", "nowhere/x.svg"], "cannot be written there"),
        (["memory", "--memory-limit", "1MiB", "--files", "2"], "a memory limit of 1.0 MiB is too small"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    words: list[str],
    told: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)

    assert main(["bench", *words]) == 2

    caught = capsys.readouterr()
    assert caught.out == "" and len(caught.err.splitlines()) == 1 and told in caught.err


def test_an_empty_folder_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in BENCHMARKS:
        assert main(["bench", what, str(tmp_path)]) == 2
        assert "no files to measure with" in capsys.readouterr().err


def test_an_embedder_that_fails_in_its_process_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk.bench import embed
    from spelunk.config import Options

    with pytest.raises(SpelunkError, match="unknown embedder 'nothing'"):
        embed.go(embed.Arrangement("x", processes=2), Options(embedder="nothing"), ["a text"] * 4)


# The tools


def test_variants_take_turns_and_change_direction() -> None:
    ran: list[str] = []

    def variant(name: str) -> Any:
        return lambda: ran.append(name) or float(len(ran))

    times = in_turn({n: variant(n) for n in "abc"}, 3)

    assert "".join(ran) == "abccbaabc"
    assert times == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


def test_ratios_are_taken_within_a_round() -> None:
    found = compare({"base": [1.0, 10.0, 3.0], "fast": [0.5, 5.0, 1.0]}, "base")

    assert (found["base"].ratio, found["base"].seconds) == (1, 3)
    assert (found["fast"].ratio, found["fast"].low, found["fast"].high) == (2, 2, 3)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 21)]

    assert (percentile(values, 0.95), percentile(values, 0.5), percentile(values, 1)) == (19, 10, 20)
    assert percentile([7.0], 0.95) == 7


def test_samples_are_spread_and_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    found = sample.candidates(str(folder))

    one, two = (sample.copy(str(folder), found, 6, str(tmp_path / name)) for name in "ab")

    def names(root: str) -> list[str]:
        return sorted(str(p.relative_to(root)) for p in Path(root).rglob("*.py"))

    assert names(one) == names(two) and len(names(one)) == 6
    assert {n.split("/")[0] for n in names(one)} == {"part0", "part1", "part2"}


def test_usual_samples_are_those_there_are_files_for() -> None:
    assert sample.counts((), 99) == [99]
    assert sample.counts((), 5_000) == [100, 1_000]
    assert sample.counts((7, 3), 10) == [3, 7]


def test_a_chart_escapes_and_leaves_out_what_is_not_there() -> None:
    chart = Chart("a < b", "s & t", ("one", "<two>"), {"x": [0.5, None], "y": [2.0, 0.0]})

    drawn = ET.fromstring(draw(chart, "caption & more"))

    bars = [e for e in drawn.iter("{http://www.w3.org/2000/svg}rect") if len(e)]
    assert len(bars) == 3
    heights = {e[0].text: float(e.get("height") or 0) for e in bars}
    assert heights["one y: 2"] == pytest.approx(4 * heights["one x: 0.5"], abs=0.2)
    assert heights["<two> y: 0"] == 0

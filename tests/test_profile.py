"""The profile of a run: every stage and language, nothing counted twice, nothing measured where it is not asked for."""

from __future__ import annotations

import gc
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from spelunk import Index
from spelunk.errors import MemoryLimitError
from spelunk.observe.profile import IDLE, NO_LAPS, START_UP, THREADS, WAIT, WORKER_STAGES, Laps
from spelunk.present.profile import profile_text
from spelunk.types import StageTime

REPOSITORY = Path(__file__).parent.parent
FILES = {
    **{
        f"code/m{n}.py": f"import os\n\nclass C{n}:\n    def run(self):\n        return os.getcwd({n})\n"
        for n in range(150)
    },
    "docs/a.md": "# Title\n\nSome words.\n",
    "c/x.c": '#include <stdio.h>\nint main(void) { return puts("x"); }\n',
    "empty.py": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def profiled(tree: Path, **settings: Any) -> tuple[Any, dict[tuple[str, str], StageTime]]:
    with Index.open(tree, **settings) as index:
        report = index.update(profile=True)
    return report, {(s.stage, s.language): s for s in report.profile}


@pytest.mark.parametrize("settings", [{"mode": "sequential"}, {"mode": "parallel", "workers": 2}])
def test_every_stage_has_the_languages_and_files_of_the_run(tree: Path, settings: dict[str, Any]) -> None:
    report, rows = profiled(tree, **settings)

    assert len(rows) == len(report.profile)
    for stage in WORKER_STAGES[:-1]:
        assert {language for name, language in rows if name == stage} >= {"python", "markdown", "c"}, stage
    parsed = {language: row.files for (stage, language), row in rows.items() if stage == "parse"}
    assert parsed == {"python": 150, "markdown": 1, "c": 1}
    assert sum(row.bytes for row in report.profile if row.stage == "parse") == report.bytes
    names = {row.stage for row in report.profile}
    assert names >= {
        START_UP,
        "walk",
        "plan",
        "manifest",
        "full text",
        "vectors",
        "commit full text",
        THREADS,
    }
    parallel = settings["mode"] == "parallel"
    assert ({"send", "receive", IDLE, WAIT} <= names) is parallel


def test_the_stages_of_one_process_share_out_its_time(tree: Path) -> None:
    report, rows = profiled(tree, mode="sequential")

    ours = [row for (stage, _), row in rows.items() if stage != START_UP and not row.inside]
    wall = sum(row.wall for row in ours)
    assert wall == pytest.approx(report.seconds, rel=0.2, abs=0.1)
    assert all(row.wall >= 0 and row.cpu >= 0 for row in report.profile)


def test_without_it_nothing_is_measured(tree: Path) -> None:
    with Index.open(tree, mode="sequential") as index:
        report = index.update()

    assert report.profile == ()
    NO_LAPS.lap("x")
    NO_LAPS.add_all([("x", "", 1, 1, 1.0, 1.0)])
    assert NO_LAPS.take() == []


def test_a_failed_run_leaves_the_collector_alone(tree: Path) -> None:
    before = list(gc.callbacks)
    with Index.open(tree, memory_limit="1MiB") as index, pytest.raises(MemoryLimitError):
        index.update(profile=True)
    assert gc.callbacks == before


def test_laps_add_up_by_stage_and_language() -> None:
    laps, other = Laps(), Laps()
    laps.lap("parse", "c", 1, 10)
    laps.lap("parse", "c", 2, 20)
    laps.share("embed", {"c": 3, "go": 1})
    other.add_all(laps.take())

    rows = {(row[0], row[1]): row for row in other.take()}

    assert laps.take() == []
    assert rows["parse", "c"][2:4] == (3, 30)
    assert rows["embed", "c"][4] == pytest.approx(3 * rows["embed", "go"][4])


def test_the_text_names_stages_and_languages() -> None:
    rows = [
        StageTime("parse", "python", 2, 3_000_000, 1.0, 0.75),
        StageTime("parse", "c", 1, 1_000_000, 0.25, 0.25),
        StageTime("fsync", "", 0, 0, 0.5, 0.0, True),
    ]

    lines = [line.split() for line in profile_text(rows).splitlines()]

    assert ["parse", "1.250", "1.000", "100.0"] in lines
    assert ["fsync", "(in", "the", "others)", "0.500", "0.000", "0.0"] in lines
    assert ["total", "1.000", "100.0"] in lines
    assert ["python", "2", "3.0", "0.750", "0.750"] in lines


def test_the_command_prints_it(tree: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spelunk", "index", str(tree), "--index-dir", str(tmp_path / "ix")]

    report = json.loads(
        subprocess.run([*command, "--profile", "--json"], capture_output=True, check=True).stdout
    )
    text = subprocess.run(
        [*command, "--rebuild", "--profile"], capture_output=True, text=True, check=True
    ).stdout
    plain = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)

    keys = {"stage", "language", "files", "bytes", "wall_seconds", "cpu_seconds", "inside"}
    assert all(set(row) == keys for row in report["profile"])
    assert report["profile"][0]["stage"] == "read"
    assert "profile" not in plain
    assert "relations" in text
    assert "python" in text


def compare() -> ModuleType:
    path = REPOSITORY / "benchmarks" / "compare.py"
    spec = importlib.util.spec_from_file_location("compare", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_comparison_finds_the_loss_and_only_that() -> None:
    tool = compare()
    fast, slow = tool.Run(1.0, 100, 50.0, 5.0, 1.0, 7), tool.Run(1.2, 101, 50.0, 5.0, 9.0, 7)

    row = tool.judge([fast] * 3, [slow, slow, fast], 1.05, tool.METRICS[:-1])

    assert row["loss"] == ["cpu_s"]
    assert row["cpu_s"] == [1.0, 1.2, 1.2]
    assert tool.judge([slow], [fast], 1.05, tool.METRICS)["loss"] == []
    assert "wall_s" in tool.judge([fast], [slow], 1.05, tool.METRICS)["loss"]
    uncounted = tool.judge([fast._replace(instructions=None)], [slow], 1.05, tool.METRICS)
    assert "instructions" not in uncounted


def test_a_comparison_runs_a_revision_against_the_working_tree(tree: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "compare.py"), ".", ".", str(tree)]

    done = subprocess.run(
        [*command, "--rounds", "1", "--limit", "99"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["corpus"] == "tree"
    assert row["chunks"][0] == row["chunks"][1] > 0
    assert {"cpu_s", "memory_mib", "disk_mib", "wall_s"} <= set(row)

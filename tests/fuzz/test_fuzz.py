"""No input crashes, hangs or fills the memory; the long part makes ten thousand for each target."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.run import SLOW, run
from tests.fuzz.targets import CHUNKERS, TARGETS

FEW = 200
MANY = 10_000


@pytest.mark.parametrize("target", [t for t in TARGETS if not t.startswith("chunks ")])
def test_some_inputs(target: str) -> None:
    outcome = run(target, FEW, first=1_000_000)

    assert not outcome.failures
    assert outcome.inputs == FEW


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_inputs(target: str) -> None:
    count = int(MANY * SLOW.get(target, 1))

    outcome = run(target, count)

    print(f"{target}: {outcome.inputs} inputs in {outcome.seconds} s")
    assert not outcome.failures, "\n".join(outcome.failures)
    assert outcome.inputs == count


def test_a_target_that_writes_outside_through_a_link_is_stopped(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    (other / "precious").write_text("kept")
    (mine / "link").symlink_to(other / "precious")
    (mine / "folder").symlink_to(other)
    code = f"""
import os
from pathlib import Path
from tests.confine import OutsideError, confine
from tests.fuzz.generators import put
mine, other = Path({str(mine)!r}), Path({str(other)!r})
confine(str(mine))
put(mine / "new", b"x")
for path in ("new", "link", "folder/new"):
    try:
        put(mine / path, b"lost")
    except OSError:
        continue
    raise SystemExit(path)
for change in (
    lambda: (mine / "link").write_text("lost"), lambda: open(mine / "link", "a"), lambda: open(mine / "link", "r+"),
    lambda: (mine / "folder" / "new").write_text("lost"), lambda: (mine / "folder" / "new").mkdir(),
    lambda: (other / "precious").unlink(), lambda: os.rename(other / "precious", mine / "stolen"),
    lambda: os.truncate(mine / "link", 0), lambda: (mine / "link").chmod(0), lambda: (other / "new").touch(),
):
    try:
        change()
    except OutsideError:
        continue
    raise SystemExit("not stopped")
(mine / "new").unlink()
(mine / "link").unlink()
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [p.name for p in other.iterdir()] == ["precious"]
    assert (other / "precious").read_text() == "kept"
    assert [p.name for p in mine.iterdir()] == ["folder"]


def test_every_chunker_is_fuzzed() -> None:
    assert {f"chunks {language}" for language in CHUNKERS} <= set(TARGETS)

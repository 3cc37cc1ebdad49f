"""Questions about symbols measured: names asked in one open index, and from a saved edit to an answer that knows it.

python -m benchmarks.graph.latency questions FOLDER NAME...   of a finished index, which is not brought up to date
python -m benchmarks.graph.latency edits COPY [SAVES]         edits Python files of COPY beside `spelunk watch`
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.mcp import resident
from benchmarks.watch import Watcher, until

from spelunk import Index

ROUNDS = 3
"""Times that each name is asked; the first one is told apart."""
QUESTIONS = ("references", "callers")
_TOP_FUNCTION = re.compile(r"^def (\w+)\(", re.MULTILINE)


def spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {str(p): round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in (50, 90, 100)}


def questions(folder: str, names: Sequence[str]) -> dict[str, Any]:
    index = Index.open(folder)
    index.definition("main", refresh=False)
    before = resident(os.getpid())
    out: dict[str, Any] = {"load": os.getloadavg()}
    for what in QUESTIONS:
        for turn in range(ROUNDS):
            wall: dict[str, float] = {}
            cpu: dict[str, float] = {}
            for name in names:
                began, used = time.perf_counter(), time.process_time()
                getattr(index, what)(name, refresh=False)
                wall[name] = round((time.perf_counter() - began) * 1000, 1)
                cpu[name] = round((time.process_time() - used) * 1000, 1)
            key = "first" if not turn else f"again {turn}"
            out[f"{what}, {key}"] = {
                "wall_ms": spread([*wall.values()]),
                "cpu_ms": spread([*cpu.values()]),
                "each_cpu_ms": cpu,
            }
    out["resident_mib"] = [before, resident(os.getpid())]
    return out


def edits(folder: str, saves: int, out: Path) -> dict[str, Any]:
    watcher = Watcher(folder, out)
    root, chance, words = Path(folder), random.Random(3), random.Random()
    files = sorted(p for p in root.rglob("*.py") if _TOP_FUNCTION.search(p.read_text("utf-8", "replace")))
    index = Index.open(folder)
    took: list[float] = []
    never = 0
    for _ in range(saves):
        file = chance.choice(files)
        text = file.read_text("utf-8", "replace")
        target = chance.choice([*_TOP_FUNCTION.finditer(text)])
        caller = "zq" + "".join(words.choices("bcdfghjklmnpqrstvwxz", k=12))
        place = f"{file.relative_to(root).as_posix()}:{text.count(chr(10), 0, target.start()) + 1}"
        began = time.perf_counter()
        with open(file, "a") as changed:
            changed.write(f"\n\ndef {caller}():\n    return {target[1]}()\n")

        def known(place: str = place, caller: str = caller) -> bool:
            answer = index.callers(place, limit=1000, refresh=False)
            return any(edge.symbol is not None and edge.symbol.name == caller for edge in answer.edges)

        never += not until(known, 20, 0.004)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(chance.uniform(0.2, 0.5))
    watcher.process.terminate()
    watcher.process.wait()
    return {"saves": saves, "never": never, "told_ms": spread(took), "load": os.getloadavg()}


def main(words: list[str]) -> None:
    if words[0] == "questions":
        print(json.dumps(questions(words[1], words[2:]), indent=1))
        return
    with tempfile.TemporaryDirectory() as base:
        os.environ.setdefault("SPELUNK_HOME", f"{base}/home")
        print(json.dumps(edits(words[1], int((words[2:] or ["40"])[0]), Path(base) / "out")))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Questions about symbols measured: names asked in one open index, and from a saved edit to an answer that knows it.

python -m benchmarks.graph.latency questions FOLDER NAME...   of a finished index, which is not brought up to date
python -m benchmarks.graph.latency edits COPY [SAVES]         edits Python files of COPY behind `spelunk serve`
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.mcp import resident
from benchmarks.serve import Server
from benchmarks.watch import until

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


def edits(folder: str, saves: int) -> dict[str, Any]:
    subprocess.run([sys.executable, "-m", "spelunk", "index", folder, "-q"], check=True)
    root, chance, words = Path(folder), random.Random(3), random.Random()
    files = sorted(p for p in root.rglob("*.py") if _TOP_FUNCTION.search(p.read_text("utf-8", "replace")))
    server = Server(folder)
    took: dict[str, list[float]] = {"relaxed": [], "strict": []}
    late = 0
    for turn in range(saves):
        freshness = ("relaxed", "strict")[turn % 2]
        file = chance.choice(files)
        text = file.read_text("utf-8", "replace")
        target = chance.choice([*_TOP_FUNCTION.finditer(text)])
        caller = "zq" + "".join(words.choices("bcdfghjklmnpqrstvwxz", k=12))
        place = f"{file.relative_to(root).as_posix()}:{text.count(chr(10), 0, target.start()) + 1}"
        ask = f"api/symbol?question=callers&limit=1000&freshness={freshness}&symbol={quote(place)}"
        began = time.perf_counter()
        with open(file, "a") as out:
            out.write(f"\n\ndef {caller}():\n    return {target[1]}()\n")
        asked = 0

        def known(ask: str = ask, caller: str = caller) -> bool:
            nonlocal asked
            asked += 1
            return any(e["symbol"]["name"] == caller for e in json.loads(server.get(ask))["edges"])

        late += not until(known, 20, 0.004)
        took[freshness].append((time.perf_counter() - began) * 1000)
        if freshness == "strict":
            late += asked > 1  # a strict answer knows every saved file
        time.sleep(chance.uniform(0.2, 0.5))
    server.close()
    return {
        "saves": saves,
        "not_at_once_or_never": late,
        **{f"{freshness}_ms": spread(values) for freshness, values in took.items()},
        "load": os.getloadavg(),
    }


def main(words: list[str]) -> None:
    if words[0] == "questions":
        print(json.dumps(questions(words[1], words[2:]), indent=1))
        return
    with tempfile.TemporaryDirectory() as base:
        os.environ.setdefault("SPELUNK_HOME", f"{base}/home")
        print(json.dumps(edits(words[1], int((words[2:] or ["40"])[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])

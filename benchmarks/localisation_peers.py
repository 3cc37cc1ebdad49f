"""Other systems over one work tree after the other, for ``localisation.py``, which starts this with the interpreter of their environment.

Reads a JSON object a line from standard input, ``{"root", "systems", "limit", "queries": {id: text}}``, and
writes one, ``{system: {id: {"results": [{"path", "start_line", "end_line"}], "seconds"}}}``. Systems:

- ``ripgrep``: files by the number of distinct words of the query in them (``rg -i -w -F``), then by path; the
  lines are the 50 with the most distinct words.
- ``bm25``: BM25 (bm25s, k1 1.5, b 0.75) over chunks of 50 lines of source code; words and the parts of names.
- ``semble``, ``semble-bm25``: semble as its command has it, code alone, and with ``alpha`` 0: its BM25 and its
  ranking without vectors.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WINDOW = 50
MAX_BYTES = 1_000_000
CODE = _words(
    "py pyi js jsx mjs cjs ts tsx go java php rb rs cs kt kts scala swift ex exs c h cc cpp hpp cxx sh bash hs"
    " lua zig jq m mm clj erl ml r jl pl pm dart vue y l"
)
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
COMMON = _words(
    "a an and are as at be been but by can could did do does doing for from get had has have how i if in into is"
    " it its just me my no not of on or our out should so some than that the their them then there these they"
    " this those to too use used using was we were what when where which while who why will with would you"
    " your"
)
"""Words that a person would not search for."""

Row = dict[str, Any]


def keywords(text: str) -> list[str]:
    """The distinct words of a query that somebody would search for, in lower case."""
    words = dict.fromkeys(w.lower() for w in WORD.findall(text))
    return [w for w in words if len(w) > 1 and w not in COMMON]


def by_keywords(root: str, text: str, limit: int) -> list[Row]:
    words = keywords(text)
    if not words:
        return []
    command = ["rg", "-i", "-w", "-F", "-o", "-n", "--no-heading", "--null", "--no-messages", "--no-config",
               "--color", "never", "-f", "-", "."]  # fmt: skip
    ran = subprocess.run(command, cwd=root, input="\n".join(words).encode(), capture_output=True, check=False)
    if ran.returncode > 1:
        raise SystemExit(f"rg: {ran.stderr.decode(errors='replace')}")
    lines: dict[str, dict[int, set[bytes]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    for row in ran.stdout.split(b"\n"):
        path, _, rest = row.partition(b"\0")
        number, _, word = rest.partition(b":")
        if number.isdigit():
            lines[os.fsdecode(path).removeprefix("./")][int(number)].add(word.lower())
    distinct = {path: len(set().union(*of.values())) for path, of in lines.items()}
    best = sorted(distinct, key=lambda p: (-distinct[p], p))[:limit]
    return [{"path": p, **window(lines[p])} for p in best]


def window(lines: dict[int, set[bytes]]) -> dict[str, int]:
    """The 50 lines with the most distinct words, the first such of several."""
    numbers, best, start = sorted(lines), -1, 1
    counts: collections.Counter[bytes] = collections.Counter()
    last = 0
    for n, first in enumerate(numbers):
        while last < len(numbers) and numbers[last] < first + WINDOW:
            counts.update(lines[numbers[last]])
            last += 1
        if len(counts) > best:
            best, start = len(counts), first
        counts.subtract(lines[numbers[n]])
        counts += collections.Counter()
    return {"start_line": start, "end_line": start + WINDOW - 1}


def terms(text: str) -> list[str]:
    """Words and the parts of names, in lower case."""
    out = []
    for word in WORD.findall(text):
        out.append(word.lower())
        parts = [p.lower() for p in PART.findall(word)]
        if len(parts) > 1:
            out += parts
    return out


def chunks(root: str) -> Iterator[tuple[str, int, int, str]]:
    listed = subprocess.run(
        ["rg", "--files", "--null", "--no-config"], cwd=root, capture_output=True, check=False
    )
    for name in sorted(os.fsdecode(f) for f in listed.stdout.split(b"\0") if f):
        path = os.path.join(root, name)
        if name.rsplit(".", 1)[-1].lower() not in CODE or os.path.getsize(path) > MAX_BYTES:
            continue
        with open(path, errors="replace") as file:
            lines = file.read().split("\n")
        for i in range(0, len(lines), WINDOW):
            text = "\n".join(lines[i : i + WINDOW])
            if text.strip():
                yield name, i + 1, min(i + WINDOW, len(lines)), text


class Chunks:
    """BM25 over the chunks of one tree."""

    def __init__(self, root: str) -> None:
        import bm25s

        found = list(chunks(root))
        self.places = [c[:3] for c in found]
        self.bm25 = bm25s.BM25(k1=1.5, b=0.75)
        self.bm25.index([terms(c[3]) or [""] for c in found] or [[""]], show_progress=False)

    def search(self, text: str, limit: int) -> list[Row]:
        import numpy as np

        wanted = terms(text)
        if not wanted or not self.places:
            return []
        scores = self.bm25.get_scores(wanted)
        order = np.argsort(-scores, kind="stable")[:limit]
        rows = [(self.places[i], scores[i]) for i in order]
        return [{"path": p, "start_line": s, "end_line": e} for (p, s, e), score in rows if score > 0]


class Semble:
    """semble over one tree; the index is made anew and not saved.

    Version 0.7 ends with an error where a ``.gitignore`` has a line without meaning (``!``), as some test data
    do; then it is given a copy of the tree without the ``.gitignore`` files below its root.
    """

    def __init__(self, root: str) -> None:
        from semble import SembleIndex

        try:
            self.index = SembleIndex.from_path(root)
        except ValueError as error:
            print(f"semble: {root}: {error}; again without .gitignore files", file=sys.stderr)
            with tempfile.TemporaryDirectory() as folder:
                copy = os.path.join(folder, "tree")
                shutil.copytree(
                    root,
                    copy,
                    symlinks=True,
                    ignore=lambda at, names: [
                        n for n in names if n == ".git" or (n == ".gitignore" and at != root)
                    ],
                )
                self.index = SembleIndex.from_path(copy)

    def search(self, text: str, limit: int, alpha: float | None) -> list[Row]:
        found = self.index.search(text, top_k=limit, alpha=alpha)
        return [
            {
                "path": r.chunk.file_path.replace("\\", "/"),
                "start_line": r.chunk.start_line,
                "end_line": r.chunk.end_line,
            }
            for r in found
        ]


def answers(
    root: str, systems: Sequence[str], limit: int, queries: dict[str, str]
) -> dict[str, dict[str, Row]]:
    out: dict[str, dict[str, Row]] = {s: {} for s in systems}
    search: dict[str, Any] = {}
    if "ripgrep" in systems:
        search["ripgrep"] = lambda text: by_keywords(root, text, limit)
    if "bm25" in systems:
        plain = Chunks(root)
        search["bm25"] = lambda text: plain.search(text, limit)
    if {"semble", "semble-bm25"} & set(systems):
        semble = Semble(root)
        search["semble"] = lambda text: semble.search(text, limit, None)
        search["semble-bm25"] = lambda text: semble.search(text, limit, 0.0)
    for name in systems:
        for key, text in queries.items():
            began = time.perf_counter()
            results = search[name](text)
            out[name][key] = {"results": results, "seconds": round(time.perf_counter() - began, 4)}
    return out


def main() -> None:
    into = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            task = json.loads(line)
            found = answers(task["root"], task["systems"], task["limit"], task["queries"])
            into.write(json.dumps(found) + "\n")
            into.flush()


if __name__ == "__main__":
    main()

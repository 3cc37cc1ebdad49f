"""Two plain indexes over windows of 50 lines, for comparison: SQLite FTS5 and bm25s.

    baseline.py {fts5,bm25s} index ROOT HOME
    baseline.py {fts5,bm25s} search ROOT HOME WORD...

Run by the interpreter of an environment with bm25s; it needs nothing of Spelunk. Files that git
ignores are left out by ``rg --files``; words are letters and digits, and the parts of names.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

Place = tuple[str, int, int]
"""Path, first and last line."""
WINDOW = 50
MAX_BYTES = 1_000_000
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def windows(root: str) -> Iterator[tuple[str, int, int, str]]:
    listed = subprocess.run(
        ["rg", "--files", "--hidden", "-0"], cwd=root, capture_output=True, check=True
    ).stdout
    for name in sorted(os.fsdecode(n) for n in listed.split(b"\0") if n):
        path = os.path.join(root, name)
        if name.startswith(".git/") or os.path.getsize(path) > MAX_BYTES:
            continue
        with open(path, "rb") as file:
            data = file.read()
        if b"\0" in data:
            continue
        lines = data.decode("utf-8", "replace").split("\n")
        for start in range(0, len(lines), WINDOW):
            part = lines[start : start + WINDOW]
            yield name, start + 1, start + len(part), "\n".join((name, *part))


def terms(text: str) -> list[str]:
    out = []
    for word in WORD.findall(text):
        out.append(word.lower())
        parts = PART.findall(word)
        if len(parts) > 1:
            out += (part.lower() for part in parts)
    return out


class Fts5:
    """SQLite FTS5, its own BM25."""

    def __init__(self, home: str) -> None:
        self._place = os.path.join(home, "fts5.sqlite")
        self._db: sqlite3.Connection | None = None

    def index(self, root: str) -> None:
        if os.path.exists(self._place):
            os.unlink(self._place)
        with sqlite3.connect(self._place) as db:
            db.execute("PRAGMA journal_mode=OFF")
            db.execute(
                "CREATE VIRTUAL TABLE t USING fts5(path UNINDEXED, start UNINDEXED, end UNINDEXED, text, content='')"
            )
            db.execute("CREATE TABLE w (id INTEGER PRIMARY KEY, path, start, end)")
            for n, (path, start, end, text) in enumerate(windows(root), 1):
                db.execute("INSERT INTO w VALUES (?,?,?,?)", (n, path, start, end))
                db.execute("INSERT INTO t (rowid, text) VALUES (?,?)", (n, " ".join(terms(text))))

    def open(self) -> None:
        self._db = sqlite3.connect(self._place)

    def search(self, words: list[str]) -> list[Place]:
        assert self._db
        query = " OR ".join(f'"{t}"' for word in words for t in dict.fromkeys(terms(word)))
        return self._db.execute(
            "SELECT w.path, w.start, w.end FROM t JOIN w ON w.id = t.rowid WHERE t MATCH ? ORDER BY bm25(t) LIMIT 10",
            (query or '""',),
        ).fetchall()


class Bm25s:
    """The library bm25s.

    Args:
        home: Where its index lies.
        mapped: Map the index instead of reading it: quicker for a single question.
    """

    def __init__(self, home: str, *, mapped: bool = True) -> None:
        self._place = os.path.join(home, "bm25s")
        self._mapped = mapped
        self._opened: tuple[Any, list[Place]] | None = None

    def index(self, root: str) -> None:
        import bm25s

        found = list(windows(root))
        retriever = bm25s.BM25()
        retriever.index([terms(text) for *_, text in found], show_progress=False)
        retriever.save(self._place)
        with open(os.path.join(self._place, "windows.json"), "w") as file:
            json.dump([row[:3] for row in found], file)

    def open(self) -> None:
        import bm25s

        with open(os.path.join(self._place, "windows.json")) as file:
            rows = json.load(file)
        self._opened = bm25s.BM25.load(self._place, mmap=self._mapped), rows

    def search(self, words: list[str]) -> list[Place]:
        assert self._opened
        retriever, rows = self._opened
        wanted = list(dict.fromkeys(t for word in words for t in terms(word) if t in retriever.vocab_dict))
        if not wanted:
            return []
        best, scores = retriever.retrieve([wanted], k=min(10, len(rows)), show_progress=False)
        return [rows[int(n)] for n, score in zip(best[0], scores[0], strict=True) if score > 0]


ENGINES = {"fts5": Fts5, "bm25s": Bm25s}


if __name__ == "__main__":
    engine, action, *rest = sys.argv[1:]
    if action == "version":
        if engine == "fts5":
            print("SQLite FTS5", sqlite3.sqlite_version)
        else:
            from importlib.metadata import version

            print("bm25s", version("bm25s"))
    else:
        opened = ENGINES[engine](rest[1])
        if action == "index":
            opened.index(rest[0])
        else:
            opened.open()
            for row in opened.search(rest[2:]):
                print(json.dumps(row))

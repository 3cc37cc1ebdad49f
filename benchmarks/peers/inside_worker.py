"""One system over one folder, for ``inside.py``, which starts this with the interpreter of its environment.

    inside_worker.py {spelunk,spelunk-lexical,semble,fts5,bm25s} {index,answer} ROOT HOME

``answer`` opens the index and writes ``{"wall", "cpu"}`` (milliseconds, imports included), then reads a JSON
object a line, ``{"text", "words"}``, and writes one for each, ``{"wall", "cpu", "hits": [[path, first line,
last line], ...]}``: milliseconds of the search alone, the CPU time of all threads of the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

LIMIT = 10
Ask = Callable[[dict[str, Any]], Sequence[Any]]


def spelunk(root: str, home: str, mode: str) -> Ask:
    from spelunk import Index

    index = Index.open(root)
    return lambda question: index.search(question["text"], mode=mode, limit=LIMIT, refresh=False).hits


def of_spelunk(hits: Sequence[Any]) -> list[list[Any]]:
    return [[h.path, h.start_line, h.end_line] for h in hits]


def semble(root: str, home: str) -> Ask:
    from semble import SembleIndex

    index = SembleIndex.load_from_disk(os.path.join(home, "semble"))
    return lambda question: index.search(question["text"], top_k=LIMIT)


def of_semble(hits: Sequence[Any]) -> list[list[Any]]:
    return [[h.chunk.file_path, h.chunk.start_line, h.chunk.end_line] for h in hits]


def baseline(name: str, home: str) -> Ask:
    from baseline import Bm25s, Fts5

    opened = Fts5(home) if name == "fts5" else Bm25s(home, mapped=False)
    opened.open()
    return lambda question: opened.search(question["words"])


def opened(name: str, root: str, home: str) -> tuple[Ask, Callable[[Sequence[Any]], list[Any]]]:
    if name.startswith("spelunk"):
        return spelunk(root, home, "lexical" if name.endswith("-lexical") else "hybrid"), of_spelunk
    if name == "semble":
        return semble(root, home), of_semble
    return baseline(name, home), list


def make(name: str, root: str, home: str) -> None:
    if name.startswith("spelunk"):
        from spelunk import Index

        with Index.open(root) as index:
            index.update()
    elif name == "semble":
        from semble import ContentType, SembleIndex

        os.environ.setdefault("SEMBLE_INDEX_WORKERS", "4")  # as its command does
        SembleIndex.from_path(root, content=list(ContentType)).save(os.path.join(home, "semble"))
    else:
        from baseline import ENGINES

        ENGINES[name](home).index(root)


def timed(call: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Milliseconds of wall and CPU of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"wall": wall * 1000, "cpu": cpu * 1000}, result


def main() -> None:
    name, action, root, home = sys.argv[1:]
    if action == "index":
        make(name, root, home)
        return
    into = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        took, (ask, places) = timed(partial(opened, name, root, home))
        print(json.dumps(took), file=into, flush=True)
        for line in sys.stdin:
            took, hits = timed(partial(ask, json.loads(line)))
            print(json.dumps(took | {"hits": places(hits)}), file=into, flush=True)


if __name__ == "__main__":
    main()

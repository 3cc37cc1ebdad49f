"""Quality of the first answer: search indexes of the files that a first search would index, and compare with finished ones.

    python benchmarks/first_answer.py QUERIES CORPORA WORK [--files 300] [--megabytes 3] [--every 1]

For each query an index is made of the files that come first: at least FILES of them, and as many as
have MEGABYTES together. It is searched beside the finished index, which WORK keeps. All files are
scanned, however long that takes, as they are on an idle machine. A corpus that a first search would
index whole (``first.SMALL_FILES``, ``first.SMALL_BYTES``) is told and counted as equal, unless ``--all`` is given.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from spelunk import Index
from spelunk.evaluate.measures import CUTOFF, LineSpan, score
from spelunk.evaluate.run import load_queries
from spelunk.files.folder import FolderSource
from spelunk.pipeline import first
from spelunk.pipeline.plan import Plan, plan
from spelunk.pipeline.update import Job, update
from spelunk.search.focus import focus_of
from spelunk.search.reading import read
from spelunk.store.packet import Item

SCAN_SECONDS = 600.0


def main() -> None:
    """Print NDCG of both, corpus by corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queries")
    parser.add_argument("corpora")
    parser.add_argument("work")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--megabytes", type=float, default=3.0)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    first.LEAST_SCAN = SCAN_SECONDS  # type: ignore[misc]
    queries = load_queries(args.queries)[:: args.every]
    rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for repo in args.only or sorted({q.repo for q in queries}):
        root = os.path.join(args.corpora, repo)
        if not os.path.isdir(root):
            continue
        whole = Index.open(root, index_dir=os.path.join(args.work, "whole", repo))
        whole.update()
        walked = FolderSource(whole.root).walk(whole.options)
        todo = plan(walked.rows, walked.skipped, walked.failed, {}, {})
        small = len(todo.items) <= first.SMALL_FILES or todo.bytes <= first.SMALL_BYTES
        taken: list[int] = []
        for query in queries:
            if query.repo != repo:
                continue
            spans = []
            hits = whole.search(query.text, limit=CUTOFF, refresh=False).hits
            spans.append([LineSpan(h.path, h.start_line, h.end_line) for h in hits])
            if not small or args.all:
                spans.insert(0, early(whole, todo, query.text, args, taken))
            scores = [score(query.targets, found).ndcg for found in spans]
            rows[repo].append((scores[0], scores[-1]))
            if scores[0] < scores[-1] - 0.2:
                print(
                    f"    {scores[0]:.2f} {scores[-1]:.2f}  {query.text}  {query.targets[0].path}", flush=True
                )
        tell(f"{repo} ({len(todo.items)} files, {about(taken) if taken else 'whole'})", rows[repo])
        whole.close()
    tell("all", [pair for pairs in rows.values() for pair in pairs])


def early(whole: Index, todo: Plan, text: str, args: argparse.Namespace, taken: list[int]) -> list[LineSpan]:
    """The hits of an index of the files that come first; their number is added to ``taken``."""
    place = os.path.join(args.work, "first")
    shutil.rmtree(place, ignore_errors=True)
    focus = focus_of(read(text), "hybrid")
    ordered = first.order(whole.root, todo.items, focus, SCAN_SECONDS, os.cpu_count() or 1)
    limit = within(ordered, args.files, args.megabytes * 1e6)
    taken.append(limit)
    with Index.open(whole.root, index_dir=place, mode="sequential", history=0) as index:
        update(Job(index.root, place, index.options, focus=replace(focus, limit=limit)))
        hits = index.search(text, limit=CUTOFF, refresh=False).hits
        return [LineSpan(h.path, h.start_line, h.end_line) for h in hits]


def within(items: Sequence[Item], least: int, most_bytes: float) -> int:
    """How many files there is room for."""
    total = 0
    for n, item in enumerate(items):
        total += item.candidate.size
        if n >= least and total > most_bytes:
            return n
    return len(items)


def about(taken: Sequence[int]) -> str:
    """The median number of files."""
    return f"{sorted(taken)[len(taken) // 2]} first"


def tell(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print one line."""
    early_, whole = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    print(
        f"{name:44} {len(pairs):4} queries  first {early_:.4f}  whole {whole:.4f}  {early_ / whole:.4f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

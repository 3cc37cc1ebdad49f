"""Quality of the first answer: search indexes of a few per cent of the files, and compare with finished ones.

    python benchmarks/first_answer.py QUERIES CORPORA WORK [--share 0.08] [--every 1]

For each query an index is made of the part of its corpus that a first search
would index within its time, here a share of the files, and searched. WORK keeps the finished indexes.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections import defaultdict
from dataclasses import replace

from spelunk import Index
from spelunk.evaluate.measures import CUTOFF, LineSpan, score
from spelunk.evaluate.run import load_queries
from spelunk.pipeline.update import Job, update
from spelunk.search.focus import focus_of
from spelunk.search.reading import read

LEAST = 10
"""Files of a first index at least: a first search never indexes fewer than a hundred."""


def main() -> None:
    """Print NDCG of both, corpus by corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queries")
    parser.add_argument("corpora")
    parser.add_argument("work")
    parser.add_argument("--share", type=float, default=0.08)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    args = parser.parse_args()
    queries = load_queries(args.queries)[:: args.every]
    rows: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for repo in args.only or sorted({q.repo for q in queries}):
        root = os.path.join(args.corpora, repo)
        whole = Index.open(root, index_dir=os.path.join(args.work, "whole", repo))
        whole.update()
        limit = max(LEAST, int(args.share * whole.status(look=False).files))
        for query in queries:
            if query.repo != repo:
                continue
            place = os.path.join(args.work, "first")
            shutil.rmtree(place, ignore_errors=True)
            focus = replace(focus_of(read(query.text), "hybrid"), limit=limit)
            first = Index.open(root, index_dir=place, mode="sequential")
            update(Job(first.root, place, first.options, focus=focus))
            pair = []
            for index in (first, whole):
                hits = index.search(query.text, limit=CUTOFF, refresh=False).hits
                pair.append(
                    score(query.targets, [LineSpan(h.path, h.start_line, h.end_line) for h in hits]).ndcg
                )
            first.close()
            rows[repo].append((pair[0], pair[1]))
            if pair[0] < pair[1] - 0.2:
                print(f"    {pair[0]:.2f} {pair[1]:.2f}  {query.text}  {query.targets[0].path}", flush=True)
        tell(f"{repo} ({limit} files)", rows[repo])
        whole.close()
    tell("all", [pair for pairs in rows.values() for pair in pairs])


def tell(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print one line."""
    first, whole = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    print(
        f"{name:30} {len(pairs):4} queries  first {first:.4f}  whole {whole:.4f}  {first / whole:.4f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

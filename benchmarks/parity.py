"""Compares the answers of an embedded index with those of a Qdrant collection, over labelled queries.

    python benchmarks/parity.py --set QUERIES.jsonl CORPORA --store qdrant://HOST:PORT [--only NAME...] [--limit 10]
        [--graph]

Each corpus is indexed twice, by the same settings: into a folder, and into a
collection of its own, which is deleted at the end. Prints Markdown: for each mode
the overlap of the first ten hits, how many queries have equal lists, the largest
difference of a score, NDCG@10 of both, and every query whose lists differ with the
first place where they do. Queries begin when the server has built what its settings
call for. A graph (HNSW) it builds only where a segment has some 20,000 vectors, and it
uses it only where as many points pass; ``--graph`` lowers both bounds, so that vectors
are found by graphs in every corpus of more than 1,024 chunks.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

from qdrant_client import models as m

from spelunk.evaluate import measures
from spelunk.evaluate.run import load_queries
from spelunk.index import Index
from spelunk.store.qdrant.address import parse
from spelunk.store.qdrant.connection import new_client

LEAST_KB = 10
"""Least value that the server takes for its bounds."""
MOST_SECONDS = 1_800

MODES = ("lexical", "semantic", "hybrid")


class Pair(NamedTuple):
    """The hits of one query, embedded and remote."""

    query: measures.LabelledQuery
    here: list[tuple[str, int, int, float]]
    there: list[tuple[str, int, int, float]]

    @property
    def overlap(self) -> float:
        """The share of hits that both have; 1 where neither has one."""
        one, other = {h[:3] for h in self.here}, {h[:3] for h in self.there}
        return len(one & other) / max(len(one), len(other)) if one or other else 1.0

    @property
    def first_difference(self) -> str:
        for n, (a, b) in enumerate(zip(self.here, self.there, strict=False), 1):
            if a != b:
                return f"rank {n}: {a[0]}:{a[1]} {a[3]:.6f} | {b[0]}:{b[1]} {b[3]:.6f}"
        return f"{len(self.here)} and {len(self.there)} hits"


def hits(
    index: Index, query: measures.LabelledQuery, mode: str, limit: int
) -> list[tuple[str, int, int, float]]:
    answer = index.search(query.text, mode=mode, limit=limit, refresh=False)
    return [(h.path, h.start_line, h.end_line, h.score) for h in answer.hits]


def client_of(store: str) -> Any:
    """A client of the first node of an address."""
    address = parse(store)
    return new_client(address.hosts[0], tls=address.tls, key=os.environ.get("QDRANT_API_KEY"), timeout=60)


def settled(store: str, graph: bool) -> int:
    """Wait until a collection is optimised; the number of its vectors that are indexed: sparse ones at once, dense ones in graphs."""
    name = parse(store).collection
    with closing(client_of(store)) as client:
        if graph:
            client.update_collection(
                name,
                optimizers_config=m.OptimizersConfigDiff(indexing_threshold=LEAST_KB),
                hnsw_config=m.HnswConfigDiff(full_scan_threshold=LEAST_KB),
            )
        end, calm, indexed = time.monotonic() + MOST_SECONDS, 0, -1
        while calm < 3 and time.monotonic() < end:
            time.sleep(1)
            info = client.get_collection(name)
            now = info.indexed_vectors_count or 0
            calm = calm + 1 if info.status == m.CollectionStatus.GREEN and now == indexed else 0
            indexed = now
        return indexed


def compare(
    corpus: str, queries: Sequence[measures.LabelledQuery], store: str, limit: int, graph: bool,
    settings: dict[str, Any],
) -> tuple[dict[str, list[Pair]], int, int]:  # fmt: skip
    """The hits of all queries of a corpus by mode, its chunks, and the vectors that are indexed."""
    with tempfile.TemporaryDirectory() as place:
        here = Index.open(corpus, index_dir=os.path.join(place, "here"), **settings)
        address = f"{store}/parity-{uuid.uuid4().hex[:8]}"
        there = Index.open(corpus, index_dir=os.path.join(place, "there"), store=address, **settings)
        with here, there:
            chunks = here.update().chunks
            there.update()
            try:
                indexed = settled(address, graph)
                return (
                    {
                        mode: [
                            Pair(q, hits(here, q, mode, limit), hits(there, q, mode, limit)) for q in queries
                        ]
                        for mode in MODES
                    },
                    chunks,
                    indexed,
                )
            finally:
                there.clear()
                with closing(client_of(address)) as client:
                    client.delete_collection(parse(address).collection)


def ndcg(pairs: Sequence[Pair], side: str) -> float:
    scores = [
        measures.score(p.query.targets, [measures.LineSpan(*h[:3]) for h in getattr(p, side)]) for p in pairs
    ]
    return measures.mean(scores).ndcg


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", nargs=2, required=True, metavar=("QUERIES", "CORPORA"))
    parser.add_argument("--store", required=True, help="address without a collection")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--graph", action="store_true", help="have graphs built in small collections too")
    args = parser.parse_args()
    queries = load_queries(args.set[0])
    repos = [r for r in dict.fromkeys(q.repo for q in queries) if not args.only or r in args.only]
    settings = {"store_shards": args.shards, "store_replicas": args.replicas}
    all_pairs: dict[str, list[Pair]] = {mode: [] for mode in MODES}
    print(
        "| Corpus | Chunks | Vectors indexed | Queries | "
        + " | ".join(f"{m}: overlap, equal" for m in MODES)
        + " |"
    )
    print("|-|-|-|-|" + "-|" * len(MODES))
    for repo in repos:
        of_repo = [q for q in queries if q.repo == repo]
        found, chunks, indexed = compare(
            os.path.join(args.set[1], repo), of_repo, args.store, args.limit, args.graph, settings
        )
        cells = []
        for mode in MODES:
            pairs = found[mode]
            all_pairs[mode] += pairs
            equal = sum(p.here == p.there for p in pairs)
            cells.append(f"{sum(p.overlap for p in pairs) / len(pairs):.4f}, {equal}/{len(pairs)}")
        print(f"| {repo} | {chunks} | {indexed} | {len(of_repo)} | " + " | ".join(cells) + " |", flush=True)
    print("\n| Mode | Overlap@10 | Equal lists | NDCG@10 embedded | remote | Largest difference of a score |")
    print("|-|-|-|-|-|-|")
    for mode, pairs in all_pairs.items():
        gaps = [
            abs(a[3] - b[3]) for p in pairs for a, b in zip(p.here, p.there, strict=False) if a[:3] == b[:3]
        ]
        print(
            f"| {mode} | {sum(p.overlap for p in pairs) / len(pairs):.4f} "
            f"| {sum(p.here == p.there for p in pairs)} of {len(pairs)} | {ndcg(pairs, 'here'):.4f} "
            f"| {ndcg(pairs, 'there'):.4f} | {max(gaps, default=0.0):.2g} |"
        )
    for mode, pairs in all_pairs.items():
        for p in pairs:
            if p.here != p.there:
                print(f"\n- {mode}, {p.query.repo}, {p.query.text!r}: {p.first_difference}")


if __name__ == "__main__":
    main()

"""Measures search quality on labelled queries, and what each signal of the ranking is worth.

    python benchmarks/quality.py QUERIES.jsonl --corpora DIR [--index-dir DIR] [--folds 4]

Prints Markdown: the measures overall, by category and by language; each signal
removed in turn, with the paired interval over corpora; a model fitted without
the fold that it is measured on; and the ten worst queries with what came
before their targets. QUERIES is the format of ``spelunk eval``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spelunk import evaluate as ev
from spelunk import search
from spelunk.index import Index
from spelunk.query import parse
from spelunk.rank import model
from spelunk.rank.signals import Candidate, QueryFacts

PENALTY = 3.0
"""Of the squared distance from weights of +1 and -1, in the fit; chosen by hand, the same for every fold."""


@dataclass(slots=True)
class Pool:
    """A query's candidates as the search ranks them."""

    query: ev.Labelled
    candidates: list[Candidate]
    facts: QueryFacts
    rarity: Mapping[str, float]

    def places(self, weights: model.Weights) -> list[ev.Place]:
        ranked = model.rank(self.candidates, self.facts, self.rarity, weights)
        return [ev.Place(c.file.path, c.chunk.start_line, c.chunk.end_line) for c in ranked[: ev.CUTOFF]]


def gather(
    queries: Sequence[ev.Labelled], corpora: str, index_dir: str | None, weights: model.Weights
) -> list[Pool]:
    """The candidates of every query: retrieved once, ranked often."""
    pools: dict[int, Pool] = {}
    for repo in dict.fromkeys(q.repo for q in queries):
        place = os.path.join(index_dir, repo) if index_dir else None
        with Index.open(os.path.join(corpora, repo), index_dir=place) as index:
            index.refresh()
            with index.snapshot() as snapshot:
                source = search.Source(snapshot, index.embedder)
                for n, labelled in enumerate(queries):
                    if labelled.repo != repo:
                        continue
                    query, options = (
                        parse(labelled.text, mode="hybrid"),
                        search.SearchOptions(weights=weights),
                    )
                    scope = search._scope(source, query)
                    lexical = search._lexical(snapshot, query, scope, options, None)
                    found_by_words = [i for i, _ in lexical]
                    cosines: dict[int, float] = {}
                    if search._wants_vectors(query, options):
                        cosines = search._near(source, query, scope, options, found_by_words)
                    found = search._fuse(snapshot, lexical, cosines, None)
                    rarity = search._PathRarity([source])
                    facts = search._facts([source], query, options)
                    model.rank(found, facts, rarity)
                    pools[n] = Pool(labelled, found, facts, defaultdict(float, rarity))
    return [pools[n] for n in range(len(queries))]


def measure(pools: Sequence[Pool], weights: model.Weights, *, words_only: bool = True) -> ev.Evaluation:
    results: ev.Results = {}
    for p in pools:
        pool = replace(p, candidates=[c for c in p.candidates if c.lexical]) if words_only else p
        results[p.query.repo, p.query.text] = pool.places(weights)
    return ev.evaluate([p.query for p in pools], results)


def without(signal: str) -> model.Weights:
    """The shipped weights with one signal worth nothing."""
    w = model.DEFAULT
    if signal in ("match", "breadth", "repeat"):
        return replace(w, **{signal: 0.0})
    if signal in w.file:
        return replace(w, file={**w.file, signal: 0.0})
    return replace(w, flags={**w.flags, signal: 0.0})


def signals_of(weights: model.Weights) -> dict[str, float]:
    return {"match": weights.match, "breadth": weights.breadth, **weights.file, **weights.flags}


def folds(repos: Sequence[str], n: int) -> list[list[str]]:
    """The same corpora always give the same split."""
    order = sorted(repos, key=lambda r: hashlib.sha256(r.encode()).hexdigest())
    return [order[i::n] for i in range(n)]


def cross_validated(pools: Sequence[Pool], n: int) -> ev.Evaluation:
    """Every fold measured with weights fitted on the others; the shipped ones lend only their signs."""
    names = list(signals_of(model.DEFAULT))
    shipped = np.array([signals_of(model.DEFAULT)[s] for s in names])
    matrices, labels, results = [], [], ev.Results()
    for p in pools:
        best = {}
        words_only = [c for c in p.candidates if c.lexical]
        for c in model.rank(words_only, p.facts, p.rarity):
            best.setdefault(c.file.path, c)
        rows = [[c.signals.get(s, 0.0) for s in names] for c in best.values()]
        targets = {t.path for t in p.query.targets}
        matrices.append((list(best), np.array(rows).reshape(-1, len(names)) / shipped))
        labels.append(np.array([path in targets for path in best], float))
    repos = [p.query.repo for p in pools]
    for fold in folds(sorted(set(repos)), n):
        train = [i for i, r in enumerate(repos) if r not in fold and labels[i].sum()]
        fitted = fit([matrices[i][1] for i in train], [labels[i] for i in train], np.sign(shipped))
        for i, p in enumerate(pools):
            if repos[i] in fold:
                paths, rows = matrices[i]
                scores = rows @ fitted
                order = sorted(range(len(paths)), key=lambda k: (-scores[k], paths[k]))
                results[p.query.repo, p.query.text] = [ev.Place(paths[k]) for k in order[: ev.CUTOFF]]
    return ev.evaluate([p.query for p in pools], results)


def fit(rows: Sequence[Any], labels: Sequence[Any], start: Any, steps: int = 400, rate: float = 0.2) -> Any:
    """Weights that make the targets likely under a softmax over each query's files (Adam; ListNet, 2007)."""
    x, y = np.concatenate(rows), np.concatenate([v / v.sum() for v in labels])
    sizes = [len(v) for v in labels]
    query = np.repeat(np.arange(len(sizes)), sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    w, m, v = start.astype(float).copy(), np.zeros(len(start)), np.zeros(len(start))
    for t in range(1, steps + 1):
        z = x @ w
        e = np.exp(z - np.maximum.reduceat(z, starts)[query])
        gradient = (x.T @ (e / np.add.reduceat(e, starts)[query] - y) + PENALTY * (w - start)) / len(sizes)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


def row(name: str, s: ev.Score) -> str:
    return f"| {name} | {s.queries} | {s.ndcg:.4f} | {s.recall:.4f} | {s.mrr:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("queries")
    parser.add_argument("--corpora", required=True)
    parser.add_argument("--index-dir")
    parser.add_argument("--folds", type=int, default=4)
    args = parser.parse_args()
    queries = ev.load_queries(args.queries)
    pools = gather(queries, args.corpora, args.index_dir, model.DEFAULT)
    base = measure(pools, model.DEFAULT)

    head = "| | queries | NDCG@10 | Recall@10 | MRR@10 |\n|-|-|-|-|-|"
    print(f"{head}\n{row('overall', base.overall)}")
    print(f"| corpora weighed alike | {len(base.by_repo)} | {base.repo_macro:.4f} | | |")
    for group in (base.by_category, base.by_language, base.by_repo):
        print(f"\n{head}")
        for name, s in group.items():
            print(row(name, s))

    print("\n| Without | NDCG@10 | difference | 95 % over corpora | corpora better / worse |\n|-|-|-|-|-|")
    variants = [(s, without(s)) for s in (*signals_of(model.DEFAULT), "repeat")]
    rows = []
    for name, weights in variants:
        found = measure(pools, weights)
        c = ev.compare(queries, found, base)
        rows.append((c.difference, f"| {name} | {found.overall.ndcg:.4f} | {c.difference:+.4f} | [{c.low:+.4f}, {c.high:+.4f}] | {c.corpora_better} / {c.corpora_worse} |"))  # fmt: skip
    print("\n".join(text for _, text in sorted(rows, key=lambda r: r[0])))

    print(
        "\n| Vectors' share | NDCG@10 | difference | 95 % over corpora | corpora better / worse |\n|-|-|-|-|-|"
    )
    for share in (0.05, 0.1, 0.2, 0.3, 0.5):
        found = measure(pools, replace(model.DEFAULT, dense=share), words_only=False)
        c = ev.compare(queries, found, base)
        print(f"| {share} | {found.overall.ndcg:.4f} | {c.difference:+.4f} | [{c.low:+.4f}, {c.high:+.4f}] | {c.corpora_better} / {c.corpora_worse} |")  # fmt: skip

    print(f"\n{head}")
    for n in sorted({args.folds, 2 * args.folds, len(base.by_repo)}):
        print(row(f"fitted on the others of {n} folds", cross_validated(pools, n).overall))

    began = time.thread_time()
    for p in pools:
        model.rank(p.candidates, p.facts, p.rarity)
    print(f"\nranking: {(time.thread_time() - began) / len(pools) * 1000:.2f} ms a query of processor time, {np.mean([len(p.candidates) for p in pools]):.0f} candidates")  # fmt: skip

    print(
        "\n| NDCG@10 | Corpus | Query | Targets, with their rank among the files | Ahead of them |\n|-|-|-|-|-|"
    )
    for i in sorted(range(len(pools)), key=lambda n: base.scores[n].ndcg)[:10]:
        p = pools[i]
        ranked = model.rank([c for c in p.candidates if c.lexical], p.facts, p.rarity)
        files = list(dict.fromkeys(c.file.path for c in ranked))
        targets = ", ".join(f"`{t.path}` ({files.index(t.path) + 1 if t.path in files else 'not retrieved'})" for t in p.query.targets)  # fmt: skip
        ahead = ", ".join(f"`{f}`" for f in files[:2])
        print(f"| {base.scores[i].ndcg:.2f} | {p.query.repo} | {p.query.text} | {targets} | {ahead} |")


if __name__ == "__main__":
    main()

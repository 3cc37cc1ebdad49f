"""Measures search quality on labelled queries, and what each signal of the ranking is worth.

    python benchmarks/quality.py --set QUERIES.jsonl CORPORA [--set ...] [--index-dir DIR] [--folds 4]

Prints Markdown: the measures overall, by set, category and language; each
signal removed in turn, with the paired interval over corpora; weights of the
vectors' signal; a model fitted without the fold that it is measured on, with
and without that signal; and the ten worst queries with what came before their
targets. A set is a file in the format of ``spelunk eval`` and its corpora.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from spelunk.evaluate import compare, measures
from spelunk.evaluate.run import load_queries
from spelunk.index import Index
from spelunk.search import engine
from spelunk.search.corpus import Corpus, PathRarity
from spelunk.search.many import targets_of
from spelunk.search.query import parse
from spelunk.search.rank import model
from spelunk.search.rank.signals import QueryFacts, ScoredChunk
from spelunk.search.request import SearchRequest

PENALTY = 3.0
"""Of the squared distance from weights of +1 and -1, in the fit; chosen by hand, the same for every fold."""


@dataclass(slots=True)
class Pool:
    """A query's candidates as the search ranks them."""

    query: measures.LabelledQuery
    set: str
    candidates: list[ScoredChunk]
    facts: QueryFacts
    rarity: Mapping[str, float]

    def places(self, weights: model.Weights) -> list[measures.LineSpan]:
        ranked = model.rank(self.candidates, self.facts, self.rarity, weights)
        return [
            measures.LineSpan(c.file.path, c.chunk.start_line, c.chunk.end_line)
            for c in ranked[: measures.CUTOFF]
        ]


def gather(
    name: str,
    queries: Sequence[measures.LabelledQuery],
    corpora: str,
    index_dir: str | None,
    weights: model.Weights,
) -> list[Pool]:
    """The candidates of every query of a set: retrieved once, ranked often."""
    pools: dict[int, Pool] = {}
    for repo in dict.fromkeys(q.repo for q in queries):
        place = os.path.join(index_dir, repo) if index_dir else None
        with Index.open(os.path.join(corpora, repo), index_dir=place) as index:
            index.refresh()
            with index.snapshot() as snapshot:
                targets = targets_of([index], [snapshot])
                for n, labelled in enumerate(queries):
                    if labelled.repo != repo:
                        continue
                    query, request = parse(labelled.text), SearchRequest(labelled.text)
                    corpus = Corpus(targets, query)
                    lexical = engine.by_words(corpus, query, request)
                    dense: engine.Scores = {}
                    if query.kind_of_query != "symbol":
                        everywhere = SearchRequest(labelled.text, mode="semantic")
                        dense = engine.by_meaning(corpus, query, everywhere, lexical, weights)
                    found = engine.fuse(corpus, query, lexical, dense)
                    rarity = PathRarity(corpus)
                    facts = engine.facts_of(corpus, query, request)
                    model.rank(found, facts, rarity)
                    pools[n] = Pool(labelled, name, found, facts, defaultdict(float, rarity))
    return [pools[n] for n in range(len(queries))]


def as_searched(p: Pool) -> list[ScoredChunk]:
    """The candidates that the search has: the nearest by vector only where the words found few."""
    by_words = [c for c in p.candidates if c.lexical]
    if len(by_words) >= engine.FEW_LEXICAL_HITS:
        return by_words
    return [c for c in p.candidates if c.lexical or (c.dense or 0.0) >= engine.MIN_COSINE]


def measure(
    pools: Sequence[Pool], weights: model.Weights, *, nearest_too: bool = False
) -> measures.Evaluation:
    results: measures.Results = {}
    for p in pools:
        pool = p if nearest_too else replace(p, candidates=as_searched(p))
        results[p.query.repo, p.query.text] = pool.places(weights)
    return measures.evaluate([p.query for p in pools], results)


def without(signal: str) -> model.Weights:
    """The shipped weights with one signal worth nothing."""
    w = model.DEFAULT
    if signal in ("match", "breadth", "meaning", "repeat"):
        return replace(w, **{signal: 0.0})
    if signal in w.file:
        return replace(w, file={**w.file, signal: 0.0})
    return replace(w, flags={**w.flags, signal: 0.0})


def signals_of(weights: model.Weights) -> dict[str, float]:
    return {
        "match": weights.match,
        "breadth": weights.breadth,
        "meaning": weights.meaning,
        **weights.file,
        **weights.flags,
    }


def folds(repos: Sequence[str], n: int) -> list[list[str]]:
    """The same corpora always give the same split."""
    order = sorted(repos, key=lambda r: hashlib.sha256(r.encode()).hexdigest())
    return [order[i::n] for i in range(n)]


def cross_validated(pools: Sequence[Pool], n: int, *, leave_out: str = "") -> measures.Evaluation:
    """Every fold measured with weights fitted on the others; the shipped ones lend only their signs.

    A corpus counts by the root of its number of queries.
    """
    names = [s for s in signals_of(model.DEFAULT) if s != leave_out]
    shipped = np.array([signals_of(model.DEFAULT)[s] for s in names])
    matrices, labels, results = [], [], measures.Results()
    for p in pools:
        best = {}
        for c in model.rank(as_searched(p), p.facts, p.rarity):
            best.setdefault(c.file.path, c)
        rows = [[c.signals.get(s, 0.0) for s in names] for c in best.values()]
        targets = {t.path for t in p.query.targets}
        matrices.append((list(best), np.array(rows).reshape(-1, len(names)) / shipped))
        labels.append(np.array([path in targets for path in best], float))
    repos = [p.query.repo for p in pools]
    size = Counter(repos)
    for fold in folds(sorted(set(repos)), n):
        train = [i for i, r in enumerate(repos) if r not in fold and labels[i].sum()]
        fitted = fit(
            [matrices[i][1] for i in train],
            [labels[i] for i in train],
            np.sign(shipped),
            [size[repos[i]] ** -0.5 for i in train],
        )
        for i, p in enumerate(pools):
            if repos[i] in fold:
                paths, rows = matrices[i]
                scores = rows @ fitted
                order = sorted(range(len(paths)), key=lambda k: (-scores[k], paths[k]))
                results[p.query.repo, p.query.text] = [
                    measures.LineSpan(paths[k]) for k in order[: measures.CUTOFF]
                ]
    return measures.evaluate([p.query for p in pools], results)


def fit(
    rows: Sequence[Any],
    labels: Sequence[Any],
    start: Any,
    worth: Sequence[float],
    steps: int = 400,
    rate: float = 0.2,
) -> Any:
    """Weights that make the targets likely under a softmax over each query's files (Adam; ListNet, 2007)."""
    x, y = np.concatenate(rows), np.concatenate([v / v.sum() for v in labels])
    sizes = [len(v) for v in labels]
    query = np.repeat(np.arange(len(sizes)), sizes)
    weight = (np.array(worth) / np.mean(worth))[query]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    w, m, v = start.astype(float).copy(), np.zeros(len(start)), np.zeros(len(start))
    for t in range(1, steps + 1):
        z = x @ w
        e = np.exp(z - np.maximum.reduceat(z, starts)[query])
        gradient = (
            x.T @ ((e / np.add.reduceat(e, starts)[query] - y) * weight) + PENALTY * (w - start)
        ) / len(sizes)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


def row(name: str, s: measures.Score) -> str:
    return f"| {name} | {s.queries} | {s.ndcg:.4f} | {s.recall:.4f} | {s.mrr:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", nargs=2, action="append", required=True, metavar=("QUERIES", "CORPORA"))
    parser.add_argument("--index-dir")
    parser.add_argument("--folds", type=int, default=4)
    args = parser.parse_args()
    pools: list[Pool] = []
    for path, corpora in args.set:
        name = os.path.basename(path).removesuffix(".jsonl")
        pools += gather(name, load_queries(path), corpora, args.index_dir, model.DEFAULT)
    queries = [p.query for p in pools]
    base = measure(pools, model.DEFAULT)

    head = "| | queries | NDCG@10 | Recall@10 | MRR@10 |\n|-|-|-|-|-|"
    print(f"{head}\n{row('overall', base.overall)}")
    print(f"| corpora weighed alike | {len(base.by_repo)} | {base.repo_macro:.4f} | | |")
    sets: dict[str, measures.Score] = {}
    for name in dict.fromkeys(p.set for p in pools):
        part = [p for p in pools if p.set == name]
        sets[name] = measure(part, model.DEFAULT).overall
    for group in (sets, base.by_category, base.by_language, base.by_repo):
        print(f"\n{head}")
        for name, s in group.items():
            print(row(name, s))

    print("\n| Without | NDCG@10 | difference | 95 % over corpora | corpora better / worse |\n|-|-|-|-|-|")
    variants = [(s, without(s)) for s in (*signals_of(model.DEFAULT), "repeat")]
    rows = []
    for name, weights in variants:
        found = measure(pools, weights)
        c = compare.compare(queries, found, base)
        rows.append((c.difference, f"| {name} | {found.overall.ndcg:.4f} | {c.difference:+.4f} | [{c.low:+.4f}, {c.high:+.4f}] | {c.corpora_better} / {c.corpora_worse} |"))  # fmt: skip
    print("\n".join(text for _, text in sorted(rows, key=lambda r: r[0])))

    print("\n| Vectors | NDCG@10 | against none | 95 % over corpora | corpora better / worse |\n|-|-|-|-|-|")
    plain = measure(pools, without("meaning"))
    for w in (0.5, 1.0, 2.0, 3.0, 4.0, 6.0):
        weights = replace(model.DEFAULT, meaning=w)
        for what, found in (
            (f"weight {w}", measure(pools, weights)),
            (
                f"weight {w}, and the nearest chunks always candidates",
                measure(pools, weights, nearest_too=True),
            ),
        ):
            c = compare.compare(queries, found, plain)
            print(f"| {what} | {found.overall.ndcg:.4f} | {c.difference:+.4f} | [{c.low:+.4f}, {c.high:+.4f}] | {c.corpora_better} / {c.corpora_worse} |")  # fmt: skip

    print(f"\n{head}")
    for n in sorted({args.folds, 2 * args.folds, len(base.by_repo)}):
        with_all = cross_validated(pools, n)
        words_alone = cross_validated(pools, n, leave_out="meaning")
        print(row(f"fitted on the others of {n} folds", with_all.overall))
        for name in sets:
            only = [i for i, p in enumerate(pools) if p.set == name]
            print(f"| … {name} | {len(only)} | {np.mean([with_all.scores[i].ndcg for i in only]):.4f} | | |")
        print(row("… without vectors", words_alone.overall))
        c = compare.compare(queries, with_all, words_alone)
        print(f"| … difference | | {c.difference:+.4f} [{c.low:+.4f}, {c.high:+.4f}], {c.corpora_better} corpora better, {c.corpora_worse} worse | | |")  # fmt: skip

    began = time.thread_time()
    for p in pools:
        model.rank(p.candidates, p.facts, p.rarity)
    print(f"\nranking: {(time.thread_time() - began) / len(pools) * 1000:.2f} ms a query of processor time, {np.mean([len(p.candidates) for p in pools]):.0f} candidates")  # fmt: skip

    print(
        "\n| NDCG@10 | Corpus | Query | Targets, with their rank among the files | Ahead of them |\n|-|-|-|-|-|"
    )
    for i in sorted(range(len(pools)), key=lambda n: base.scores[n].ndcg)[:10]:
        p = pools[i]
        ranked = model.rank(as_searched(p), p.facts, p.rarity)
        files = list(dict.fromkeys(c.file.path for c in ranked))
        targets = ", ".join(f"`{t.path}` ({files.index(t.path) + 1 if t.path in files else 'not retrieved'})" for t in p.query.targets)  # fmt: skip
        ahead = ", ".join(f"`{f}`" for f in files[:2])
        print(f"| {base.scores[i].ndcg:.2f} | {p.query.repo} | {p.query.text} | {targets} | {ahead} |")


if __name__ == "__main__":
    main()

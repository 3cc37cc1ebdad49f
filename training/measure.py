"""Retrieval on packages never trained on: BM25, the table, and both fused."""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from training import data

POOL = 2_000
"""Functions searched, a language; a language with fewer than :data:`LEAST` is left out."""
LEAST = 150
QUERIES = 500
SEED = 5
FUSED = 60
"""Reciprocal rank fusion's constant (Cormack et al., 2009)."""

Floats = NDArray[np.float32]


def embed(pairs: data.Pairs, numbers: NDArray[np.int64], side: int, table: Floats, scale: Floats) -> Floats:
    """Unit rows of one side of some pairs."""
    out = np.zeros((len(numbers), table.shape[1]), np.float32)
    for row, n in enumerate(numbers.tolist()):
        ids = pairs.text(n, side)
        out[row] = (scale[ids] @ table[ids]) if side == 0 else table[ids].sum(axis=0)
    norms = np.sqrt((out * out).sum(axis=1))
    out /= np.maximum(norms, 1e-6)[:, None]
    return out


def bm25(pairs: data.Pairs, queries: NDArray[np.int64], pool: NDArray[np.int64], rows: int) -> Floats:
    """BM25 scores over distinct terms, k1 = 1.2 and b = 0.75, ``(queries, pool)``."""
    lists = [np.unique(pairs.text(n, 1), return_counts=True) for n in pool.tolist()]
    lengths = np.array([c.sum() for _, c in lists], np.float32)
    frequency = np.zeros(rows, np.float32)
    for t, _ in lists:
        frequency[t] += 1
    idf = np.log(1 + (len(pool) - frequency + 0.5) / (frequency + 0.5))
    matrix = np.zeros((len(pool), rows), np.float32)
    for n, (t, c) in enumerate(lists):
        matrix[n, t] = idf[t] * c * 2.2 / (c + 1.2 * (0.25 + 0.75 * lengths[n] / lengths.mean()))
    scores = np.zeros((len(queries), len(pool)), np.float32)
    for i, n in enumerate(queries.tolist()):
        scores[i] = matrix[:, np.unique(pairs.text(n, 0))].sum(axis=1)
    return scores


def reciprocal(scores: Floats, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reciprocal rank within the first ten of each row's target; ties count against it."""
    own = scores[np.arange(len(targets)), targets]
    ranks = (scores >= own[:, None]).sum(axis=1)
    return np.where(ranks <= 10, 1 / ranks, 0.0)


def fuse(a: Floats, b: Floats) -> Floats:
    """Reciprocal rank fusion of two score matrices."""
    ra = (-a).argsort(axis=1).argsort(axis=1)
    rb = (-b).argsort(axis=1).argsort(axis=1)
    fused: Floats = (1 / (FUSED + ra) + 1 / (FUSED + rb)).astype(np.float32)
    return fused


def report(pairs: data.Pairs, table: Floats, scale: Floats, *, brief: bool = False) -> str:
    """A table of MRR@10, doc comment → function and comment → code, by language."""
    rng = np.random.default_rng(SEED)
    lines = ["| task | language | functions | BM25 | dense | fused |", "|-|-|-|-|-|-|"]
    for task in ("doc", "note", "head"):
        by_language: dict[str, list[int]] = defaultdict(list)
        for n in np.flatnonzero(pairs.kinds == task).tolist():
            by_language[str(pairs.languages[n])].append(n)
        sums = []
        for language, members in sorted(by_language.items()):
            if len(members) < LEAST:
                continue
            chosen = np.array(members, np.int64)
            # One of each text: the same licence or interface comes many times.
            _, first = np.unique([hash(pairs.text(n, 1).tobytes()) for n in members], return_index=True)
            pool = rng.permutation(chosen[np.sort(first)])[:POOL]
            queries = pool[:QUERIES]
            targets = np.arange(len(queries))
            dense = embed(pairs, queries, 0, table, scale) @ embed(pairs, pool, 1, table, scale).T
            values = [0.0, reciprocal(dense, targets).mean(), 0.0]
            if not brief:
                words = bm25(pairs, queries, pool, len(table))
                values = [reciprocal(s, targets).mean() for s in (words, dense, fuse(words, dense))]
            sums.append(values)
            lines.append(
                f"| {task} | {language} | {len(pool)} | " + " | ".join(f"{x:.3f}" for x in values) + " |"
            )
        if sums:
            mean = np.mean(sums, axis=0)
            lines.append(f"| {task} | **mean** | | " + " | ".join(f"**{x:.3f}**" for x in mean) + " |")
    return "\n".join(x for x in lines if not brief or "mean" in x)


def main() -> None:
    from training.train import BUCKETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    with np.load(args.model) as z:
        terms = z["terms"].item().decode().split("\n")
        table, scale = z["table"], z["scale"]
    held = data.load(data.split(args.pairs)[1], {t: n for n, t in enumerate(terms)}, BUCKETS)
    print(report(held, table.astype(np.float32), scale))


if __name__ == "__main__":
    main()

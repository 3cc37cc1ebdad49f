"""Train the built-in embedding table: term rows that, summed, put a question near its answer.

    python -m training.train --pairs DIR --into FILE.npz [--steps N]

One table is shared by both sides: a text's vector is the sum of the rows of
its distinct words' terms, at unit length. Questions scale each row by a number
of its own, so that the words of asking weigh little there and as much as they
should in code. The loss is InfoNCE over the batch (van den Oord et al., 2018),
in both directions. A batch is made of groups from one package each: a search
has to tell apart what lies in one repository, so that is where the negatives
come from.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import data, kernels
from training.measure import report

DIMENSIONS = 256
BUCKETS = 4_096
SEED = 20261121
KINDS = {"doc": 1.0, "name": 0.8, "note": 0.5, "file": 1.0, "path": 1.0, "head": 0.7}
"""How often each kind is drawn, against its share of the pairs."""
BALANCE = 0.5
"""Languages and packages are drawn by this power of their number of pairs."""

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Settings:
    """What a run can vary."""

    rows: int = 54_000
    batch: int = 1024
    group: int = 32
    temperature: float = 0.06
    rate: float = 0.002
    decay: float = 0.02
    steps: int = 2_700
    dropped: float = 0.0


class Sampler:
    """Batches: groups of pairs of one package, packages and languages balanced."""

    def __init__(self, pairs: data.Pairs, settings: Settings, rng: np.random.Generator) -> None:
        self.rng, self.settings = rng, settings
        worth = np.array([KINDS[k] for k in KINDS], np.float64)
        kind = np.array([list(KINDS).index(str(k)) for k in pairs.kinds], np.int8)
        by_place: dict[tuple[int, str], list[int]] = defaultdict(list)
        for n, place in enumerate(zip(pairs.packages.tolist(), pairs.languages.tolist(), strict=True)):
            by_place[place].append(n)
        of_language: dict[str, float] = defaultdict(float)
        for (_, language), members in by_place.items():
            of_language[language] += len(members)
        self.members: list[NDArray[np.int64]] = []
        self.cumulative: list[NDArray[np.float64]] = []
        share = []
        total_in_language: dict[str, float] = defaultdict(float)
        for (_, language), members in by_place.items():
            total_in_language[language] += len(members) ** BALANCE
        for (_, language), members in by_place.items():
            index = np.array(members, np.int64)
            self.members.append(index)
            weights = worth[kind[index]]
            self.cumulative.append(np.cumsum(weights) / weights.sum())
            share.append(
                of_language[language] ** BALANCE * len(members) ** BALANCE / total_in_language[language]
            )
        self.share = np.cumsum(share) / np.sum(share)

    def batch(self) -> NDArray[np.int64]:
        """Numbers of distinct pairs."""
        groups = self.settings.batch // self.settings.group
        chosen = []
        for place in np.searchsorted(self.share, self.rng.random(groups)):
            at = np.searchsorted(self.cumulative[place], self.rng.random(self.settings.group))
            chosen.append(self.members[place][np.minimum(at, len(self.members[place]) - 1)])
        return np.unique(np.concatenate(chosen))


def dropped(
    ids: data.Ints, starts: NDArray[np.int64], ends: NDArray[np.int64], share: float, rng: np.random.Generator
) -> tuple[data.Ints, NDArray[np.int64]]:
    """The texts' terms with a share of them left out, and where each text ends among them.

    A text must be known by whatever is left of it, so that no pair is learned
    by heart (as dropout: Srivastava et al., 2014). One term always stays.
    """
    lengths = ends - starts
    firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    text = np.repeat(np.arange(len(starts)), lengths)
    kept = rng.random(len(text)) >= share
    kept[firsts[lengths > 0] + rng.integers(0, lengths[lengths > 0])] = True
    where = starts[text] + np.arange(len(text)) - firsts[text]
    return ids[where[kept]], np.cumsum(np.bincount(text[kept], minlength=len(starts)))


def unit(sums: Floats) -> tuple[Floats, Floats]:
    """Rows at unit length, and their lengths."""
    norms = np.sqrt(np.einsum("ij,ij->i", sums, sums)) + np.float32(1e-6)
    return sums / norms[:, None], norms


def through_unit(gradient: Floats, unit_rows: Floats, norms: Floats) -> Floats:
    """The gradient before the normalisation."""
    along = np.einsum("ij,ij->i", gradient, unit_rows)
    back: Floats = (gradient - unit_rows * along[:, None]) / norms[:, None]
    return back


def info_nce(
    q: Floats, d: Floats, files: NDArray[np.int64], temperature: float
) -> tuple[float, Floats, Floats]:
    """The symmetric loss and its gradients; texts of one file are no negatives of each other."""
    n = len(q)
    logits = (q @ d.T) / np.float32(temperature)
    same = files[:, None] == files[None, :]
    np.fill_diagonal(same, False)
    logits[same] = -1e4
    diagonal = np.arange(n)
    rows = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows /= rows.sum(axis=1, keepdims=True)
    columns = np.exp(logits - logits.max(axis=0, keepdims=True))
    columns /= columns.sum(axis=0, keepdims=True)
    loss = -float(np.log(rows[diagonal, diagonal] + 1e-9).mean())
    gradient = rows + columns
    gradient[diagonal, diagonal] -= 2
    gradient *= np.float32(0.5 / temperature / n)
    return loss, gradient @ d, gradient.T @ q


def train(
    pairs: data.Pairs,
    rows: int,
    settings: Settings,
    held: data.Pairs | None,
    idf: Floats,
    seeds: Floats | None,
) -> dict[str, Any]:
    """Fit the table; returns ``table`` (rows, 256) and ``scale`` (rows,), float32."""
    rng = np.random.default_rng(SEED)
    table = rng.standard_normal((rows, DIMENSIONS), np.float32) * (idf[:, None] / math.sqrt(DIMENSIONS))
    if seeds is not None:
        table[: len(seeds)] = seeds * idf[: len(seeds), None]
    began_at = table.copy()
    scale = np.ones(rows, np.float32)
    m, v = np.zeros_like(table), np.zeros_like(table)
    ms, vs = np.zeros_like(scale), np.zeros_like(scale)
    steps = np.zeros(rows, np.int64)
    sampler = Sampler(pairs, settings, rng)
    starts = np.concatenate([[0], pairs.ends[:-1]])
    counts = np.zeros(rows, np.int64)
    touched = np.zeros(rows, np.int64)
    firsts = np.zeros(rows + 1, np.int64)
    began = time.monotonic()
    step, running = 0, 0.0
    while True:
        done = step / settings.steps
        if done >= 1:
            break
        rate = (
            settings.rate * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        )
        chosen = sampler.batch()
        n = len(chosen)
        both = np.concatenate([2 * chosen, 2 * chosen + 1])
        ids, ends = dropped(pairs.ids, starts[both], pairs.ends[both], settings.dropped, rng)
        begins = np.concatenate([[0], ends[:-1]])
        qs, qe, ds, de = begins[:n], ends[:n], begins[n:], ends[n:]
        sums_q, sums_d = np.empty((n, DIMENSIONS), np.float32), np.empty((n, DIMENSIONS), np.float32)
        kernels.pool(table, scale, ids, qs, qe, True, sums_q)
        kernels.pool(table, scale, ids, ds, de, False, sums_d)
        q, nq = unit(sums_q)
        d, nd = unit(sums_d)
        loss, gq, gd = info_nce(q, d, pairs.files[chosen], settings.temperature)
        texts = np.empty(int((qe - qs).sum() + (de - ds).sum()), np.int64)
        unique = kernels.invert(ids, qs, qe, ds, de, counts, firsts, texts, touched)
        kernels.adam(
            table, scale, m, v, ms, vs, steps, through_unit(gq, q, nq), through_unit(gd, d, nd), texts, firsts,
            touched, unique, np.float32(rate), np.float32(rate), np.float32(settings.decay),
            began_at,
        )  # fmt: skip
        running = 0.98 * running + 0.02 * loss if step else loss
        step += 1
        if step % 500 == 0:
            print(
                f"step {step}  loss {running:.3f}  {(time.monotonic() - began) / step * 1000:.0f} ms a step",
                flush=True,
            )
        if held is not None and step % 4000 == 0:
            print(report(held, table, scale, brief=True), flush=True)
    return {"table": table, "scale": scale, "steps": step}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--into", required=True)
    parser.add_argument("--seeds")
    for name, value in (("temperature", 0.06), ("rate", 0.002), ("decay", 0.02), ("dropped", 0.0)):
        parser.add_argument("--" + name, type=float, default=value)
    for name, value in (("rows", 54_000), ("batch", 1024), ("group", 32), ("steps", 2_700)):
        parser.add_argument("--" + name, type=int, default=value)
    args = parser.parse_args()
    settings = Settings(
        args.rows, args.batch, args.group, args.temperature, args.rate, args.decay, args.steps, args.dropped
    )
    train_files, held_files = data.split(args.pairs)
    terms = data.vocabulary(train_files, settings.rows)
    rows = {t: n for n, t in enumerate(terms)}
    pairs = data.load(train_files, rows, BUCKETS)
    held = data.load(held_files, rows, BUCKETS)
    print(
        f"{len(terms):,} terms, {len(pairs.kinds):,} pairs of {len(train_files)} packages; {len(held.kinds):,} held out of {len(held_files)}",
        flush=True,
    )
    total = len(terms) + BUCKETS
    frequency = np.bincount(pairs.ids, minlength=total)
    idf = np.log(1 + len(pairs.ends) / (1 + frequency)).astype(np.float32)
    idf /= idf.mean()
    seeds = None
    if args.seeds:
        with np.load(args.seeds) as z:
            if z["terms"].item().decode().split("\n") != terms:
                raise SystemExit("the seeds are of another vocabulary; run training.seeds again")
            seeds = z["rows"]
    made = train(pairs, total, settings, held, idf, seeds)
    np.savez(args.into, terms=np.array("\n".join(terms).encode()), **made)
    print(report(held, made["table"], made["scale"]))


if __name__ == "__main__":
    main()

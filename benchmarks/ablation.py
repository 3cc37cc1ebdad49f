"""Takes each signal of the ranking away in turn, and says what that changes on texts to localise and on questions.

    python benchmarks/ablation.py [commits.jsonl issues.jsonl --trees DIR --index-dir DIR]
        [--questions QUERIES.jsonl CORPORA INDEXES ...] [--mode hybrid] [--words] [--jobs 2] [--out FILE]

The signals are whatever numbers the model's weights have when this runs (``weights.py``); each is multiplied by
``--factor`` (0) in every set of weights that searches use, and every search is run again. Indexes are brought up
to date once, before. Instances are those of ``localisation.py``, questions those of ``spelunk eval``. Prints
Markdown: differences from the weights as they are, with 95 % over repositories for the first measure of a set.
A signal whose row is 0 throughout is worth nothing, or something does not read its weight.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import weights as changes
from localisation import ours
from localisation_score import Instance, by_tree, interval, load, mean, number, score

from spelunk.evaluate import measures
from spelunk.evaluate.run import load_queries
from spelunk.index import Index

TEXT_MEASURES = ("MRR", "Acc@1", "Acc@5", "Acc@10", "All@10", "Hit@10")
QUESTION_MEASURES = ("NDCG@10", "Recall@10")
AS_IT_IS = ""

Scores = list[tuple[str, dict[str, float]]]
"""A repository and the measures of one of its texts, in a fixed order."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is searched in one index, with every variant of the weights."""

    set: str
    root: str
    index_dir: str
    instances: Sequence[Instance] = ()
    questions: Sequence[measures.LabelledQuery] = ()


def work(
    task: Task, variants: Mapping[str, Mapping[str, float]], system: str, limit: int
) -> tuple[str, dict[str, Scores]]:
    found: dict[str, Scores] = {}
    with Index.open(task.root, index_dir=task.index_dir, mode="sequential") as index:
        index.update()
        for name, values in variants.items():
            rows: Scores = []
            if task.instances:
                results = ours(index, task.instances, system, limit, values, shown=False)
                rows = [(i.repo, score(i, results[i.id])) for i in task.instances]
            with changes.changed(values) if values else nullcontext():
                for q in task.questions:
                    answer = index.search(
                        q.text, mode=system.split("-")[1], limit=measures.CUTOFF, refresh=False
                    )
                    spans = [measures.LineSpan(h.path, h.start_line, h.end_line) for h in answer.hits]
                    s = measures.score(q.targets, spans)
                    rows.append((q.repo, {"NDCG@10": s.ndcg, "Recall@10": s.recall}))
            found[name] = rows
    return task.set, found


def tasks_of(args: argparse.Namespace) -> list[Task]:
    tasks = []
    for path in args.instances:
        for tree, group in sorted(by_tree(load(path)).items()):
            tasks.append(
                Task(
                    Path(path).stem,
                    os.path.join(args.trees, tree),
                    os.path.join(args.index_dir, tree),
                    instances=group,
                )
            )
    for path, corpora, indexes in args.questions:
        queries = load_queries(path)
        for repo in sorted({q.repo for q in queries}):
            asked = [q for q in queries if q.repo == repo]
            place, name = os.path.join(indexes, repo), os.path.basename(os.path.normpath(corpora))
            tasks.append(Task(f"questions, {name}", os.path.join(corpora, repo), place, questions=asked))
    return tasks


def certainty(ours: Scores, base: Scores, measure: str) -> tuple[float, float]:
    """95 % of the difference over repositories."""
    items = [Instance("", "", repo, "", "", "", (), ()) for repo, _ in base]
    return interval(items, [r[measure] for _, r in ours], [r[measure] for _, r in base])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("instances", nargs="*")
    parser.add_argument("--trees")
    parser.add_argument("--index-dir")
    parser.add_argument(
        "--questions", nargs=3, action="append", default=[], metavar=("QUERIES", "CORPORA", "INDEXES")
    )
    parser.add_argument("--mode", default="hybrid")
    parser.add_argument(
        "--words", action="store_true", help="take the punctuation out of the instances' texts"
    )
    parser.add_argument("--signals", help="comma-separated; all by default")
    parser.add_argument("--factor", type=float, default=0.0)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", help="write every text's measures as JSON")
    args = parser.parse_args()
    if args.instances and not (args.trees and args.index_dir):
        raise SystemExit("--trees and --index-dir: where the instances' revisions and their indexes are")
    now = {name: value for w in reversed(changes.held()) for name, value in changes.signals(w).items()}
    chosen = args.signals.split(",") if args.signals else changes.names()
    variants: dict[str, dict[str, float]] = {AS_IT_IS: {}}
    variants |= {name: {name: now[name] * args.factor} for name in chosen}
    system = f"spelunk-{args.mode}" + ("-words" if args.words else "")
    tasks = tasks_of(args)
    sets: dict[str, dict[str, Scores]] = defaultdict(lambda: defaultdict(list))
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(work, task, variants, system, args.limit) for task in tasks]
        for n, (task, future) in enumerate(zip(tasks, running, strict=True), 1):
            name, found = future.result()
            for variant, rows in found.items():
                sets[name][variant] += rows
            print(f"{n} of {len(tasks)} {os.path.basename(task.root)}", file=sys.stderr, flush=True)
    heads, rule = [], []
    for name, by_variant in sets.items():
        wanted = QUESTION_MEASURES if name.startswith("questions") else TEXT_MEASURES
        heads += [f"{name} ({len(by_variant[AS_IT_IS])}) {wanted[0]}", "95 %", *wanted[1:]]
        rule += ["-"] * (len(wanted) + 1)
    print(
        f"Mode {system}, factor {args.factor}.\n\n| Without | weight | {' | '.join(heads)} |\n|-|-|{'|'.join(rule)}|"
    )
    lines = []
    for variant in variants:
        cells, worth = [], 0.0
        for name, by_variant in sets.items():
            wanted = QUESTION_MEASURES if name.startswith("questions") else TEXT_MEASURES
            base = [r for _, r in by_variant[AS_IT_IS]]
            rows = [r for _, r in by_variant[variant]]
            if variant == AS_IT_IS:
                cells += [number(mean(base, wanted[0])), "", *(number(mean(base, m)) for m in wanted[1:])]
                continue
            low, high = certainty(by_variant[variant], by_variant[AS_IT_IS], wanted[0])
            differences = [mean(rows, m) - mean(base, m) for m in wanted]
            cells += [
                f"{differences[0]:+.4f}",
                f"[{low:+.3f}, {high:+.3f}]",
                *(f"{d:+.3f}" for d in differences[1:]),
            ]
            worth += differences[0]
        weight = f"{now[variant]:g}" if variant else ""
        lines.append((worth, f"| {variant or '(nothing)'} | {weight} | {' | '.join(cells)} |"))
    print("\n".join([lines[0][1], *(text for _, text in sorted(lines[1:], key=lambda x: x[0]))]))
    if args.out:
        Path(args.out).write_text(
            json.dumps({"factor": args.factor, "mode": system, "weights": now, "sets": sets})
        )


if __name__ == "__main__":
    main()

"""Measures of localisation, and their tables: how near an answer comes to what was changed.

File rank is the order of the first result of each file. Acc@k: a changed file is among the first k files;
All@k: all are; Hit@k: one of the first k results meets changed lines. MRR: of the first changed file. Questions
without changed lines have the measures of ``spelunk eval``, a result's file as its target.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spelunk.evaluate import measures

MEASURES = ("Acc@1", "Acc@5", "Acc@10", "Acc@50", "All@10", "MRR", "Hit@5", "Hit@10", "empty")
COMPARED = ("Acc@1", "Acc@5", "All@10", "Hit@10")
OF_QUESTIONS = ("NDCG@10", "Recall@10", "MRR", "Acc@1", "Acc@5", "Acc@10", "All@10", "empty")
CHOSEN_BY = ("Acc@1", "Acc@5", "All@10")
"""A set of weights is chosen by the mean of these, for questions by NDCG@10."""
BUDGETS = (2_000, 8_000)

Row = dict[str, Any]
Results = dict[str, Row]
"""Rows of one system by the instance's id."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A text and what was changed for it; ``kind`` is the name of its file."""

    kind: str
    id: str
    repo: str
    revision: str
    language: str
    text: str
    files: tuple[str, ...]
    hunks: tuple[tuple[str, int, int], ...]

    @property
    def tree(self) -> str:
        return f"{self.repo.replace('/', '+')}@{self.revision[:10]}" if self.revision else self.repo


def load(path: str) -> list[Instance]:
    kind = Path(path).stem
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return [question(kind, n, r) if "relevant" in r else instance(kind, r) for n, r in enumerate(rows)]


def instance(kind: str, row: Row) -> Instance:
    hunks = tuple((h["path"], h["start"], h["end"]) for h in row["hunks"])
    return Instance(
        kind,
        row["id"],
        row["repo"],
        row["parent_sha"],
        row["language"],
        row["query"],
        tuple(row["files"]),
        hunks,
    )


def question(kind: str, number: int, row: Row) -> Instance:
    """A labelled question: its targets are the files, and it has no revision."""
    files = tuple(dict.fromkeys(t["path"] for t in (*row["relevant"], *row.get("secondary", ()))))
    key = str(row.get("id", number))
    return Instance(kind, key, row["repo"], "", row.get("language", ""), row["query"], files, ())


def by_tree(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    groups: dict[str, list[Instance]] = defaultdict(list)
    for i in instances:
        groups[i.tree].append(i)
    return groups


# Measures


def score(instance: Instance, row: Row | None) -> dict[str, float]:
    """The measures of one answer."""
    results = row["results"] if row else []
    files = list(dict.fromkeys(r["path"] for r in results))
    ranks = [files.index(f) + 1 if f in files else 0 for f in instance.files]
    first = min((r for r in ranks if r), default=0)
    out = {f"Acc@{k}": float(0 < first <= k) for k in (1, 5, 10, 50)}
    out["All@10"] = float(all(0 < r <= 10 for r in ranks))
    out["MRR"] = 1 / first if first else 0.0
    for k in (5, 10):
        spans = [(r["path"], r["start_line"], r["end_line"]) for r in results[:k]]
        out[f"Hit@{k}"] = float(meets(spans, instance.hunks))
    out["empty"] = float(not results)
    if not instance.hunks:
        targets = [measures.LineSpan(f) for f in instance.files]
        found = measures.score(targets, [measures.LineSpan(r["path"]) for r in results])
        out |= {"NDCG@10": found.ndcg, "Recall@10": found.recall}
    return out


def columns(instances: Sequence[Instance]) -> tuple[Sequence[str], Sequence[str]]:
    """The measures of these texts, and those that are compared and broken down."""
    return (MEASURES, COMPARED) if instances[0].hunks else (OF_QUESTIONS, ("NDCG@10", "Acc@1"))


def ranks(instance: Instance, row: Row | None) -> Row:
    """Where the answer has each changed file, and the first result with changed lines; 0 for nowhere."""
    results = row["results"] if row else []
    files = list(dict.fromkeys(r["path"] for r in results))
    spans = [(r["path"], r["start_line"], r["end_line"]) for r in results]
    return {
        "files": [files.index(f) + 1 if f in files else 0 for f in instance.files],
        "lines": next((n for n, span in enumerate(spans, 1) if meets([span], instance.hunks)), 0),
    }


def meets(spans: Sequence[Sequence[Any]], hunks: Sequence[tuple[str, int, int]]) -> bool:
    return any(p == path and s <= end and e >= start for p, s, e in spans for path, start, end in hunks)


def mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(r[name] for r in rows) / max(1, len(rows))


def interval(
    instances: Sequence[Instance], ours: Sequence[float], theirs: Sequence[float]
) -> tuple[float, float]:
    """95 % of the mean difference, whole repositories drawn anew 2,000 times."""
    diff: dict[str, list[float]] = defaultdict(list)
    for i, a, b in zip(instances, ours, theirs, strict=True):
        diff[i.repo].append(a - b)
    rng, repos = random.Random(0), sorted(diff)
    means = []
    for _ in range(2_000):
        drawn = [d for _ in repos for d in diff[rng.choice(repos)]]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return means[50], means[1949]


def folds(repos: Sequence[str], n: int) -> list[list[str]]:
    """The same repositories always give the same split."""
    order = sorted(repos, key=lambda r: hashlib.sha256(r.encode()).hexdigest())
    return [order[i::n] for i in range(n)]


def number(x: float) -> str:
    return f"{x:.3f}".replace("0.", ".", 1) if x < 1 else f"{x:.2f}"


# Tables


def table(instances: Sequence[Instance], found: Mapping[str, Results]) -> None:
    scores = {s: [score(i, rows.get(i.id)) for i in instances] for s, rows in found.items()}
    shown, compared = columns(instances)
    print(f"| {len(instances)} texts | {' | '.join(shown)} | p50 ms |\n|-|{'-|' * len(shown)}-|")
    for system, rows in scores.items():
        took = sorted(r["seconds"] * 1000 for r in found[system].values() if "seconds" in r)
        cells = " | ".join(number(mean(rows, m)) for m in shown)
        print(f"| {system} | {cells} | {took[len(took) // 2] if took else 0:.0f} |")
    best, rest = next(iter(scores)), list(scores)[1:]
    if rest:
        print(f"\n| {best} minus | {' | '.join(compared)} |\n|-|{'-|' * len(compared)}")
    for system in rest:
        cells = []
        for m in compared:
            a, b = [r[m] for r in scores[best]], [r[m] for r in scores[system]]
            low, high = interval(instances, a, b)
            cells.append(f"{mean(scores[best], m) - mean(scores[system], m):+.3f} [{low:+.3f}, {high:+.3f}]")
        print(f"| {system} | {' | '.join(cells)} |")
    parts: list[tuple[str, Callable[[Instance], str]]] = [
        ("language", lambda i: i.language),
        ("repository", lambda i: i.repo),
    ]
    for title, key in parts:
        if len({key(i) for i in instances}) < 2:
            continue
        for m in compared:
            print(f"\n| {m} by {title} | n | {' | '.join(scores)} |\n|-|-|{'-|' * len(scores)}")
            for value in sorted({key(i) for i in instances}):
                at = [n for n, i in enumerate(instances) if key(i) == value]
                cells = " | ".join(number(mean([rows[n] for n in at], m)) for rows in scores.values())
                print(f"| {value} | {len(at)} | {cells} |")


def budget_table(instances: Sequence[Instance], found: Mapping[str, Results]) -> None:
    """Shares of texts for which a changed file, all changed files, changed lines are within the budget."""
    heads = [f"{what} ({b:,})" for b in BUDGETS for what in ("a file", "all files", "changed lines")]
    print(f"\n| Seen within tokens | {' | '.join(heads)} |\n|-|{'-|' * len(heads)}")
    for system, rows in found.items():
        forms = {k.rpartition(" ")[0] for r in rows.values() for k in r.get("within", {})}
        for form in sorted(forms):
            cells = []
            for budget in BUDGETS:
                key = f"{form} {budget}".strip()
                seen = [rows.get(i.id, {}).get("within", {}).get(key, []) for i in instances]
                of = [{s[0] for s in spans} for spans in seen]
                pairs = list(zip(instances, of, seen, strict=True))
                cells += [
                    sum(bool(paths & set(i.files)) for i, paths, _ in pairs) / len(instances),
                    sum(paths >= set(i.files) for i, paths, _ in pairs) / len(instances),
                    sum(meets(spans, i.hunks) for i, _, spans in pairs) / len(instances),
                ]
            print(f"| {system} {form} | {' | '.join(map(number, cells))} |")


def fold_table(instances: Sequence[Instance], found: Mapping[str, Results], n: int) -> None:
    """For each fold the set of weights that is best on the others, measured on the fold."""
    shown, _ = columns(instances)
    by = CHOSEN_BY if instances[0].hunks else ("NDCG@10",)
    families: dict[str, list[str]] = defaultdict(list)
    for system in found:
        families[system.split("+")[0]].append(system)
    for base, variants in families.items():
        if len(variants) < 2:
            continue
        scores = {v: [score(i, found[v].get(i.id)) for i in instances] for v in variants}
        held_out: list[dict[str, float]] = []
        print(f"\n| {base}: fold | chosen on the others | {' | '.join(shown)} |\n|-|-|{'-|' * len(shown)}")
        for f, fold in enumerate(folds(sorted({i.repo for i in instances}), n), 1):
            test = [k for k, i in enumerate(instances) if i.repo in fold]
            train = [k for k, i in enumerate(instances) if i.repo not in fold]
            chosen = max(variants, key=lambda v: sum(mean([scores[v][k] for k in train], m) for m in by))
            rows = [scores[chosen][k] for k in test]
            held_out += rows
            print(f"| {f} ({len(test)}) | {chosen} | {' | '.join(number(mean(rows, m)) for m in shown)} |")
        print(f"| all, held out | | {' | '.join(number(mean(held_out, m)) for m in shown)} |")

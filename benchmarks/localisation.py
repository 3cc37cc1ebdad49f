"""Finds the code to change from the text of an issue or of a commit: Spelunk and other systems, side by side.

    python benchmarks/localisation.py commits.jsonl issues.jsonl --trees DIR --out DIR
        [--peers VENV/bin/python [--semble-model DIR]] [--systems NAME,...] [--weights FILE --folds 4]

An instance is a line ``{id, repo, parent_sha, language, query, files, hunks: [{path, start, end}]}``: a text,
and what was changed for it, in the revision ``parent_sha``. ``--trees`` holds a work tree of each revision,
``OWNER+NAME@SHA10``; or ``--repositories`` holds a clone of each with its history, ``OWNER+NAME``: then one work
tree of each is moved from revision to revision under ``--work``, oldest first, and its index brought up to date.
All systems search a revision before the next one is made. Each writes ``OUT/INSTANCES.SYSTEM.jsonl``, a line
``{id, results: [{path, start_line, end_line}]}`` for each text; what is there already is not run again
(``--fresh`` does). Prints Markdown.

Systems: ``spelunk-hybrid``, ``spelunk-lexical`` and other modes, through the Python API; with ``-words`` the text
goes in without punctuation. ``ripgrep``, ``bm25``, ``semble`` and ``semble-bm25`` as in ``localisation_peers.py``,
with ``--peers``. ``--weights`` is ``{name: {signal: value}}``: sets of changes to the ranking's weights
(``weights.py``); each is run in every mode, and for each fold of repositories the set that is best on the others.

File rank is the order of the first result of each file. Acc@k: a changed file is among the first k files;
All@k: all are; Hit@k: one of the first k results meets changed lines. MRR: of the first changed file.
Within a token budget: what ``--max-tokens`` leaves of the output; for ripgrep, whole files in its order, the last
cut; for semble, its JSON. Tokens are ``spelunk.text.token_estimate``'s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import weights as changes

from spelunk.errors import SpelunkError
from spelunk.index import Index
from spelunk.present.render import View, render
from spelunk.text.token_estimate import token_estimate

OURS = ("spelunk-hybrid", "spelunk-hybrid-words", "spelunk-lexical", "spelunk-lexical-words")
PEERS = ("ripgrep", "bm25", "semble", "semble-bm25")
MEASURES = ("Acc@1", "Acc@5", "Acc@10", "Acc@50", "All@10", "MRR", "Hit@5", "Hit@10", "empty")
CHOSEN_BY = ("Acc@1", "Acc@5", "All@10")
"""A set of weights is chosen by the mean of these."""
BUDGETS = (2_000, 8_000)
FORMS = ("text", "markdown")

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
        return f"{self.repo.replace('/', '+')}@{self.revision[:10]}"


def load(path: str) -> list[Instance]:
    kind = Path(path).stem
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return [
        Instance(
            kind, r["id"], r["repo"], r["parent_sha"], r["language"], r["query"], tuple(r["files"]),
            tuple((h["path"], h["start"], h["end"]) for h in r["hunks"]),
        )
        for r in rows
    ]  # fmt: skip


# Revisions


def git(*arguments: str) -> str:
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def by_tree(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    groups: dict[str, list[Instance]] = defaultdict(list)
    for i in instances:
        groups[i.tree].append(i)
    return groups


def trees(
    instances: Sequence[Instance], folder: str, indexes: str
) -> Iterator[tuple[str, str, list[Instance]]]:
    """Each revision's work tree, its index's place, and the instances."""
    for name, group in sorted(by_tree(instances).items()):
        root = os.path.join(folder, name)
        if not os.path.isdir(root):
            raise SystemExit(f"{root}: no work tree of this revision")
        yield root, os.path.join(indexes, name), group


def checkouts(
    instances: Sequence[Instance], folder: str, work: str, indexes: str
) -> Iterator[tuple[str, str, list[Instance]]]:
    """The same with one work tree of each repository, moved from revision to revision, oldest first."""
    for repo in sorted({i.repo for i in instances}):
        name = repo.replace("/", "+")
        source = next(
            (s for s in (f"{folder}/{name}", f"{folder}/{name}/repo", f"{folder}/{name}.git") if is_git(s)),
            "",
        )
        if not source:
            raise SystemExit(f"{folder}/{name}: no clone of {repo}")
        root = os.path.join(work, name)
        if not os.path.isdir(root):
            git("clone", "-q", "--shared", "--no-checkout", source, root)
        groups = by_tree([i for i in instances if i.repo == repo])
        when = {
            t: int(git("-C", root, "log", "-1", "--format=%ct", g[0].revision)) for t, g in groups.items()
        }
        for tree in sorted(groups, key=lambda t: (when[t], t)):
            git("-C", root, "checkout", "-q", "--force", "--detach", groups[tree][0].revision)
            git("-C", root, "clean", "-q", "-ffdx")
            yield root, os.path.join(indexes, name), groups[tree]


def is_git(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, *p)) for p in ((".git",), ("objects",)))


# Systems


def words_of(text: str) -> str:
    """The text's words, without punctuation."""
    return re.sub(r"\W+", " ", text).strip()


def ours(
    index: Index,
    group: Sequence[Instance],
    name: str,
    limit: int,
    values: Mapping[str, float],
    *,
    shown: bool = True,
) -> Results:
    """One of Spelunk's modes over the instances of a revision; ``shown``: with what fits each budget."""
    _, mode, *rest = name.split("+")[0].split("-")
    found: Results = {}
    with changes.changed(values) if values else nullcontext():
        for i in group:
            text = words_of(i.text) if "words" in rest else i.text
            began, cpu = time.perf_counter(), time.process_time()
            try:
                answer = index.search(text, mode=mode, limit=limit, refresh=False)
            except SpelunkError as error:
                found[i.id] = {"results": [], "error": str(error)[:200]}
                continue
            row: Row = {
                "seconds": round(time.perf_counter() - began, 4),
                "cpu": round(time.process_time() - cpu, 4),
                "results": [
                    {"path": h.path, "start_line": h.start_line, "end_line": h.end_line} for h in answer.hits
                ],
            }
            if shown and not values:
                row["within"] = {
                    f"{form} {budget}": [
                        [h.path, h.start_line, h.end_line]
                        for h in render(answer, form, View(max_tokens=budget)).answer.hits
                    ]
                    for form in FORMS
                    for budget in BUDGETS
                }
            found[i.id] = row
    return found


class Peers:
    """The other systems, in a process with an environment of their own."""

    def __init__(self, python: str, model: str | None, work: str) -> None:
        env = {**os.environ, "XDG_CACHE_HOME": work, "SEMBLE_CACHE_LOCATION": os.path.abspath(work)}
        if model:
            env["SEMBLE_MODEL_NAME"] = os.path.abspath(model)
        script = str(Path(__file__).with_name("localisation_peers.py"))
        self.process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )

    def answers(
        self, root: str, systems: Sequence[str], limit: int, group: Sequence[Instance]
    ) -> dict[str, Results]:
        assert self.process.stdin and self.process.stdout
        task = {"root": root, "systems": systems, "limit": limit, "queries": {i.id: i.text for i in group}}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of the other systems ended ({self.process.wait()}) at {root}")
        found: dict[str, Results] = json.loads(line)
        for name, rows in found.items():
            for row in rows.values():
                budgets = {str(b): within(root, name, row["results"], b) for b in BUDGETS}
                row["within"] = budgets
                for result in row["results"]:
                    result.pop("text", None)
        return found

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def within(root: str, system: str, results: Sequence[Row], budget: int) -> list[list[Any]]:
    """The lines that a reader of the output has seen when the budget is used up, the last result cut at a line."""
    seen: list[list[Any]] = []
    left = budget
    for r in results:
        if system == "ripgrep":
            first, text = 1, read(root, r["path"])
        elif "text" in r:
            first, text = r["start_line"], r["text"]
        else:
            first, text = (
                r["start_line"],
                "".join(read(root, r["path"]).splitlines(True)[r["start_line"] - 1 : r["end_line"]]),
            )
        cost = token_estimate(text) + token_estimate(r["path"]) + 1
        if cost <= left:
            left -= cost
            last = r["end_line"] if system != "ripgrep" else text.count("\n") + 1
            seen.append([r["path"], first, last])
            continue
        left -= token_estimate(r["path"]) + 1
        shown = 0
        for line in text.splitlines(True):
            left -= token_estimate(line)
            if left < 0:
                break
            shown += 1
        if shown:
            seen.append([r["path"], first, first + shown - 1])
        break
    return seen


def read(root: str, path: str) -> str:
    try:
        return Path(root, path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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
    return out


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
    print(f"| {len(instances)} texts | {' | '.join(MEASURES)} | p50 ms |\n|-|{'-|' * len(MEASURES)}-|")
    for system, rows in scores.items():
        took = sorted(r["seconds"] * 1000 for r in found[system].values() if "seconds" in r)
        cells = " | ".join(number(mean(rows, m)) for m in MEASURES)
        print(f"| {system} | {cells} | {took[len(took) // 2] if took else 0:.0f} |")
    best, rest = next(iter(scores)), list(scores)[1:]
    if rest:
        print(f"\n| {best} minus | Acc@1 | Acc@5 | All@10 | Hit@10 |\n|-|-|-|-|-|")
    for system in rest:
        cells = []
        for m in ("Acc@1", "Acc@5", "All@10", "Hit@10"):
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
        for m in ("Acc@1", "Acc@5", "All@10", "Hit@10"):
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
    families: dict[str, list[str]] = defaultdict(list)
    for system in found:
        families[system.split("+")[0]].append(system)
    for base, variants in families.items():
        if len(variants) < 2:
            continue
        scores = {v: [score(i, found[v].get(i.id)) for i in instances] for v in variants}
        held_out: list[dict[str, float]] = []
        print(
            f"\n| {base}: fold | chosen on the others | {' | '.join(MEASURES)} |\n|-|-|{'-|' * len(MEASURES)}"
        )
        for f, fold in enumerate(folds(sorted({i.repo for i in instances}), n), 1):
            test = [k for k, i in enumerate(instances) if i.repo in fold]
            train = [k for k, i in enumerate(instances) if i.repo not in fold]
            chosen = max(
                variants, key=lambda v: sum(mean([scores[v][k] for k in train], m) for m in CHOSEN_BY)
            )
            rows = [scores[chosen][k] for k in test]
            held_out += rows
            print(f"| {f} ({len(test)}) | {chosen} | {' | '.join(number(mean(rows, m)) for m in MEASURES)} |")
        print(f"| all, held out | | {' | '.join(number(mean(held_out, m)) for m in MEASURES)} |")


# The run


def run(
    args: argparse.Namespace,
    instances: Sequence[Instance],
    systems: Sequence[str],
    sets: Mapping[str, Mapping[str, float]],
) -> None:
    """Search every revision with every system that has no results yet."""
    files: dict[tuple[str, str], IO[str]] = {}
    done = (
        {s: set(results(args.out, i.kind, s)) for i in instances for s in systems} if not args.fresh else {}
    )
    for kind in {i.kind for i in instances}:
        for s in systems:
            ids = {i.id for i in instances if i.kind == kind}
            have = set(results(args.out, kind, s)) if not args.fresh else set()
            done[s] |= have & ids
            files[kind, s] = open(place(args.out, kind, s), "w" if args.fresh else "a", encoding="utf-8")  # noqa: SIM115
    open_ = [i for i in instances if any(i.id not in done[s] for s in systems)]
    work = args.work
    indexes = args.index_dir or os.path.join(work, "indexes")
    os.makedirs(work, exist_ok=True)
    revisions = (
        trees(open_, args.trees, indexes)
        if args.trees
        else checkouts(open_, args.repositories, os.path.join(work, "trees"), indexes)
    )
    peers = Peers(args.peers, args.semble_model, os.path.join(work, "semble")) if args.peers else None
    began, updates, indexed, seen = time.perf_counter(), 0.0, 0, 0
    for count, (root, index_dir, group) in enumerate(revisions, 1):
        found: dict[str, Results] = {}
        with Index.open(root, index_dir=index_dir, mode="sequential") as index:
            report = index.update()
            updates += report.seconds
            indexed += report.files.indexed
            seen += report.files.seen
            for s in systems:
                if s.startswith("spelunk-"):
                    found[s] = ours(index, group, s, args.limit, sets.get(s.partition("+")[2], {}))
        others = [s for s in systems if not s.startswith("spelunk-")]
        if others and peers:
            found |= peers.answers(root, others, args.limit, group)
        for s, rows in found.items():
            for i in group:
                if i.id in rows and i.id not in done[s]:
                    line = {"id": i.id, **rows[i.id]}
                    files[i.kind, s].write(json.dumps(line) + "\n")
                    files[i.kind, s].flush()
        if not args.quiet:
            print(
                f"{count} {os.path.basename(root)} {group[0].revision[:10]} {time.perf_counter() - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    for file in files.values():
        file.close()
    if peers:
        peers.close()
    if open_:
        print(f"updates: {indexed:,} of {seen:,} files indexed in {updates:.1f} s, the rest unchanged\n")


def place(out: str, kind: str, system: str) -> str:
    return os.path.join(out, f"{kind}.{system}.jsonl")


def results(out: str, kind: str, system: str) -> Results:
    try:
        with open(place(out, kind, system), encoding="utf-8") as file:
            return {row["id"]: row for row in map(json.loads, file)}
    except OSError:
        return {}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("instances", nargs="+")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--trees")
    where.add_argument("--repositories")
    parser.add_argument("--out", required=True)
    parser.add_argument("--work", default="", help="work trees and indexes; OUT/work by default")
    parser.add_argument("--index-dir", help="the revisions' indexes, instead of below --work")
    parser.add_argument("--systems", help="comma-separated; all that can be run by default")
    parser.add_argument("--peers", help="the interpreter of an environment with semble 0.7 and bm25s")
    parser.add_argument("--semble-model", help="the folder of a static model (static_model.py)")
    parser.add_argument("--weights")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--fresh", action="store_true", help="run what has results already again")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    args.work = args.work or os.path.join(args.out, "work")
    os.makedirs(args.out, exist_ok=True)
    systems = args.systems.split(",") if args.systems else [*OURS, *(PEERS if args.peers else ())]
    unknown = [s for s in systems if not s.startswith("spelunk-") and s not in PEERS]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: no such system")
    sets: dict[str, dict[str, float]] = json.loads(Path(args.weights).read_text()) if args.weights else {}
    ours_too = [s for s in systems if s.startswith("spelunk-")]
    systems += [f"{s}+{name}" for s in ours_too for name in sets]
    instances = [i for path in args.instances for i in load(path)]
    if args.trees or args.repositories:
        if any(s in PEERS for s in systems) and not args.peers:
            raise SystemExit("--peers: name the interpreter that has the other systems")
        run(args, instances, systems, sets)
    for kind in dict.fromkeys(i.kind for i in instances):
        part = [i for i in instances if i.kind == kind]
        found = {s: results(args.out, kind, s) for s in systems}
        found = {s: rows for s, rows in found.items() if rows}
        if not found:
            continue
        print(f"## {kind}\n")
        table(part, found)
        budget_table(part, {s: r for s, r in found.items() if "+" not in s})
        if sets:
            fold_table(part, found, args.folds)
        print()


if __name__ == "__main__":
    main()

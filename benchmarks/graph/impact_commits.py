"""How many of the test files that a commit changes `impact --diff` names first, on real commits.

Of each repository some commits are drawn that change code and, in the same commit, test files that were
there before. The tree is that of the commit's parent, with the commit's change of everything but tests. What
differs from the parent is then asked about: ``impact --diff HEAD``. The share of the commit's changed test
files among the first 20 that are named is its figure. Test files that the commit adds cannot be named and do
not count; nor do files of tests that are no code (fixtures, snapshots).

The baseline goes by names alone: tests called after a changed file (``test_x``, ``x_test``, ``XTest``,
``x.spec``), then tests whose name holds that of a changed file, in each group the nearest folder first.

    python benchmarks/graph/impact_commits.py REPOSITORY... --work DIR --out rows.jsonl
    python benchmarks/graph/impact_commits.py --show rows.jsonl

A REPOSITORY is a git directory or a clone; nothing is written to it. Its objects are borrowed by a clone in
DIR, which is indexed once at the oldest commit and then updated from commit to commit. Rows that are there
already are not made again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from spelunk import Index
from spelunk.files.languages import language_of
from spelunk.files.path_rules import path_flags
from spelunk.graph import impact as impact_module
from spelunk.graph.languages import NOT_CODE
from spelunk.types import Flag

FIRST = 20
"""Tests that count."""
MOST_SOURCES, MOST_TESTS, MOST_FILES = 10, 10, 30
"""Of one commit: a larger one is a sweep over the repository."""
HISTORY = 2_000
"""Commits behind the parent whose files are known."""
LOOKED_AT = 4_000
"""Newest commits of a repository from which is drawn."""
NOT_SOURCES = Flag.VENDORED | Flag.GENERATED | Flag.DOCS | Flag.EXAMPLE | Flag.CONFIG

TEST_WORDS = re.compile(
    r"(?:^|[_.\-])(?:tests?|specs?|it)(?=$|[_.\-])|(?:Tests?|Specs?|TestCase|IT)$|^Test(?=[A-Z])"
)


class Case(NamedTuple):
    """A commit: files that it changes, of code and of tests that were there before."""

    commit: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    others: tuple[str, ...]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode("utf-8", "surrogateescape")


def is_code(path: str) -> bool:
    return language_of(path.rpartition("/")[2]) not in NOT_CODE | {""}


def is_test(path: str) -> bool:
    return bool(path_flags(path) & Flag.TEST)


def is_source(path: str) -> bool:
    return is_code(path) and not path_flags(path) & (NOT_SOURCES | Flag.TEST)


def cases(repository: Path, count: int, seed: int) -> list[Case]:
    """Commits that change code and tests, drawn at random, the oldest first."""
    log = git(
        repository, "log", "--no-merges", "--no-renames", "--name-status", "-z", f"-{LOOKED_AT}",
        "--format=%x01%H", "HEAD",
    )  # fmt: skip
    found: list[Case] = []
    for entry in log.split("\x01")[1:]:
        commit, *fields = entry.split("\0")
        fields = [f.lstrip("\n") for f in fields if f.strip("\n")]
        status = dict(zip(fields[1::2], fields[::2], strict=False))
        sources = tuple(p for p, s in status.items() if is_source(p) and s == "M")
        tests = tuple(p for p, s in status.items() if is_test(p) and is_code(p) and s == "M")
        if (
            not 0 < len(sources) <= MOST_SOURCES
            or not 0 < len(tests) <= MOST_TESTS
            or len(status) > MOST_FILES
        ):
            continue
        others = tuple(p for p in status if not is_test(p))
        found.append(Case(commit.strip(), sources, tests, others))
    drawn = sorted(random.Random(seed).sample(range(len(found)), min(count, len(found))), reverse=True)
    return [found[n] for n in drawn]


def prepare(clone: Path, case: Case) -> None:
    """The parent's tree with the commit's change of everything but tests."""
    git(clone, "checkout", "-q", "-f", "--detach", f"{case.commit}^")
    git(clone, "clean", "-q", "-fdx")
    there = git(clone, "ls-tree", "-r", "-z", "--name-only", case.commit).split("\0")
    kept = [p for p in case.others if p in set(there)]
    gone = [p for p in case.others if p not in set(there)]
    if kept:
        git(clone, "checkout", "-q", case.commit, "--", *kept)
    if gone:
        git(clone, "rm", "-q", "-f", "--ignore-unmatch", "--", *gone)


def bare_name(path: str) -> str:
    """The name of a file without a word for tests, in one spelling."""
    name = path.rpartition("/")[2]
    stem = (
        name.partition(".")[0] if not TEST_WORDS.search(name.rpartition(".")[0]) else name.rpartition(".")[0]
    )
    return re.sub(r"[_.\-]", "", TEST_WORDS.sub("", stem)).lower()


def steps(a: str, b: str) -> int:
    left, right = a.split("/")[:-1], b.split("/")[:-1]
    shared = next(
        (n for n, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), min(len(left), len(right))
    )
    return len(left) + len(right) - 2 * shared


def by_name(sources: Sequence[str], tests: Iterable[str]) -> list[str]:
    """Tests called after a changed file, then those whose name holds its name; each group by nearness."""
    ranked: list[tuple[int, int, str]] = []
    names = {source: bare_name(source) for source in sources}
    for test in tests:
        name = bare_name(test)
        own = [s for s, n in names.items() if n and n == name]
        alike = [s for s, n in names.items() if len(n) > 2 and n in name]
        if own or alike:
            ranked.append((not own, min(steps(test, s) for s in own or alike), test))
    return [test for _, _, test in sorted(ranked)]


class Variants:
    """Asks also what would be named without some rules, of the same walk through the graph."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self._original = impact_module.tests_to_run

    def __enter__(self) -> Self:
        impact_module.tests_to_run = self._ask
        return self

    def __exit__(self, *_: object) -> None:
        impact_module.tests_to_run = self._original

    def _ask(
        self,
        resolver: Any,
        reached: Any,
        changed: Any,
        companions: Any,
        inside: Any,
        limit: int,
        text: str,
    ) -> Any:
        def first(companions: Any, limit: int, text: str) -> list[str]:
            edges = self._original(resolver, reached, changed, companions, inside, limit, text)
            return [edge.path for edge in edges[:FIRST]]

        self.found = {
            "without_words": first(companions, limit, ""),
            "without_history": first(None, limit, ""),
            "graph_and_name": first(None, 0, ""),
        }
        return self._original(resolver, reached, changed, companions, inside, limit, text)


def measure(index: Index, clone: Path, case: Case) -> dict[str, Any]:
    index.update()
    began = time.perf_counter()
    with Variants() as variants:
        answer = index.impact(diff="HEAD", limit=FIRST, refresh=False)
    took = time.perf_counter() - began
    with index.snapshot() as reader:
        tests = [p for p in reader.relations.all_paths() if is_test(p) and is_code(p)]
    languages = Counter(language_of(p.rpartition("/")[2]) for p in case.sources)
    return {
        "commit": case.commit,
        "language": languages.most_common(1)[0][0],
        "sources": case.sources,
        "changed": case.tests,
        "named": [edge.path for edge in answer.tests],
        "rules": [edge.rule for edge in answer.tests],
        "confidences": [edge.confidence for edge in answer.tests],
        "by_name": by_name(case.sources, tests)[:FIRST],
        **variants.found,
        "tests": len(tests),
        "targets": len(answer.targets),
        "left_out": answer.left_out,
        "seconds": round(took, 3),
    }


def share(row: dict[str, Any], key: str, first: int = FIRST) -> float:
    return len(set(row["changed"]) & set(row[key][:first])) / len(row["changed"])


def show(rows: Sequence[dict[str, Any]]) -> None:
    groups: dict[str, list[dict[str, Any]]] = {"all": list(rows)}
    for kind in ("language", "repository"):
        parts = defaultdict(list)
        for row in rows:
            parts[row[kind]].append(row)
        groups |= dict(sorted(parts.items()))
    kinds = ("named", "without_words", "without_history", "graph_and_name", "by_name")
    print("In each cell the mean share among the first 20, the median, and the mean among the first 5.\n")
    print(f"| | commits | test files there (median) | {' | '.join(kinds)} |")
    print("|-|-|-|" + "-|" * len(kinds))
    for name, part in groups.items():
        cells = [name, len(part), int(statistics.median(r["tests"] for r in part))]
        for kind in kinds:
            found = [share(r, kind) for r in part]
            five = statistics.mean(share(r, kind, 5) for r in part)
            cells.append(f"{statistics.mean(found):.3f}, {statistics.median(found):.2f}, {five:.3f}")
        print("| " + " | ".join(map(str, cells)) + " |")
    print(f"\nall of them named: {statistics.mean(share(r, 'named') == 1 for r in rows):.3f}")
    right: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        for path, rule in zip(row["named"], row["rules"], strict=True):
            right[rule].append(path in row["changed"])
    for rule, hits in sorted(right.items(), key=lambda r: -len(r[1])):
        print(f"  {rule}: {len(hits)} named, {sum(hits) / len(hits):.3f} of them changed")
    seconds = sorted(r["seconds"] for r in rows)
    print(f"\nseconds of an answer: p50 {statistics.median(seconds)}, p95 {seconds[int(0.95 * len(seconds))]}, most {seconds[-1]}")  # fmt: skip
    rng = random.Random(1)
    for kind in kinds[1:]:
        gains = defaultdict(list)
        for row in rows:
            gains[row["repository"]].append(share(row, "named") - share(row, kind))
        means = []
        for _ in range(4_000):  # repositories are drawn, and their commits with them
            drawn = [g for name in rng.choices(list(gains), k=len(gains)) for g in gains[name]]
            means.append(statistics.mean(drawn))
        means.sort()
        mean = statistics.mean(g for part in gains.values() for g in part)
        print(
            f"gain over {kind}: {mean:+.3f} [{means[100]:+.3f}, {means[3_900]:+.3f}], bootstrap by repository"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", nargs="*", type=Path)
    parser.add_argument("--work", type=Path, help="folder for clones and indexes")
    parser.add_argument("--out", type=Path, help="rows as JSON lines; kept and added to")
    parser.add_argument("--show", type=Path, help="print the figures of rows")
    parser.add_argument("--commits", type=int, default=10, help="of each repository")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    if args.show:
        show([json.loads(line) for line in args.show.read_text().splitlines()])
        return
    args.work.mkdir(parents=True, exist_ok=True)
    done = set()
    if args.out.exists():
        done = {json.loads(line)["commit"] for line in args.out.read_text().splitlines()}
    for repository in args.repositories:
        name = (
            repository.resolve().name if repository.name not in ("repo", ".git") else repository.parent.name
        )
        todo = [case for case in cases(repository, args.commits, args.seed) if case.commit not in done]
        if not todo:
            continue
        clone = args.work / name
        if not clone.exists():
            git(args.work, "clone", "-q", "--shared", "--no-checkout", str(repository.resolve()), str(clone))
        began = time.perf_counter()
        with Index.open(
            clone, index_dir=str(args.work / f"{name}.index"), history=HISTORY, mode="sequential"
        ) as index:
            for case in todo:
                try:
                    prepare(clone, case)
                except subprocess.CalledProcessError as error:  # the clone lacks a large file of that tree
                    print(f"{name} {case.commit}: left out, {error}", flush=True)
                    continue
                row = {"repository": name, **measure(index, clone, case)}
                with args.out.open("a") as out:
                    out.write(json.dumps(row) + "\n")
        print(f"{name}: {len(todo)} commits in {time.perf_counter() - began:.0f} s", flush=True)
    show([json.loads(line) for line in args.out.read_text().splitlines()])


if __name__ == "__main__":
    main()

"""Compare the index's answers about symbols with those of the language servers, place by place.

A place is a path and a line. Of each sampled symbol the index is asked, by the place of its definition,
with its column, for its references and its callers, and at the references that were drawn for the definition. Answers
outside the indexed files, and in files that the server does not read, count for neither side; nor do lines
that the preprocessor leaves out, expansions of macros, and the methods that implement a trait's. Places that
the server's list has not are judged one by one (``judge.py``).

    known       symbols that the index has a definition of at that place
    definition  at the line and column of a use: the first definition
    references  edges of at least the confidence asked for (``--least``)
    callers     lines of the calls, by the file of the caller

    python benchmarks/graph/score.py CACHE/*.json --trees TREES --out raw.json --errors errors.txt
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

LEAST = 0.5
"""Confidence from which an edge counts as an answer; the others are shown to users as guesses."""
VALUES = frozenset({"variable", "constant", "field", "property", "member"})
LIMIT = 10_000

Place = tuple[str, int]


class Tally:
    """Right, wrong and missing places, over all symbols and for each."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missing = 0
        self.precisions: list[float] = []
        self.recalls: list[float] = []

    def add(self, found: Collection[Place], true: Collection[Place]) -> None:
        right = len(set(found) & set(true))
        self.right += right
        self.wrong += len(found) - right
        self.missing += len(true) - right
        if found:
            self.precisions.append(right / len(found))
        if true:
            self.recalls.append(right / len(true))

    def figures(self) -> dict[str, float]:
        found, true = self.right + self.wrong, self.right + self.missing
        return {
            "precision": self.right / found if found else float("nan"),
            "recall": self.right / true if true else float("nan"),
            "mean_precision": statistics.fmean(self.precisions) if self.precisions else float("nan"),
            "mean_recall": statistics.fmean(self.recalls) if self.recalls else float("nan"),
            "places": true,
            "answered": found,
        }


class Scorer:
    def __init__(self, index: Any, tree: Path, least: float, data: dict[str, Any]) -> None:
        self.index = index
        self.tree = tree
        self.least = least
        self.tallies: dict[str, Tally] = defaultdict(Tally)
        self.known: Counter[tuple[bool, bool]] = Counter()
        self.rules: dict[str, Counter[str]] = defaultdict(Counter)
        self.sure: dict[str, list[float]] = defaultdict(list)
        self.errors: list[tuple[str, str]] = []
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.oracle = str(data["oracle"])
        self.inactive = {
            (path, line)
            for path, spans in data.get("inactive", {}).items()
            for start, end in spans
            for line in range(start, end + 1)
        }
        self.lines: dict[str, list[str]] = {}
        self.judged: dict[str, list[list[Any]]] = data.get("judged", {})
        self.claims: list[tuple[str, int, str]] = []
        with index.snapshot() as reader:
            self.indexed = set(reader.relations.all_paths()) - set(data.get("blind", ()))

    def score(self, row: dict[str, Any]) -> None:
        group = "values" if row["kind"] in VALUES else "symbols"
        place: Place = (row["path"], row["line"])
        if place[0] not in self.indexed:
            return
        answer = self.ask("definition", (*place, row["column"]))
        known = any(
            (t.path, t.name) == (place[0], row["name"]) and self.is_at(place[1], t) for t in answer.targets
        )
        self.known[(group == "values", known)] += 1
        if not known:
            self.error("not defined", row, place)
        true = {
            p
            for p in self.places((r[0], r[1]) for r in row["references"])
            if self.is_reference(p, row["name"])
        }
        # what is not defined cannot be asked for: the place would mean the definition around it
        edges = self.timed("references", row) if known else ()
        edges = [e for e in edges if e.path in self.indexed and (e.path, e.line) not in self.inactive]
        judged = self.judge(
            {(e.path, e.line) for e in edges if e.confidence >= self.least} - true - {place}, row
        )
        true |= {p for p, verdict in judged.items() if verdict == "right"}
        edges = [e for e in edges if judged.get((e.path, e.line)) != "unknown"]
        found = {(e.path, e.line) for e in edges if e.confidence >= self.least} - {place}
        self.tallies[f"references {group}"].add(found, true)
        self.tallies[f"references of any confidence {group}"].add(
            {(e.path, e.line) for e in edges} - {place}, true
        )
        for edge in edges:
            right = (edge.path, edge.line) in true
            self.rules[f"{edge.rule} {edge.role}"]["right" if right else "wrong"] += 1
            self.sure[f"{edge.rule} {edge.role}"].append(edge.confidence)
            if not right and edge.confidence >= self.least and (edge.path, edge.line) != place:
                self.error(f"wrong reference, rule {edge.rule} {edge.role}", row, (edge.path, edge.line))
        weak = {(e.path, e.line): e for e in edges if e.confidence < self.least}
        for missing in sorted(true - found):
            why = f"doubted, rule {weak[missing].rule}" if missing in weak else "not found"
            self.error(f"missing reference: {why}", row, missing)
        if row["callers"] is not None:
            self.callers(row, group, known, true)
        for asked in row["definitions"]:
            self.definition(row, asked, group)

    def is_at(self, line: int, symbol: Any) -> bool:
        """Whether a definition is at a line: at its own, or at that of one more signature of TypeScript."""
        first, last = symbol.line, symbol.end_line
        return bool(line == first or (self.oracle == "typescript" and first < line <= last))

    def callers(self, row: dict[str, Any], group: str, known: bool, references: set[Place]) -> None:
        true = self.places((c["path"], line) for c in row["callers"] for line in c["calls"])
        true = {p for p in true if self.is_reference(p, row["name"])}
        edges = [e for e in self.timed("callers", row) if e.confidence >= self.least] if known else []
        found: dict[Place, str] = {}
        for edge in edges:
            for line in (edge.line, *edge.lines):
                place = (edge.path, line)
                # servers give calls in functions only; one elsewhere is right if it is a reference
                outside = edge.symbol is None or edge.symbol.kind not in ("function", "method")
                if (
                    place[0] in self.indexed
                    and place not in self.inactive
                    and not (outside and place not in true and place in references)
                ):
                    found[place] = edge.rule
        for place, verdict in self.judge(set(found) - true, row).items():
            if verdict == "right":
                true.add(place)
            elif verdict == "unknown":
                del found[place]
        self.tallies[f"callers {group}"].add(found, true)
        for missing in sorted(true - set(found)):
            self.error("missing caller", row, missing)
        for wrong in sorted(set(found) - true):
            self.error(f"wrong caller, rule {found[wrong]}", row, wrong)

    def judge(self, places: Collection[Place], row: dict[str, Any]) -> dict[Place, str]:
        """What the server says of places that its list had not: right, unknown or wrong; see judge.py."""
        verdicts = {}
        for place in places:
            self.claims.append((*place, row["name"]))
            found = self.judged.get(f"{place[0]}:{place[1]}:{row['name']}")
            if found is not None:
                own = [row["path"], row["line"]]
                verdicts[place] = "right" if own in found else "wrong" if found else "unknown"
        return verdicts

    def is_reference(self, place: Place, name: str) -> bool:
        """Whether a server's place is one that a reader sees: no expansion of a macro, no implementation."""
        if self.oracle not in ("clangd", "rust-analyzer"):
            return True
        text = self.line(place)
        if not re.search(rf"\b{re.escape(name)}\b", text):
            return False
        return not (self.oracle == "rust-analyzer" and re.search(rf"\bfn\s+{re.escape(name)}\b", text))

    def line(self, place: Place) -> str:
        path = place[0]
        if path not in self.lines:
            self.lines[path] = (self.tree / path).read_text(encoding="utf-8", errors="replace").split("\n")
        return self.lines[path][place[1] - 1] if place[1] <= len(self.lines[path]) else ""

    def definition(self, row: dict[str, Any], asked: dict[str, Any], group: str) -> None:
        path, line = asked["at"][:2]
        if path not in self.indexed or not self.is_reference((path, line), row["name"]):
            return
        true = self.places((f[0], f[1]) for f in asked["found"])
        if not true:
            return
        answer = self.ask("definition", (path, line, asked["at"][2]))
        found = [(edge.path, edge.line) for edge in answer.edges]
        rule = answer.edges[0].rule if answer.edges else ""
        # the first is what a user sees; any one of several declarations of the server's is right
        hit = set(found[:1]) & true
        self.tallies[f"definition {group}"].add(found[:1], hit or {min(true)})
        if not hit:
            self.error(f"wrong definition, rule {rule}" if found else "no definition", row, (path, line))

    def places(self, places: Iterable[Place]) -> set[Place]:
        return {place for place in places if place[0] in self.indexed}

    def ask(self, question: str, at: tuple[str, int, int]) -> Any:
        """The answer about the name at a path, a line and a column; the column counts from 0."""
        from spelunk import UsageError

        path, line, column = at
        try:
            return getattr(self.index, question)(f"{path}:{line}:{column + 1}", limit=LIMIT, refresh=False)
        except UsageError:  # characters outside the plane of UTF-16's units: no name at the column
            return getattr(self.index, question)(f"{path}:{line}", limit=LIMIT, refresh=False)

    def timed(self, question: str, row: dict[str, Any]) -> tuple[Any, ...]:
        began = time.perf_counter()
        edges: tuple[Any, ...] = self.ask(question, (row["path"], row["line"], row["column"])).edges
        self.seconds[question].append(time.perf_counter() - began)
        return edges

    def error(self, kind: str, row: dict[str, Any], place: Place) -> None:
        text = self.line(place).strip()[:140]
        symbol = f"{row['kind']} {row['name']} ({row['path']}:{row['line']})"
        self.errors.append((kind, f"{symbol}\n        {place[0]}:{place[1]}: {text}"))


def score_file(
    path: Path, trees: Path, home: Path, least: float, claims: Path | None
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    from spelunk import Index

    data = json.loads(path.read_text(encoding="utf-8"))
    judged = path.with_name(f"{path.stem}.judged.json")
    if judged.exists():
        data["judged"] = json.loads(judged.read_text(encoding="utf-8"))
    tree = (trees / data["tree"]).resolve()
    os.environ["SPELUNK_HOME"] = str(home / data["tree"])
    index = Index.open(tree)
    index.update()
    scorer = Scorer(index, tree, least, data)
    for row in data["symbols"]:
        try:
            scorer.score(row)
        except RecursionError as error:
            scorer.error(f"CRASH {type(error).__name__}", row, (row["path"], row["line"]))
    known = scorer.known
    result = {
        "oracle": data["oracle"],
        "tree": data["tree"],
        "symbols": known[(False, True)] + known[(False, False)],
        "values": known[(True, True)] + known[(True, False)],
        "known": known[(False, True)],
        "known_values": known[(True, True)],
        "figures": {name: tally.figures() for name, tally in sorted(scorer.tallies.items())},
        "counts": {n: [t.right, t.wrong, t.missing] for n, t in sorted(scorer.tallies.items())},
        "milliseconds": {
            name: {
                "p50": statistics.median(times) * 1_000,
                "p95": sorted(times)[int(len(times) * 0.95)] * 1_000,
            }
            for name, times in scorer.seconds.items()
        },
        "rules": {
            rule: {
                "right": counts["right"],
                "wrong": counts["wrong"],
                "confidence": round(statistics.fmean(scorer.sure[rule]), 3),
            }
            for rule, counts in sorted(scorer.rules.items(), key=lambda pair: -sum(pair[1].values()))
        },
    }
    index.close()
    if claims is not None:
        claims.mkdir(parents=True, exist_ok=True)
        unique = sorted(set(scorer.claims))
        (claims / path.name).write_text(json.dumps(unique), encoding="utf-8")
    return result, scorer.errors


COLUMNS = ("definition symbols", "references symbols", "callers symbols", "references values")


def print_table(results: list[dict[str, Any]]) -> None:
    print(
        "| oracle, tree | symbols | known | definition P/R | references P/R | callers P/R | values: references P/R |"
    )
    print("|-|-|-|-|-|-|-|")
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["oracle"]].append(result)
    for oracle, group in groups.items():
        for one in group:
            print_row(f"{oracle}, {one['tree']}", [one])
        if len(group) > 1:
            print_row(f"**{oracle}, all**", group)


def print_row(label: str, group: list[dict[str, Any]]) -> None:
    symbols, known = sum(g["symbols"] for g in group), sum(g["known"] for g in group)
    cells = []
    for column in COLUMNS:
        counts = [g["counts"].get(column, [0, 0, 0]) for g in group]
        right, wrong, missing = (sum(c[n] for c in counts) for n in range(3))
        precision = f"{right / (right + wrong):.3f}" if right + wrong else "-"
        recall = f"{right / (right + missing):.3f}" if right + missing else "-"
        cells.append(f"{precision} / {recall} ({right + missing})")
    print(f"| {label} | {symbols} | {known / symbols:.3f} | {' | '.join(cells)} |")


def write_errors(path: Path, errors: dict[str, list[tuple[str, str]]], shown: int) -> None:
    rng = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for label, found in errors.items():
            groups: dict[str, list[str]] = defaultdict(list)
            for kind, text in found:
                groups[kind].append(text)
            print(f"\n## {label}", file=file)
            for kind, texts in sorted(groups.items(), key=lambda pair: -len(pair[1])):
                print(f"\n  {len(texts)} x {kind}", file=file)
                for text in rng.sample(texts, min(shown, len(texts))):
                    print(f"      {text}", file=file)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("answers", type=Path, nargs="+")
    parser.add_argument("--trees", type=Path, required=True)
    parser.add_argument("--home", type=Path, help="where the indexes are kept; a temporary folder by default")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--errors", type=Path)
    parser.add_argument("--claims", type=Path, help="folder for the places that judge.py asks about")
    parser.add_argument("--shown", type=int, default=5)
    parser.add_argument("--least", type=float, default=LEAST)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = asked.home or Path(folder)
        results, errors = [], {}
        for path in asked.answers:
            if path.name.endswith(".judged.json"):
                continue
            result, found = score_file(path, asked.trees, home, asked.least, asked.claims)
            results.append(result)
            errors[f"{result['oracle']}, {result['tree']}"] = found
            print(f"{path.name}: scored", file=sys.stderr)
    print_table(results)
    if asked.out:
        asked.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if asked.errors:
        write_errors(asked.errors, errors, asked.shown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Would signals of the symbol graph help to find the code to change? Tried on stored candidates.

    python benchmarks/localisation_graph.py gather commits.jsonl issues.jsonl --repositories DIR --work DIR --out DIR
    python benchmarks/localisation_graph.py trial --out DIR [--signals NAME,...]

``gather`` moves one work tree of each repository from revision to revision (``localisation.py``) and stores, for each
text, what the engine's own steps give: candidates, evidence, facts; and what the graph says of the first files. A
repository that is there already is not gathered again. ``trial`` adds each signal to the scores of the files with one
weight, chosen for each repository on all others, and prints the gains with intervals of a bootstrap by repository.
"""

from __future__ import annotations

import argparse
import math
import pickle
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from localisation import checkouts
from localisation_score import Instance, interval, load, mean, score

from spelunk.graph.imports import Imports
from spelunk.graph.neighbours import MOST_PARSES, LineRange, neighbours
from spelunk.graph.resolve import Resolver
from spelunk.graph.view import GraphView
from spelunk.index import Index
from spelunk.search import engine
from spelunk.search.corpus import Corpus, PathRarity
from spelunk.search.many import targets_of
from spelunk.search.rank import model
from spelunk.search.reading import read
from spelunk.search.request import SearchRequest
from spelunk.types import Flag

MEASURES = ("Acc@1", "Acc@5", "Acc@10", "All@10", "MRR", "Hit@5", "Hit@10")
CHOSEN_BY = ("Acc@1", "Acc@5", "All@10", "MRR")
WEIGHTS = (0, 0.25, 0.5, 1, 1.5, 2, 3, 4)
IMPORTERS, TESTS, USERS, PLACES = 25, 10, 5, 6
"""First files whose imports are stored, tests that match best, first hits and named places whose neighbours are."""

Pool = dict[str, Any]
Strengths = dict[int, float]


# Gathering


def gather(index: Index, reader: Any, history: Any, instance: Instance) -> Pool:
    """The candidates of a text, with the edges of the graph among them."""
    request = SearchRequest(instance.text, limit=50)
    query = read(instance.text, mode="hybrid")
    began = time.process_time()
    targets = targets_of([index], [reader], (), [history if query.kind_of_query != "symbol" else None])
    corpus, weights = Corpus(targets, query), engine.weights_for(query)
    facts = engine.facts_of(corpus, query, request)
    lexical = engine.by_words(corpus, query, request)
    evidence = engine.by_evidence(corpus, query, request, lexical)
    dense = engine.by_meaning(corpus, query, request, lexical, weights)
    candidates = engine.fuse(corpus, query, lexical, dense)
    rarity = PathRarity(corpus)
    firsts: dict[int, Any] = {}
    for c in model.rank(candidates, facts, rarity, weights, evidence):
        firsts.setdefault(c.file.id, c)
    cost = {"engine": time.process_time() - began}
    order = list(firsts)
    tests = [c for c in firsts.values() if "test" in c.signals]
    tests = sorted(tests, key=lambda c: c.signals["test"] - c.score)[:TESTS]
    view = GraphView(reader.relations, MOST_PARSES)
    imports = Imports(view)
    edges: dict[int, Strengths] = {}
    began = time.process_time()
    for n, file in enumerate([*order[:IMPORTERS], *(c.file.id for c in tests)]):
        edges[file] = {}
        for one in view.imports(file):
            rows = imports.files_of(file, one)
            for row in rows:
                edges[file][row.id] = max(1 / len(rows), edges[file].get(row.id, 0.0))
        if n in (0, 2):
            cost[f"imports of {n + 1}"] = time.process_time() - began

    def around(chunk: Any, file: int) -> tuple[list[Any], list[Any]]:
        resolver = Resolver(GraphView(reader.relations, MOST_PARSES, view))
        found = neighbours(resolver, LineRange(file, chunk.start_line, chunk.end_line, chunk.symbol), 30)
        return [(x.path, x.confidence) for x in found.callers], [(x.path, x.confidence) for x in found.uses]

    by_chunk = {c.chunk.id: c for c in candidates}
    placed = sorted(
        (k for k, s in evidence.chunks.items() if "place" in s), key=lambda k: -evidence.chunks[k]["place"]
    )
    reach = {f: sorted(imports.reach(f) - {f}) for f in [*order[:10], *(c.file.id for c in tests[:5])]}
    return {
        "instance": instance,
        "is_text": query.pasted is not None,
        "candidates": candidates,
        "facts": facts,
        "rarity": dict(rarity),
        "evidence": evidence,
        "tests": [c.file.id for c in tests],
        "edges": edges,
        "reach": reach,
        "paths": {f: view.row(f).path for f in {g for e in edges.values() for g in e}},
        "around": {f: around(firsts[f].chunk, f) for f in order[:USERS]},
        "frames": {
            k[1]: around(by_chunk[k[1]].chunk, by_chunk[k[1]].file.id)
            for k in placed[:PLACES]
            if k[1] in by_chunk
        },
        "cost": cost,
    }


def gather_all(args: argparse.Namespace) -> None:
    instances = [i for path in args.instances for i in load(path)]
    args.out.mkdir(parents=True, exist_ok=True)
    for repo in sorted({i.repo for i in instances}):
        target = args.out / f"{repo.replace('/', '+')}.pkl"
        if target.exists() or (args.only and repo not in args.only):
            continue
        pools: list[Pool] = []
        group = [i for i in instances if i.repo == repo]
        trees, indexes = str(args.work / "trees"), str(args.work / "indexes")
        for root, index_dir, part in checkouts(group, args.repositories, trees, indexes):
            with Index.open(root, index_dir=index_dir, mode="sequential") as index:
                index.update()
                with index.snapshot() as reader, index.commits() as history:
                    pools += [gather(index, reader, history, i) for i in part]
        target.write_bytes(pickle.dumps(pools))
        print(repo, len(pools), flush=True)


# Signals


def prepare(pool: Pool) -> None:
    """Rank the candidates, and share one strength among the files, and one among the tests without their flag."""
    weights = model.TEXT if pool["is_text"] else model.DEFAULT
    ranked = model.rank(pool["candidates"], pool["facts"], pool["rarity"], weights, pool["evidence"])
    pool["ranked"] = [
        (c.file.id, c.file.path, c.score, c.chunk.start_line, c.chunk.end_line, c.chunk.start) for c in ranked
    ]
    firsts: dict[int, Any] = {}
    for c in ranked:
        firsts.setdefault(c.file.id, c)
    scores = {f: c.score for f, c in firsts.items()}
    lifted = {f: c.score - c.signals.get("test", 0.0) for f, c in firsts.items()}
    tests = {f for f, c in firsts.items() if "test" in c.signals}
    pool["order"], pool["path"] = list(scores), {f: c.file.path for f, c in firsts.items()}
    pool["id_at"] = {path: f for f, path in pool["path"].items()}
    pool["flags"] = {f: int(c.file.flags) for f, c in firsts.items()}
    pool["p"] = softmax(scores)
    pool["q"] = {f: p for f, p in softmax(lifted).items() if f in tests}
    best = max((lifted[f] for f in tests), default=0.0)
    pool["against_best"] = {f: math.exp(lifted[f] - best) for f in tests}


def softmax(scores: Mapping[int, float]) -> Strengths:
    top = max(scores.values(), default=0.0)
    weights = {f: math.exp(s - top) for f, s in scores.items()}
    whole = sum(weights.values()) or 1.0
    return {f: w / whole for f, w in weights.items()}


def greatest(pairs: Any) -> Strengths:
    found: Strengths = {}
    for file, strength in pairs:
        found[file] = max(strength, found.get(file, 0.0))
    return found


def importer(pool: Pool, strengths: Mapping[int, float]) -> Strengths:
    """The greatest strength among the importers of a file."""
    return greatest((g, strengths[f] * w) for f in strengths for g, w in pool["edges"].get(f, {}).items())


def reached(pool: Pool, strengths: Mapping[int, float]) -> Strengths:
    return greatest((g, strengths[f]) for f in strengths for g in pool["reach"].get(f, ()))


def first(pool: Pool, count: int) -> Strengths:
    files = [f for f in pool["order"] if f in pool["edges"]][:count]
    return {f: 1 / (n + 1) for n, f in enumerate(files)}


def narrow(pool: Pool) -> Strengths:
    return importer(pool, {f: s / math.sqrt(len(pool["edges"][f]) or 1) for f, s in first(pool, 3).items()})


def twins(pool: Pool) -> Strengths:
    found = importer(pool, pool["p"])
    by_stem = defaultdict(list)
    for file, path in pool["path"].items():
        by_stem[path.rpartition(".")[0]].append(file)
    more = [(t, s) for f, s in found.items() for t in by_stem[pool["paths"].get(f, "").rpartition(".")[0]]]
    return greatest([*found.items(), *more])


TEST_WORDS = re.compile(
    r"(?:^|[_.\-])(?:tests?|specs?)(?=$|[_.\-])|(?<=[a-z0-9])(?:Tests?|Spec|TestCase|IT)$|^Test(?=[A-Z])"
)


def called_after(pool: Pool, strengths: Mapping[int, float]) -> Strengths:
    by_name = defaultdict(list)
    for file, path in pool["path"].items():
        folder, _, name = path.rpartition("/")
        stem = name.split(".")[0]
        stem = folder.rpartition("/")[2] if stem in ("__init__", "mod", "index", "lib", "main") else stem
        if not pool["flags"][file] & Flag.TEST:
            by_name[plain(stem)].append(file)
    pairs = []
    for test, strength in strengths.items():
        name = pool["path"][test].rpartition("/")[2].rpartition(".")[0]
        files = by_name.get(plain(TEST_WORDS.sub("", name)), ())
        pairs += [(f, strength / len(files)) for f in files]
    return greatest(pairs)


def plain(name: str) -> str:
    return name.strip("_.-").lower().replace("-", "_").replace(".", "_")


def beside(pool: Pool, count: int, side: int) -> Strengths:
    """Callers (0) of the first hits, or what they use (1)."""
    return greatest(
        (pool["id_at"].get(path, -1), confidence / (n + 1))
        for n, f in enumerate(pool["order"][:count])
        for path, confidence in pool["around"].get(f, ((), ()))[side]
    )


def frames(pool: Pool, side: int) -> Strengths:
    return greatest(
        (pool["id_at"].get(path, -1), confidence * pool["evidence"].chunks[0, chunk]["place"])
        for chunk, both in pool["frames"].items()
        for path, confidence in both[side]
    )


def tests_importing(pool: Pool) -> Strengths:
    return importer(pool, {t: pool["q"].get(t, 0.0) for t in pool["tests"]})


SIGNALS: dict[str, Callable[[Pool], Strengths]] = {
    "softmax_importer": lambda p: importer(p, p["p"]),
    "by_first": lambda p: importer(p, first(p, 1)),
    "by_three": lambda p: importer(p, first(p, 3)),
    "by_three_narrow": narrow,
    "by_three_reach": lambda p: reached(p, first(p, 3)),
    "softmax_reach": lambda p: reached(p, p["p"]),
    "softmax_importer_twins": twins,
    "test_imports": tests_importing,
    "test_called_after": lambda p: called_after(p, p["q"]),
    "test_either": lambda p: greatest([*tests_importing(p).items(), *called_after(p, p["q"]).items()]),
    "test_called_after_best": lambda p: called_after(p, p["against_best"]),
    "used_by_first": lambda p: beside(p, 1, 1),
    "used_by_three": lambda p: beside(p, 3, 1),
    "callers_of_first": lambda p: beside(p, 1, 0),
    "frame_uses": lambda p: frames(p, 1),
    "frame_callers": lambda p: frames(p, 0),
}


# The trial


def measured(pool: Pool, strengths: Mapping[int, float], weight: float) -> dict[str, float]:
    def order(row: Any) -> Any:
        return -round(row[2] + weight * strengths.get(row[0], 0.0), 9), row[1], row[3], row[5]

    rows = sorted(pool["ranked"], key=order)[:50]
    return score(
        pool["instance"], {"results": [{"path": r[1], "start_line": r[3], "end_line": r[4]} for r in rows]}
    )


def best_weight(by_weight: Mapping[float, Sequence[Mapping[str, float]]], rows: Sequence[int]) -> float:
    """The weight with the best mean over some texts; of equal ones the smallest."""

    def worth(weight: float) -> Any:
        return round(sum(mean([by_weight[weight][n] for n in rows], m) for m in CHOSEN_BY), 9), -weight

    return max(by_weight, key=worth)


def trial(pools: Sequence[Pool], name: str) -> None:
    strengths = [SIGNALS[name](p) for p in pools]
    by_weight = {w: [measured(p, s, w) for p, s in zip(pools, strengths, strict=True)] for w in WEIGHTS}
    repos = [p["instance"].repo for p in pools]
    chosen = {
        r: best_weight(by_weight, [n for n, x in enumerate(repos) if x != r]) for r in sorted(set(repos))
    }
    held = [by_weight[chosen[r]][n] for n, r in enumerate(repos)]
    cells = []
    for m in MEASURES:
        ours, theirs = [r[m] for r in held], [r[m] for r in by_weight[0]]
        low, high = interval([p["instance"] for p in pools], ours, theirs)
        cells.append(f"{mean(held, m) - mean(by_weight[0], m):+.3f} [{low:+.3f}, {high:+.3f}]")
    met = sum(bool(set(s) & set(p["order"])) for s, p in zip(strengths, pools, strict=True))
    weight = best_weight(by_weight, range(len(pools)))
    print(f"| {name} | {weight} ({sorted(set(chosen.values()))}) | {met} | {' | '.join(cells)} |", flush=True)


def try_all(args: argparse.Namespace) -> None:
    pools = [
        p for file in sorted(args.out.glob("*.pkl")) for p in pickle.loads(file.read_bytes()) if p["is_text"]
    ]
    for pool in pools:
        prepare(pool)
    for kind in ("all texts", *dict.fromkeys(p["instance"].kind for p in pools)):
        part = [p for p in pools if kind in ("all texts", p["instance"].kind)]
        without = [measured(p, {}, 0) for p in part]
        print(
            f"\n{kind}: {len(part)} texts; without: {', '.join(f'{m} {mean(without, m):.3f}' for m in MEASURES)}\n"
        )
        print(f"| signal | weight on all (chosen) | texts with it | {' | '.join(MEASURES)} |")
        print("|" + "-|" * (len(MEASURES) + 3))
        for name in args.signals.split(",") if args.signals else SIGNALS:
            trial(part, name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    gathering = commands.add_parser("gather")
    gathering.add_argument("instances", nargs="+")
    gathering.add_argument("--repositories", required=True, help="clones with their history, OWNER+NAME")
    gathering.add_argument("--work", type=Path, required=True)
    gathering.add_argument("--only", action="append", help="a repository; all by default")
    gathering.set_defaults(run=gather_all)
    trying = commands.add_parser("trial")
    trying.add_argument("--signals")
    trying.set_defaults(run=try_all)
    for command in (gathering, trying):
        command.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

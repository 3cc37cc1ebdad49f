"""Finds the code to change from the text of an issue or of a commit: Spelunk and other systems, side by side.

    python benchmarks/localisation.py commits.jsonl issues.jsonl --trees DIR --out DIR
        [--peers VENV/bin/python [--semble-model DIR]] [--systems NAME,...] [--weights FILE --folds 4]

An instance is a line ``{id, repo, parent_sha, language, query, files, hunks: [{path, start, end}]}``: a text,
and what was changed for it, in the revision ``parent_sha``. ``--trees`` holds a work tree of each revision,
``OWNER+NAME@SHA10``; or ``--repositories`` holds a clone of each with its history, ``OWNER+NAME``: then one work
tree of each is moved from revision to revision under ``--work``, oldest first, and its index brought up to date.
A labelled question of ``spelunk eval`` is searched in the folder ``DIR/REPO`` of ``--trees``. All systems search
a revision before the next one is made. Each writes ``OUT/INSTANCES.SYSTEM.jsonl``, a line
``{id, results: [{path, start_line, end_line}]}`` for each text; what is there already is not run again
(``--fresh`` does). Prints Markdown. Without ``--trees`` and ``--repositories`` it only prints what ``OUT`` holds.

Systems: ``spelunk-hybrid``, ``spelunk-lexical`` and other modes, through the Python API; with ``-words`` the text
goes in without punctuation. ``ripgrep``, ``bm25``, ``semble`` and ``semble-bm25`` as in ``localisation_peers.py``,
with ``--peers``. ``--weights`` is ``{name: {signal: value}}``: sets of changes to the ranking's weights
(``weights.py``); each is run in every mode, and for each fold of repositories the set that is best on the others.

Measures as in ``localisation_score.py``.
Within a token budget: what ``--max-tokens`` leaves of the output; for ripgrep, whole files in its order; for the
others the lines of each result below its place, as semble's text form; the last cut at a line. Tokens are
``spelunk.text.token_estimate``'s.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import weights as changes
from localisation_score import (
    BUDGETS,
    Instance,
    Results,
    Row,
    budget_table,
    by_tree,
    fold_table,
    load,
    ranks,
    table,
)

from spelunk.errors import SpelunkError
from spelunk.index import Index
from spelunk.present.render import View, render
from spelunk.text.token_estimate import token_estimate

OURS = ("spelunk-hybrid", "spelunk-hybrid-words", "spelunk-lexical", "spelunk-lexical-words")
PEERS = ("ripgrep", "bm25", "semble", "semble-bm25")
FORMS = ("text", "markdown")


# Revisions


def git(*arguments: str) -> str:
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


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
        lines = read(root, r["path"]).splitlines(keepends=True)
        first = 1 if system == "ripgrep" else r["start_line"]
        lines = lines if system == "ripgrep" else lines[first - 1 : r["end_line"]]
        left -= token_estimate(f"{r['path']}:{first}-{first + len(lines) - 1}\n\n")
        shown = 0
        for line in lines:
            left -= token_estimate(line)
            if left < 0:
                break
            shown += 1
        if shown:
            seen.append([r["path"], first, first + shown - 1])
        if left < 0:
            break
    return seen


def read(root: str, path: str) -> str:
    try:
        return Path(root, path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# The run


def run(
    args: argparse.Namespace,
    instances: Sequence[Instance],
    systems: Sequence[str],
    sets: Mapping[str, Mapping[str, float]],
) -> None:
    """Search every revision with every system that has no results yet."""
    files: dict[tuple[str, str], IO[str]] = {}
    done: dict[str, set[str]] = defaultdict(set)
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
        missing = [s for s in systems if any(i.id not in done[s] for i in group)]
        spelunk = [s for s in missing if s.startswith("spelunk-")]
        if spelunk:
            with Index.open(root, index_dir=index_dir, mode="sequential") as index:
                report = index.update()
                updates += report.seconds
                indexed += report.files.indexed
                seen += report.files.seen
                for s in spelunk:
                    found[s] = ours(index, group, s, args.limit, sets.get(s.partition("+")[2], {}))
        others = [s for s in missing if s not in spelunk]
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
    parser.add_argument("--ranks", help="write the ranks of what was changed, a line for each text")
    args = parser.parse_args()
    args.work = args.work or os.path.join(args.out, "work")
    os.makedirs(args.out, exist_ok=True)
    searching = bool(args.trees or args.repositories)
    systems = (
        args.systems.split(",") if args.systems else [*OURS, *(PEERS if args.peers or not searching else ())]
    )
    unknown = [s for s in systems if not s.startswith("spelunk-") and s not in PEERS]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: no such system")
    sets: dict[str, dict[str, float]] = json.loads(Path(args.weights).read_text()) if args.weights else {}
    ours_too = [s for s in systems if s.startswith("spelunk-")]
    systems += [f"{s}+{name}" for s in ours_too for name in sets]
    instances = [i for path in args.instances for i in load(path)]
    if searching:
        if any(s in PEERS for s in systems) and not args.peers:
            raise SystemExit("--peers: name the interpreter that has the other systems")
        run(args, instances, systems, sets)
    if args.ranks:
        all_found = {(k, s): results(args.out, k, s) for k in {i.kind for i in instances} for s in systems}
        with open(args.ranks, "w", encoding="utf-8") as file:
            for i in instances:
                rows = {s: all_found[i.kind, s].get(i.id) for s in systems}
                told = {s: ranks(i, row) for s, row in rows.items() if row}
                file.write(json.dumps({"kind": i.kind, "id": i.id, **told}) + "\n")
    for kind in dict.fromkeys(i.kind for i in instances):
        part = [i for i in instances if i.kind == kind]
        found = {s: results(args.out, kind, s) for s in systems}
        found = {s: rows for s, rows in found.items() if rows}
        if not found:
            continue
        print(f"## {kind}\n")
        table(part, found)
        if part[0].hunks:
            budget_table(part, {s: r for s, r in found.items() if "+" not in s})
        if sets:
            fold_table(part, found, args.folds)
        print()


if __name__ == "__main__":
    main()

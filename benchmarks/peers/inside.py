"""Questions inside a process: each system opens its index once and is asked through a pipe.

    python -m benchmarks.peers.inside TOOLS OUT.jsonl FOLDER... --queries Q.jsonl [--rounds 5] [--only NAME...]

For systems with a Python API. Each has a process of its own (``inside_worker.py``), started with the interpreter
of its environment, so nothing is shared; it tells the milliseconds of each search, without the pipe. All of them
open their index before the first round; a round asks one system all questions and then the next, every other
round in reverse. A folder is asked the labelled questions of its name; one without any is asked those in
``--language``, for its times alone. One JSON object a measurement goes to OUT, tables are printed.

A system is given up on for a folder when its index, or an answer, needs more than ``--limit`` seconds, when a
process of it needs more than ``--memory`` MiB, or when it fails.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers.catalogue import Bm25s, Fts5, Semble, Spelunk
from benchmarks.peers.peer import Peer, keywords
from benchmarks.peers.run import QUESTIONS, PeerError, Run

from spelunk.bench.measure import percentile
from spelunk.bench.memory import sizes
from spelunk.evaluate.measures import LabelledQuery, LineSpan, score
from spelunk.evaluate.run import load_queries

WORKER = str(Path(__file__).with_name("inside_worker.py"))


class System(NamedTuple):
    """A way to ask: its name, the tool, and the environment whose interpreter has it ("" for this one)."""

    name: str
    tool: type[Peer]
    environment: str


SYSTEMS = (
    System("spelunk", Spelunk, ""),
    System("spelunk-lexical", Spelunk, ""),
    System("semble", Semble, "semble"),
    System("fts5", Fts5, "baseline"),
    System("bm25s", Bm25s, "baseline"),
)


@dataclass
class Asked:
    """What one system did on one folder; times in milliseconds, one list a round."""

    opened: dict[str, float]
    walls: list[list[float]] = field(default_factory=list)
    cpus: list[list[float]] = field(default_factory=list)
    ndcg: float | None = None
    resident: float = 0
    anonymous: float = 0


class Worker:
    """A process that has an index open.

    Raises:
        PeerError: It ended, or was silent for too long.
    """

    def __init__(self, command: Sequence[str], env: dict[str, str], limit: float) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._limit = limit
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        try:
            self.opened = self._answer()
        except PeerError:
            self.close()
            raise

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], self._limit)[0]:
            raise PeerError(f"no answer in {self._limit:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise PeerError(self._errors.read().decode("utf-8", "replace").strip()[-200:] or "it ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, text: str) -> dict[str, Any]:
        assert self._process.stdin
        print(json.dumps({"text": text, "words": keywords(text)}), file=self._process.stdin, flush=True)
        return self._answer()

    def memory(self) -> tuple[float, float]:
        """Resident and anonymous MiB."""
        _, anonymous, resident = sizes(self._process.pid)
        return resident / 2**20, anonymous / 2**20

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe:
                pipe.close()


class Corpus:
    """A folder and its questions, asked of all systems."""

    def __init__(self, root: Path, queries: Sequence[LabelledQuery], labelled: bool, out: Any) -> None:
        self.root, self.queries, self.labelled, self._out = root, queries, labelled, out
        self.workers: dict[str, Worker] = {}
        self.asked: dict[str, Asked] = {}
        self.given_up: dict[str, str] = {}

    def write(self, name: str, **row: Any) -> None:
        print(json.dumps({"peer": name, "corpus": self.root.name, **row}), file=self._out, flush=True)

    def give_up(self, name: str, why: str) -> None:
        self.given_up[name] = why
        if name in self.workers:
            self.workers.pop(name).close()
        self.write(name, what="given up", why=why)

    def open(self, systems: Sequence[System], home: Path, args: argparse.Namespace) -> None:
        """Make the indexes, one for all systems of a tool, and open them."""
        made: dict[str, str] = {}
        for name, tool, environment in systems:
            run = Run(tool(args.tools), self.root, home / tool.name, args)
            python = str(args.tools / environment / "bin/python") if environment else sys.executable
            given = args.spelunk_home if tool is Spelunk else None
            if given:
                run.env["SPELUNK_HOME"] = str(given)

            def command(action: str, name: str = name, python: str = python, run: Run = run) -> list[str]:
                return [python, WORKER, name, action, str(self.root), str(run.home)]

            try:
                if tool.name not in made and not given:
                    made[tool.name] = "failed before"
                    self.write(name, what="index", **run.command(command("index"))[0])
                    made[tool.name] = ""
                if made.get(tool.name):
                    raise PeerError(made[tool.name])
                self.workers[name] = worker = Worker(command("answer"), run.env, args.limit)
                first = worker.ask(QUESTIONS[0])
                self.asked[name] = Asked(worker.opened)
                self.write(
                    name, what="open", **worker.opened, first_wall=first["wall"], first_cpu=first["cpu"]
                )
            except PeerError as error:
                self.give_up(name, str(error))

    def ask_all(self, turn: int, most_mib: float) -> None:
        """Ask each system all questions."""
        for name in list(self.workers)[:: -1 if turn % 2 else 1]:
            worker, asked = self.workers[name], self.asked[name]
            try:
                answers = [worker.ask(query.text) for query in self.queries]
            except (PeerError, OSError) as error:
                self.give_up(name, str(error))
                continue
            asked.walls.append([a["wall"] for a in answers])
            asked.cpus.append([a["cpu"] for a in answers])
            asked.resident, asked.anonymous = worker.memory()
            self.write(
                name,
                what="round",
                round=turn,
                wall=[round(ms, 3) for ms in asked.walls[-1]],
                cpu=[round(ms, 3) for ms in asked.cpus[-1]],
                resident=round(asked.resident, 1),
                anonymous=round(asked.anonymous, 1),
            )
            if self.labelled and asked.ndcg is None:
                found = [[LineSpan(p, int(s), int(e)) for p, s, e in a["hits"]] for a in answers]
                scores = [score(q.targets, hits).ndcg for q, hits in zip(self.queries, found, strict=True)]
                asked.ndcg = sum(scores) / len(scores)
                self.write(name, what="quality", ndcg=asked.ndcg, queries=len(scores))
            if asked.resident > most_mib:
                self.give_up(name, f"more than {most_mib:.0f} MiB")

    def table(self) -> str:
        """Markdown."""
        lines = [
            f"### {self.root.name}: {len(self.queries)} questions, {'labelled' if self.labelled else 'for times alone'}",
            "",
            "| | open, CPU ms | wall p50 | wall p99 | CPU p50 | CPU p99 | CPU p50, first round | resident MiB | anonymous MiB | NDCG@10 |",
            "|-|-|-|-|-|-|-|-|-|-|",
        ]
        for name, asked in self.asked.items():
            if name in self.given_up or not asked.cpus:
                continue
            walls, cpus = (list(chain.from_iterable(rounds)) for rounds in (asked.walls, asked.cpus))
            figures = [
                f"{asked.opened['cpu']:.0f}",
                *(f"{percentile(values, share):.1f}" for values in (walls, cpus) for share in (0.5, 0.99)),
                f"{percentile(asked.cpus[0], 0.5):.1f}",
                f"{asked.resident:.0f}",
                f"{asked.anonymous:.0f}",
                "–" if asked.ndcg is None else f"{asked.ndcg:.3f}",
            ]
            lines.append(f"| {name} | {' | '.join(figures)} |")
        lines += [f"| {name} | {why} | | | | | | | | |" for name, why in self.given_up.items()]
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tools", type=lambda name: Path(name).resolve())
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", nargs="+", type=lambda name: Path(name).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", action="append", required=True)
    parser.add_argument("--language", default="python")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--memory", type=float, default=8192)
    parser.add_argument("--spelunk-home", type=Path, help="Spelunk's finished indexes; they are not updated")
    parser.add_argument("--work", default=None)
    args = parser.parse_args()
    queries = [query for path in args.queries for query in load_queries(path)]
    with open(args.out, "a", encoding="utf-8") as out:
        able = []
        for system in SYSTEMS:
            if args.only and system.name not in args.only:
                continue
            tool = system.tool(args.tools)
            why = tool.missing()
            row = {"what": "missing", "why": why} if why else {"what": "version", "text": tool.version()}
            print(json.dumps({"peer": system.name, "corpus": "", **row}), file=out, flush=True)
            able += [] if why else [system]
        for folder in args.folders:
            own = [q for q in queries if q.repo == folder.name]
            chosen = own or [q for q in queries if q.language == args.language]
            with tempfile.TemporaryDirectory(dir=args.work) as home:
                corpus = Corpus(folder, chosen, bool(own), out)
                try:
                    corpus.open(able, Path(home), args)
                    for turn in range(args.rounds):
                        corpus.ask_all(turn, args.memory)
                    print(corpus.table(), flush=True)
                finally:
                    corpus.close()


if __name__ == "__main__":
    main()

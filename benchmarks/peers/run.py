"""Measure the tools on the same folders in one run, in turn.

    python -m benchmarks.peers.run TOOLS OUT.jsonl FOLDER... [--rounds 5] [--queries Q.jsonl] [--only NAME...]

Each round runs every tool once on a folder, in an order that rotates: an index from nothing, the first
query, ten more, fifty edited files, and a query that must find an edit. TOOLS is what ``install.py`` filled.
With ``--queries`` (labelled, one corpus a folder by its name) NDCG@10 is measured in the first round.
One JSON object a measurement goes to OUT; ``table.py`` makes tables of it.

A tool is given up on for a folder when one of its commands takes longer than ``--limit`` seconds, fails, or
its processes need more than ``--memory`` MiB; that is a row too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.peer import Peer

from spelunk.bench.memory import sizes, tree
from spelunk.evaluate.measures import LabelledQuery, score
from spelunk.evaluate.run import load_queries

EDITS = 50
WARM = 10
SOURCE = frozenset(
    [
        ".py",
        ".c",
        ".h",
        ".go",
        ".rs",
        ".java",
        ".ts",
        ".rb",
        ".js",
        ".cs",
        ".php",
        ".hs",
        ".zig",
        ".cc",
        ".cpp",
    ]
)
SECRET = "zyxomma_benchmark_marker"
QUESTIONS = (
    "where are requests parsed", "open a file and read its lines", "retry after a timeout", "parse command line arguments",
    "close the connection", "write a log message", "convert a string to a number", "sort a list of items",
    "read the configuration", "allocate a buffer", "check permissions of a user",
)  # fmt: skip
"""Questions that any tree has some answer to."""


class PeerError(Exception):
    """A tool failed, or took too long or too much memory."""


def run(
    command: Sequence[str], env: dict[str, str], limit: float, most_mib: float
) -> tuple[dict[str, float], str]:
    """Wall and CPU seconds and peak memory (MiB, proportional set size over the process tree) of one command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        peak, usage, status = 0.0, None, 0
        while usage is None:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                usage = used
                break
            peak = max(peak, sum(sizes(pid)[0] for pid in tree(process.pid)) / 2**20)
            if time.perf_counter() - began > limit or peak > most_mib:
                process.kill()
                process.wait()
                raise PeerError(
                    f"more than {limit:.0f} s" if peak <= most_mib else f"more than {most_mib:.0f} MiB"
                )
            time.sleep(0.01 if time.perf_counter() - began < 2 else 0.1)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode("utf-8", "replace")
        if process.returncode not in (0, 1):  # 1: nothing found
            err.seek(0)
            raise PeerError(
                f"exit {process.returncode}: {err.read().decode('utf-8', 'replace').strip()[-200:]}"
            )
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall": wall, "cpu": cpu, "memory": peak}, text


def disk(place: Path) -> int:
    """Bytes of all files below a folder, as they are stored."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(place)
        for name in names
    )


class Run:
    """A tool on a folder, with a home of its own."""

    def __init__(self, peer: Peer, root: Path, home: Path, args: argparse.Namespace) -> None:
        self.peer, self.root, self.home, self.args = peer, root, home, args
        home.mkdir(parents=True, exist_ok=True)
        self.env = os.environ | peer.environment(home)
        # As installed: with it, Python would compile the sources of each tool again in each process.
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)

    def command(self, command: Sequence[str]) -> tuple[dict[str, float], str]:
        return run(command, self.env, self.args.limit, self.args.memory)

    def index(self) -> dict[str, float] | None:
        command = self.peer.index(self.root, self.home)
        return self.command(command)[0] if command else None

    def ask(self, query: str) -> tuple[dict[str, float], list[Any]]:
        used, output = self.command(self.peer.search(query, self.root, self.home))
        return used, self.peer.hits(output, query, self.root)


def measure(
    peer: Peer, root: Path, args: argparse.Namespace, queries: Sequence[LabelledQuery]
) -> Iterator[dict[str, Any]]:
    """One round; with labelled queries also how good the answers are."""
    with tempfile.TemporaryDirectory(dir=args.work) as place:
        run = Run(peer, root, Path(place), args)
        made = run.index()
        if made:
            yield {"what": "index", **made}
        first, _ = run.ask(QUESTIONS[0])
        yield {"what": "first query", **first}
        yield {"what": "disk", "bytes": disk(run.home)}
        for query in QUESTIONS[1 : WARM + 1]:
            yield {"what": "warm query", **run.ask(query)[0]}
        if queries:
            yield quality(run, queries)
        with edited(root):
            updated = run.index()
            found, hits = run.ask(SECRET)
            wall = found["wall"] + (updated["wall"] if updated else 0)
            cpu = found["cpu"] + (updated["cpu"] if updated else 0)
            yield {"what": "edits to found", "wall": wall, "cpu": cpu, "found": bool(hits)}


@contextmanager
def edited(root: Path) -> Iterator[None]:
    """Add a line to fifty source files, and restore them afterwards."""
    files = sorted(p for p in root.rglob("*") if p.suffix in SOURCE and p.is_file() and not p.is_symlink())
    chosen = files[:: max(1, len(files) // EDITS)][:EDITS]
    kept = {path: (path.read_bytes(), path.stat()) for path in chosen}
    try:
        for path, (data, _) in kept.items():
            path.write_bytes(data + f"\n{SECRET}\n".encode())
        yield
    finally:
        for path, (data, stat) in kept.items():
            path.write_bytes(data)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def quality(run: Run, queries: Sequence[LabelledQuery]) -> dict[str, Any]:
    """NDCG@10 over the queries of a folder, and how long each took as a whole process."""
    scores, walls = [], []
    for query in queries:
        used, hits = run.ask(query.text)
        scores.append(score(query.targets, hits).ndcg)
        walls.append(used["wall"])
    return {
        "what": "quality",
        "ndcg": sum(scores) / len(scores),
        "queries": len(scores),
        "walls": sorted(walls),
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tools", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--limit", type=float, default=1800)
    parser.add_argument("--memory", type=float, default=16_000)
    parser.add_argument("--work", default=None)
    args = parser.parse_args()
    peers = [
        made
        for kind in PEERS
        if (made := kind(args.tools.resolve())) and (not args.only or made.name in args.only)
    ]
    labelled = load_queries(args.queries) if args.queries else []
    with open(args.out, "a", encoding="utf-8") as out:

        def write(peer: Peer, corpus: str, row: dict[str, Any]) -> None:
            out.write(json.dumps({"peer": peer.name, "corpus": corpus, **row}) + "\n")
            out.flush()

        able = []
        for peer in peers:
            reason = peer.missing()
            write(
                peer,
                "",
                {"what": "missing", "why": reason} if reason else {"what": "version", "text": peer.version()},
            )
            able += [] if reason else [peer]
        for folder in args.folders:
            corpus = folder.name
            with tempfile.TemporaryDirectory(dir=args.work) as place:
                root = Path(place) / corpus
                shutil.copytree(folder, root, symlinks=True, ignore=shutil.ignore_patterns(".git"))
                files = sum(len(names) for _, _, names in os.walk(root))
                write(able[0], corpus, {"what": "corpus", "files": files, "bytes": disk(root)})
                queries = [q for q in labelled if q.repo == corpus]
                given_up: set[str] = set()
                for turn in range(args.rounds):
                    for peer in able[turn % len(able) :] + able[: turn % len(able)]:
                        if peer.name in given_up:
                            continue
                        try:
                            for row in measure(peer, root, args, () if turn else queries):
                                write(peer, corpus, {"round": turn, **row})
                        except (PeerError, ValueError, KeyError) as error:
                            given_up.add(peer.name)
                            write(peer, corpus, {"what": "given up", "why": str(error)})


if __name__ == "__main__":
    main()

"""NDCG@10 of ripgrep and codesearch on a tree so big that the lines of a question's common words are too many.

    python -m benchmarks.peers.each_word ROOT QUERIES.jsonl [--home FOLDER]

Each distinct word of all the questions is looked for once, by itself, and the tool prints the number of lines for
each file (``rg -c``, ``csearch -c``). A question's files are put in order as in :mod:`benchmarks.peers.run`: by the
number of its distinct words in them, then by the number of lines, a line with two words counting twice here, then
by path. The seconds of a question are those of its words, one process each. Prints a JSON object a tool.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.peer import keywords

from spelunk.evaluate.measures import LabelledQuery, LineSpan, score
from spelunk.evaluate.run import load_queries

Counts = dict[str, int]
"""Lines with a word, by file."""


def counted(command: Sequence[str], env: dict[str, str], root: Path) -> tuple[Counts, float]:
    """What a command that prints ``PATH:LINES`` found, and its seconds."""
    began = time.perf_counter()
    ran = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace")
    seconds = time.perf_counter() - began
    found: Counts = {}
    for line in ran.stdout.splitlines():
        path, _, lines = line.rpartition(":")
        found[os.path.relpath(path, root)] = int(lines)
    return found, seconds


def best(query: str, found: dict[str, Counts]) -> list[LineSpan]:
    """The ten files of a question."""
    words: Counts = {}
    lines: Counts = {}
    for word in keywords(query):
        for path, count in found[word].items():
            words[path] = words.get(path, 0) + 1
            lines[path] = lines.get(path, 0) + count
    ordered = sorted(words, key=lambda path: (-words[path], -lines[path], path))
    return [LineSpan(path) for path in ordered[:10]]


def measure(
    name: str, root: Path, queries: Sequence[LabelledQuery], env: dict[str, str]
) -> dict[str, object]:
    """Ask one tool for every word, and score its files."""
    found: dict[str, Counts] = {}
    took: dict[str, float] = {}
    for query in queries:
        for word in keywords(query.text):
            if word in found:
                continue
            if name == "ripgrep":
                command = ["rg", "-c", "-i", "-F", "--hidden", "-e", word, str(root)]
            else:
                command = ["csearch", "-c", "-i", re.escape(word)]
            found[word], took[word] = counted(command, env, root)
    scores = [score(query.targets, best(query.text, found)).ndcg for query in queries]
    seconds = sorted(sum(took[word] for word in keywords(query.text)) for query in queries)
    return {
        "tool": name,
        "queries": len(queries),
        "words": len(found),
        "ndcg": round(sum(scores) / len(scores), 4),
        "seconds_p50": round(seconds[len(seconds) // 2], 2),
        "seconds_p99": round(seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)], 2),
    }


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("queries")
    parser.add_argument("--home", type=Path, help="where codesearch's index is kept")
    args = parser.parse_args()
    root = args.root.resolve()
    queries = load_queries(args.queries)
    with tempfile.TemporaryDirectory() as place:
        env = os.environ | {"CSEARCHINDEX": str((args.home or Path(place)) / "csearchindex")}
        subprocess.run(["cindex", str(root)], env=env, check=True, capture_output=True)
        for name in ("codesearch", "ripgrep"):
            print(json.dumps(measure(name, root, queries, env)), flush=True)


if __name__ == "__main__":
    main()

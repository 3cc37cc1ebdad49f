"""Times searches in one process over one large index: pasted issues of a given length, and short questions.

    python benchmarks/latency.py FOLDER --index-dir DIR --texts issues.jsonl [--questions QUERIES.jsonl]
        [--characters 3000] [--queries 200] [--modes hybrid,lexical]

The texts are those of ``localisation.py``'s instances, joined in a fixed order and cut, so that each has the
length wanted and no two are alike. Every mode is run on the same texts, round by round in turn; the first ten
texts are a warm-up that is not counted. Prints Markdown: wall and processor time (all threads) in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import defaultdict

from localisation import words_of

from spelunk.errors import SpelunkError
from spelunk.index import Index

WARM_UP = 10


def texts_of(paths: list[str], characters: int, count: int) -> list[str]:
    """Different texts of about this length: one instance's whole beginning, filled up with others."""
    pool = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            pool += [json.loads(line)["query"] for line in file if line.strip()]
    rng = random.Random(0)
    texts = []
    for n in range(count):
        text = pool[n % len(pool)]
        while len(text) < characters:
            text += "\n\n" + rng.choice(pool)
        start = 0 if n < len(pool) else rng.randrange(max(1, len(text) - characters))
        texts.append(text[start : start + characters])
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--index-dir")
    parser.add_argument("--texts", nargs="+", required=True)
    parser.add_argument("--questions")
    parser.add_argument("--characters", type=int, default=3_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--modes", default="hybrid,lexical")
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--words", action="store_true", help="take the punctuation out of the texts")
    args = parser.parse_args()
    sets = {f"{args.characters:,} characters": texts_of(args.texts, args.characters, args.queries + WARM_UP)}
    if args.words:
        sets = {f"{name}, words": [words_of(t) for t in texts] for name, texts in sets.items()}
    if args.questions:
        with open(args.questions, encoding="utf-8") as file:
            asked = [json.loads(line)["query"] for line in file if line.strip()]
        random.Random(0).shuffle(asked)
        sets["questions"] = (asked * (args.queries // len(asked) + 1))[: args.queries + WARM_UP]
    modes = args.modes.split(",")
    with Index.open(args.folder, index_dir=args.index_dir) as index:
        index.update()
        status = index.status(look=False)
        wall: dict[tuple[str, str], list[float]] = defaultdict(list)
        cpu: dict[tuple[str, str], list[float]] = defaultdict(list)
        failed: dict[tuple[str, str], int] = defaultdict(int)
        load = os.getloadavg()[0]
        for name, texts in sets.items():
            for n, text in enumerate(texts):
                for mode in modes if n % 2 else modes[::-1]:
                    began, used = time.perf_counter(), time.process_time()
                    try:
                        index.search(text, mode=mode, limit=args.limit, refresh=False)
                    except SpelunkError:
                        failed[name, mode] += 1
                    if n >= WARM_UP:
                        wall[name, mode].append((time.perf_counter() - began) * 1000)
                        cpu[name, mode].append((time.process_time() - used) * 1000)
    print(f"{status.files:,} files, {status.chunks:,} chunks, {os.cpu_count()} cores; load {load:.1f} before, {os.getloadavg()[0]:.1f} after.\n")  # fmt: skip
    print("| Texts | mode | n | wall p50 | p99 | processor p50 | p99 | errors |\n|-|-|-|-|-|-|-|-|")
    for key, took in wall.items():
        cells = " | ".join(
            f"{v:.1f}" for of in (took, cpu[key]) for v in (quantile(of, 0.5), quantile(of, 0.99))
        )
        print(f"| {key[0]} | {key[1]} | {len(took)} | {cells} | {failed[key]} |")


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    main()

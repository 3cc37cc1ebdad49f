"""Measures how often an answer says "no confident hit": on labelled queries, and on queries of other corpora.

    python benchmarks/confidence.py QUERIES.jsonl CORPORA [--index-dir DIR] [--mode hybrid]

Prints a line for each kind of query: labelled ones with a right file among ten
hits, labelled ones without, queries about corpora in other languages, and
questions of daily life. The format of the queries is that of ``spelunk eval``.
"""

from __future__ import annotations

import argparse
import os
import random
from collections import Counter

from spelunk.evaluate.run import load_queries
from spelunk.index import Index

DAILY = """recipe for sourdough bread with rye flour
best time to plant tulips in the garden
who won the chess championship last year
how to file a mortgage application
lyrics of a song about the river
history of the roman empire
train schedule from berlin to munich
symptoms of a common cold in children
how do whales communicate over long distances
paint a wooden fence before winter
violin sonata
giraffe saxophone lasagna
umbrella""".splitlines()
FOREIGN = 20
"""Queries of other languages that each corpus is asked."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("queries")
    parser.add_argument("corpora")
    parser.add_argument("--index-dir")
    parser.add_argument("--mode", default="hybrid")
    args = parser.parse_args()
    queries = load_queries(args.queries)
    chance = random.Random(7)
    asked: Counter[str] = Counter()
    doubted: Counter[str] = Counter()
    for repo in dict.fromkeys(q.repo for q in queries):
        place = os.path.join(args.index_dir, repo) if args.index_dir else None
        own = [q for q in queries if q.repo == repo]
        others = [q for q in queries if q.language != own[0].language]
        with Index.open(os.path.join(args.corpora, repo), index_dir=place) as index:
            index.refresh()

            def ask(kind: str, text: str, right: frozenset[str] = frozenset()) -> None:
                answer = index.search(text, mode=args.mode, refresh=False)
                if right:
                    kind += " right" if right & {h.path for h in answer.hits} else " wrong"
                asked[kind] += 1
                doubted[kind] += not answer.confident

            for q in own:
                ask("labelled", q.text, frozenset(t.path for t in q.targets))
            for q in chance.sample(others, FOREIGN):
                ask("other language", q.text)
            for text in DAILY:
                ask("daily life", text)
    for kind, count in asked.items():
        print(
            f"{kind:16} {count:5} queries, no confident hit {doubted[kind]:4} ({doubted[kind] / count:.1%})"
        )


if __name__ == "__main__":
    main()

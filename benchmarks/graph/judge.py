"""Ask a language server what a name means at each place that the index gave and the server's list had not.

A server's list of references leaves places out: imports in TypeScript, and whatever has no type for it
(a test's parameter that a fixture gives). Where the server says that the name means the symbol, the place
is right; where it has no answer, the place is neither right nor wrong; else it is wrong.

    python benchmarks/graph/score.py CACHE/pyright-flask.json --trees TREES --claims CLAIMS
    python benchmarks/graph/judge.py pyright TREE CLAIMS/pyright-flask.json CACHE/pyright-flask.judged.json
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from pathlib import Path

from collect import Collector
from lsp import NoAnswerError
from servers import ORACLES


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("oracle", choices=sorted(ORACLES))
    parser.add_argument("tree", type=Path)
    parser.add_argument("claims", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    asked = parser.parse_args()
    oracle, tree = ORACLES[asked.oracle], asked.tree.resolve()
    known: dict[str, list[list[object]]] = {}
    if asked.out.exists():
        known = json.loads(asked.out.read_text(encoding="utf-8"))
    claims = [
        claim for claim in json.loads(asked.claims.read_text(encoding="utf-8")) if key(claim) not in known
    ]
    server = oracle.start(tree, str(asked.out.with_suffix(".log")))
    end = time.monotonic() + asked.seconds
    try:
        collector = Collector(oracle, server, tree, random.Random(0))
        for path, _, _ in claims[:3]:
            collector.open(tree / path)
        oracle.settle(server)
        for path, line, name in claims:
            if time.monotonic() > end:
                break
            lines = (tree / path).read_text(encoding="utf-8", errors="replace").split("\n")
            found: list[list[object]] = []
            try:
                collector.open(tree / path)
                for match in re.finditer(rf"\b{re.escape(name)}\b", lines[line - 1]):
                    answer = collector.ask("textDocument/definition", str(tree / path), line, match.start())
                    found += collector.all_places(answer)
            except NoAnswerError as error:
                print(f"{path}:{line}: {error}", file=sys.stderr)
                continue
            known[key((path, line, name))] = found
    finally:
        server.stop()
        asked.out.write_text(json.dumps(known), encoding="utf-8")
    print(f"{len(known)} places judged of {len(claims)} new ones", file=sys.stderr)
    return 0


def key(claim: tuple[str, int, str]) -> str:
    return f"{claim[0]}:{claim[1]}:{claim[2]}"


if __name__ == "__main__":
    raise SystemExit(main())

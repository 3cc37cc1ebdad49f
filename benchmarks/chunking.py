"""How fast reading, parsing and chunking are, by language, on one core.

    python benchmarks/chunking.py DIR [--json] [--limit MB] [--repeat N]

For each language found in DIR: megabytes a second of reading and decoding, of
the parse alone, and of the whole chunker; what chunking costs over its parse;
chunks a kilobyte and their mean size. Times are CPU times of this process, the
best of N runs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

from spelunk.chunk import chunk, parse
from spelunk.chunk.grammar import grammar_for
from spelunk.config import Options
from spelunk.files.languages import language_of
from spelunk.files.read import read
from spelunk.types import Candidate, Document, Flag

OPTIONS = Options()


def candidates(root: str) -> list[Candidate]:
    found = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith("."))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), root)
            found.append(Candidate(path, 0, 0, 0, 0, language_of(path), Flag.NONE))
    return found


def best(repeat: int, run: Callable[[], Any]) -> float:
    seconds = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        run()
        seconds = min(seconds, time.process_time() - start)
    return seconds


def measure(root: str, language: str, files: list[Candidate], repeat: int) -> dict[str, Any] | None:
    documents = [d for d in (read(root, c, OPTIONS) for c in files) if isinstance(d, Document)]
    documents = [d for d in documents if len(d.text) <= OPTIONS.max_parse_size]  # others are not parsed
    if not documents:
        return None
    size = sum(d.size for d in documents)
    kept = {d.path for d in documents}
    files = [c for c in files if c.path in kept]
    reading = best(repeat, lambda: [read(root, c, OPTIONS) for c in files])
    sources = [d.text.encode() for d in documents]
    grammar = grammar_for(language)
    parsing = None
    if grammar is not None:
        parsing = best(repeat, lambda: [grammar.parser.parse(s) for s in sources])
    chunking = best(repeat, lambda: [chunk(parse(d, OPTIONS)) for d in documents])
    sizes = [c.end - c.start for d in documents for c in chunk(parse(d, OPTIONS))]
    return {
        "language": language,
        "files": len(documents),
        "megabytes": round(size / 1e6, 2),
        "read_mb_s": round(size / 1e6 / reading, 1),
        "parse_mb_s": round(size / 1e6 / parsing, 1) if parsing else None,
        "chunk_mb_s": round(size / 1e6 / chunking, 1),
        "chunk_over_parse": round(chunking / parsing, 2) if parsing else None,
        "chunks": len(sizes),
        "chunks_per_kb": round(len(sizes) / (size / 1e3), 2),
        "mean_chunk": round(sum(sizes) / max(1, len(sizes))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--limit", type=float, default=4.0, help="megabytes a language")
    parser.add_argument("--least", type=float, default=0.05, help="leave out languages with fewer megabytes")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    groups: dict[str, list[Candidate]] = {}
    sizes: dict[str, float] = {}
    for c in candidates(arguments.dir):
        document = read(arguments.dir, c, OPTIONS)
        if not isinstance(document, Document) or len(document.text) > OPTIONS.max_parse_size:
            continue
        if sizes.get(document.language, 0.0) < arguments.limit * 1e6:
            groups.setdefault(document.language, []).append(c)
            sizes[document.language] = sizes.get(document.language, 0.0) + document.size
    measured = [
        measure(arguments.dir, language, groups[language], arguments.repeat)
        for language in sorted(groups, key=lambda name: -sizes[name])
        if sizes[language] >= arguments.least * 1e6
    ]
    rows = [row for row in measured if row is not None]
    if arguments.json:
        print(json.dumps({"dir": os.path.basename(os.path.abspath(arguments.dir)), "rows": rows}, indent=1))
        return
    names = list(rows[0]) if rows else []
    print("  ".join(f"{n:>16}" for n in names))
    for row in rows:
        print("  ".join(f"{row[n] if row[n] is not None else '-':>16}" for n in names))


if __name__ == "__main__":
    main()

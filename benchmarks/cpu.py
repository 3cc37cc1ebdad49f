"""CPU of a whole index run against what tree-sitter alone needs: `python benchmarks/cpu.py FOLDER...`.

The numerator is user and system time of one `spelunk index --mode sequential`
process, the interpreter's start and all three stores included. The
denominator is `Parser.parse` alone over the files of that run that have a
grammar, read and decoded beforehand, those above `max_parse_size` too; files
without one count only above.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

from spelunk.config import Options
from spelunk.files.folder import FolderSource
from spelunk.files.read import read
from spelunk.files.walk import walk
from spelunk.types import Document


def parse_seconds(root: str) -> tuple[float, int]:
    """CPU seconds and bytes of parsing alone."""
    import tree_sitter_language_pack as pack
    from tree_sitter import Parser

    options = Options()
    parsers: dict[str, Parser | None] = {}
    seconds, total = 0.0, 0
    source = FolderSource(root)
    for candidate in walk(root, options).entries:
        document = read(source, candidate, options)
        if not isinstance(document, Document):
            continue
        if document.language not in parsers:
            try:
                parsers[document.language] = Parser(pack.get_language(document.language))  # type: ignore[arg-type]
            except LookupError:
                parsers[document.language] = None
        parser = parsers[document.language]
        if parser is None:
            continue
        data = document.text.encode("utf-8", "surrogatepass")
        began = time.process_time()
        parser.parse(data)
        seconds += time.process_time() - began
        total += len(data)
    return seconds, total


def index_seconds(root: str) -> float:
    """CPU seconds of one whole sequential run."""
    with tempfile.TemporaryDirectory() as place:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "spelunk", "index", root, "--index-dir", f"{place}/ix"]
        subprocess.run([*command, "--mode", "sequential", "-q"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    gc.disable()
    for folder in args.folders:
        root = os.path.realpath(folder)
        pairs = [(index_seconds(root), parse_seconds(root)) for _ in range(args.rounds)]
        ratios = sorted(i / p for i, (p, _) in pairs)
        row = {
            "folder": os.path.basename(folder),
            "parsed_mb": round(pairs[0][1][1] / 1e6, 1),
            "parse_s": round(min(p for _, (p, _) in pairs), 2),
            "index_s": round(min(i for i, _ in pairs), 2),
            "ratio": round(ratios[len(ratios) // 2], 2),
            "min": round(ratios[0], 2),
            "max": round(ratios[-1], 2),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

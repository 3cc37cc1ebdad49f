"""``spelunk bench search``: time of an answer by mode in one process, and of the whole command."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from spelunk.bench import sample
from spelunk.bench.measure import (
    Chart,
    Result,
    Say,
    command,
    compare,
    in_turn,
    percentile,
    sandbox,
    timed,
)
from spelunk.config import resolve
from spelunk.errors import UsageError
from spelunk.files.read import read
from spelunk.index import Index
from spelunk.text.tokens import words
from spelunk.types import Document

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
BY_NAME: Final = ("symbol", "regex")
"""Modes whose queries are one name instead of several words."""
QUERIES: Final = 40
WORDS: Final = 4
COMMAND: Final = "warm command"
IMPORT: Final = "import numpy"
"""A yardstick for start-up: what many search tools import first."""


def measure(
    root: str, queries: Sequence[str] = (), modes: Sequence[str] = (), embedder: str | None = None,
    rounds: int = 3, say: Say = lambda _: None,
) -> Result:  # fmt: skip
    """Index the folder elsewhere, then search every query in every mode, and one as a command.

    Args:
        root: The folder; all of it is indexed.
        queries: The queries; by default words of files spread over the folder.
        modes: Those to measure; all by default.
        embedder: Instead of the workspace's.
        rounds: Runs of each query, after one to warm up.
        say: Told what is being measured.

    Raises:
        UsageError: No query.
        SpelunkError: The folder cannot be indexed.
    """
    options = resolve(root, {"embedder": embedder})
    questions = list(queries) or made_up(root, embedder)
    if not questions:
        raise UsageError(f"{root}: no words to search for; give queries with --queries FILE")
    with sandbox() as place:
        directory = os.path.join(place, "index")
        say("indexing")
        timed(
            command("index", root, "--index-dir", directory, "--embedder", options.embedder, "--json"), place
        )
        with Index.open(root, index_dir=directory, embedder=options.embedder, freshness="relaxed") as index:
            chunks = index.status(look=False).chunks
            rows = [_mode(index, mode, questions, rounds, say) for mode in modes or MODES]
        say(COMMAND)
        rows += _command(root, directory, place, questions[0], options.embedder, max(5, rounds))
    charted = [r for r in rows if r["what"] not in (IMPORT, COMMAND)]
    chart = Chart(
        f"Time of an answer, {chunks:,} chunks", "milliseconds", tuple(r["what"] for r in charted),
        {"p50": [r["p50_ms"] for r in charted], "p95": [r["p95_ms"] for r in charted]},
    )  # fmt: skip
    about = {"chunks": chunks, "queries": len(questions), "rounds": rounds, "embedder": options.embedder}
    return Result("search", tuple(rows), chart, about)


def made_up(root: str, embedder: str | None = None) -> list[str]:
    """Queries of words that stand together in files spread over the folder; the same each time."""
    options = resolve(root, {"embedder": embedder})
    queries: list[str] = []
    files = sample.candidates(root, options)
    for candidate in sample.spread(files, min(len(files), 4 * QUERIES)):
        document = read(root, candidate, options)
        if not isinstance(document, Document):
            continue
        lines = document.text.splitlines()
        for line in lines[len(lines) // 2 :]:
            said = [w for w in words(line) if len(w) > 2 and w.isidentifier()]
            if len(said) >= WORDS - 1:
                queries.append(" ".join(said[:WORDS]))
                break
    return sample.spread(queries, min(len(queries), QUERIES))


def _mode(index: Index, mode: str, queries: Sequence[str], rounds: int, say: Say) -> dict[str, Any]:
    say(mode)
    texts = [max(q.split(), key=len) for q in queries] if mode in BY_NAME else queries
    times: list[float] = []
    hits = 0
    for turn in range(rounds + 1):
        for query in texts:
            began = time.perf_counter()
            answer = index.search(query, mode=mode, refresh=False)
            if turn:  # the first time fills caches and opens files
                times.append((time.perf_counter() - began) * 1000)
                hits += bool(answer.hits)
    return {"what": mode, **_milliseconds(times), "found": round(hits / len(times), 3)}


def _milliseconds(times: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": round(statistics.median(times), 3),
        "p95_ms": round(percentile(times, 0.95), 3),
        "max_ms": round(max(times), 3),
    }


def _command(
    root: str, directory: str, place: str, query: str, embedder: str, runs: int
) -> list[dict[str, Any]]:
    """A whole ``spelunk search`` over the index that is there, beside an ``import numpy``."""
    search = command("search", query, root, "--index-dir", directory, "--json")
    place_env = {"SPELUNK_EMBEDDER": embedder}
    timed(search, place, place_env)
    variants = {
        IMPORT: lambda: timed([sys.executable, "-c", "import numpy"], place)[0],
        COMMAND: lambda: timed(search, place, place_env)[0],
    }
    times = in_turn(variants, runs)
    slower = 1 / compare(times, IMPORT)[COMMAND].ratio
    return [
        {"what": name, **_milliseconds([t * 1000 for t in own]), "found": None,
         **({"to_import": round(slower, 2)} if name == COMMAND else {})}
        for name, own in times.items()
    ]  # fmt: skip


def load(path: str) -> list[str]:
    """Queries of a file: one a line, or labelled ones as ``spelunk eval`` takes them.

    Raises:
        UsageError: It cannot be read, or holds none.
    """
    try:
        with open(path, encoding="utf-8") as f:
            lines = [line.strip() for line in f]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    queries: list[str] = []
    for line in lines:
        if line.startswith("{"):
            try:
                line = str(json.loads(line)["query"])
            except (ValueError, KeyError):
                raise UsageError(f"{path}: a line is neither a question nor an object with a query") from None
        if line:
            queries.append(line)
    if not queries:
        raise UsageError(f"{path}: holds no query")
    return queries

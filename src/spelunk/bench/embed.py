"""``spelunk bench embed``: one text after the other against several at a time, for one embedder.

An embedder that workers call (``in_workers``) is measured by the processes it
runs in: finding words and making vectors. Any other is measured by the number of
parallel calls.
"""

from __future__ import annotations

import json
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from msgspec import Struct

from spelunk import embed
from spelunk.bench import sample
from spelunk.bench.measure import Chart, Result, Say, compare, cores, environment, failure, in_turn, sandbox
from spelunk.chunk import chunk, parse
from spelunk.config import MAX_WORKERS, ONNX, Options, resolve
from spelunk.embed import Embedder
from spelunk.errors import SpelunkError
from spelunk.files.folder import FolderSource
from spelunk.files.read import read
from spelunk.text.tokens import words
from spelunk.types import Document

FEW: Final = 256
"""Chunks for a model: some seconds a run."""
MANY: Final = 20_000
"""Chunks for an embedder that is as fast as the parse."""
FILES: Final = 1_000
BASE: Final = "one at a time"


class Arrangement(Struct, frozen=True):
    """How the work is spread.

    Attributes:
        name: Its name in the table.
        processes: Processes, each with an embedder of its own.
        callers: Calls of one embedder at a time.
    """

    name: str
    processes: int = 1
    callers: int = 1


def measure(
    root: str, embedder: str | None = None, chunks: int = 0, rounds: int = 3, say: Say = lambda _: None
) -> Result:
    """Embed chunks of a folder in each arrangement, in turn; loading is not counted.

    Args:
        root: Where the chunks come from.
        embedder: Instead of the workspace's.
        chunks: How many; 0 takes 256 for a model, 20,000 for one that workers call, as far as there are.
        rounds: Runs of each, every one in new processes.
        say: Called with the name of what is being measured.

    Raises:
        ConfigError: No such embedder.
        SpelunkError: A run failed.
    """
    options = resolve(root, {"embedder": embedder})
    made = embed.get(options)
    texts = texts_of(root, options, chunks or (MANY if made.in_workers else FEW))
    size = sum(len(t.encode("utf-8", "surrogatepass")) for t in texts)
    forms = arrangements(options, made)
    used: dict[str, list[float]] = {f.name: [] for f in forms}

    def run(form: Arrangement) -> Callable[[], float]:
        def once() -> float:
            say(form.name)
            seconds, cpu = go(form, options, texts)
            used[form.name].append(cpu)
            return seconds

        return once

    timings = compare(in_turn({f.name: run(f) for f in forms}, rounds), BASE)
    rows: tuple[dict[str, Any], ...] = tuple(
        {"variant": f.name, "processes": f.processes, "callers": f.callers,
         "chunks_per_second": round(len(texts) / timings[f.name].seconds, 1),
         "mb_per_second": round(size / 1e6 / timings[f.name].seconds, 3), **timings[f.name].as_dict(),
         "efficiency": round(timings[f.name].ratio / (f.processes * f.callers), 3),
         "cpu_seconds": round(statistics.median(used[f.name]), 3)}
        for f in forms
    )  # fmt: skip
    column, unit = (
        ("mb_per_second", "mb a second") if made.in_workers else ("chunks_per_second", "chunks a second")
    )
    name = embed.identify(options)
    chart = Chart(
        f"Embedding with {name}", unit, tuple(f.name for f in forms), {"": [r[column] for r in rows]}
    )  # fmt: skip
    about = {
        "embedder": name, "dimensions": made.dimensions, "chunks": len(texts), "bytes": size, "rounds": rounds
    }  # fmt: skip
    return Result("embed", rows, chart, about)


def arrangements(options: Options, embedder: Embedder) -> list[Arrangement]:
    """One at a time, and those in which Spelunk uses this embedder on this machine."""
    n = max(2, cores())
    if embedder.in_workers:
        several = sorted({m for m in (2, 4, 8, 16) if m <= n} | {min(n, MAX_WORKERS)})
        return [Arrangement(BASE), *(Arrangement(f"{m} processes", processes=m) for m in several)]
    callers = n if options.embedder.startswith(ONNX) else max(2, embedder.concurrency)
    return [Arrangement(BASE), Arrangement(f"{callers} calls at a time", callers=callers)]


def texts_of(root: str, options: Options, count: int) -> list[str]:
    """Texts of at most ``count`` chunks, spread over files that are spread over the folder."""
    files, source = sample.candidates(root, options), FolderSource(root)
    texts: list[str] = []
    for candidate in sample.spread(files, min(len(files), FILES)):
        document = read(source, candidate, options)
        if isinstance(document, Document):
            texts += [document.text[c.start : c.end] for c in chunk(parse(document, options))]
    if not texts:
        raise SpelunkError(f"{root}: no text to embed; name another folder")
    return sample.spread(texts, min(count, len(texts)))


def go(form: Arrangement, options: Options, texts: Sequence[str]) -> tuple[float, float]:
    """Start the processes, let them load, then time them together; wall and CPU seconds.

    Raises:
        SpelunkError: A process failed.
    """
    with sandbox() as place:
        script = [sys.executable, "-P", "-c", "from spelunk.bench.embed import serve; serve()"]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        running = [subprocess.Popen(script, env=environment(place), **pipes) for _ in range(form.processes)]
        try:
            for n, process in enumerate(running):
                _send(process, pickle.dumps((options, form.callers, list(texts[n :: form.processes]))))
            for process in running:
                _answer(process)
            began = time.perf_counter()
            for process in running:
                _send(process, b"go\n")
            cpu = sum(_answer(process) for process in running)
            return time.perf_counter() - began, cpu
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.communicate()


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it has failed; its answer says why


def _answer(process: subprocess.Popen[bytes]) -> float:
    """The CPU seconds that the process reports; 0 where it reports that it has loaded."""
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    if not line:
        raise SpelunkError(failure(process.stderr.read().decode("utf-8", "replace"), process.wait()))
    return float(json.loads(line))


def serve() -> None:
    """Entry of a process: load the task on standard input, report, wait for ``go``, and do it."""
    options, callers, texts = pickle.load(sys.stdin.buffer)
    embedder = _make(options, callers)
    _embed(embedder, texts[:1])
    print(0, flush=True)
    sys.stdin.buffer.readline()
    cpu = time.process_time()
    threads = 1 if options.embedder.startswith(ONNX) else callers  # which spreads a call over threads itself
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda n: _embed(embedder, texts[n::threads]), range(threads)))
    print(time.process_time() - cpu, flush=True)


def _make(options: Options, callers: int) -> Embedder:
    if options.embedder.startswith(ONNX):
        from spelunk.embed.onnx import OnnxEmbedder

        return OnnxEmbedder(options.embedder, callers=callers)
    return embed.get(options)


def _embed(embedder: Embedder, texts: Sequence[str]) -> None:
    for start in range(0, len(texts), embedder.batch):
        part = texts[start : start + embedder.batch]
        embedder.embed(part, [words(t) for t in part] if embedder.in_workers else [()] * len(part))

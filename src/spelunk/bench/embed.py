"""Embedding one text after the other against several at a time, for the embedder at hand.

One that workers call (``in_workers``) is measured by the processes it runs in:
finding words and making vectors, in megabytes of source a second. For a model
with threads of its own the question is where the threads belong: inside the
session, outside it, in several sessions, or in several processes.
"""

from __future__ import annotations

import json
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

from spelunk import embed
from spelunk.bench import sample
from spelunk.bench.measure import Chart, Result, Say, compare, cores, environment, failure, in_turn, sandbox
from spelunk.chunk import chunk
from spelunk.config import MAX_WORKERS, ONNX, Options, resolve
from spelunk.errors import SpelunkError
from spelunk.files.folder import FolderSource
from spelunk.files.read import read
from spelunk.text.tokens import words
from spelunk.types import Document

FEW: Final = 256
"""Chunks for a model: some seconds a configuration."""
MANY: Final = 20_000
"""Chunks for an embedder that is as fast as the parse."""
FILES: Final = 1_000
CALL: Final = 256
"""Texts handed over at a time, where the embedder does not say."""
BASE: Final = "one at a time"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where the parallel work happens.

    Attributes:
        name: What it is called in the table.
        processes: Each with everything of its own.
        sessions: Embedders in each process, each with a thread that calls it.
        callers: Threads that call one embedder.
        inside: Threads a model's session uses for one batch.
    """

    name: str
    processes: int = 1
    sessions: int = 1
    callers: int = 1
    inside: int = 1


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does."""

    options: Options
    arrangement: Arrangement
    texts: list[str]


def measure(
    root: str, embedder: str | None = None, chunks: int = 0, rounds: int = 3, say: Say = lambda _: None
) -> Result:
    """Embed chunks of a folder in each arrangement, in turn; loading is not counted.

    Args:
        root: Where the chunks come from.
        embedder: Instead of the workspace's.
        chunks: How many; 256 for a model, 20,000 for what workers call, as far as there are.
        rounds: Runs of each, every one in new processes.
        say: Hears how far it is.

    Raises:
        ConfigError: No such embedder.
        SpelunkError: A run failed.
    """
    options = resolve(root, {"embedder": embedder})
    made = embed.get(options)
    fast = made.in_workers
    texts = texts_of(root, options, chunks or (MANY if fast else FEW))
    size = sum(len(t.encode("utf-8", "surrogatepass")) for t in texts)
    forms = arrangements(options, fast, getattr(made, "concurrency", 1))
    used: dict[str, list[float]] = {}

    def run(form: Arrangement) -> Callable[[], float]:
        def once() -> float:
            say(form.name)
            seconds, cpu = go(form, options, texts)
            used.setdefault(form.name, []).append(cpu)
            return seconds

        return once

    timings = compare(in_turn({f.name: run(f) for f in forms}, rounds), BASE)
    rows: list[dict[str, Any]] = []
    for f in forms:
        t = timings[f.name]
        parts = f.processes * f.sessions * f.callers * f.inside
        rows.append(
            {"variant": f.name, "processes": f.processes, "sessions": f.sessions, "callers": f.callers,
             "inside": f.inside, "chunks_per_second": round(len(texts) / t.seconds, 1),
             "mb_per_second": round(size / 1e6 / t.seconds, 3), **t.as_dict(),
             "efficiency": round(t.ratio / parts, 3), "cpu_seconds": round(statistics.median(used[f.name]), 3)}
        )  # fmt: skip
    unit = "mb_per_second" if fast else "chunks_per_second"
    chart = Chart(
        f"Embedding with {embed.identify(options)}", unit.replace("_per_second", "s a second" if not fast else " a second"),
        tuple(str(r["variant"]) for r in rows), {"": [r[unit] for r in rows]},
    )  # fmt: skip
    about = {
        "embedder": embed.identify(options), "dimensions": made.dimensions, "chunks": len(texts), "bytes": size,
        "rounds": rounds,
    }  # fmt: skip
    return Result("embed", tuple(rows), chart, about)


def arrangements(options: Options, fast: bool, concurrency: int) -> list[Arrangement]:
    """Those that can differ for this embedder on this machine."""
    n = max(2, cores())
    if fast:
        several = sorted({m for m in (2, 4, 8, 16) if m <= n} | {min(n, MAX_WORKERS)})
        return [Arrangement(BASE), *(Arrangement(f"{m} processes", processes=m) for m in several)]
    if options.embedder.startswith(ONNX):
        return [
            Arrangement(BASE),
            Arrangement(f"{n} threads inside", inside=n),
            Arrangement(f"{n} threads on one session", callers=n),
            Arrangement(f"{n} sessions", sessions=n),
            Arrangement(f"{n} processes", processes=n),
        ]
    return [Arrangement(BASE), Arrangement(f"{max(2, concurrency)} calls at a time", callers=max(2, concurrency))]  # fmt: skip


def texts_of(root: str, options: Options, count: int) -> list[str]:
    """Texts of at most ``count`` chunks, spread over files that are spread over the folder."""
    files, source = sample.candidates(root, options), FolderSource(root)
    texts: list[str] = []
    for candidate in sample.spread(files, min(len(files), FILES)):
        document = read(source, candidate, options)
        if isinstance(document, Document):
            texts += [document.text[c.start : c.end] for c in chunk(document, options)]
    if not texts:
        raise SpelunkError(f"{root}: no text to embed; name another folder")
    return sample.spread(texts, min(count, len(texts)))


def go(form: Arrangement, options: Options, texts: Sequence[str]) -> tuple[float, float]:
    """Start the processes, let them load, then time them together; wall and CPU seconds."""
    with sandbox() as place:
        script = [sys.executable, "-c", "from spelunk.bench.embed import serve; serve()"]
        running = [
            subprocess.Popen(
                script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment(place),
            )
            for _ in range(form.processes)
        ]  # fmt: skip
        try:
            for n, process in enumerate(running):
                assert process.stdin is not None
                pickle.dump(Task(options, form, list(texts[n :: form.processes])), process.stdin)
                process.stdin.flush()
            for process in running:
                _answer(process)
            began = time.perf_counter()
            for process in running:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
                process.stdin.flush()
            cpu = sum(float(_answer(process)["cpu"]) for process in running)
            return time.perf_counter() - began, cpu
        except BrokenPipeError:
            raise SpelunkError(next((_said(p) for p in running if p.poll()), "a process died")) from None
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.communicate()


def _answer(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        raise SpelunkError(_said(process))
    return json.loads(line)


def _said(process: subprocess.Popen[bytes]) -> str:
    stream: IO[bytes] | None = process.stderr
    text = stream.read().decode("utf-8", "replace") if stream is not None else ""
    return failure(text, process.returncode or 0)


# In the processes


class _Calls(Protocol):
    in_workers: bool

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Any: ...


def serve() -> None:
    """Load what the task on standard input names, say so, wait, and do it."""
    task: Task = pickle.load(sys.stdin.buffer)
    form = task.arrangement
    made = [_make(task.options, form) for _ in range(form.sessions)]
    for one in made:
        _embed(one, task.texts[:1])
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.buffer.readline()
    cpu = time.process_time()
    _together(made, form, task.texts)
    print(json.dumps({"cpu": time.process_time() - cpu}), flush=True)


def _make(options: Options, form: Arrangement) -> _Calls:
    if options.embedder.startswith(ONNX):
        from spelunk.embed.onnx import OnnxEmbedder

        return OnnxEmbedder(options.embedder, callers=form.callers, inside=form.inside)
    return embed.get(options)


def _together(made: Sequence[_Calls], form: Arrangement, texts: Sequence[str]) -> None:
    """All texts, over the sessions; an embedder that does not spread its work itself is called from threads."""
    from concurrent.futures import ThreadPoolExecutor

    from spelunk.embed.onnx import OnnxEmbedder

    outside = form.callers if not isinstance(made[0], OnnxEmbedder) else 1
    threads = len(made) * outside
    if threads == 1:
        _embed(made[0], texts)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda n: _embed(made[n % len(made)], texts[n::threads]), range(threads)))


def _embed(embedder: _Calls, texts: Sequence[str]) -> None:
    call = int(getattr(embedder, "batch", CALL))
    for start in range(0, len(texts), call):
        part = texts[start : start + call]
        embedder.embed(part, [words(t) for t in part] if embedder.in_workers else [()] * len(part))

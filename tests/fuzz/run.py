"""Run fuzz targets in processes that may crash or hang: `python -m tests.fuzz.run [--count 10000] [TARGET...]`.

Each input is made from (target, number), so `--only NUMBER` does one again.
Prints one JSON object a target: inputs done, and what failed.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context

from tests.confine import confine

HANG_SECONDS = 60.0
"""Without a new input for this long a target hangs; an input takes milliseconds."""
MEMORY = 3 * 2**30
"""Address space of a process: an input that wants more fails."""
MAX_FAILURES = 10


@dataclass
class Outcome:
    """What became of a target."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def source(target: str, number: int) -> random.Random:
    """The generator that makes an input."""
    return random.Random(f"{target}:{number}")


def _child(target: str, first: int, count: int, progress: str, errors: str) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from tests.fuzz.targets import TARGETS, folder

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # a panic of the full text writes pages
    fuzz = TARGETS[target]
    os.environ["SPELUNK_HOME"] = str(folder() / "home")
    sys.dont_write_bytecode = True
    tempfile.tempdir = str(folder())
    confine(str(folder()), os.path.dirname(progress))
    failures = 0
    with open(progress, "r+b") as f, mmap.mmap(f.fileno(), 8) as at:
        for number in range(first, first + count):
            at[:8] = struct.pack("<q", number)
            try:
                fuzz(source(target, number))
            except BaseException:
                with open(errors, "a") as out:
                    out.write(json.dumps(f"{number}: {traceback.format_exc(limit=-3)}") + "\n")
                failures += 1
                if failures >= MAX_FAILURES:
                    break
        else:
            at[:8] = struct.pack("<q", first + count)
    shutil.rmtree(folder(), ignore_errors=True)
    os._exit(0)


def run(target: str, count: int, first: int = 0) -> Outcome:
    """Fuzz one target; a crash or a hang costs the input it happened at, and the rest goes on."""
    began = time.monotonic()
    out = Outcome(target)
    end = first + count
    with tempfile.TemporaryDirectory() as place:
        progress, errors = f"{place}/progress", f"{place}/errors"
        while first < end and len(out.failures) < MAX_FAILURES:
            with open(progress, "wb") as f:
                f.write(struct.pack("<q", first))
            process = get_context("spawn").Process(
                target=_child, args=(target, first, end - first, progress, errors)
            )
            process.start()
            at, hung = _watch(process, progress)
            if hung:
                out.failures.append(f"{at}: hangs")
            elif process.exitcode != 0:
                cause = -(process.exitcode or 0)
                name = signal.Signals(cause).name if cause > 0 else f"status {process.exitcode}"
                out.failures.append(f"{at}: process died of {name}")
            elif at < end:
                break  # too many failures
            out.inputs += min(at + 1, end) - first
            first = at + 1
        if os.path.exists(errors):
            with open(errors) as f:
                out.failures += [json.loads(line) for line in f]
    out.seconds = round(time.monotonic() - began, 1)
    return out


def _watch(process: object, progress: str) -> tuple[int, bool]:
    """Wait for a child: (the input it was at, whether it had to be killed)."""
    last, since = -1, time.monotonic()
    while True:
        process.join(1.0)  # type: ignore[attr-defined]
        with open(progress, "rb") as f:
            at = struct.unpack("<q", f.read(8))[0]
        if process.exitcode is not None:  # type: ignore[attr-defined]
            return at, False
        if at != last:
            last, since = at, time.monotonic()
        elif time.monotonic() - since > HANG_SECONDS:
            process.kill()  # type: ignore[attr-defined]
            process.join()  # type: ignore[attr-defined]
            return at, True


SLOW = {"searches": 0.1}
"""Share of the inputs that a target is given of which each takes tens of milliseconds."""


def run_all(targets: Sequence[str], count: int, jobs: int) -> Iterator[Outcome]:
    """Fuzz several targets side by side."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda target: run(target, int(count * SLOW.get(target, 1))), targets)


def main() -> int:
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", type=int)
    args = parser.parse_args()
    names = args.targets or list(TARGETS)
    if args.only is not None:
        from tests.fuzz.targets import folder

        os.environ["SPELUNK_HOME"] = str(folder() / "home")
        sys.dont_write_bytecode = True
        confine(str(folder()))
        TARGETS[names[0]](source(names[0], args.only))
        shutil.rmtree(folder())
        return 0
    total = bad = 0
    for outcome in run_all(names, args.count, args.jobs):
        print(json.dumps(asdict(outcome)), flush=True)
        total += outcome.inputs
        bad += len(outcome.failures)
    print(json.dumps({"targets": len(names), "inputs": total, "failures": bad}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

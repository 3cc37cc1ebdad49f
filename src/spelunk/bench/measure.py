"""Measuring: variants in turn in one run, medians, ratios within a round, the machine named.

Absolute times on a shared machine say little. What is compared runs in turn,
each round in the other direction, and every ratio is taken within one round.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, field

from spelunk import __version__
from spelunk.errors import SpelunkError

Say = Callable[[str], None]
"""Called with a few words about what is being measured."""


class Chart(Struct, frozen=True):
    """Data of a bar chart.

    Attributes:
        title: Above it.
        unit: What the bars' lengths mean.
        groups: Labels along the axis.
        series: For each name one value a group; None where there is none.
    """

    title: str
    unit: str
    groups: tuple[str, ...]
    series: Mapping[str, Sequence[float | None]]


class Result(Struct, frozen=True):
    """Result of a benchmark.

    Attributes:
        benchmark: Its name on the command line.
        rows: One a line of the table; keys are the columns.
        chart: The same, to be drawn.
        about: What it was measured with: files, rounds, the embedder, ...
    """

    benchmark: str
    rows: tuple[Mapping[str, Any], ...]
    chart: Chart
    about: Mapping[str, Any] = field(default_factory=dict)


class Timing(Struct, frozen=True):
    """One variant over all rounds.

    Attributes:
        seconds: Median.
        ratio: Median, over the rounds, of the base's time by this one's: above 1 is faster.
        low: The smallest of those ratios.
        high: The largest.
    """

    seconds: float
    ratio: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Rounded, as columns."""
        return {
            "seconds": round(self.seconds, 4),
            "speedup": round(self.ratio, 3),
            "min": round(self.low, 3),
            "max": round(self.high, 3),
        }


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Facts about this machine; ``load`` is the average of the last minute."""
    return {
        "cores": cores(),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "spelunk": __version__,
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def in_turn(variants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run every variant once a round, every other round in reverse order; return what each returned.

    Args:
        variants: By name; each returns its seconds.
        rounds: At least 1.
    """
    results: dict[str, list[float]] = {name: [] for name in variants}
    order = list(variants)
    for n in range(rounds):
        for name in order if n % 2 == 0 else reversed(order):
            results[name].append(variants[name]())
    return results


def compare(times: Mapping[str, Sequence[float]], base: str) -> dict[str, Timing]:
    """Medians, and ratios to the variant ``base`` of the same round."""
    out = {}
    for name, own in times.items():
        ratios = [b / t for b, t in zip(times[base], own, strict=True)]
        out[name] = Timing(statistics.median(own), statistics.median(ratios), min(ratios), max(ratios))
    return out


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]


@contextmanager
def sandbox() -> Iterator[str]:
    """A temporary folder, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="spelunk-bench-", ignore_cleanup_errors=True) as place:
        yield os.path.realpath(place)


def environment(place: str) -> dict[str, str]:
    """The environment of a command whose indexes lie in ``place``."""
    return os.environ | {"SPELUNK_HOME": os.path.join(place, "home"), "NO_COLOR": "1"}


def command(*words: str) -> list[str]:
    """This Spelunk's own command, in this interpreter."""
    return [sys.executable, "-m", "spelunk", *words]


def timed(words: Sequence[str], place: str, more: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run a command to its end; return seconds of wall clock and its output.

    Args:
        words: The command.
        place: Where its indexes lie.
        more: Further variables of its environment.

    Raises:
        SpelunkError: It failed; the message is the last line of its errors.
    """
    env = environment(place) | dict(more or {})
    began = time.perf_counter()
    done = subprocess.run(
        words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - began
    if done.returncode not in (0, 1):  # 1 is a search that found nothing
        raise SpelunkError(failure(done.stderr, done.returncode))
    return took, done.stdout


def failure(errors: str, status: int) -> str:
    """The last line of a failed command's errors, without its prefix."""
    lines = errors.strip().splitlines() or [f"ended with status {status}"]
    return lines[-1].removeprefix("spelunk: ")

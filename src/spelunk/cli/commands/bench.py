"""``spelunk bench``: measure this machine on a folder."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from spelunk.cli.parser import whole
from spelunk.errors import UsageError

if TYPE_CHECKING:
    from spelunk.bench.measure import Result, Say

BENCHMARKS: Final = {
    "parallel": "one process against several, by number of files",
    "embed": "one text after the other against several at a time",
    "incremental": "an update of little against a full build",
    "memory": "peak memory over all processes, by number of files",
    "search": "time of an answer by mode, and of the warm command",
    "io": "reading files and indexing them, with a cold and a warm page cache",
}
TAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "parallel": ("files", "workers"),
    "embed": ("embedder", "chunks"),
    "incremental": ("files", "changed"),
    "memory": ("files", "memory_limit"),
    "search": ("queries", "modes", "embedder"),
    "io": ("files",),
}
"""Flags that are not for every benchmark."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("what", metavar="WHAT", choices=tuple(BENCHMARKS), help=", ".join(BENCHMARKS))
    add(
        "path",
        metavar="PATH",
        nargs="?",
        default=".",
        help="the folder (default: the current one); only read",
    )
    add(
        "--files",
        metavar="N,…",
        type=_several,
        help="sizes of the samples (parallel, incremental, memory, io)",
    )
    add("--workers", metavar="N,…", type=_several, help="numbers of processes (parallel)")
    add("--changed", metavar="N,…", type=_several, help="how many files change (incremental)")
    add("--memory-limit", metavar="SIZE", help="cap of the runs (memory)")
    add("--embedder", metavar="NAME", help="instead of the folder's own (embed, search)")
    add("--chunks", metavar="N", type=whole(1), help="how many chunks to embed (embed)")
    add("--queries", metavar="FILE", help="questions, one a line or as eval takes them (search)")
    add("--modes", metavar="MODE,…", help="those to measure (search)")
    add("--rounds", metavar="N", type=whole(1), help="runs of each")
    add("--json", action="store_true", help="print one object")
    add("--plot", metavar="FILE", help="draw the result, as SVG")


def _several(text: str) -> list[int]:
    convert = whole(1)
    return [convert(part) for part in text.split(",")]


def run(args: argparse.Namespace) -> int:
    """Measure, and print the figures."""
    from spelunk.bench.measure import machine
    from spelunk.cli.output import note, put, put_json
    from spelunk.present.objects import SCHEMA_VERSION
    from spelunk.workspace.locate import resolve_root

    _fitting(args)
    _plottable(args.plot)
    root = resolve_root(os.path.expanduser(args.path))
    chatty = args.verbose or (sys.stderr is not None and sys.stderr.isatty())
    about = machine()
    result = _measure(args, root, lambda text: note(args, f"{args.what}: {text}") if chatty else None)
    if args.plot:
        _plot(args.plot, result, about)
    if args.json:
        put_json(
            {
                "schema_version": SCHEMA_VERSION,
                "benchmark": result.benchmark,
                "folder": os.path.basename(root),
                "machine": about,
                "about": dict(result.about),
                "results": [dict(row) for row in result.rows],
            }
        )
    else:
        put(as_text(result, about, os.path.basename(root)))
    return 0


def _fitting(args: argparse.Namespace) -> None:
    """Refuse a flag that this benchmark would ignore."""
    for name in sorted({flag for flags in TAKES.values() for flag in flags}):
        if getattr(args, name) is not None and name not in TAKES[args.what]:
            places = " and ".join(what for what, flags in TAKES.items() if name in flags)
            raise UsageError(f"--{name.replace('_', '-')} is for bench {places}, not for bench {args.what}")
    from spelunk.config import MAX_WORKERS

    if args.workers and max(args.workers) > MAX_WORKERS:
        raise UsageError(f"--workers {max(args.workers)}: at most {MAX_WORKERS}")


def _plottable(path: str | None) -> None:
    """Find out before minutes of measuring that the drawing could not be written."""
    if path is None:
        return
    if not path.lower().endswith(".svg"):
        raise UsageError(f"--plot {path}: only SVG is drawn; name a file that ends in .svg")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK) or os.path.isdir(path):
        raise UsageError(f"--plot {path}: cannot be written there; name a file in a folder that is there")


def _measure(args: argparse.Namespace, root: str, say: Say) -> Result:
    from importlib import import_module

    module = import_module(f"spelunk.bench.{args.what}")
    given: dict[str, Any] = {"say": say}
    named = {"memory_limit": "limit"}
    for name in TAKES[args.what]:
        if getattr(args, name) is not None:
            given[named.get(name, name)] = getattr(args, name)
    if "queries" in given:
        given["queries"] = module.load(args.queries)
    if "modes" in given:
        given["modes"] = _modes(args.modes, module.MODES)
    if args.rounds:
        given["rounds"] = args.rounds
    measure: Callable[..., Result] = module.measure
    return measure(root, **given)


def _modes(text: str, known: tuple[str, ...]) -> list[str]:
    modes = text.split(",")
    for mode in modes:
        if mode not in known:
            raise UsageError(f"--modes {mode}: use some of {', '.join(known)}")
    return modes


def _plot(path: str, result: Result, about: Mapping[str, Any]) -> None:
    from spelunk.bench.chart import draw

    with open(path, "w", encoding="utf-8") as f:
        f.write(draw(result.chart, machine_line(about)))


def machine_line(about: Mapping[str, Any]) -> str:
    """The machine in a line."""
    return (
        f"{about['cores']} cores, {about['cpu'] or about['system']}, Python {about['python']}, "
        f"Spelunk {about['spelunk']}, load {about['load']:g}"
    )


def as_text(result: Result, about: Mapping[str, Any], folder: str) -> str:
    """The table for people."""
    from spelunk.io.printable import printable

    columns = list(dict.fromkeys(name for row in result.rows for name in row))
    table = [[c.replace("_", " ") for c in columns]]
    table += [[_cell(row.get(c)) for c in columns] for row in result.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    words = [isinstance(result.rows[0].get(c), str) for c in columns]
    lines = [
        "  ".join(
            cell.ljust(w) if word else cell.rjust(w) for cell, w, word in zip(row, widths, words, strict=True)
        ).rstrip()
        for row in table
    ]
    facts = [f"{k.replace('_', ' ')} {_cell(v)}" for k, v in result.about.items() if v is not None]
    head = printable(f"bench {result.benchmark}: {', '.join([folder, *facts])}")
    return "\n".join([head, printable(machine_line(about)), "", *map(printable, lines)]) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
    )

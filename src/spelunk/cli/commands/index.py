"""``spelunk index``: bring the index of a folder up to date."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from spelunk.cli.observed import metrics_file
from spelunk.cli.parser import whole

if TYPE_CHECKING:
    from spelunk.types import Report

SHOWN_FAILURES: Final = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("path", metavar="PATH", nargs="?", default=".", help="the folder (default: the current one)")
    add("--rebuild", action="store_true", help="start over")
    settings(parser)
    add("--dry-run", action="store_true", help="write nothing, say what would be done")
    add("--strict", action="store_true", help="exit 2 if any file failed")
    add("--wait", action="store_true", help="wait for another writer instead of giving up")
    add("--json", action="store_true", help="print one object")
    metrics_file(parser)
    add("--metrics-port", metavar="[HOST:]PORT", help="serve metrics over HTTP while the run lasts")


def settings(parser: argparse.ArgumentParser) -> None:
    """The flags that are settings; see docs/configuration.md."""
    add = parser.add_argument_group("settings").add_argument
    add("--workers", metavar="N", help="processes: 1-16, or auto")
    add("--files-per-batch", metavar="N", type=whole(1), help="files handed to a worker at a time")
    add("--memory-limit", metavar="SIZE", help="hard cap over all processes, e.g. 1GiB")
    add(
        "--mode",
        metavar="MODE",
        choices=("auto", "parallel", "sequential"),
        help="auto, parallel or sequential; auto uses workers where they pay",
    )
    add(
        "--storage",
        metavar="KIND",
        choices=("auto", "ssd", "hdd"),
        help="kind of disk below the folder: auto, ssd or hdd",
    )
    add("--io-threads", metavar="N", help="concurrent file reads over all processes")
    add("--embedder", metavar="NAME", help="what makes the vectors")
    add("--store", metavar="URL", help="where the chunks are kept")
    add("--executor", metavar="NAME", choices=("local",), help="what runs the workers: local")


SETTINGS: Final = (
    "workers", "files_per_batch", "memory_limit", "mode", "storage", "io_threads", "embedder", "store", "executor",
)  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Index, and report."""
    from spelunk.cli.observed import observed
    from spelunk.cli.output import note, put, put_json, several, short
    from spelunk.cli.progress import progress
    from spelunk.workspace import locate as home
    from spelunk.workspace.targets import Target, open_target

    target = Target(home.resolve_root(args.path))
    given = {name: getattr(args, name) for name in SETTINGS}
    with (
        observed(args, [target]) as told,
        progress(args, told) as observer,
        open_target(args, target, observer, **given) as index,
    ):
        report = index.update(rebuild=args.rebuild, dry_run=args.dry_run, wait=args.wait)
    if args.json:
        put_json(as_object(report))
    elif not args.quiet:
        put(as_text(report, dry_run=args.dry_run, verbose=args.verbose))
    if report.pending_vectors:
        note(
            args,
            f"warning: {several(report.pending_vectors, 'chunk')} without a vector: {report.degraded}; "
            "searches by words are complete, the next `spelunk index` makes the rest",
        )
    if report.refused_vectors:
        note(
            args,
            f"warning: {several(report.refused_vectors, 'chunk')} of which the embedder makes no vector; "
            "`spelunk status` says why",
        )
    if not report.files.seen:
        note(args, f"{short(report.root)}: no files to index; `spelunk why PATH` says what leaves one out")
    return 2 if args.strict and report.files.failed else 0


def as_object(report: Report) -> dict[str, Any]:
    """The report as plain values for JSON."""
    from spelunk.cli.output import SCHEMA_VERSION

    f = report.files
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run_id,
        "root": report.root,
        "generation": report.generation,
        "mode": report.mode,
        "workers": report.workers,
        "seconds": round(report.seconds, 3),
        "files": {
            "seen": f.seen,
            "indexed": f.indexed,
            "unchanged": f.unchanged,
            "removed": f.removed,
            "skipped": f.skipped,
            "failed": f.failed,
        },
        "chunks": report.chunks,
        "bytes": report.bytes,
        "peak_rss_bytes": report.peak_rss_bytes,
        "pending_vectors": report.pending_vectors,
        "refused_vectors": report.refused_vectors,
        "degraded": report.degraded,
        "failures": [{"path": x.path, "stage": x.stage, "error": x.error} for x in report.failures],
        "skipped": [{"path": x.path, "reason": x.reason} for x in report.skipped],
    }


def as_text(report: Report, *, dry_run: bool = False, verbose: int = 0) -> str:
    """The report for people."""
    from spelunk.cli.output import several, short
    from spelunk.config import format_size
    from spelunk.io.printable import printable, printable_name

    f = report.files
    counts = [f"{f.indexed:,} {'to index' if dry_run else 'indexed'}", f"{f.unchanged:,} unchanged"]
    counts += [
        f"{n:,} {what}"
        for n, what in ((f.removed, "removed"), (f.skipped, "skipped"), (f.failed, "failed"))
        if n
    ]
    out = [f"{printable_name(short(report.root))}: {', '.join(counts)} of {several(f.seen, 'file')}"]
    if not dry_run:
        workers = f", {report.workers} workers" if report.mode == "parallel" else ""
        work = (
            f"{several(report.chunks, 'chunk')} from {format_size(report.bytes)}"
            if f.indexed
            else "nothing new"
        )
        out.append(
            f"generation {report.generation}: {work} in {report.seconds:.2f} s"
            f" ({report.mode}{workers}, peak {format_size(report.peak_rss_bytes)})"
        )
    if verbose and report.run_id:
        out.append(f"run {report.run_id}")
    limit = None if verbose else SHOWN_FAILURES
    out += [
        f"failed: {printable_name(x.path)}: {x.stage}: {printable(x.error)}" for x in report.failures[:limit]
    ]
    hidden = len(report.failures) - SHOWN_FAILURES
    if hidden > 0 and not verbose:
        out.append(f"failed: {hidden:,} more; -v lists them")
    if verbose:
        out += [
            f"skipped: {printable_name(x.path)}: {x.reason}: {printable(x.detail)}" for x in report.skipped
        ]
    elif report.skipped:
        reasons = Counter(x.reason for x in report.skipped).most_common()
        out.append("skipped: " + ", ".join(f"{n:,} {reason}" for reason, n in reasons) + " (-v lists them)")
    return "\n".join(out) + "\n"

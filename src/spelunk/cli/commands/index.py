"""``spelunk index``: bring the index of a folder up to date."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from spelunk.cli.observed import metrics_file
from spelunk.cli.parser import whole

if TYPE_CHECKING:
    from spelunk.types import Report


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("path", metavar="PATH", nargs="?", default=".", help="the folder (default: the current one)")
    add(
        "--repos",
        metavar="FILE|FOLDER",
        help="index what is committed in many git repositories: a list of them, or their folder",
    )
    add("--rebuild", action="store_true", help="index every file again")
    settings(parser)
    add("--dry-run", action="store_true", help="write nothing, report what would be done")
    add("--strict", action="store_true", help="exit 2 if any file failed")
    add("--wait", action="store_true", help="wait for another writer instead of giving up")
    add("--json", action="store_true", help="print one object")
    add("--profile", action="store_true", help="print the time of each stage, by language")
    metrics_file(parser)
    add("--metrics-port", metavar="[HOST:]PORT", help="serve metrics over HTTP while the run lasts")


def settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags that are settings (docs/configuration.md)."""
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
        help="kind of disk that holds the folder: auto, ssd or hdd",
    )
    add("--io-threads", metavar="N", help="number of files read at the same time, over all processes")
    add("--embedder", metavar="NAME", help="the model that makes the vectors")
    add("--store", metavar="URL", help="where the chunks are stored")
    add("--executor", metavar="NAME", choices=("local", "ray"), help="where the workers run: local or ray")


SETTINGS: Final = (
    "workers", "files_per_batch", "memory_limit", "mode", "storage", "io_threads", "embedder", "store", "executor",
)  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Index, and print the report; 2 with ``--strict`` where a file failed."""
    from spelunk.cli.observed import observed
    from spelunk.cli.output import put, put_json
    from spelunk.cli.progress import progress
    from spelunk.cli.targets import open_target
    from spelunk.errors import UsageError
    from spelunk.present.objects import report_text, to_json
    from spelunk.workspace.locate import resolve_root
    from spelunk.workspace.targets import Target

    if args.repos is not None:
        from spelunk.files.repository_list import root_of

        if args.path != ".":
            raise UsageError("PATH and --repos: give one of them")
        args.path = root_of(args.repos)
    target = Target(resolve_root(args.path))
    given = {name: getattr(args, name) for name in SETTINGS}
    with (
        observed(args, [target]) as observation,
        progress(args, observation) as run,
        open_target(args, target, run, repositories=args.repos, **given) as index,
    ):
        report = index.update(
            rebuild=args.rebuild, dry_run=args.dry_run, wait=args.wait, profile=args.profile
        )
    if args.json:
        put_json(to_json(report))
    elif not args.quiet and sys.stdout is not None:  # an update without a reader is complete all the same
        put(report_text(report, dry_run=args.dry_run, verbose=args.verbose))
    if report.profile and not args.json and sys.stdout is not None:
        from spelunk.present.profile import profile_text

        put(profile_text(report.profile))
    _warn(args, report)
    return 2 if args.strict and report.files.failed else 0


def _warn(args: argparse.Namespace, report: Report) -> None:
    """Warn about what is missing from the index, and name the command that completes it."""
    from spelunk.cli.output import note
    from spelunk.present.phrases import several, short

    if report.pending_vectors:
        note(
            args,
            f"warning: {several(report.pending_vectors, 'chunk')} without a vector: {report.degraded}; "
            "full-text search is complete, the next `spelunk index` makes the missing vectors",
        )
    if report.refused_vectors:
        note(
            args,
            f"warning: {several(report.refused_vectors, 'chunk')} for which the embedder makes no vector; "
            "`spelunk status` gives the reasons",
        )
    if not report.files.seen:
        note(args, f"{short(report.root)}: no files to index; `spelunk why PATH` says what leaves one out")

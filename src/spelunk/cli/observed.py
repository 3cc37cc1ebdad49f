"""Observers selected by the flags: a log at a level, metrics in a file, metrics over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from spelunk.cli import output
from spelunk.observe import Observer, broadcast, null_observer

if TYPE_CHECKING:
    from spelunk.observe.logs import Log
    from spelunk.observe.metrics import Metrics
    from spelunk.observe.prometheus import TextFile
    from spelunk.workspace.targets import Target

SEVERAL: Final = "several"
"""Label ``workspace`` of a search over more than one."""


class ObservedRun(NamedTuple):
    """An observer, and the name under which it logs the run; ``""`` lets each update name itself."""

    observer: Observer
    run_id: str = ""


def metrics_file(parser: argparse.ArgumentParser) -> None:
    """Add the flag ``--metrics-file``."""
    parser.add_argument(
        "--metrics-file", metavar="FILE", help="add metrics to FILE, for node_exporter's textfile collector"
    )


def log_of(args: argparse.Namespace) -> ObservedRun:
    """The log that the shared flags select; the no-op observer where only a command's own messages are wanted."""
    if output.attached() is None and not args.verbose:
        return ObservedRun(null_observer)
    return _logged(_log(args))


def _logged(log: Log) -> ObservedRun:
    return ObservedRun(log, log.run_id)


def _log(args: argparse.Namespace) -> Log:
    log = output.attached()
    if log is None:
        from spelunk.observe.events import FileFailed, new_run_id
        from spelunk.observe.logs import Log, level_for

        # Without -v the report lists the files that failed: the log leaves them out.
        left_out = frozenset[type]() if args.verbose else frozenset([FileFailed])
        log = Log(level=level_for(args.verbose, args.quiet), run_id=new_run_id(), leave_out=left_out)
    return log


@contextmanager
def observed(args: argparse.Namespace, targets: Sequence[Target]) -> Iterator[ObservedRun]:
    """Observe a run while the context lasts; at its end, however that comes, the metrics are written.

    Raises:
        UsageError: A file that cannot be written, a port that cannot be listened on.
    """
    port = getattr(args, "metrics_port", None)
    if getattr(args, "dry_run", False) or not (args.metrics_file or port):
        yield log_of(args) if args.command == "search" else _logged(_log(args))
        return
    from spelunk.observe.events import RunEnded, ended_by
    from spelunk.observe.metrics import Metrics
    from spelunk.observe.prometheus import Endpoint, TextFile
    from spelunk.workspace import locate

    log = _log(args)
    directories = [locate.index_dir(target.root, args.index_dir) for target in targets]
    label = locate.key(targets[0].root) if len(targets) == 1 else SEVERAL
    metrics = Metrics(args.command, log.run_id)
    file = TextFile(args.metrics_file, metrics, label) if args.metrics_file else None
    endpoint = Endpoint(port, metrics, label) if port else None
    ended = False
    _note_breakers(metrics, directories)

    def watch(event: object) -> None:
        nonlocal ended
        ended = ended or isinstance(event, RunEnded)

    try:
        if endpoint is not None:
            output.note(args, f"metrics are at {endpoint.url}")
        try:
            observers = (log, metrics, watch, *(o for o in (file, endpoint) if o is not None))
            yield ObservedRun(broadcast(*observers), log.run_id)
        except BaseException as error:
            if args.command == "index" and not ended:
                metrics(ended_by(error, 0.0))  # it failed before the update began
            raise
    finally:
        if endpoint is not None:
            endpoint.close()
        if file is not None:
            _note_breakers(metrics, directories)
            _write(file)


def _note_breakers(metrics: Metrics, directories: Sequence[str]) -> None:
    """Give the metrics the stored states of the circuit breakers: a run without failures has no event of them."""
    from spelunk.remote.breaker import states

    for directory in directories:
        for breaker in states(directory):
            metrics.seen_breaker(breaker.name, breaker.state)


def _write(file: TextFile) -> None:
    from spelunk.errors import StorageError

    try:
        file.write()
    except StorageError as error:  # the index itself is complete
        output.say(str(error), "warning")

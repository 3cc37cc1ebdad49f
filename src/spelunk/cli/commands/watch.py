"""``spelunk watch``: keep indexes up to date while files change."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING, Any, Final

from spelunk.cli.parser import whole

if TYPE_CHECKING:
    from spelunk.watch.events import WatchEvent

HANGUP_STATUS: Final = 129
M_ARENA_MAX: Final = -8
"""Parameter of mallopt(3): how many heaps the C library keeps for the threads."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", default=[], help="folders (default: the current one)")
    add(
        "--poll",
        metavar="SECONDS",
        type=whole(1),
        help="compare all files that often instead of using events of the system",
    )
    add("--json", action="store_true", help="print each event as one object on a line")


def run(args: argparse.Namespace) -> int:
    """Watch until a signal comes; the exit status is that of the signal."""
    from contextlib import ExitStack
    from queue import SimpleQueue

    from spelunk.cli.stderr import hushed
    from spelunk.cli.targets import make_room, open_target
    from spelunk.watch.watcher import Watcher
    from spelunk.workspace.targets import targets

    _share_one_heap()
    queue: SimpleQueue[WatchEvent] = SimpleQueue()
    with ExitStack() as stack:
        watched = targets(args.paths, args.index_dir)
        indexes = [stack.enter_context(open_target(args, target)) for target in watched]
        for target in watched:
            make_room(target, args.index_dir)
        how: dict[str, Any] = {} if args.poll is None else {"backend": "poll", "poll_seconds": args.poll}
        watchers = [Watcher(index, queue.put, **how) for index in indexes]
        _end_on_hangup()
        stack.enter_context(hushed(args.verbose))
        try:
            for watcher in watchers:
                watcher.start()
            while True:
                _show(args, queue.get())
        finally:
            for watcher in watchers:
                watcher.close(0)
            for watcher in watchers:
                watcher.close()


def _share_one_heap() -> None:
    """Have all threads allocate from one heap: each update starts threads, whose heaps stay.

    After updates of 125 files the process had 69 MB instead of 204 (docs/benchmarks/watch-2026-11-28.md).
    """
    import ctypes

    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):
        pass  # another C library


def _end_on_hangup() -> None:
    """End in order when the terminal is closed, unless started to survive that (nohup)."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(HANGUP_STATUS)

    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, end)


def _show(args: argparse.Namespace, event: WatchEvent) -> None:
    """Print an event: updates on standard output, the rest on standard error; all on standard output as JSON."""
    import sys

    from spelunk.cli.output import note, put, put_json, say
    from spelunk.present.phrases import short
    from spelunk.present.watching import watch_event
    from spelunk.watch import events

    if args.json:
        put_json(watch_event(event))
        sys.stdout.flush()
        return
    line = f"{short(event.root)}: {event.message}"
    if event.kind == events.UPDATED:
        if not args.quiet and sys.stdout is not None:
            put(f"{line}\n")
            sys.stdout.flush()
    elif event.kind == events.FAILED:
        say(line, "warning")
    elif event.kind != events.STOPPED:
        note(args, line)

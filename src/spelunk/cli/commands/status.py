"""``spelunk status``: what an index holds, and whether it is current."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spelunk.workspace.status import Status

ACTIONS: Final = {
    "missing": "`spelunk index` builds it",
    "corrupt": "`spelunk check --repair` mends it, `spelunk index --rebuild` starts over",
    "format-too-new": "upgrade Spelunk, or start over with `spelunk index --rebuild`",
    "options-changed": "`spelunk index` redoes every file",
    "behind": "`spelunk index` catches up; a search does so by itself",
    "current": "",
}
"""What each state of :mod:`spelunk.workspace.state` calls for."""

SHOWN_REFUSED: Final = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="default: the current folder")
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Print the status."""
    from spelunk.cli.output import put, put_json
    from spelunk.workspace.targets import open_root

    with open_root(args, args.path) as index:
        status = index.status()
    if args.json:
        put_json(as_object(status))
    else:
        put(as_text(status, verbose=args.verbose))
    return 0


def as_object(status: Status) -> dict[str, Any]:
    """The status as plain values for JSON."""
    from spelunk.cli.output import SCHEMA_VERSION

    return {
        "schema_version": SCHEMA_VERSION,
        "root": status.root,
        "directory": status.directory,
        "state": status.state,
        "detail": status.detail or ACTIONS.get(status.state, ""),
        "generation": status.generation,
        "published": round(status.published, 3),
        "files": status.files,
        "chunks": status.chunks,
        "vectors": status.vectors,
        "bytes": status.bytes,
        "embedder": status.embedder,
        "pending_vectors": status.pending_vectors,
        "refused_vectors": status.refused_vectors,
        "refused": [
            {"path": x.path, "start_line": x.start_line, "end_line": x.end_line, "reason": x.reason}
            for x in status.refused
        ],
        "degraded": status.degraded,
        "breakers": [
            {
                "name": b.name,
                "state": b.state,
                "failures": b.failures,
                "since": round(b.since, 3),
                "retry_at": round(b.retry_at, 3),
                "reason": b.reason,
            }
            for b in status.breakers
        ],
        "languages": dict(status.languages),
        "writer": status.writer,
        "failures": [{"path": x.path, "stage": x.stage, "error": x.error} for x in status.failures],
        "skipped": [{"path": x.path, "reason": x.reason} for x in status.skipped],
    }


def as_text(status: Status, *, verbose: bool = False) -> str:
    """The status for people."""
    from spelunk.cli.output import age, short
    from spelunk.config import format_size
    from spelunk.io.printable import printable, printable_name

    action = status.detail or ACTIONS.get(status.state, "")
    rows = [
        ("workspace", printable_name(short(status.root))),
        ("index", printable_name(short(status.directory))),
        ("state", printable(status.state + (f": {action}" if action else ""))),
    ]
    if status.generation:
        rows += [
            ("generation", f"{status.generation}, published {age(time.time() - status.published)} ago"),
            ("files", f"{status.files:,}"),
            ("chunks", f"{status.chunks:,}, {status.vectors:,} with a vector ({status.embedder})"),
            ("on disk", format_size(status.bytes)),
            (
                "languages",
                ", ".join(f"{name} {n:,}" for name, n in status.languages[: None if verbose else 8]),
            ),
        ]
    for b in status.breakers:
        if b.state != "closed":
            next_try = (
                f"next try in {age(b.retry_at - time.time())}"
                if b.state == "open"
                else "the next call tries it"
            )
            rows.append((b.name, printable(f"{b.state} after {b.failures} failures, {next_try}: {b.reason}")))
    if status.refused_vectors:
        rows.append(("refused", f"{status.refused_vectors:,} chunks, of which the embedder makes no vector"))
    if status.writer is not None:
        w = status.writer
        rows.append(
            (
                "writing now",
                printable(
                    f"{w.get('command', 'a process')} (pid {w.get('pid', '?')} on {w.get('host', '?')})"
                ),
            )
        )
    if status.skipped:
        reasons = Counter(x.reason for x in status.skipped).most_common()
        rows.append(("skipped", ", ".join(f"{n:,} {reason}" for reason, n in reasons)))
    if status.failures:
        rows.append(("failed", f"{len(status.failures):,} files"))
    out = [f"{name:<12} {value}" for name, value in rows]
    out += [f"failed: {printable_name(x.path)}: {x.stage}: {printable(x.error)}" for x in status.failures]
    out += [
        f"refused: {printable_name(x.path)}:{x.start_line}-{x.end_line}: {printable(x.reason)}"
        for x in status.refused[: None if verbose else SHOWN_REFUSED]
    ]
    if verbose:
        out += [
            f"skipped: {printable_name(x.path)}: {x.reason}: {printable(x.detail)}" for x in status.skipped
        ]
    return "\n".join(out) + "\n"

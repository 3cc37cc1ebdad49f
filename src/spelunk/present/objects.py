"""Results as plain values for JSON, and as text for people: one place for the command line and servers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import asdict

from spelunk.config import format_size
from spelunk.io.printable import printable, printable_name
from spelunk.observe.check_report import CLUSTER, CheckReport
from spelunk.present.phrases import age, several, short
from spelunk.types import Failed, Flag, HistoryReport, Report, Skipped, StageTime, names_of_flags
from spelunk.workspace.state import ACTIONS

if TYPE_CHECKING:
    from spelunk.files.explain import Explanation
    from spelunk.remote.breaker import BreakerState
    from spelunk.search.answer import Answer
    from spelunk.workspace.catalogue import Catalogue
    from spelunk.workspace.status import Status

    Any: TypeAlias = Any
    Result: TypeAlias = Answer | Report | Status | Explanation | CheckReport | Catalogue

SCHEMA_VERSION: Final = 1
"""``schema_version`` of every object; a change that could break a reader raises it."""
SHOWN_FAILURES: Final = 20
SHOWN_REFUSED: Final = 5
SHOWN_LANGUAGES: Final = 8
"""Rows of a text that is not verbose."""


def to_json(value: Result, *, root: str = "") -> dict[str, Any]:
    """Convert a result to plain values; docs/cli.md documents the keys.

    Args:
        value: What a method of :class:`spelunk.Index` returned, or the catalogue.
        root: The workspace, of a :class:`~spelunk.types.CheckReport` or an explanation, which do not name it.

    Raises:
        TypeError: ``value`` is no result.
    """
    return {"schema_version": SCHEMA_VERSION} | _values(value, root)


def _values(value: Result, root: str) -> dict[str, Any]:
    if isinstance(value, Report):
        return _report(value)
    if isinstance(value, CheckReport):
        return {"root": root} | _check(value)
    from spelunk.workspace.status import Status

    if isinstance(value, Status):
        return _status(value)
    from spelunk.workspace.catalogue import Catalogue

    if isinstance(value, Catalogue):
        return _catalogue(value)
    from spelunk.files.explain import Explanation

    if isinstance(value, Explanation):
        return {"root": root} | _explanation(value)
    from spelunk.present.render import to_object
    from spelunk.search.answer import Answer

    if isinstance(value, Answer):
        return to_object(value)
    raise TypeError(f"no result of Spelunk: {type(value).__name__}")


def _report(report: Report) -> dict[str, Any]:
    files = report.files
    return {
        "run_id": report.run_id,
        "root": report.root,
        "generation": report.generation,
        "mode": report.mode,
        "workers": report.workers,
        "seconds": round(report.seconds, 3),
        "files": {
            "seen": files.seen,
            "indexed": files.indexed,
            "unchanged": files.unchanged,
            "removed": files.removed,
            "skipped": files.skipped,
            "failed": files.failed,
        },
        "chunks": report.chunks,
        "bytes": report.bytes,
        "peak_rss_bytes": report.peak_rss_bytes,
        "pending_vectors": report.pending_vectors,
        "refused_vectors": report.refused_vectors,
        "degraded": report.degraded,
        "history": None if report.history is None else _history(report.history),
        "failures": _failures(report.failures),
        "skipped": _skipped(report.skipped),
    } | ({"profile": _profile(report.profile)} if report.profile else {})


def _profile(stages: Sequence[StageTime]) -> list[dict[str, Any]]:
    return [
        {
            "stage": s.stage,
            "language": s.language or None,
            "files": s.files,
            "bytes": s.bytes,
            "wall_seconds": round(s.wall, 6),
            "cpu_seconds": round(s.cpu, 6),
            "inside": s.inside,
        }
        for s in stages
    ]


def _failures(failures: Sequence[Failed]) -> list[dict[str, str]]:
    return [{"path": x.path, "stage": x.stage, "error": x.error} for x in failures]


def _skipped(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"path": x.path, "reason": x.reason} for x in skipped]


def _history(history: HistoryReport) -> dict[str, Any]:
    return {
        "commits": history.commits,
        "added": history.added,
        "removed": history.removed,
        "left": history.left,
        "seconds": round(history.seconds, 3),
        "error": history.error or None,
    }


def _check(report: CheckReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "files": report.files,
        "chunks": report.chunks,
        "vectors": report.vectors,
        "problems": [
            {"what": p.what, "where": p.where, "detail": p.detail, "repaired": p.repaired}
            for p in report.problems
        ],
    }


def _status(status: Status) -> dict[str, Any]:
    return {
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
        "history": None
        if status.history is None
        else {**status.history._asdict(), "error": status.history.error or None},
        "writer": status.writer,
        "background": None if status.background is None else asdict(status.background),
        "failures": _failures(status.failures),
        "skipped": _skipped(status.skipped),
    }


def _catalogue(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "home": catalogue.home,
        "workspaces": [
            {
                "root": entry.root,
                "directory": entry.directory,
                "state": entry.state,
                "detail": entry.detail,
                "files": entry.files,
                "chunks": entry.chunks,
                "bytes": entry.bytes,
                "generation": entry.generation,
                "published": round(entry.published, 3),
            }
            for entry in catalogue.workspaces
        ],
    }


def _explanation(explanation: Explanation) -> dict[str, Any]:
    stored = explanation.index
    return {
        "path": explanation.path,
        "verdict": explanation.verdict,
        "rule": explanation.rule,
        "source": explanation.source,
        "line": explanation.line,
        "detail": explanation.detail,
        "language": explanation.language,
        "flags": flag_names(explanation.flags),
        "index": None
        if stored is None
        else {
            "language": stored.language,
            "encoding": stored.encoding,
            "lines": stored.lines,
            "chunks": stored.chunks,
            "kinds": dict(stored.kinds),
            "generation": stored.generation,
        },
    }


def flag_names(flags: Flag) -> list[str]:
    """The names of the flags, in lower case."""
    return [*names_of_flags(int(flags))]


def report_text(report: Report, *, dry_run: bool = False, verbose: bool = False) -> str:
    """Format the report of an update."""
    files = report.files
    counts = [f"{files.indexed:,} {'to index' if dry_run else 'indexed'}", f"{files.unchanged:,} unchanged"]
    rest = ((files.removed, "removed"), (files.skipped, "skipped"), (files.failed, "failed"))
    counts += [f"{n:,} {outcome}" for n, outcome in rest if n]
    out = [f"{printable_name(short(report.root))}: {', '.join(counts)} of {several(files.seen, 'file')}"]
    if not dry_run:
        workers = f", {report.workers} workers" if report.mode == "parallel" else ""
        new = f"{several(report.chunks, 'chunk')} from {format_size(report.bytes)}"
        out.append(
            f"generation {report.generation}: {new if files.indexed else 'nothing new'} in {report.seconds:.2f} s"
            f" ({report.mode}{workers}, peak {format_size(report.peak_rss_bytes)})"
        )
    if report.history is not None:
        out.append(_history_line(report.history))
    if verbose and report.run_id:
        out.append(f"run {report.run_id}")
    out += _failure_lines(report.failures[: None if verbose else SHOWN_FAILURES])
    hidden = len(report.failures) - SHOWN_FAILURES
    if hidden > 0 and not verbose:
        out.append(f"failed: {hidden:,} more; -v lists them")
    if verbose:
        out += _skipped_lines(report.skipped)
    elif report.skipped:
        out.append(f"skipped: {_reasons(report.skipped)} (-v lists them)")
    return "\n".join(out) + "\n"


def _history_line(history: HistoryReport) -> str:
    if history.error:
        return f"history: not read: {printable(history.error)}"
    counts = [f"{history.added:,} indexed"] + ([f"{history.removed:,} removed"] if history.removed else [])
    left = f", {history.left:,} left for `spelunk index`" if history.left else ""
    total = several(history.commits, "commit")
    return f"history: {', '.join(counts)} of {total}{left} in {history.seconds:.2f} s"


def _failure_lines(failures: Sequence[Failed]) -> list[str]:
    return [f"failed: {printable_name(x.path)}: {x.stage}: {printable(x.error)}" for x in failures]


def _skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    return [f"skipped: {printable_name(x.path)}: {x.reason}: {printable(x.detail)}" for x in skipped]


def _reasons(skipped: Sequence[Skipped]) -> str:
    return ", ".join(f"{n:,} {reason}" for reason, n in Counter(x.reason for x in skipped).most_common())


_ADVICE: Final = "; run `spelunk check --repair`"
"""End of many messages; the report of a check says it once, below the problems that are left."""


def check_text(report: CheckReport) -> str:
    """Format the report of a check."""
    out = [
        f"{'repaired' if p.repaired else 'problem'}: {printable(p.what)}: {printable_name(p.where)}"
        + (f": {printable(p.detail.removesuffix(_ADVICE))}" if p.detail else "")
        for p in report.problems
    ]
    counts = ", ".join(
        (several(report.files, "file"), several(report.chunks, "chunk"), several(report.vectors, "vector"))
    )
    if report.ok:
        out.append(f"ok: {counts}; the stores agree")
    else:
        left = several(sum(1 for p in report.problems if not p.repaired), "problem")
        out.append(f"{left} in {counts}; {_next_step(report)}")
    return "\n".join(out) + "\n"


def _next_step(report: CheckReport) -> str:
    if any(p.what == CLUSTER for p in report.problems):
        return (
            "the cluster could not be asked for its chunks, so they are not checked and nothing is repaired: "
            "see that it runs, and that `store` and its key are right, then check again"
        )
    return "`spelunk check --repair` repairs what can be repaired"


def status_text(status: Status, *, verbose: bool = False) -> str:
    """Format the status of an index."""
    action = status.detail or ACTIONS.get(status.state, "")
    rows = [
        ("workspace", printable_name(short(status.root))),
        ("index", printable_name(short(status.directory))),
        ("state", printable(status.state + (f": {action}" if action else ""))),
    ]
    if status.generation:
        languages = status.languages[: None if verbose else SHOWN_LANGUAGES]
        rows += [
            ("generation", f"{status.generation}, published {age(time.time() - status.published)} ago"),
            ("files", f"{status.files:,}"),
            ("chunks", f"{status.chunks:,}, {status.vectors:,} with a vector ({printable(status.embedder)})"),
            ("on disk", format_size(status.bytes)),
            ("languages", ", ".join(f"{printable(name)} {n:,}" for name, n in languages)),
        ]
    if status.history is not None:
        rows.append(("history", _history_row(status.history)))
    rows += [_breaker_row(b) for b in status.breakers if b.state != "closed"]
    if status.refused_vectors:
        rows.append(("refused", f"{status.refused_vectors:,} chunks for which the embedder makes no vector"))
    if status.writer is not None:
        w = status.writer
        writer = f"{w.get('command', 'a process')} (pid {w.get('pid', '?')} on {w.get('host', '?')})"
        rows.append(("writing now", printable(writer)))
    if status.background is not None:
        run = status.background
        rows.append(("background", printable_name(f"{run.state}: {run.describe()}")))
    if status.skipped:
        rows.append(("skipped", f"{_reasons(status.skipped)}, once they were read"))
    if status.failures:
        rows.append(("failed", several(len(status.failures), "file")))
    out = [f"{name:<12} {value}" for name, value in rows]
    out += _failure_lines(status.failures)
    out += [
        f"refused: {printable_name(x.path)}:{x.start_line}-{x.end_line}: {printable(x.reason)}"
        for x in status.refused[: None if verbose else SHOWN_REFUSED]
    ]
    if verbose:
        out += _skipped_lines(status.skipped)
    return "\n".join(out) + "\n"


def _history_row(history: Any) -> str:
    left = f", {history.left:,} left for `spelunk index`" if history.left else ""
    error = f"; not read the last time: {printable(history.error)}" if history.error else ""
    return f"{several(history.commits, 'commit')}{left}{error}"


def _breaker_row(breaker: BreakerState) -> tuple[str, str]:
    due = f"in {age(breaker.retry_at - time.time())}" if breaker.state == "open" else "with the next call"
    text = f"{breaker.state} after {breaker.failures} failures, next try {due}: {breaker.reason}"
    return printable_name(breaker.name), printable(text)


def explanation_text(explanation: Explanation) -> str:
    """Format the explanation of a path."""
    x = explanation
    out = [f"{printable_name(x.path)}: {x.verdict}"]
    if x.rule and x.source:
        place = f"{x.source}:{x.line}" if x.line else x.source
        out.append(f"  rule: {printable(x.rule)}  ({printable_name(place)})")
    elif x.rule:
        out.append(f"  rule: {printable(x.rule)}")
    if x.detail:
        out.append(f"  {printable(x.detail)}")
    stored = x.index
    if stored is not None:
        kinds = ", ".join(f"{n} {kind}" for kind, n in stored.kinds)
        out.append(
            f"  {stored.language}, {stored.encoding}, {several(stored.lines, 'line')},"
            f" {several(stored.chunks, 'chunk')} ({kinds}), since generation {stored.generation}"
        )
    elif x.language:
        out.append(f"  language: {x.language}")
    if x.flags:
        out.append(f"  flags: {', '.join(flag_names(x.flags))}")
    return "\n".join(out) + "\n"


def catalogue_text(catalogue: Catalogue) -> str:
    """Format the registered workspaces as a table: state, files, size, age, root."""
    cells = [("STATE", "FILES", "SIZE", "AGE", "WORKSPACE")]
    for entry in catalogue.workspaces:
        since = age(time.time() - entry.published) if entry.published else "-"
        root = printable_name(short(entry.root))
        cells.append((entry.state, f"{entry.files:,}", format_size(entry.bytes), since, root))
    widths = [max(len(cell[i]) for cell in cells) for i in range(4)]
    out = [
        f"{c[0]:<{widths[0]}}  {c[1]:>{widths[1]}}  {c[2]:>{widths[2]}}  {c[3]:>{widths[3]}}  {c[4]}"
        for c in cells
    ]
    vanished = sum(1 for entry in catalogue.workspaces if entry.state == "vanished")
    if vanished:
        out.append(f"vanished: {several(vanished, 'folder')}; `spelunk clear PATH` deletes an index")
    return "\n".join(out) + "\n"

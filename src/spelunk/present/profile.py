"""Text of a run's profile: a table of stages, and one of languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spelunk.observe.profile import WORKER_STAGES
from spelunk.types import StageTime

SHOWN_LANGUAGES: Final = 12
_BY_LANGUAGE: Final = (*WORKER_STAGES[:-1], "manifest", "references", "full text")


def profile_text(stages: Sequence[StageTime]) -> str:
    """Format the stages, and the languages that took the most CPU, as two tables of seconds."""
    total = sum(s.cpu for s in stages if not s.inside)
    names = list(dict.fromkeys(s.stage for s in stages))
    rows = [["stage", "wall s", "cpu s", "cpu %"]]
    for name in names:
        own = [s for s in stages if s.stage == name]
        wall, cpu = sum(s.wall for s in own), sum(s.cpu for s in own)
        if round(wall, 3) or round(cpu, 3):
            note = " (in the others)" if own[0].inside else ""
            rows.append(
                [name + note, f"{wall:.3f}", f"{cpu:.3f}", f"{100 * cpu / total if total else 0:.1f}"]
            )
    rows.append(["total", "", f"{total:.3f}", "100.0"])
    languages = sorted({s.language for s in stages if s.language}, key=lambda x: (-_cpu(stages, x), x))
    used = [n for n in _BY_LANGUAGE if any(s.stage == n and s.language for s in stages)]
    table = [["language", "files", "MB", "cpu s", *used]]
    for language in languages[:SHOWN_LANGUAGES]:
        own = [s for s in stages if s.language == language]
        table.append(
            [
                language,
                f"{sum(s.files for s in own):,}",
                f"{sum(s.bytes for s in own) / 1e6:.1f}",
                f"{_cpu(stages, language):.3f}",
                *(f"{sum(s.cpu for s in own if s.stage == n):.3f}" for n in used),
            ]
        )
    return _columns(rows) + ("\n" + _columns(table) if languages else "")


def _cpu(stages: Sequence[StageTime], language: str) -> float:
    return sum(s.cpu for s in stages if s.language == language and not s.inside)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        + "\n"
        for row in rows
    )

"""What a command that writes did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from spelunk.io import lines as text_lines

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command that writes did, or would do.

    Attributes:
        path: The document, relative to the repository.
        changed: Whether its text differs from what it was.
        written: Whether that is on disk; False in a dry run.
        notes: Lines for people.
        facts: More about what was done, JSON-ready.
        before: The text as it was; None if there was none.
        after: The text as it is, or would be.
    """

    command: str
    branch: str
    path: str
    changed: bool
    written: bool
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    before: str | None = None
    after: str | None = None

    def diff(self) -> str:
        """The change as a unified diff."""
        import difflib

        old, new = text_lines.split(self.before or ""), text_lines.split(self.after or "")
        name = self.facts.get("from", self.path)
        parts = difflib.unified_diff(
            old, new, f"a/{name}" if self.before is not None else "/dev/null", f"b/{self.path}"
        )
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in parts
        )

    def to_dict(self) -> dict[str, Any]:
        """As data, for ``--json``."""
        found: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION, "command": self.command, "branch": self.branch, "path": self.path,
            "changed": self.changed, "written": self.written, **self.facts, "notes": list(self.notes),
        }  # fmt: skip
        if not self.written and self.changed:
            found["diff"] = self.diff()
        return found

"""What a check of an index found, and what was repaired."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

CLUSTER: Final = "cluster"
"""Kind of a problem that no repair of the index ends: the cluster with its chunks cannot be asked."""


class Problem(Struct, frozen=True):
    """A disagreement between the stores and the manifest.

    Attributes:
        what: ``manifest``, ``text``, ``full-text``, ``vectors``, ``references``, ``retained``,
            ``leftover``, ``orphans`` or ``cluster``.
        where: The file or path it concerns.
        detail: One line for people.
        repaired: Whether it was repaired.
    """

    what: str
    where: str
    detail: str
    repaired: bool = False


class CheckReport(Struct, frozen=True):
    """The result of verifying an index.

    Attributes:
        ok: There are no problems, or all of them are repaired.
        problems: Every disagreement.
        files: Files in the manifest.
        chunks: Chunks in the manifest.
        vectors: Vectors of those chunks.
        pending: Chunks whose vector is still to be made, or was refused.
    """

    ok: bool
    problems: tuple[Problem, ...]
    files: int
    chunks: int
    vectors: int
    pending: int = 0

    def mended(self) -> CheckReport:
        """Return the report with every problem marked as repaired."""
        return replace(self, ok=True, problems=tuple(replace(p, repaired=True) for p in self.problems))

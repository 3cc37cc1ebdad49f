"""Branchwork: the per-branch worklog, one Markdown file for each git branch.

Names are loaded at their first use, so that importing the package is cheap.
It imports no module at all, so that ``python -m spelunk.branchwork`` can take the
current folder off the search path before anything is looked up there.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from spelunk.branchwork.actions.listing import Listed
    from spelunk.branchwork.api import Branchwork
    from spelunk.branchwork.document.check import WorklogProblem
    from spelunk.branchwork.document.document import Worklog
    from spelunk.branchwork.errors import (
        BranchworkError,
        DocumentError,
        DocumentExistsError,
        DocumentMissingError,
        RepositoryError,
    )
    from spelunk.branchwork.settings import Settings
    from spelunk.branchwork.stack.graph import Stack
    from spelunk.branchwork.store import Outcome, Stored
    from spelunk.io.program import Finished, Runner, SubprocessRunner

_MODULES = {
    "Branchwork": "api", "WorklogProblem": "document.check", "Worklog": "document.document", "Listed": "actions.listing",
    "BranchworkError": "errors", "DocumentError": "errors", "DocumentExistsError": "errors", "DocumentMissingError": "errors",
    "RepositoryError": "errors", "Finished": "stack.runner", "Runner": "stack.runner", "SubprocessRunner": "stack.runner",
    "Settings": "settings", "Stack": "stack.graph", "Stored": "store", "Outcome": "store",
}  # fmt: skip

__all__ = [
    "Branchwork", "BranchworkError", "DocumentError", "DocumentExistsError", "DocumentMissingError", "Finished",
    "Listed", "Outcome", "RepositoryError", "Runner", "Settings", "Stack",
    "Stored", "SubprocessRunner", "Worklog", "WorklogProblem",
]  # fmt: skip


_FORMER_NAMES = {"Document": "Worklog", "Problem": "WorklogProblem"}
"""Names of earlier versions; they still work."""


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    name = _FORMER_NAMES.get(name, name)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

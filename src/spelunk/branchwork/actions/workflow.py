"""The GitHub Actions workflow that archives a document when its pull request is merged."""

from __future__ import annotations

import os
from typing import Final

from spelunk.branchwork.errors import BranchworkError
from spelunk.branchwork.store import Store, replace

PATH: Final = ".github/workflows/archive-branchwork.yml"
SOURCE: Final = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "archive-branchwork.yml")


def text() -> str:
    """The workflow."""
    with open(SOURCE, encoding="utf-8") as file:
        return file.read()


def install(store: Store, *, write: bool = True) -> bool:
    """Write the workflow; whether it was missing.

    Raises:
        BranchworkError: Another file has its name; it is never overwritten.
    """
    path = store.absolute(PATH)
    if os.path.lexists(path):
        with open(path, "rb") as file:
            if file.read() != text().encode():
                raise BranchworkError(f"{PATH} exists, differs and is never overwritten; move it away first")
        return False
    if write:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace(path, text())
    return True

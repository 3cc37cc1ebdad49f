"""The text of a new document: the built-in template, or a file."""

from __future__ import annotations

import os

from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.errors import BranchworkError
from spelunk.io import lines as text_lines

BUILT_IN = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "template.md")


def load(path: str = BUILT_IN) -> Worklog:
    """A template without its example.

    Raises:
        BranchworkError: It cannot be read, or has no front matter.
    """
    try:
        with open(path, "rb") as file:
            doc = Worklog.parse(text_lines.decode(file.read()))
    except OSError as error:
        raise BranchworkError(f"template {path}: cannot be read: {error.strerror}") from None
    if doc.front is None:
        raise BranchworkError(f"template {path}: it has no front matter between two --- lines")
    return Worklog.parse("".join(doc.lines[: doc.end]).rstrip() + doc.eol)

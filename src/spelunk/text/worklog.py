"""The conventions of worklog (branchwork) documents, as far as indexing and search depend on them.

A document is recognised by its front matter (``slug: branchwork-…``), or by
its folder. Its chunks have a kind of their own, each dated entry is one chunk,
and its front-matter fields can be filtered on even where no document has a
value for them. docs/branchwork.md describes the format.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

KIND: Final = "branchwork"
"""The kind of their chunks, the name of their settings table, and of a folder that marks them."""

FOLDER: Final = ".agents/logs/branchwork"
"""Default folder of the documents; indexed although its name starts with a dot."""

SLUG_PREFIX: Final = "branchwork-"
"""How the front-matter field ``slug`` begins."""

FIELDS: Final = frozenset(("status", "pr", "reviewers", "dri", "scope", "risk", "slug", "date"))
"""Front-matter fields that every document may have."""

_ENTRY: Final = re.compile(
    r"\d{4}-\d\d-\d\d[^:]*(?::\d\d[^:]*)?:[ \t]*(?:(?:\[@([^\]]+)\]|@[\w./-]+):?[ \t]*)?(.*)$"
)


def is_worklog(path: str, fields: Iterable[tuple[str, str]]) -> bool:
    """Whether a Markdown document is a worklog.

    Args:
        path: Relative to the workspace, with ``/``.
        fields: Its front matter.
    """
    if any(key == "slug" and value.startswith(SLUG_PREFIX) for key, value in fields):
        return True
    return KIND in path.split("/")[:-1]


def entry_summary(heading: str) -> str | None:
    """The summary in the heading of a dated entry; None for any other heading."""
    match = _ENTRY.match(heading)
    return None if match is None else match.group(2).strip() or heading


def folder(settings: Mapping[str, Any]) -> str:
    """The folder of the documents, relative to the workspace; ``""`` if it cannot be indexed.

    Args:
        settings: The workspace's settings file, with the table ``[branchwork]`` if it has one.
    """
    table = settings.get(KIND)
    name = table.get("dir") if isinstance(table, dict) else None
    path = posixpath.normpath(name.strip("/")) if isinstance(name, str) and name.strip("/") else FOLDER
    outside = path.split("/")[0] in ("..", ".", ".git")
    return "" if outside or not path.isprintable() or set(path) & set("*?[\\!") else path

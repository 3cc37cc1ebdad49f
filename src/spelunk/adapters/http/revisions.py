"""Revisions of git in permalinks: whether a commit has the content of a served file that is indexed."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Any, Final

import xxhash

from spelunk.adapters.http.problems import ApiError
from spelunk.errors import WorkspaceError
from spelunk.files.git_dir import repository_of
from spelunk.files.git_tree import blob_at, commit_of
from spelunk.index import Index
from spelunk.types import Entry

if TYPE_CHECKING:
    from spelunk.store.records import FileRow

HEAD: Final = "HEAD"
_ID: Final = re.compile(r"[0-9a-f]{7,64}")


def check_revision(asked: str) -> None:
    """Accept ``HEAD`` and the id of a commit, shortened or not.

    Raises:
        ApiError: It is something else.
    """
    if asked != HEAD and not _ID.fullmatch(asked):
        raise ApiError(
            400, "bad_request", "rev is no commit", "give HEAD, or 7 to 64 digits of a commit's id"
        )


def revision_of(index: Index, row: FileRow, asked: str) -> dict[str, Any]:
    """Compare an indexed file with a commit.

    Args:
        index: Of the workspace.
        row: The file.
        asked: See :func:`check_revision`.

    Returns:
        ``commit``: the whole id, "" where there is no such commit or no repository; ``same``:
        whether the file has the indexed content there.
    """
    nothing = {"commit": "", "same": False}
    repository = repository_of(index.root)
    if repository is None:
        return nothing
    try:
        commit = commit_of(repository, asked)
    except WorkspaceError:
        return nothing
    raw = index.source.read(Entry(row.path, row.size, b"", row.language), index.options.max_file_size)
    path = os.path.relpath(os.path.join(index.root, row.path), repository.top)
    same = (
        bool(commit)
        and isinstance(raw, bytes)
        and xxhash.xxh3_128_digest(raw) == row.digest
        and blob_at(repository, commit, path) == _blob(raw, len(commit))
    )
    return {"commit": commit, "same": same}


def _blob(raw: bytes, digits: int) -> str:
    """The id that git gives to a file's content; ``digits`` as in the ids of the repository."""
    head = b"blob %d\0" % len(raw)
    if digits == 64:
        return hashlib.sha256(head + raw).hexdigest()
    return hashlib.sha1(head + raw, usedforsecurity=False).hexdigest()

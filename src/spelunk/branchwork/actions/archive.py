"""Move a document to the archive once its branch is merged, and rename one with its branch."""

from __future__ import annotations

import os
import re

from spelunk.branchwork.actions import link
from spelunk.branchwork.document import data, edit
from spelunk.branchwork.errors import BranchworkError, DocumentMissingError
from spelunk.branchwork.names import archive_name, current_name, slug
from spelunk.branchwork.store import Outcome, Store, Stored, replace
from spelunk.io.atomic import sync_directory


def archive(store: Store, branch: str, pr: int | None, *, now: float, stamp: str, write: bool) -> Outcome:
    """Set ``merged`` and move the document to its archive name, never over another file.

    It is found by ``branch.name``, else by ``pr``, else by slug. A document
    that is in the archive already stays as it is.

    Raises:
        DocumentMissingError: There is none; the message lists the live documents.
        BranchworkError: More than one matches.
    """
    with store.locked():
        stored, found_by = _live(store, branch, pr)
        if stored is None:
            return _earlier(store, branch, pr)
        notes: tuple[str, ...] = ()
        if found_by != "branch.name" and branch:
            notes = (f"no document names the branch {branch}; took {stored.path} by its {found_by}",)
        doc = edit.set_field(edit.set_field(stored.doc, "status", "merged"), "last_updated", stamp)
        name = stored.branch or branch
        path = store.free(archive_name(slug(name), now))
        if write:
            replace(store.absolute(stored.path), doc.text)
            linked = link.target(store.repo, store.settings) or ""
            if os.path.basename(linked) == os.path.basename(stored.path):
                link.point(store.repo, store.settings, None)
            _rename(store, stored.path, path)
        facts = {"from": stored.path, "found_by": found_by}
        return Outcome("archive", name, path, stored.doc.text, doc.text, write, notes, facts)


def _rename(store: Store, old: str, new: str) -> None:
    os.rename(store.absolute(old), store.absolute(new))
    sync_directory(store.folder)


def _live(store: Store, branch: str, pr: int | None) -> tuple[Stored | None, str]:
    live = store.current()
    digits = branch.lstrip("#")
    number = pr if pr is not None else (int(digits) if digits.isdecimal() else None)
    for found_by, matches in (
        ("branch.name", [s for s in live if branch and s.branch == branch]),
        ("pr", [s for s in live if number is not None and data.pull_request(s.doc)[0] == number]),
        ("slug", [s for s in live if branch and s.slug == slug(branch)]),
    ):
        if len(matches) > 1:
            paths = ", ".join(s.path for s in matches)
            raise BranchworkError(f"{len(matches)} documents match by {found_by}: {paths}; correct one")
        if matches:
            return matches[0], found_by
    return None, ""


def _earlier(store: Store, branch: str, pr: int | None) -> Outcome:
    """The outcome for a document that was archived before."""
    for s in store.archived():
        if (branch and s.branch == branch) or (pr is not None and data.pull_request(s.doc)[0] == pr):
            notes, facts = (f"{s.path} was archived before",), {"from": s.path, "found_by": "archive"}
            return Outcome("archive", s.branch, s.path, s.doc.text, s.doc.text, False, notes, facts)
    there = ", ".join(f"{s.branch or '?'} ({s.path})" for s in store.current()) or "none"
    wanted = [f"branch {branch}"] * bool(branch) + [f"pull request {pr}"] * (pr is not None)
    raise DocumentMissingError(f"no live document here for {' or '.join(wanted)}; there are: {there}")


def rename_live(store: Store, path: str, branch: str) -> str:
    """Rename the file of a document with its branch, unless a person chose the name; its path afterwards."""
    name = path.rpartition("/")[2]
    wanted = current_name(slug(branch))
    if re.fullmatch(re.escape(wanted.removesuffix(".md")) + r"(-\d+)?\.md", name):
        return path
    with store.locked():
        former = {current_name(slug(n)) for n in store.repo.former_names(branch)}
        if name not in former or store.read(path).field("branch.name") != branch:
            return path
        new = store.free(wanted)
        _rename(store, path, new)
    return new

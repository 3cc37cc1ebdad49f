"""Moving a document to the archive once its branch is merged."""

from __future__ import annotations

import os
from dataclasses import dataclass

from spelunk.branchwork.actions import link
from spelunk.branchwork.document import data, edit
from spelunk.branchwork.document.document import Document
from spelunk.branchwork.errors import BranchworkError, DocumentMissingError
from spelunk.branchwork.names import archive_name, current_name, slug
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.store import Store, Stored, replace, sync_folder


@dataclass(frozen=True, slots=True)
class Archived:
    """What was archived.

    Attributes:
        path: Where it is now.
        source: Where it was.
        found_by: ``branch.name``, ``pr``, ``slug``, or ``archive`` if it had been moved before.
    """

    branch: str
    path: str
    source: str
    found_by: str
    changed: bool
    notes: tuple[str, ...]
    before: str | None
    after: str | None


def archive(
    repo: Repo, store: Store, branch: str, pr: int | None, *, now: float, stamp: str, write: bool
) -> Archived:
    """Set ``merged`` and move the document to its archive name, never over another file.

    It is found by ``branch.name``, else by ``pr``, else by slug. A document
    archived before is left as it is.

    Raises:
        DocumentMissingError: None is found; the message lists those there are.
        BranchworkError: More than one matches.
    """
    with store.locked():
        stored, how = _meant(store, branch, pr)
        if stored is None:
            return _before(store, branch, pr)
        notes: tuple[str, ...] = ()
        if how != "branch.name" and branch:
            notes = (f"no document names the branch {branch}; took {stored.path} by its {how}",)
        doc = edit.set_field(stored.doc, "status", "merged")
        doc = edit.set_field(doc, "last_updated", stamp)
        name = stored.branch or branch
        path = _free(store, archive_name(slug(name), now))
        if write:
            replace(store.absolute(stored.path), doc.text)
            if (
                link.target(repo, store.settings)
                == f"{os.path.basename(store.settings.dir)}/{os.path.basename(stored.path)}"
            ):
                link.point(repo, store.settings, None)
            os.rename(store.absolute(stored.path), store.absolute(path))
            sync_folder(store.folder)
        return Archived(name, path, stored.path, how, True, notes, stored.doc.text, doc.text)


def _meant(store: Store, branch: str, pr: int | None) -> tuple[Stored | None, str]:
    live = store.current()
    number = pr if pr is not None else (int(branch.lstrip("#")) if branch.lstrip("#").isdigit() else None)
    for how, matches in (
        ("branch.name", [s for s in live if branch and s.branch == branch]),
        ("pr", [s for s in live if number is not None and data.pull_request(s.doc)[0] == number]),
        ("slug", [s for s in live if branch and _slug_of(s) == slug(branch)]),
    ):
        if len(matches) > 1:
            paths = ", ".join(s.path for s in matches)
            raise BranchworkError(
                f"{len(matches)} documents match by {how}: {paths}; mend the front matter of one"
            )
        if matches:
            return matches[0], how
    return None, ""


def _slug_of(stored: Stored) -> str:
    return stored.doc.field("slug").removeprefix("branchwork-")


def _before(store: Store, branch: str, pr: int | None) -> Archived:
    for stored in store.archived():
        if (branch and stored.branch == branch) or (
            pr is not None and data.pull_request(stored.doc)[0] == pr
        ):
            text = stored.doc.text
            note = (f"{stored.path} was archived before",)
            return Archived(stored.branch, stored.path, stored.path, "archive", False, note, text, text)
    there = ", ".join(f"{s.branch or '?'} ({s.path})" for s in store.current()) or "none"
    wanted = " or ".join(
        [*([f"branch {branch}"] if branch else []), *([f"pull request {pr}"] if pr is not None else [])]
    )
    raise DocumentMissingError(f"no live document for {wanted} in this working tree; there are: {there}")


def _free(store: Store, name: str) -> str:
    path, n = f"{store.settings.dir}/{name}", 1
    while os.path.lexists(store.absolute(path)):
        n += 1
        path = f"{store.settings.dir}/{name.removesuffix('.md')}-{n}.md"
    return path


def rename_live(store: Store, path: str, branch: str) -> str:
    """Give a document whose branch was renamed the name that goes with it; where it is then."""
    name = path.rpartition("/")[2]
    stem = current_name(slug(branch)).removesuffix(".md")
    rest = name.removesuffix(".md").removeprefix(stem)
    if name.startswith(stem) and (not rest or (rest[0] == "-" and rest[1:].isdigit())):
        return path
    with store.locked():
        if not _was_ours(store, path, branch):
            return path
        new = _free(store, current_name(slug(branch)))
        os.rename(store.absolute(path), store.absolute(new))
        sync_folder(store.folder)
    return new


def _was_ours(store: Store, path: str, branch: str) -> bool:
    """Whether the file is called after a former name of the branch, and not by hand."""
    doc: Document = store.read(path)
    name = path.rpartition("/")[2].removeprefix("CURRENT-").removesuffix(".md")
    return doc.field("branch.name") == branch and name in {slug(n) for n in store.repo.former_names(branch)}

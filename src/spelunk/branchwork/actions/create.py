"""Starting a document."""

from __future__ import annotations

import os
from dataclasses import dataclass

from spelunk.branchwork.actions import refresh
from spelunk.branchwork.actions.refresh import Situation
from spelunk.branchwork.document import edit
from spelunk.branchwork.document.document import STATUSES, Document
from spelunk.branchwork.document.template import TEMPLATE
from spelunk.branchwork.errors import BranchworkError, DocumentExistsError, RepositoryError
from spelunk.branchwork.names import current_name, slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.store import Store, replace
from spelunk.io import lines as text_lines


@dataclass(frozen=True, slots=True)
class Created:
    """A new document, and the situation it was filled from."""

    branch: str
    path: str
    text: str
    now: Situation


def create(
    repo: Repo, store: Store, settings: Settings, branch: str, *, status: str, base: str | None,
    template: str | None, dri: str, stamp: str, offline: bool, write: bool,
) -> Created:  # fmt: skip
    """Fill a new document for ``branch``.

    Args:
        base: The branch below, where the stack is not to be asked.
        template: A file; else the configured one, else the built-in one.

    Raises:
        DocumentExistsError: The branch has one. It is never overwritten.
        RepositoryError: The branch is the trunk, or ``base`` is unknown.
    """
    if status not in STATUSES:
        raise BranchworkError(f"--status {status}: must be one of {', '.join(STATUSES)}")
    if branch == repo.trunk(settings.trunk):
        raise RepositoryError(f"{branch} is the trunk; check out the branch that the work is on first")
    base = refresh.known_base(repo, base, branch)
    _refuse(store, branch)
    doc = _blank(repo, settings, template)
    for key, value, word in (
        ("date", stamp, False), ("slug", f"branchwork-{slug(branch)}", False), ("status", status, False),
        ("branch.name", branch, True), ("branch.base", "", False), ("dri", dri, True), ("last_updated", stamp, False),
    ):  # fmt: skip
        doc = edit.set_field(doc, key, value, word=word)
    now = refresh.look(repo, store, settings, branch, doc, base=base, offline=offline)
    doc, _ = refresh.apply(doc, now, settings, stamp)
    path = f"{settings.dir}/{_free_name(store, slug(branch))}"
    if write:
        os.makedirs(store.folder, exist_ok=True)
        with store.locked():
            _refuse(store, branch)
            path = f"{settings.dir}/{_free_name(store, slug(branch))}"
            replace(store.absolute(path), doc.text)
        refresh.remember_base(repo, now)
    return Created(branch, path, doc.text, now)


def _refuse(store: Store, branch: str) -> None:
    stored = store.find(branch)
    if stored is not None:
        raise DocumentExistsError(
            f"{stored.path} exists and is never overwritten; use refresh, log or update"
        )


def _blank(repo: Repo, settings: Settings, template: str | None) -> Document:
    if template is None and not settings.template:
        return Document.parse(TEMPLATE)
    path = os.path.join(repo.root, settings.template) if template is None else template
    try:
        with open(path, "rb") as file:
            doc = Document.parse(text_lines.decode(file.read()))
    except OSError as error:
        raise BranchworkError(f"template {path}: cannot be read: {error.strerror}") from None
    if doc.front is None:
        raise BranchworkError(f"template {path}: it has no front matter between two --- lines")
    end = doc.end
    while end < len(doc.lines) and end > 0 and not doc.lines[end - 1].strip():
        end -= 1
    return Document(doc.lines[:end])  # without the example


def _free_name(store: Store, slug_text: str) -> str:
    """A file name that no other branch's document has: two branches may share a slug."""
    name, n = current_name(slug_text), 1
    while os.path.lexists(os.path.join(store.folder, name)):
        n += 1
        name = current_name(f"{slug_text}-{n}")
    return name

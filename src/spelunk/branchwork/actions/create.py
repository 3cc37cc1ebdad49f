"""Start the document of a branch."""

from __future__ import annotations

import os

from spelunk.branchwork.actions import link, refresh
from spelunk.branchwork.document import edit, template
from spelunk.branchwork.document.document import STATUSES
from spelunk.branchwork.errors import BranchworkError, DocumentExistsError, RepositoryError
from spelunk.branchwork.names import current_name, slug
from spelunk.branchwork.store import Outcome, Store, replace


def create(
    store: Store, branch: str, *, status: str, base: str | None, template_path: str | None, dri: str,
    stamp: str, offline: bool, write: bool,
) -> Outcome:  # fmt: skip
    """Fill a new document for ``branch``.

    Args:
        base: The branch below, instead of the one that the stack gives.
        template_path: A file; else the configured template, else the built-in one.

    Raises:
        DocumentExistsError: The branch has one. It is never overwritten.
        RepositoryError: The branch is the trunk, or ``base`` is unknown.
    """
    repo, settings = store.repo, store.settings
    if status not in STATUSES:
        raise BranchworkError(f"--status {status}: must be one of {', '.join(STATUSES)}")
    if branch == repo.trunk(settings.trunk):
        raise RepositoryError(f"{branch} is the trunk; check out the branch of the work first")
    base = refresh.known_base(repo, base, branch)
    _refuse(store, branch)
    if template_path is None and settings.template:
        template_path = store.absolute(settings.template)
    doc = template.load(template_path or template.BUILT_IN)
    for key, value, word in (
        ("date", stamp, False), ("slug", f"branchwork-{slug(branch)}", False), ("status", status, False),
        ("branch.name", branch, True), ("branch.base", "", False), ("dri", dri, True), ("last_updated", stamp, False),
    ):  # fmt: skip
        doc = edit.set_field(doc, key, value, word=word)
    now = refresh.look(store, branch, doc, base=base, offline=offline)
    doc, _ = refresh.apply(doc, now, settings, stamp)
    path = store.free(current_name(slug(branch)))
    facts = now.to_dict()
    if write:
        os.makedirs(store.folder, exist_ok=True)
        with store.locked():
            _refuse(store, branch)
            path = store.free(current_name(slug(branch)))
            replace(store.absolute(path), doc.text)
        refresh.remember_base(repo, now)
        facts["link"] = link.relink(store, branch)["link"]
        if not settings.tracked:
            link.ignore(repo, settings.dir, folder=True)
    return Outcome("create", branch, path, None, doc.text, write, (), facts)


def _refuse(store: Store, branch: str) -> None:
    stored = store.find(branch)
    if stored is not None:
        raise DocumentExistsError(f"{stored.path} exists and is never overwritten; see refresh, log, update")

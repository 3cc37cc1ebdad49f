"""The link ``CURRENT.md`` to the document of the branch checked out; for people, no command reads it."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.store import Store
from spelunk.io import atomic


def relink(store: Store, branch: str | None = None, *, write: bool = True) -> dict[str, Any]:
    """Point the link at the document of the branch checked out; remove it where there is none.

    Args:
        branch: If given and not checked out, nothing changes.

    Returns:
        ``path``, the document or None; and ``link``: ``set``, ``kept`` (it is right already), ``dropped``,
        ``none``, ``off``, ``dry-run``, or ``foreign`` where another file has the name.
    """
    head = store.repo.head()
    if branch is not None and branch != head:
        return {"link": "kept", "path": None}
    stored = store.find_own(head) if head else None
    path = stored.path if stored else None
    if not write:
        return {"link": "dry-run", "path": path}
    if stored is None and store.repo.rebasing():
        return {"link": "kept", "path": None}  # the document comes back when the rebase ends
    return {"link": point(store.repo, store.settings, path), "path": path}


def point(repo: Repo, settings: Settings, path: str | None) -> str:
    """Point the link at a document, or remove it; the result as :func:`relink` gives it."""
    if settings.link == "off":
        return "off"
    link = os.path.join(repo.root, settings.link_path)
    there = target(repo, settings)
    if there is None and os.path.lexists(link):
        return "foreign"
    if path is None:
        if there is None:
            return "none"
        os.unlink(link)
        return "dropped"
    wanted = f"{os.path.basename(settings.dir)}/{os.path.basename(path)}"
    symlink = settings.link == "auto"
    if there == wanted and os.path.islink(link) == symlink:
        return "kept"
    os.makedirs(os.path.dirname(link), exist_ok=True)
    with atomic.replacing(link) as aside:
        if symlink:
            with contextlib.suppress(OSError):
                os.symlink(wanted, aside)
        if not os.path.lexists(aside):
            with open(aside, "w", encoding="utf-8", newline="\n") as file:
                file.write(wanted + "\n")
    ignore(repo, settings.link_path)
    return "set"


def target(repo: Repo, settings: Settings) -> str | None:
    """The target of the link, relative to its own folder; None if there is none, or another file has the name."""
    link = os.path.join(repo.root, settings.link_path)
    try:
        if os.path.islink(link):
            text = os.readlink(link)
        else:
            with open(link, encoding="utf-8") as file:
                text = file.read(4097).rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None
    ours = text.startswith(f"{os.path.basename(settings.dir)}/") and text.endswith(".md")
    return text if ours and "\n" not in text and len(text) <= 4096 else None


def ignore(repo: Repo, path: str, *, folder: bool = False) -> None:
    """Add a path to this clone's ``info/exclude``, unless git ignores it already."""
    if repo.git("check-ignore", "-q", "--no-index", path + ("/x" if folder else "")).code == 0:
        return
    exclude = os.path.join(repo.common, "info", "exclude")
    os.makedirs(os.path.dirname(exclude), exist_ok=True)
    with open(exclude, "a+b") as file:
        file.seek(0)
        raw = file.read()
        line = os.fsencode(f"/{path}{'/' if folder else ''}")
        if line not in raw.splitlines():
            file.write((b"\n" if raw and not raw.endswith(b"\n") else b"") + line + b"\n")

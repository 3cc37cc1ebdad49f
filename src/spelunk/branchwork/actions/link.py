"""The link ``CURRENT.md``: for people to click; no command ever reads it to find a document."""

from __future__ import annotations

import os

from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack.git import Repo


def point(repo: Repo, settings: Settings, path: str | None) -> str:
    """Point the link at a document, or drop it.

    Args:
        path: Relative path of the document; None where the branch has none.

    Returns:
        ``set``, ``kept`` (it is right already), ``dropped``, ``none``, ``off``,
        or ``foreign``: something else has the name, and is left alone.
    """
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
    wanted = os.path.relpath(path, os.path.dirname(settings.link_path) or ".").replace(os.sep, "/")
    symlink = settings.link == "auto"
    if there == wanted and os.path.islink(link) == symlink:
        return "kept"
    os.makedirs(os.path.dirname(link), exist_ok=True)
    aside = f"{link}.{os.getpid()}.tmp"
    try:
        if not symlink or not _symlink(wanted, aside):
            if there == wanted:
                return "kept"
            with open(aside, "w", encoding="utf-8", newline="\n") as file:
                file.write(wanted + "\n")
        os.replace(aside, link)
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)
    ignore(repo, settings.link_path)
    return "set"


def target(repo: Repo, settings: Settings) -> str | None:
    """What the link names, relative to its own folder; None if there is none, or it is not one of ours."""
    link = os.path.join(repo.root, settings.link_path)
    try:
        if os.path.islink(link):
            text = os.readlink(link)
        else:
            with open(link, encoding="utf-8") as file:
                text = file.read(4097).rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None
    folder = os.path.basename(settings.dir)
    ours = "\n" not in text and len(text) <= 4096 and text.startswith(f"{folder}/") and text.endswith(".md")
    return text if ours else None


def _symlink(wanted: str, link: str) -> bool:
    try:
        os.symlink(wanted, link)
    except OSError:
        return False
    return True


def ignore(repo: Repo, path: str, *, folder: bool = False) -> bool:
    """Have git ignore a path in this clone, unless it does so already; whether a line was added."""
    if repo.git("check-ignore", "-q", "--no-index", path + ("/x" if folder else "")).code == 0:
        return False
    exclude = os.path.join(repo.common, "info", "exclude")
    os.makedirs(os.path.dirname(exclude), exist_ok=True)
    try:
        with open(exclude, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        raw = b""
    line = os.fsencode(f"/{path}{'/' if folder else ''}")
    if line in raw.splitlines():
        return False
    with open(exclude, "ab") as file:
        file.write((b"\n" if raw and not raw.endswith(b"\n") else b"") + line + b"\n")
    return True

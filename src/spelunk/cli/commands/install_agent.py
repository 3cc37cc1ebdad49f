"""``spelunk install-agent``: set up coding agents to use Spelunk, or undo that."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from spelunk.errors import UsageError, WorkspaceError

if TYPE_CHECKING:
    from spelunk.adapters.agents.install import FileChange


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("clients", metavar="CLIENT", nargs="*", default=[], help="e.g. claude codex cursor; none: list them")
    add("--all", action="store_true", help="every client that is used here")
    add("--project", metavar="DIR", default=".", help="the project (default: the current folder)")
    add("--remove", action="store_true", help="take out what was put in, and nothing else")
    add("--dry-run", action="store_true", help="print what would change, and write nothing")


def run(args: argparse.Namespace) -> int:
    """Plan the changes, and write or print them."""
    from spelunk.adapters.agents.clients import CLIENTS, is_used_here
    from spelunk.adapters.agents.install import InstallPlan
    from spelunk.cli.output import note, put

    root = os.path.realpath(os.path.expanduser(args.project))
    if not os.path.isdir(root):
        raise WorkspaceError(f"{args.project}: no such folder")
    unknown = [name for name in args.clients if name not in CLIENTS]
    if unknown:
        raise UsageError(f"{unknown[0]}: no such client; there are {', '.join(CLIENTS)}")
    names = list(dict.fromkeys(args.clients))
    if args.all:
        names = list(CLIENTS) if args.remove else [n for n, c in CLIENTS.items() if is_used_here(c, root)]
    elif not names:
        for name, client in CLIENTS.items():
            used = "used here" if is_used_here(client, root) else ""
            put(f"{name:<15} {client.title:<20} {used}".rstrip() + "\n")
        return 0
    plan = InstallPlan(root)
    for name in names:
        (plan.remove if args.remove else plan.install)(name)
    if args.dry_run:
        changed = [change for change in plan.changes.values() if change.after != change.before]
        for change in changed:
            put(_difference(change))
    else:
        changed = plan.write()
        for change in changed:
            put(f"{_what(change)} {change.shown}\n")
    for change in plan.changes.values():
        for text in change.notes:
            note(args, f"{change.shown}: {text}")
    if not changed:
        note(args, "nothing to change" if names else "no client is used here; name one")
    return 0


def _what(change: FileChange) -> str:
    if change.after is None:
        return "deleted"
    return "created" if change.before is None else "changed"


def _difference(change: FileChange) -> str:
    import difflib

    before = (change.before or "").splitlines(keepends=True)
    after = (change.after or "").splitlines(keepends=True)
    old = "/dev/null" if change.before is None else change.shown
    new = "/dev/null" if change.after is None else change.shown
    return "".join(
        line if line.endswith("\n") else line + "\n" for line in difflib.unified_diff(before, after, old, new)
    )

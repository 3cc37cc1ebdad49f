"""Open the indexes of PATH arguments with the shared flags, and report which ones have to be built first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from spelunk.workspace import locate
from spelunk.workspace.targets import Target, targets

if TYPE_CHECKING:
    from spelunk.cli.observed import ObservedRun
    from spelunk.index import Index


def open_root(args: argparse.Namespace) -> Index:
    """Open the index of the workspace that holds ``args.path``."""
    (target,) = targets([] if args.path == "." else [args.path], args.index_dir)
    return open_target(args, target)


def open_target(
    args: argparse.Namespace, target: Target, observed: ObservedRun | None = None, **settings: Any
) -> Index:
    """Open the index of a workspace; its events go to ``observed``, or to the log that the flags select."""
    from spelunk.cli.observed import log_of
    from spelunk.index import Index

    observed = observed or log_of(args)
    index = Index.open(
        target.root, index_dir=args.index_dir, observer=observed.observer, run_id=observed.run_id, **settings
    )
    if index.untrusted:
        _warn_untrusted(args, index)
    return index


def _warn_untrusted(args: argparse.Namespace, index: Index) -> None:
    from spelunk.cli.output import note
    from spelunk.present.phrases import short

    names = ", ".join(setting.name for setting in index.untrusted)
    note(
        args,
        f"{short(index.untrusted[0].source)}: {names}: not trusted and ignored; see `spelunk trust --show`",
    )


def make_room(target: Target, index_dir: str | None) -> None:
    """Create the index directory of a workspace without an index, before a process that is to stay.

    Raises:
        StorageError: It cannot be created: no index could be built later.
        WorkspaceError: It cannot be the workspace's index directory.
    """
    directory = locate.index_dir(target.root, index_dir)
    if not locate.has_index(directory):
        locate.claim(directory, target.root)


def announce(args: argparse.Namespace, index: Index) -> None:
    """Say so if an index has to be built before the answer."""
    from spelunk.cli.output import note
    from spelunk.present.phrases import short

    if not locate.has_index(index.directory):
        note(args, f"{short(index.root)}: no index yet; building it")

"""Whether the index of commits is current: a few stats and two rows, no git process. Asked before every search."""

from __future__ import annotations

import os

from msgspec.structs import replace

from spelunk import embed
from spelunk.config import BUILT_IN, DEFAULTS, Options
from spelunk.errors import SpelunkError
from spelunk.files.git_dir import repository_of
from spelunk.history.fence import fence_of
from spelunk.store.commits import CommitStore
from spelunk.store.manifest import Manifest
from spelunk.store.paths import HISTORY
from spelunk.store.schema import SqlError
from spelunk.workspace.state import embeds, fingerprint


def options_of(options: Options) -> Options:
    """The settings of the index of commits: vectors come from an embedder of the package, or not at all."""
    return replace(
        DEFAULTS,
        embedder=options.embedder if options.embedder in BUILT_IN else DEFAULTS.embedder,
        workers=options.workers,
        mode=options.mode,
        memory_limit=options.memory_limit,
        storage=options.storage,
        io_threads=options.io_threads,
        history=options.history,
    )


def is_wanted(root: str, options: Options) -> bool:
    """Whether there is a repository, and the settings want its commits."""
    return options.history > 0 and repository_of(root) is not None


def is_current(root: str, directory: str, options: Options, *, whole: bool = False) -> bool:
    """Whether HEAD is where it was at the last update; a few stats and one row.

    Args:
        root: The workspace.
        directory: The index directory.
        options: Its settings.
        whole: Also whether no commit was left to read, and git did not fail.
    """
    folder = os.path.join(directory, HISTORY)
    if not is_wanted(root, options):
        return not os.path.isdir(folder)
    fence = fence_of(root, options.history)
    try:
        with CommitStore(folder) as store:
            if store.meta("failed", b"") == fence:
                return not whole
            if whole and store.meta("left", 0):
                return False
        manifest = Manifest(folder)
        try:
            wanted = options_of(options)
            return (
                manifest.fence() == fence
                and bool(manifest.meta("complete", 0))
                and manifest.meta("fingerprint") == fingerprint(wanted)
                and embeds(manifest.meta("embedder"), wanted)
                and not (embed.in_workers(wanted) and manifest.pending()[0])
            )
        finally:
            manifest.close()
    except (SpelunkError, SqlError, OSError):
        return False

"""The process that completes an index in the background; :mod:`spelunk.pipeline.background` starts it."""

from __future__ import annotations

import os
import pickle
import sys
import time
from typing import Final

from spelunk.errors import IndexBusyError, SpelunkError
from spelunk.index import Index
from spelunk.observe.logs import INFO, Log
from spelunk.workspace import background

NICENESS: Final = 10
"""Half the way to the lowest priority: people's own work goes first."""


def main() -> None:
    """Update the index that standard input names, as a pickled (root, directory, options)."""
    root, directory, options = pickle.load(sys.stdin.buffer)
    try:
        os.nice(NICENESS)
    except OSError:
        pass
    since = time.time()
    try:
        background.record(directory, background.STARTED, since)
        with Index(root, directory, options, observer=Log(level=INFO)) as index:
            index.update(command=background.COMMAND)
    except IndexBusyError:
        background.forget(directory)  # the other process completes it, or starts its own
    except BaseException as error:
        line = str(error) if isinstance(error, SpelunkError) else f"{type(error).__name__}: {error}"
        try:
            background.record(directory, background.FAILED, since, line.partition("\n")[0])
        except OSError:
            pass  # the index directory was deleted, or the disk is full; the log has it
        raise

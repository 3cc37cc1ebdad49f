"""Keep native code from writing to the terminal: a damaged file may make it panic, with a page of trace."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hushed(verbose: bool) -> Iterator[None]:
    """Let only Python write to standard error while the context lasts; with ``-v`` all may."""
    stream = sys.stderr
    if verbose or stream is None:
        yield
        return
    try:
        if stream.fileno() != 2:
            raise OSError("not the process's own standard error")
        stream.flush()
        kept = os.dup(2)
    except (OSError, ValueError):
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    sys.stderr = os.fdopen(kept, "w", encoding=stream.encoding, errors="backslashreplace", buffering=1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        sys.stderr.close()
        sys.stderr = stream

"""Redirect descriptor 2, so that native code cannot write to the terminal or between JSON lines.

A damaged file can make the full-text engine panic and print a page of trace.
While a redirection lasts, Python's ``sys.stderr`` writes to where descriptor 2
went before, and everything else that writes to 2 reaches another file.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from spelunk.cli import output

if TYPE_CHECKING:  # a search that nothing observes imports no events
    from spelunk.observe.logs import Log

NATIVE: Final = "native-output"
"""Event name of lines that native code or a dying worker wrote past Python."""
NATIVE_BYTES: Final = 64 * 1024
"""Last bytes of native output that are logged."""


@contextmanager
def hushed(verbose: bool) -> Iterator[None]:
    """Discard what native code writes to standard error, unless ``verbose``."""
    if verbose:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        with _redirected(nowhere):
            yield
    finally:
        os.close(nowhere)


@contextmanager
def json_lines(words: Sequence[str]) -> Iterator[None]:
    """Write every line on standard error as one JSON object, whoever writes it.

    Args:
        words: The command line. Its flags are not parsed yet: an error in them is a JSON line as well.
    """
    if sys.stderr is None:
        yield
        return
    from spelunk.observe.events import new_run_id
    from spelunk.observe.logs import JSON, Log, level_for

    verbose = sum({"-v": 1, "--verbose": 1, "-vv": 2}.get(word, 0) for word in words)
    level = level_for(verbose, "-q" in words or "--quiet" in words)
    native = os.memfd_create("stderr") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    try:
        with _redirected(native) as stream:
            log = Log(JSON, level, run_id=new_run_id(), stream=stream)
            lines = _Lines(log)
            sys.stderr = lines
            output.attach(log)
            try:
                yield
            finally:
                lines.finish()
                _log_native(log, native)
                output.attach(None)
    finally:
        os.close(native)


@contextmanager
def _redirected(target: int) -> Iterator[TextIO]:
    """Let descriptor 2 be ``target``; yields, as ``sys.stderr`` too, a stream to where it went before.

    Where ``sys.stderr`` is not the process's own standard error (another stream
    is in its place, or it is closed), nothing changes.
    """
    before = sys.stderr
    try:
        if before is None or before.fileno() != 2:
            raise OSError("not the process's own standard error")
        before.flush()
        kept = os.dup(2)
    except (OSError, ValueError):
        yield before
        return
    os.dup2(target, 2)
    stream = os.fdopen(kept, "w", encoding=before.encoding, errors="backslashreplace", buffering=1)
    sys.stderr = stream
    try:
        yield stream
    finally:
        os.dup2(kept, 2)
        sys.stderr = before
        try:
            stream.close()
        except OSError:
            pass  # the reader has closed its end


class _Lines(io.TextIOBase):
    """A stream whose lines are logged."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._rest = ""

    def write(self, text: str) -> int:
        """Log each line that is complete."""
        from spelunk.observe.logs import MESSAGE, WARNING

        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._log.write(WARNING, MESSAGE, message=line)
        return len(text)

    def writable(self) -> bool:
        """Return True."""
        return True

    def finish(self) -> None:
        """Log a last line without a line end."""
        if self._rest:
            self.write("\n")


def _log_native(log: Log, native: int) -> None:
    from spelunk.observe.logs import ERROR

    try:
        size = os.fstat(native).st_size
        data = os.pread(native, NATIVE_BYTES, max(0, size - NATIVE_BYTES))
    except OSError:
        return
    for line in data.decode("utf-8", "backslashreplace").splitlines():
        if line.strip():
            log.write(ERROR, NATIVE, message=line)

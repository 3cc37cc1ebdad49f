"""``--log-format json``: every line on standard error one JSON object, whoever writes it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TextIO

from spelunk.cli import output
from spelunk.observe.events import new_run_id
from spelunk.observe.logs import ERROR, JSON, MESSAGE, WARNING, Log, level_for

NATIVE: Final = "native-output"
"""The name of lines that native code or a dying worker wrote past Python."""
NATIVE_BYTES: Final = 64 * 1024


class _Lines(io.TextIOBase):
    """A stream whose lines are logged."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._rest = ""

    def write(self, text: str) -> int:
        """Log each line that is complete."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._log.write(WARNING, MESSAGE, message=line)
        return len(text)

    def writable(self) -> bool:
        """Yes."""
        return True

    def finish(self) -> None:
        """Log what has no line end."""
        if self._rest:
            self.write("\n")


@contextmanager
def json_lines(words: Sequence[str]) -> Iterator[None]:
    """Let standard error be JSON lines while the context lasts.

    Args:
        words: The command line; its flags are not parsed yet, and an error in them is a line as well.
    """
    stream = sys.stderr
    if stream is None:
        yield
        return
    verbose = sum({"-v": 1, "--verbose": 1, "-vv": 2}.get(word, 0) for word in words)
    with _own_descriptor(stream) as (raw, native):
        log = Log(
            JSON, level_for(verbose, "-q" in words or "--quiet" in words), run_id=new_run_id(), stream=raw
        )
        lines = _Lines(log)
        sys.stderr = lines
        output.attach(log)
        try:
            yield
        finally:
            lines.finish()
            if native is not None:
                _tell_native(log, native)
            output.attach(None)
            sys.stderr = stream


@contextmanager
def _own_descriptor(stream: TextIO) -> Iterator[tuple[TextIO, int | None]]:
    """A stream to where standard error goes, and what native code writes to instead."""
    try:
        if stream.fileno() != 2:
            raise OSError("not the process's own standard error")
        stream.flush()
        kept = os.dup(2)
    except (OSError, ValueError):
        yield stream, None
        return
    native = os.memfd_create("stderr") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    os.dup2(native, 2)
    raw = os.fdopen(kept, "w", encoding="ascii", errors="backslashreplace")
    try:
        yield raw, native
    finally:
        os.dup2(kept, 2)
        os.close(native)
        try:
            raw.close()
        except OSError:
            pass  # nobody reads it


def _tell_native(log: Log, native: int) -> None:
    size = os.fstat(native).st_size
    try:
        text = os.pread(native, NATIVE_BYTES, max(0, size - NATIVE_BYTES)).decode("utf-8", "backslashreplace")
    except OSError:
        return
    for line in text.splitlines():
        if line.strip():
            log.write(ERROR, NATIVE, message=line)

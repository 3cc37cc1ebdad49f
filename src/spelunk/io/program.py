"""Run other programs with a time-out; every failure is a result. Callers may inject their own :class:`Runner`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    import subprocess

NOT_FOUND = 127
TIMED_OUT = 124
TOO_LARGE = 125
"""Exit status of a program that wrote more than it may."""

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8", "LANGUAGE": "C", "NO_COLOR": "1",
    "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat",
    "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PAGER": "cat",
}  # fmt: skip
"""Variables that make every program quiet, plain and unable to prompt."""


class Finished(Struct, frozen=True):
    """The result of a program.

    Attributes:
        code: Exit status; 127 if it was not found, 124 after its time-out, 125 if it wrote too much.
        out: Standard output.
        reason: Why it failed, in one line; ``""`` if it did not.
    """

    code: int
    out: bytes = b""
    reason: str = ""

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode("utf-8", "surrogateescape")


class Runner(Protocol):
    """Runs a program and waits for it."""

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float, stdin: bytes | None = None) -> Finished:
        """Run ``argv`` in ``cwd`` for at most ``timeout`` seconds; every failure is a result."""


class SubprocessRunner:
    """Runs real programs, each in its own session so that a time-out ends its children too."""

    def __init__(self, environ: Mapping[str, str] | None = None, limit: int | None = None) -> None:
        """Choose what the programs are given and may return.

        Args:
            environ: Their environment, to which quiet and plain settings are added; by default this process's.
            limit: Bytes that a program may write to its standard output; no limit by default.
        """
        self._environ = environ
        self._limit = limit

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float, stdin: bytes | None = None) -> Finished:
        """See :class:`Runner`."""
        import subprocess
        import tempfile

        environ = os.environ if self._environ is None else self._environ
        with tempfile.TemporaryFile() as given:  # not a pipe: whoever writes into one may have to wait
            if stdin:
                given.write(stdin)
                given.seek(0)
            try:
                process = subprocess.Popen(
                    list(argv), cwd=cwd, env={**environ, **_ENVIRONMENT},
                    stdin=subprocess.DEVNULL if stdin is None else given,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                missing = isinstance(error, FileNotFoundError) and os.path.isdir(cwd)
                return Finished(NOT_FOUND, reason=f"{argv[0]}: {'not found' if missing else error.strerror}")
        try:
            out, err, stopped = _read(process, time.monotonic() + timeout, self._limit)
        except BaseException:
            _end(process.pid)
            process.wait()
            raise
        finally:
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
        if stopped:
            _end(process.pid)
        code = process.wait()
        if stopped == TIMED_OUT:
            return Finished(TIMED_OUT, reason=f"{argv[0]}: no answer within {timeout:g} s")
        if stopped:
            return Finished(TOO_LARGE, reason=f"{argv[0]}: more than {self._limit:,} bytes of output")
        lines = [line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
        reason = f"{argv[0]}: {lines[0] if lines else f'exit status {code}'}"
        return Finished(code, out, reason if code else "")


def _read(process: subprocess.Popen[bytes], deadline: float, limit: int | None) -> tuple[bytes, bytes, int]:
    """Standard output and standard error until the program ends, and why it has to be ended, if it has."""
    import selectors
    import subprocess

    assert process.stdout is not None and process.stderr is not None
    parts: dict[IO[Any], list[bytes]] = {process.stdout: [], process.stderr: []}
    size, stopped = 0, 0
    with selectors.DefaultSelector() as selector:
        for pipe in parts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map() and not stopped:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                stopped = TIMED_OUT
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fileobj)
                    continue
                pipe = process.stdout if key.fileobj is process.stdout else process.stderr
                parts[pipe].append(data)
                size += len(data)
            if limit is not None and size > limit:
                stopped = TOO_LARGE
    if not stopped:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            stopped = TIMED_OUT
    return b"".join(parts[process.stdout]), b"".join(parts[process.stderr]), stopped


def _end(pid: int) -> None:
    import signal

    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

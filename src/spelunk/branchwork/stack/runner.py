"""Run other programs with a time-out; every failure is a result. Callers may inject their own :class:`Runner`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

NOT_FOUND = 127
TIMED_OUT = 124

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8", "LANGUAGE": "C", "NO_COLOR": "1",
    "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat",
    "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "GH_PAGER": "cat",
}  # fmt: skip
"""Variables that make every program quiet, plain and unable to prompt."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a program.

    Attributes:
        code: Exit status; 127 if it was not found, 124 after its time-out.
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

    def run(self, argv: Sequence[str], *, cwd: str, timeout: float, stdin: bytes | None = None) -> Finished:
        """See :class:`Runner`."""
        import subprocess

        try:
            process = subprocess.Popen(
                list(argv), cwd=cwd, env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            missing = isinstance(error, FileNotFoundError) and os.path.isdir(cwd)
            return Finished(NOT_FOUND, reason=f"{argv[0]}: {'not found' if missing else error.strerror}")
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            _end(process.pid)
            process.communicate()
            return Finished(TIMED_OUT, reason=f"{argv[0]}: no answer within {timeout:g} s")
        except BaseException:
            _end(process.pid)
            process.wait()
            raise
        code = process.returncode
        lines = [line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
        reason = f"{argv[0]}: {lines[0] if lines else f'exit status {code}'}"
        return Finished(code, out, reason if code else "")


def _end(pid: int) -> None:
    import signal

    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

"""The one place that starts other programs, with a time-out, and never raises.

Tests and callers inject anything with the same ``run``.
"""

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
"""Makes every program quiet, plain and unable to ask anything."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended.

    Attributes:
        code: Exit status; 127 if it was not found, 124 if it ran past its time.
        out: Standard output.
        reason: One line that says why it failed; ``""`` if it did not.
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

    def run(
        self, argv: Sequence[str], *, cwd: str, timeout: float = 10.0, stdin: bytes | None = None
    ) -> Finished:
        """Run ``argv`` in ``cwd`` for at most ``timeout`` seconds; every failure is a result."""


class SubprocessRunner:
    """Runs real programs, each in its own session so that a time-out ends its children too."""

    def run(
        self, argv: Sequence[str], *, cwd: str, timeout: float = 10.0, stdin: bytes | None = None
    ) -> Finished:
        """See :class:`Runner`."""
        import subprocess

        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**os.environ, **_ENVIRONMENT},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
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
        if process.returncode == 0:
            return Finished(0, out)
        said = [line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()]
        return Finished(
            process.returncode, out, f"{argv[0]}: {said[0] if said else f'exit status {process.returncode}'}"
        )


def _end(pid: int) -> None:
    import signal

    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass

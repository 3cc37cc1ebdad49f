"""A pseudo-terminal for tests: a program runs on it, and its screen can be read and typed at."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import pyte

PATIENCE = 60.0
"""Seconds after which a screen that does not show what is awaited fails the test."""


class Terminal:
    """A program on a terminal of its own.

    Args:
        argv: The program.
        env: Its whole environment.
        cwd: Its folder.
        rows: Height.
        columns: Width.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: object, rows: int = 24, columns: int = 80
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._ours, theirs = pty.openpty()
        self._set_size(rows, columns)
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            env={**env, "TERM": "xterm-256color"},
            cwd=str(cwd),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str) -> None:
        """Type some keys."""
        os.write(self._ours, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size, as a window that is dragged."""
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def wait_for(self, test: Callable[[str], object]) -> str:
        """The screen once a test of it holds."""
        end = time.monotonic() + PATIENCE
        while not test(self.text):
            assert time.monotonic() < end and self._read(0.2), f"not seen on the screen:\n{self.text}"
        return self.text

    def finish(self) -> int:
        """The exit status, when the program has ended."""
        end = time.monotonic() + PATIENCE
        while self._read(0.2):
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
        return self.process.wait(PATIENCE)

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, seconds: float) -> bool:
        """Take in what was written; False where the program has closed the terminal."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.raw += data
        answered = data.count(b"\x1b[6n")  # where is the cursor?
        self._stream.feed(data)
        for _ in range(answered):
            os.write(self._ours, f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R".encode())
        return bool(data)

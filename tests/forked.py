"""``python -m spelunk`` without its start: processes forked from one that has imported the package.

A start spends a quarter of a second on imports, which forks share. A forked process has the
arguments, folder, environment and output of its own run, and executes ``__main__`` from its
first line to the end of the process. Nothing of the package has been called in the process
that forks, and numpy is not imported there: a search decides by it.
"""

from __future__ import annotations

import json
import os
import runpy
import selectors
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final

LATE: Final = ("SPELUNK_", "XDG_", "GIT_", "HOME", "PATH", "PYTEST_CURRENT_TEST")
"""Names of variables that are read, if at all, when they are needed. A process reads others as it starts, those
of Python and of the locale for example."""
EARLY: Final = ("SPELUNK_FAULTS",)
"""Exceptions: a module reads them as it is imported."""
LEFT_OUT: Final = ("adapters", "qdrant", "interactive", "testing", "bench", "evaluate", "__main__.py")
"""Folders and files whose modules few commands need, and which import much."""


class Forks:
    """A process that forks others; it ends with the one that started it, or with :meth:`close`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Start it.

        Args:
            env: Its environment, which has none of :data:`EARLY`.
        """
        self._early = _early(env)
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                cwd=Path(__file__).parents[1],
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # as the processes have them: Python looks at what they are
                stderr=subprocess.PIPE,
            )

    def close(self) -> None:
        self._requests.close()
        self._process.communicate()

    def suits(self, env: Mapping[str, str]) -> bool:
        """Whether a process that starts with ``env`` starts as the one here did."""
        return _early(env) == self._early

    def run(self, words: Sequence[str], cwd: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run ``spelunk`` with no standard input, and take its output; as :func:`subprocess.run` does."""
        mine, theirs = socket.socketpair()
        pipes = os.pipe(), os.pipe()
        with mine:
            with theirs:
                socket.send_fds(self._requests, [b"-"], [theirs.fileno(), pipes[0][1], pipes[1][1]])
            for _, end in pipes:
                os.close(end)
            mine.sendall(json.dumps([[*words], cwd, dict(env)]).encode())
            mine.shutdown(socket.SHUT_WR)
            out, err = _read(pipes[0][0], pipes[1][0])
            status = int(mine.makefile().read())
        return subprocess.CompletedProcess([*words], status, out, err)


def _early(env: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in env.items() if k in EARLY or not k.startswith(LATE)}


def _read(*ends: int) -> list[str]:
    """What comes out of pipes, as text."""
    found = {end: bytearray() for end in ends}
    with selectors.DefaultSelector() as waiting:
        for end in ends:
            waiting.register(end, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                part = os.read(key.fd, 65_536)
                found[key.fd] += part
                if not part:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    return [bytes(data).decode().replace("\r\n", "\n").replace("\r", "\n") for data in found.values()]


def _load() -> None:
    """Import the package, but for what is left out and what needs numpy."""
    import spelunk

    sys.modules["numpy"] = None  # type: ignore[assignment]  # its import fails
    (folder,) = map(Path, spelunk.__path__)
    for path in sorted(folder.rglob("*.py")):
        names = path.relative_to(folder.parent).parts
        if not set(names) & set(LEFT_OUT):
            with suppress(ImportError):
                import_module(".".join(names).removesuffix(".py").removesuffix(".__init__"))
    del sys.modules["numpy"]


def _become(words: list[str], cwd: str, env: dict[str, str], fds: list[int]) -> None:
    """Be the process of ``python -m spelunk``; does not return."""
    for target, fd in enumerate(fds, 1):
        os.dup2(fd, target)
    os.closerange(3, 1_024)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[0] = os.getcwd()
    sys.argv = ["spelunk", *words]
    runpy.run_module("spelunk", run_name="__main__", alter_sys=True)
    raise AssertionError("the command ends the process")


def _serve(requests: socket.socket) -> None:
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as waiting:
        waiting.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fd != requests.fileno():
                    pid, answer = running.pop(key.fd)
                    waiting.unregister(key.fd)
                    os.close(key.fd)
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with answer, suppress(OSError):
                        answer.sendall(str(status).encode())
                    continue
                data, fds, _, _ = socket.recv_fds(requests, 1, 3)
                if not data:
                    return
                answer = socket.socket(fileno=fds[0])
                words, cwd, env = json.loads(answer.makefile("rb").read())
                pid = os.fork()
                if pid == 0:
                    _become(words, cwd, env, fds[1:])
                for fd in fds[1:]:
                    os.close(fd)
                handle = os.pidfd_open(pid)
                running[handle] = pid, answer
                waiting.register(handle, selectors.EVENT_READ)


if __name__ == "__main__":
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))

"""``python -m spelunk`` without its start: processes forked from one that has imported the package.

A start spends a quarter of a second on imports, which forks share. A forked process has the
arguments, folder, environment and streams of its own run, and executes ``__main__`` from its
first line to the end of the process. Nothing of the package has been called in the process
that forks, and numpy is not imported there unless a test wants it: a search decides by it.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module, reload
from pathlib import Path
from typing import Any, Final

LATE: Final = ("SPELUNK_", "XDG_", "GIT_", "HOME", "PATH", "NO_COLOR", "COLUMNS", "PYTEST_CURRENT_TEST")
"""Names of variables that are read, if at all, when they are needed. A process reads others as it starts, those
of Python and of the locale for example."""
FAULTS: Final = "SPELUNK_FAULTS"
"""The exception: one module reads it as it is imported."""
NOTHING: Final = subprocess.DEVNULL
UNSETTLED: Final = 0.025
"""Seconds. A file that changed less than 20 ms ago is not trusted to be unchanged (:mod:`spelunk.files.stamp`). A
process that is started takes longer than that; a forked one finds the files that a test has just written."""
LEFT_OUT: Final = ("adapters", "qdrant", "interactive", "testing", "bench", "evaluate", "__main__.py")
"""Folders and files whose modules few commands need, and which import much."""


class Forked:
    """A forked process, with what :class:`subprocess.Popen` has for one whose output and errors are pipes."""

    def __init__(self, answers: socket.socket, pipes: tuple[int, int]) -> None:
        self._answers = answers
        self._lines = answers.makefile("r")
        self._pipes = pipes
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The status, or None while the process runs."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """Wait for the end; standard output and error."""
        out, err = _read(*self._pipes)
        self.wait()
        return out, err


class Forks:
    """A process that forks others; it ends with the one that started it, or with :meth:`close`."""

    def __init__(self, env: Mapping[str, str], *, numpy: bool = False) -> None:
        """Start it.

        Args:
            env: The environment, of which forked processes may change what is in :data:`LATE`.
            numpy: Import numpy too, and what needs it: for runs that do so in any case.
        """
        self._early = _early(env)
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno()), *(["numpy"] if numpy else [])],
                cwd=Path(__file__).parents[1],
                env={name: value for name, value in env.items() if not name.startswith("SPELUNK_")},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,  # as the processes have them: Python looks at what they are
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

    def close(self) -> None:
        self._requests.shutdown(socket.SHUT_RDWR)
        self._requests.close()
        self._process.communicate()

    def suits(self, env: Mapping[str, str]) -> bool:
        """Whether a process that starts with ``env`` starts as the one here did."""
        return _early(env) == self._early

    def command(self, path: Path) -> int:
        """Write an executable that runs ``spelunk`` with its own streams, folder and environment, for scripts.

        Returns:
            The descriptor that a script must inherit.
        """
        path.write_text(COMMAND.format(python=sys.executable, requests=self._requests.fileno()))
        path.chmod(0o755)
        return self._requests.fileno()

    def start(
        self,
        words: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        *,
        stdin: int = NOTHING,
        module: str = "spelunk",
    ) -> Forked:
        """Start ``python -m module``; as :class:`subprocess.Popen` does with pipes for output and errors.

        Args:
            words: The arguments.
            cwd: Its folder.
            env: Its environment, which must suit.
            stdin: A descriptor; without it there is no standard input.
            module: What is executed.
        """
        assert self.suits(env)
        time.sleep(UNSETTLED)
        mine, theirs = socket.socketpair()
        (out, stdout), (err, stderr) = os.pipe(), os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        with theirs:
            given = null if stdin == NOTHING else stdin
            socket.send_fds(self._requests, [b"-"], [theirs.fileno(), given, stdout, stderr])
        for fd in (null, stdout, stderr):
            os.close(fd)
        mine.sendall(json.dumps([module, [*words], cwd, dict(env)]).encode())
        mine.shutdown(socket.SHUT_WR)
        return Forked(mine, (out, err))

    def run(
        self, words: Sequence[str], cwd: str, env: Mapping[str, str], **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run as :meth:`start` does, and wait for the end; as :func:`subprocess.run` does."""
        process = self.start(words, cwd, env, **more)
        out, err = process.communicate()
        return subprocess.CompletedProcess([*words], process.wait(), out, err)


COMMAND: Final = """#!{python} -IS
import json, os, socket, sys
requests = socket.socket(fileno={requests})
mine, theirs = socket.socketpair()
socket.send_fds(requests, [b"-"], [theirs.fileno(), 0, 1, 2])
theirs.close()
mine.sendall(json.dumps(["spelunk", sys.argv[1:], os.getcwd(), dict(os.environ)]).encode())
mine.shutdown(socket.SHUT_WR)
_, status = map(int, mine.makefile())
os._exit(status if status >= 0 else 128 - status)
"""


def forks(env: Mapping[str, str], *, numpy: bool = False) -> Forks:
    """The process of this test run that forks those with such an environment; arguments as for :class:`Forks`."""
    key = (numpy, *sorted(_early(env).items()))
    if key not in _MADE:
        _MADE[key] = Forks(env, numpy=numpy)
        atexit.register(_MADE[key].close)
    return _MADE[key]


_MADE: Final[dict[tuple[Any, ...], Forks]] = {}


def _early(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith(LATE)}


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
    return [bytes(data).decode("utf-8", "surrogateescape").replace("\r\n", "\n") for data in found.values()]


def _load(numpy: bool) -> None:
    """Import the package, but for what is left out and, perhaps, what needs numpy."""
    import spelunk

    if numpy:  # as the command does, so that there are no threads
        os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        import tree_sitter_language_pack  # noqa: F401
    else:
        sys.modules["numpy"] = None  # type: ignore[assignment]  # its import fails
    (folder,) = map(Path, spelunk.__path__)
    for path in sorted(folder.rglob("*.py")):
        names = path.relative_to(folder.parent).parts
        if not set(names) & set(LEFT_OUT):
            with suppress(ImportError):
                import_module(".".join(names).removesuffix(".py").removesuffix(".__init__"))
    if not numpy:
        del sys.modules["numpy"]


def _become(module: str, words: list[str], cwd: str, env: dict[str, str], fds: list[int]) -> None:
    """Be the process of ``python -m module``; does not return."""
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    os.closerange(3, 1_024)
    os.environ.clear()
    os.environ.update(env)
    if FAULTS in env:
        reload(sys.modules["spelunk.faults"])
    os.chdir(cwd)
    sys.path[0] = os.getcwd()
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
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
                        answer.sendall(f"{status}\n".encode())
                    continue
                data, fds, _, _ = socket.recv_fds(requests, 1, 4)
                if not data:
                    return
                answer = socket.socket(fileno=fds[0])
                module, words, cwd, env = json.loads(answer.makefile("rb").read())
                pid = os.fork()
                if pid == 0:
                    _become(module, words, cwd, env, fds[1:])
                for fd in fds[1:]:
                    os.close(fd)
                with suppress(OSError):
                    answer.sendall(f"{pid}\n".encode())
                handle = os.pidfd_open(pid)
                running[handle] = pid, answer
                waiting.register(handle, selectors.EVENT_READ)


if __name__ == "__main__":
    _load(sys.argv[2:] == ["numpy"])
    _serve(socket.socket(fileno=int(sys.argv[1])))

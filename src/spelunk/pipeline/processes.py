"""Worker processes over pipes: start, hand a batch, take packets, notice a death.

A child is forked where that is safe (it costs 11 ms) and otherwise started
as a fresh interpreter (some 150 ms): a process with several threads, or a
platform whose system libraries do not survive a fork.

The protocol: the parent writes a batch as one frame, the child answers one
frame for each piece of it. A frame is a length and that many bytes. A child
that meets the end of its input ends, so it never outlives the parent.
"""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import signal
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from spelunk import faults
from spelunk.config import Options
from spelunk.pipeline import worker as work
from spelunk.store.packet import Item, Packet, dump, load

LENGTH: Final = struct.Struct("<Q")
PIPE_BYTES: Final = 1024 * 1024
"""A few packets, so that a child need not wait for a parent that is busy; Linux grants
this much to anybody."""

BACKSTOP_BYTES: Final = 64 * 1024 * 1024


class Start(NamedTuple):
    """All a worker needs to begin."""

    root: str
    options: Options
    donors: Mapping[bytes, tuple[int, int]]
    tokens: tuple[int, int] | None
    memory: int | None


def make_worker(start: Start) -> work.Worker:
    """The worker of this process."""
    from spelunk import embed

    embedder = embed.get(start.options) if embed.in_workers(start.options) else None
    return work.Worker(start.root, start.options, embedder, start.donors, start.tokens)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_frame(fd: int, data: bytes) -> None:
    """Write one frame, waiting for room."""
    _write_all(fd, LENGTH.pack(len(data)))
    _write_all(fd, data)


def _answer(fd: int, data: bytes) -> None:
    if faults.ARMED:
        faults.write("worker.answer", lambda part: _write_all(fd, part), LENGTH.pack(len(data)) + data)
    else:
        write_frame(fd, data)


def _read_exactly(fd: int, n: int) -> bytes | None:
    parts: list[bytes] = []
    while n:
        data = os.read(fd, min(n, PIPE_BYTES))
        if not data:
            return None
        parts.append(data)
        n -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_frame(fd: int) -> bytes | None:
    """Read one frame; None at the end of the stream, even in the middle of a frame."""
    head = _read_exactly(fd, LENGTH.size)
    return None if head is None else _read_exactly(fd, LENGTH.unpack(head)[0])


def serve(read_fd: int, write_fd: int, start: Start) -> None:
    """The life of a child: batches in, packets out, until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its children
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if start.memory is not None:
        _limit_memory(start.memory)
    # What phase 1 makes has no cycles, and the collector would walk it again and again.
    gc.freeze()
    gc.disable()
    worker = make_worker(start)
    write_frame(write_fd, b"")
    while (frame := read_frame(read_fd)) is not None:
        items = pickle.loads(frame)
        cuts = list(work.pieces(items))
        for n, cut in enumerate(cuts):
            if n + 1 < len(cuts):
                worker.prefetch(items[cuts[n + 1].start : cuts[n + 1].stop])
            _answer(write_fd, dump(worker.process(items[cut.start : cut.stop], cut.start)))


def _limit_memory(limit: int) -> None:
    """Let an allocation beyond the cap fail here, where it costs one file."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit + BACKSTOP_BYTES, limit + BACKSTOP_BYTES))
    except (ValueError, OSError):
        pass  # a lower limit is in force already


class Child:
    """A worker process as its parent sees it."""

    def __init__(self, pid: int, read_fd: int, write_fd: int) -> None:
        self.pid = pid
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.status: int | None = None
        self.ready = False

    def send(self, items: list[Item]) -> None:
        """Hand over a batch.

        Raises:
            BrokenPipeError: The child is dead.
        """
        write_frame(self.write_fd, pickle.dumps(items, pickle.HIGHEST_PROTOCOL))

    def receive(self) -> Packet | bool:
        """The next packet, waiting for it; True where it became ready, False when it has died."""
        data = read_frame(self.read_fd)
        if data is None:
            return False
        if not data:
            self.ready = True
            return True
        return load(data)

    def end(self, *, kill: bool = False) -> int:
        """Close the pipes and wait for the process; its wait status."""
        if self.status is None:
            # Forgotten before they are closed: a signal can end this half-way, and it is called again.
            fd, self.write_fd = self.write_fd, -1
            if fd >= 0:
                os.close(fd)
            if kill:
                try:
                    os.kill(self.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            fd, self.read_fd = self.read_fd, -1
            if fd >= 0:
                os.close(fd)
            try:
                self.status = os.waitpid(self.pid, 0)[1]
            except ChildProcessError:
                self.status = 0  # somebody else in this process waited for all children
        return self.status

    def cause(self) -> str:
        """How it died, for a report."""
        status = self.end(kill=False)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            try:
                return f"worker killed by {signal.Signals(number).name}"
            except ValueError:
                return f"worker killed by signal {number}"
        return f"worker ended with status {os.waitstatus_to_exitcode(status)}"


def fork_is_safe() -> bool:
    """May this process fork and go on without an exec?"""
    return sys.platform.startswith("linux") and threading.active_count() == 1


def _pipe() -> tuple[int, int]:
    read_fd, write_fd = os.pipe()
    try:
        fcntl.fcntl(write_fd, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
    except OSError:
        pass  # the default size is only slower
    return read_fd, write_fd


def fork(start: Start, in_child: Callable[[], None]) -> Child:
    """Fork a child that shares what the parent has loaded.

    Args:
        start: What the worker needs.
        in_child: Called first in the child, to close what is the parent's alone.
    """
    task_read, task_write = _pipe()
    result_read, result_write = _pipe()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None where the process was started with the descriptor closed
            stream.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(task_write)
            os.close(result_read)
            in_child()
            serve(task_read, result_write, start)
            status = 0
        except BrokenPipeError:
            status = 0  # the parent is gone
        except MemoryError:
            status = 3
        finally:
            os._exit(status)
    os.close(task_read)
    os.close(result_write)
    return Child(pid, result_read, task_write)


def spawn(start: Start) -> Child:
    """Start a child as a fresh interpreter."""
    import subprocess

    task_read, task_write = _pipe()
    result_read, result_write = _pipe()
    keep = [task_read, result_write, *(start.tokens or ())]
    code = f"from spelunk.pipeline.processes import main; main({task_read}, {result_write})"
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        pass_fds=keep,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    process.returncode = 0  # waited for by pid; Popen must not wait again
    os.close(task_read)
    os.close(result_write)
    child = Child(process.pid, result_read, task_write)
    write_frame(task_write, pickle.dumps(start, pickle.HIGHEST_PROTOCOL))
    return child


def main(read_fd: int, write_fd: int) -> None:
    """Entry of a spawned child."""
    frame = read_frame(read_fd)
    if frame is not None:
        try:
            serve(read_fd, write_fd, pickle.loads(frame))
        except BrokenPipeError:
            pass  # the parent is gone


def token_pipe(count: int) -> tuple[int, int]:
    """A pipe with ``count`` bytes in it: whoever takes one may read a file."""
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"x" * count)
    return read_fd, write_fd


__all__ = ["Child", "Start", "fork", "fork_is_safe", "make_worker", "spawn", "token_pipe"]

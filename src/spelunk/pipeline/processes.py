"""Worker processes over pipes: start one, send it a batch, receive packets, find out how it died.

A worker is forked where that is safe (it costs 11 ms) and otherwise spawned as
a fresh interpreter (some 150 ms): beside other threads, or on a platform whose
system libraries do not survive a fork.

The protocol: the parent writes a batch as one frame, the worker answers one
frame for each piece of it. A frame is a length and that many bytes. A worker
ends at the end of its input, so it never outlives its parent.
"""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import select
import signal
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from spelunk import faults
from spelunk.io.streams import flush_before_fork
from spelunk.observe.events import ENDED, KILLED
from spelunk.observe.profile import IDLE, START_UP
from spelunk.pipeline.executor import pieces
from spelunk.pipeline.limiter import ReadLimiter, above_standard
from spelunk.pipeline.worker import WorkerConfig, make_worker
from spelunk.store.packet import Item, Packet, dump, load

LENGTH: Final = struct.Struct("<Q")
PIPE_BYTES: Final = 1024 * 1024
"""Room for a few packets, so that a worker need not wait for a busy parent; the most that
Linux grants without privileges (/proc/sys/fs/pipe-max-size)."""

BACKSTOP_BYTES: Final = 64 * 1024 * 1024
"""Above the memory limit of a worker: an allocation beyond it fails in the worker itself."""


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


def serve(
    read_fd: int, write_fd: int, config: WorkerConfig, limiter: ReadLimiter | None, memory: int | None
) -> None:
    """Run a worker process: batches in, packets out, until the input ends.

    Args:
        read_fd: Pipe of batches.
        write_fd: Pipe of packets.
        config: What to work on.
        limiter: Bounds concurrent reads.
        memory: Bytes that this process may allocate, or None.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets Ctrl-C too, and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if memory is not None:
        _limit_memory(memory)
    # This process is ours alone. What phase 1 makes has no cycles, and each collection walks it all.
    gc.freeze()
    gc.disable()
    worker = make_worker(config, limiter)
    lap = worker.laps.lap
    lap(START_UP)
    write_frame(write_fd, b"")
    while (frame := read_frame(read_fd)) is not None:
        lap(IDLE)
        items = pickle.loads(frame)
        cuts = list(pieces(items))
        for n, cut in enumerate(cuts):
            if n + 1 < len(cuts):
                worker.prefetch(items[cuts[n + 1].start : cuts[n + 1].stop])
            _answer(write_fd, dump(worker.process(items[cut.start : cut.stop], cut.start)))
            lap("send")


def _limit_memory(limit: int) -> None:
    """Make an allocation above the limit fail in this process, where it costs one file."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_DATA, (limit + BACKSTOP_BYTES, limit + BACKSTOP_BYTES))
    except (ValueError, OSError):
        pass  # a lower limit is in force already


class WorkerProcess:
    """A worker process as its parent sees it.

    Attributes:
        pid: Its process id.
        how: ``fork`` or ``spawn``.
        read_fd: Pipe of packets.
        write_fd: Pipe of batches.
        status: Its wait status; None while it runs.
        ready: Whether it has begun to work.
        received: What :meth:`receive` returns before it reads the pipe.
    """

    def __init__(self, pid: int, how: str, read_fd: int, write_fd: int) -> None:
        self.pid = pid
        self.how = how
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.status: int | None = None
        self.ready = False
        self.received: deque[Packet | bool] = deque()
        os.set_blocking(write_fd, False)

    def send(self, items: list[Item]) -> None:
        """Send a batch; answers that the worker has to get rid of first are kept in :attr:`received`.

        Raises:
            BrokenPipeError: The process is dead.
        """
        self.send_frame(pickle.dumps(items, pickle.HIGHEST_PROTOCOL))

    def send_frame(self, data: bytes) -> None:
        """Send one frame; see :meth:`send`."""
        view = memoryview(LENGTH.pack(len(data)) + data)
        while view:
            try:
                view = view[os.write(self.write_fd, view) :]
            except BlockingIOError:
                self._wait_for_room()

    def _wait_for_room(self) -> None:
        """Wait until the worker reads, and receive meanwhile: it may be blocked in an answer itself."""
        poller = select.poll()
        poller.register(self.write_fd, select.POLLOUT)
        poller.register(self.read_fd, select.POLLIN | select.POLLHUP)
        for fd, _ in poller.poll():
            if fd == self.read_fd:
                self.received.append(self._receive())
                if self.received[-1] is False:
                    raise BrokenPipeError

    def receive(self) -> Packet | bool:
        """Wait for the next packet; True where it became ready, False where it has died."""
        return self.received.popleft() if self.received else self._receive()

    def _receive(self) -> Packet | bool:
        data = read_frame(self.read_fd)
        if data is None:
            return False
        if not data:
            self.ready = True
            return True
        return load(data)

    def end(self, *, kill: bool = False) -> int:
        """Close the pipes, wait for the process, and return its wait status."""
        if self.status is None:
            # Each is forgotten before it is closed: a signal can interrupt this, and it is called again.
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
                self.status = 0  # the host program has waited for all children
        return self.status

    def cause(self) -> tuple[str, str]:
        """How it died: :data:`KILLED` or :data:`ENDED`, and a sentence for a report."""
        status = self.end(kill=False)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            try:
                return KILLED, f"worker killed by {signal.Signals(number).name}"
            except ValueError:
                return KILLED, f"worker killed by signal {number}"
        return ENDED, f"worker ended with status {os.waitstatus_to_exitcode(status)}"


def fork_is_safe() -> bool:
    """Whether this process may fork and go on without an exec: Linux, and no other thread."""
    return sys.platform.startswith("linux") and threading.active_count() == 1


def _pipe() -> tuple[int, int]:
    """A pipe of :data:`PIPE_BYTES`, above standard input, output and error even if a host has closed those."""
    read_fd, write_fd = map(above_standard, os.pipe())
    try:
        fcntl.fcntl(write_fd, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
    except OSError:
        pass  # the default size is only slower
    return read_fd, write_fd


def fork(
    config: WorkerConfig, limiter: ReadLimiter | None, memory: int | None, in_child: Callable[[], None]
) -> WorkerProcess:
    """Fork a worker that shares what the parent has loaded.

    Args:
        config: What to work on.
        limiter: Bounds concurrent reads.
        memory: Bytes that the worker may allocate, or None.
        in_child: Called first in the worker, to close what is the parent's alone.
    """
    task_read, task_write = _pipe()
    result_read, result_write = _pipe()
    flush_before_fork()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(task_write)
            os.close(result_read)
            in_child()
            serve(task_read, result_write, config, limiter, memory)
            status = 0
        except BrokenPipeError:
            status = 0  # the parent is gone
        except MemoryError:
            status = 3
        finally:
            os._exit(status)
    os.close(task_read)
    os.close(result_write)
    return WorkerProcess(pid, "fork", result_read, task_write)


def spawn(config: WorkerConfig, limiter: ReadLimiter | None, memory: int | None) -> WorkerProcess:
    """Start a worker as a fresh interpreter; arguments as for :func:`fork`.

    It imports from the parent's path without the current folder, relative
    entries included: a file that happens to lie there must not run.
    """
    import subprocess

    task_read, task_write = _pipe()
    result_read, result_write = _pipe()
    ends = [task_read, result_write, *((limiter.fd,) if limiter is not None else ())]
    code = "import sys; sys.path[:] = sys.argv[4:]; from spelunk.pipeline.processes import main; main()"
    slots = f"{limiter.fd},{limiter.slots}" if limiter is not None else ""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code, str(task_read), str(result_write), slots, *import_path()],
        pass_fds=ends,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if is_open(2) else subprocess.DEVNULL,
    )
    process.returncode = 0  # waited for by pid; Popen must not wait again
    os.close(task_read)
    os.close(result_write)
    worker = WorkerProcess(process.pid, "spawn", result_read, task_write)
    try:
        worker.send_frame(pickle.dumps((config, memory), pickle.HIGHEST_PROTOCOL))
    except BrokenPipeError:
        pass  # it is dead: the first look at its output says so
    return worker


def import_path() -> list[str]:
    """This process's import path without relative entries and the current folder.

    ``python -m`` and a script in the current folder put it there. It stays
    where Spelunk itself is imported from it.
    """
    here = os.path.realpath(os.curdir)
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    return [
        entry
        for entry in sys.path
        if os.path.isabs(entry) and (os.path.realpath(entry) != here or here == package)
    ]


def is_open(fd: int) -> bool:
    """Whether the descriptor is open."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def main() -> None:
    """Entry of a spawned worker; see :func:`spawn` for its arguments."""
    read_fd, write_fd = int(sys.argv[1]), int(sys.argv[2])
    limiter = ReadLimiter(*map(int, sys.argv[3].split(","))) if sys.argv[3] else None
    frame = read_frame(read_fd)
    if frame is None:
        return
    config, memory = pickle.loads(frame)
    try:
        serve(read_fd, write_fd, config, limiter, memory)
    except BrokenPipeError:
        pass  # the parent is gone

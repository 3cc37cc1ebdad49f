"""The process that is connected to a Ray cluster, between the process that writes and the workers.

Ray starts threads, takes over signals and ends its process when it loses the
cluster. Here that costs a reconnection and not the update, and a program that
uses Spelunk as a library does not get Ray into its process.

The protocol is that of worker processes: frames over pipes. In go a
:class:`Setup` and then tasks; out come the messages below.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import sys
import threading
from typing import Any, Final, NamedTuple

from spelunk.files.source import Source
from spelunk.pipeline import ray_worker
from spelunk.pipeline.processes import read_frame, write_frame
from spelunk.pipeline.ray_worker import RemoteConfig, VersionMismatchError
from spelunk.store.packet import Item

CRASHED: Final = "crashed"
LOST: Final = "lost"
"""How a task ends without a result: its worker died, or a node with it or with its result."""

SOCKET_SECONDS: Final = 5.0
"""For the first connection to an address; Ray itself would try for a minute."""
SLOTS_SECONDS: Final = 5.0
"""Between two looks at the size of the cluster."""

RESTING: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
"""Environment of this process: no reports to Ray's makers, no copy of the current project to the nodes."""


class Setup(NamedTuple):
    """What the driver needs to begin.

    Attributes:
        address: The cluster; "" takes ``RAY_ADDRESS``, or the one of this machine.
        config: For the workers.
        source: Where this process reads the files to be sent; None where the workers read them.
        memory: Bytes that each task asks of Ray's scheduler, or None.
        variables: Environment variables of the workers.
    """

    address: str
    config: RemoteConfig
    source: Source | None
    memory: int | None
    variables: dict[str, str]


class Ready(NamedTuple):
    """The cluster is connected."""


class Slots(NamedTuple):
    """How many tasks the cluster can do at a time, now."""

    slots: int


class Task(NamedTuple):
    """Files to do, under a number of this run."""

    number: int
    items: list[Item]


class Done(NamedTuple):
    """The packets of a task."""

    number: int
    packets: list[bytes]


class Undone(NamedTuple):
    """A task ended without a result; ``kind`` is :data:`CRASHED` or :data:`LOST`."""

    number: int
    kind: str
    reason: str


class Broken(NamedTuple):
    """The run cannot go on, for a reason that trying again does not change."""

    reason: str


class Unreachable(NamedTuple):
    """The cluster cannot be reached; it may be at another time."""

    reason: str


Message = Ready | Slots | Done | Undone | Broken | Unreachable


def main() -> None:
    """Serve one run; the arguments are the pipes of input and output."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the writer gets Ctrl-C too, and ends this process
    read_fd, write_fd = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(read_fd, False)
    os.set_inheritable(write_fd, False)
    frame = read_frame(read_fd)
    if frame is None:
        return
    setup: Setup = pickle.loads(frame)
    os.environ.update(RESTING)
    out: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_write, args=(write_fd, out), daemon=True).start()
    if not _connect(setup, out):
        _finish(out)
    threading.Thread(target=_watch_slots, args=(out,), daemon=True).start()
    submit = _submitter(setup, out)
    while (frame := read_frame(read_fd)) is not None:
        submit(pickle.loads(frame))
    os._exit(0)  # the cluster ends what this process has asked for when its connection closes


def _write(fd: int, out: queue.SimpleQueue[Message]) -> None:
    """Write messages, in a thread of its own: the main thread always reads, so nobody waits for each other."""
    try:
        while True:
            message = out.get()
            write_frame(fd, pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
            if isinstance(message, (Broken, Unreachable)):
                os._exit(1)
    except OSError:
        os._exit(0)  # the writer is gone


def _finish(out: queue.SimpleQueue[Message]) -> None:
    """Wait until the last message is written; the thread that writes it ends the process."""
    threading.Event().wait()


def _connect(setup: Setup, out: queue.SimpleQueue[Message]) -> bool:
    address = setup.address or os.environ.get("RAY_ADDRESS", "").strip()
    named = (
        f"the Ray cluster at {address}" if address not in ("", "auto") else "a Ray cluster on this machine"
    )
    if "://" in address:
        out.put(Broken(f"{named}: Ray Client is not supported; start a node here and name HOST:PORT"))
        return False
    try:
        import ray
    except ImportError:
        out.put(Broken("executor 'ray' needs ray and msgpack: pip install 'spelunk[ray]'"))
        return False
    try:
        _probe(address)
        ray.init(
            address=address or "auto",
            log_to_driver=False,
            logging_level="error",
            runtime_env={"env_vars": setup.variables} if setup.variables else None,
        )
    except Exception as error:  # Ray's errors here have no common root
        hint = "start one with `ray start`, or set ray_address"
        text = _one_line(error)
        if "ersion mismatch" in text:
            out.put(Broken(f"{named}: {text}"))
        else:
            out.put(Unreachable(f"cannot reach {named} ({text}); {hint}"))
        return False
    out.put(Ready())
    _tell_slots(out)
    return True


def _probe(address: str) -> None:
    """Connect to ``host:port`` once.

    Raises:
        OSError: Nothing listens there.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), SOCKET_SECONDS).close()


def _tell_slots(out: queue.SimpleQueue[Message]) -> None:
    import ray

    out.put(Slots(int(ray.cluster_resources().get("CPU", 0))))


def _watch_slots(out: queue.SimpleQueue[Message]) -> None:
    never = threading.Event()
    while not never.wait(SLOTS_SECONDS):
        try:
            _tell_slots(out)
        except Exception:  # a lost cluster shows in the tasks
            continue


def _submitter(setup: Setup, out: queue.SimpleQueue[Message]) -> Any:
    """Return a function that gives the cluster one :class:`Task`."""
    import ray

    limits: dict[str, Any] = {"memory": setup.memory} if setup.memory else {}
    # Ray would try a task again as it is; which file of it is at fault would never be known.
    remote = ray.remote(num_cpus=1, max_retries=0, **limits)(ray_worker.run)
    config = pickle.dumps(setup.config, pickle.HIGHEST_PROTOCOL)

    def submit(task: Task) -> None:
        contents = None
        if setup.source is not None:
            limit, source = setup.config.options.max_file_size, setup.source
            entries = [item.candidate for item in task.items]
            source.prefetch(entries)
            contents = pickle.dumps([source.read(e, limit) for e in entries], pickle.HIGHEST_PROTOCOL)
        items = pickle.dumps(task.items, pickle.HIGHEST_PROTOCOL)
        reference = remote.remote(config, items, contents)

        def done(future: Any) -> None:
            try:
                out.put(Done(task.number, future.result()))
            except BaseException as error:
                out.put(_ended(task, error))

        reference.future().add_done_callback(done)

    return submit


def _ended(task: Task, error: BaseException) -> Message:
    """What an error of a task means for the run."""
    from ray import exceptions

    if isinstance(error, exceptions.RayTaskError):
        cause = error.cause if isinstance(error.cause, BaseException) else error
        if isinstance(cause, VersionMismatchError):
            return Broken(
                "a node of the Ray cluster has another version of Spelunk: install the same one on all"
            )
        if isinstance(cause, ImportError):
            return Broken(
                f"a node of the Ray cluster cannot run Spelunk ({_one_line(cause)}): install it there"
            )
        return Broken(f"a Ray task failed: {_one_line(cause)}")
    if isinstance(error, exceptions.OutOfMemoryError):
        return Undone(task.number, CRASHED, "worker killed: its node was short of memory")
    if isinstance(error, exceptions.WorkerCrashedError):
        return Undone(task.number, CRASHED, "worker died")
    lost = exceptions.NodeDiedError, exceptions.LocalRayletDiedError, exceptions.ObjectLostError
    if isinstance(error, lost):
        return Undone(task.number, LOST, "node lost")
    return Broken(f"the Ray cluster refused a task: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " ".join((lines[-1] if len(lines) > 3 else " ".join(lines)).split())[:300] or type(error).__name__

"""The process of `spelunk serve`: its socket, its parts, and its graceful end."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Final

import uvicorn

from spelunk.adapters.http.app import READERS, Api, make_app, refusal
from spelunk.adapters.http.guard import LOCAL, Guard, Rate, Token
from spelunk.adapters.http.protocol import Limits, limited
from spelunk.adapters.http.state import ServerState
from spelunk.adapters.http.streams import Streams
from spelunk.adapters.http.workspaces import Workspaces
from spelunk.adapters.listening import BACKLOG, is_loopback, listen
from spelunk.config import load
from spelunk.errors import UsageError
from spelunk.observe import Observer, broadcast
from spelunk.observe.metrics import Metrics
from spelunk.pipeline.child import UpdateProcesses
from spelunk.pipeline.job import Job
from spelunk.pipeline.memory import resident
from spelunk.types import Report
from spelunk.workspace.targets import Target

FILES_PER_CONNECTION: Final = 1
SPARE_FILES: Final = 200
"""Descriptors for indexes and pipes besides the connections."""
END_SECONDS: Final = 10
"""For requests that run when the server is to end."""
KEEP_ALIVE_SECONDS: Final = 30
HOUSEKEEPING_SECONDS: Final = 10.0
MIN_UPDATE_BYTES: Final = 192 * 1024 * 1024


@dataclass(frozen=True)  # no Struct: its text would show the token
class ServeOptions:
    """What the command line asks for.

    Attributes:
        targets: The workspaces.
        index_dir: The index directory, or None.
        host: Address to listen on.
        port: Port; 0 takes any free one.
        token: What requests have to show; None for nothing.
        freshness: Instead of the workspaces' setting; None keeps that.
        names: Further names of this server, for ``Host`` and ``Origin``.
        rate: Requests a second for each client; 0 for no limit.
        connections: At a time.
        settings: Settings over those of the workspaces.
        watch: Watch the workspaces once they are indexed.
    """

    targets: list[Target]
    index_dir: str | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    freshness: str | None = None
    names: tuple[str, ...] = ()
    rate: float = 100.0
    connections: int = 1_000
    settings: dict[str, Any] = field(default_factory=dict)
    watch: bool = True


def raise_file_limit(connections: int) -> int:
    """Allow as many open files as connections need; returns for how many connections there is room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections * FILES_PER_CONNECTION + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    room = connections if soft == resource.RLIM_INFINITY else soft - SPARE_FILES
    return max(10, min(connections, room))


class _Server(uvicorn.Server):
    """A server that ends its streams when it is told to end, and then with status 0."""

    stopping: Callable[[], None]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # else they are raised again at the end
        self.stopping()


def _names_of(options: ServeOptions) -> list[str]:
    names = [options.host]
    if is_loopback(options.host) or _is_any(options.host):
        names += LOCAL
    if not is_loopback(options.host):
        names.append(socket.gethostname())
    return names


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def serve(options: ServeOptions, observer: Observer, said: Callable[[str], None]) -> int:
    """Serve until the process is told to end.

    Args:
        options: What the command line asks for.
        observer: Is sent every event of updates and searches.
        said: Called with a line for people when the server listens.

    Raises:
        UsageError: The address cannot be used.
    """
    memory_limit = load(options.targets[0].root, options.settings).options.memory_limit
    listener = listen(options.host, options.port, hint="choose another with --port, or 0 for any free one")
    listener.setblocking(False)
    port = listener.getsockname()[1]
    limits = Limits(raise_file_limit(options.connections))
    metrics = Metrics("serve")
    processes = UpdateProcesses()
    streams = Streams()

    def update(job: Job) -> Report:
        return processes.update(_within_limit(job))

    settings = options.settings | ({"freshness": options.freshness} if options.freshness else {})
    workspaces = Workspaces(
        options.targets,
        options.index_dir,
        settings,
        broadcast(metrics, observer),
        update,
        streams.tell,
        watch=options.watch,
    )
    state = ServerState(
        workspaces,
        limits,
        metrics,
        freshness=options.freshness or "",
        memory_limit=memory_limit,
        readers=READERS,
        children=lambda: processes.pids,
    )
    token = Token(options.token) if options.token is not None else None
    api = Api(state, streams, token)
    house: list[asyncio.Task[None]] = []

    async def keep_house() -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            await asyncio.get_running_loop().run_in_executor(None, processes.end_idle)

    async def started() -> None:
        house.append(asyncio.create_task(keep_house()))
        shown = f"[{options.host}]" if ":" in options.host else options.host
        said(f"serving {', '.join(t.root for t in options.targets)} at http://{shown}:{port}/")
        asyncio.get_running_loop().run_in_executor(None, _preload)

    def stopped() -> None:
        for task in house:
            task.cancel()
        processes.close()
        workspaces.close()

    app = Guard(
        make_app(api, started, stopped),
        refusal,
        hosts=_names_of(options),
        proxied=options.names,
        any_address=_is_any(options.host),
        token=token,
        rate=Rate(options.rate, max(20.0, options.rate * 2)) if options.rate else None,
    )
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=limited(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
    )
    server = _Server(config)
    loop_of: list[asyncio.AbstractEventLoop] = []

    def stopping() -> None:
        if loop_of:
            loop_of[0].call_soon_threadsafe(streams.stop)

    server.stopping = stopping

    async def main() -> None:
        loop_of.append(asyncio.get_running_loop())
        await server.serve(sockets=[listener])

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return 0


def _within_limit(job: Job) -> Job:
    """The job with what the server itself leaves of the memory limit."""
    limit = job.options.memory_limit
    if limit is None:
        return job
    return replace(job, options=replace(job.options, memory_limit=max(1, limit - resident())))


def _preload() -> None:
    """Import what the first search needs."""
    import numpy  # noqa: F401

    gc.collect()
    gc.freeze()  # what the imports made is no garbage


def token_of(path: str | None, variable: str = "SPELUNK_TOKEN") -> str | None:
    """The token in a file, or in the environment; None where there is none.

    Raises:
        UsageError: The file cannot be read, is readable by others, or holds no usable token.
    """
    if path is None:
        value = os.environ.get(variable, "").strip()
        if not value:
            return None
        return _usable(value, variable)
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as f:
            if os.fstat(f.fileno()).st_mode & 0o007:
                raise UsageError(f"{path}: every user of this machine can read it; run `chmod 600 {path}`")
            return _usable(f.read(4_096).strip(), path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise UsageError(f"--token-file {path}: {reason}") from None


MIN_TOKEN: Final = 16


def _usable(value: str, source: str) -> str:
    if len(value) < MIN_TOKEN or not value.isascii() or any(c.isspace() for c in value):
        raise UsageError(
            f"{source}: a token has {MIN_TOKEN} or more characters, ASCII without spaces; "
            "make one with `openssl rand -hex 32`"
        )
    return value

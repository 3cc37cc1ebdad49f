"""The shared server: one process for each user, build and settings, behind all thin processes.

It ends a while after its last client has left, when nothing has been asked for
long, and when another build of Spelunk has been installed. A client that is
still connected then reconnects with its next request, and so starts a new one.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from typing import Final

from spelunk.adapters.indexes import OpenIndexes
from spelunk.adapters.mcp import runtime
from spelunk.adapters.mcp.launch import LISTENING_FD
from spelunk.adapters.scope import Scope
from spelunk.adapters.tools import Tools
from spelunk.pipeline.child import UpdateProcesses

GRACE_SECONDS: Final = 60.0
"""After the last client has left; an editor that restarts finds its server warm."""
IDLE_SECONDS: Final = 1800.0
"""Without a request, while clients are connected."""
MAX_CLIENTS: Final = 256
LOOK_SECONDS: Final = 1.0
"""Between two looks at whether to end; each costs one stat."""


class Daemon:
    """The server behind a listening socket.

    Attributes:
        path: Of the socket.
        build: Of the Spelunk that runs.
    """

    def __init__(self, listener: socket.socket, path: str, build: str, *, grace: float, idle: float) -> None:
        self.path = path
        self.build = build
        self._listener = listener
        self._grace = grace
        self._idle = idle
        self._processes = UpdateProcesses()
        self._indexes = OpenIndexes(keep=True, updater=self._processes.update)
        self._clients: set[asyncio.StreamWriter] = set()
        self._requests = 0
        self._last = time.monotonic()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until it is time to end."""
        # Importing takes most of a second; clients wait in the socket's queue meanwhile.
        from spelunk.adapters.mcp.protocol_server import make_server

        self._server = make_server(Tools(self._indexes), Scope(""), self._count)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        inode = _inode(self.path)
        accepting = await asyncio.start_unix_server(self._client, sock=self._listener)
        preloading = asyncio.get_running_loop().run_in_executor(None, preload)
        try:
            while not self._stop.is_set():
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._stop.wait()
                except TimeoutError:
                    pass
                await asyncio.get_running_loop().run_in_executor(None, self._processes.end_idle)
                if self._is_done() and await self._withdrawn(inode):
                    break
        finally:
            remove(self.path, inode)
            accepting.close()
            for writer in list(self._clients):
                writer.close()
            await asyncio.wait([preloading])
            self._indexes.close()
            self._processes.close()
            _remove_empty_log(self.path)

    def _count(self, change: int) -> None:
        self._requests += change
        self._last = time.monotonic()

    def _is_done(self) -> bool:
        if self._requests or self._indexes.running() is not None:
            return False
        quiet = time.monotonic() - self._last
        if not self._clients:
            return quiet > self._grace
        return quiet > self._idle or runtime.build() != self.build

    async def _withdrawn(self, inode: int | None) -> bool:
        """Remove the socket's name; whether there is nothing left to do.

        A client may have connected in the same moment: once the name is gone no
        further one can, and those in the queue are served.
        """
        remove(self.path, inode)
        before = len(self._clients)
        for _ in range(3):
            await asyncio.sleep(0)
        return len(self._clients) == before and not self._requests

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from spelunk.adapters.mcp.connection import GreetingError, serve_connection

        if len(self._clients) >= MAX_CLIENTS:
            print(f"refused a client: {MAX_CLIENTS} are connected", file=sys.stderr, flush=True)
            writer.close()
            return
        self._clients.add(writer)
        self._last = time.monotonic()
        try:
            await serve_connection(self._server, reader, writer)
        except* (GreetingError, OSError):
            pass  # it left, or is no client
        except* Exception as group:
            print(f"a connection failed: {group.exceptions[0]!r}", file=sys.stderr, flush=True)
        finally:
            self._clients.discard(writer)
            self._last = time.monotonic()
            writer.close()


def preload() -> None:
    """Import what the first search needs; and all of it before an upgrade replaces the files."""
    import numpy  # noqa: F401

    import spelunk.pipeline.update
    import spelunk.search.engine
    import spelunk.search.similar
    import spelunk.workspace.explain

    for name in spelunk.__all__:
        getattr(spelunk, name)

    gc.collect()
    gc.freeze()  # what the imports made is no garbage


def remove(path: str, inode: int | None) -> None:
    """Remove the socket's name, unless another server has taken it."""
    try:
        with runtime.locked(path):
            if inode is not None and _inode(path) == inode:
                os.unlink(path)
    except OSError:
        pass  # the folder is gone


def _inode(path: str) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None


def _remove_empty_log(path: str) -> None:
    log = runtime.log_path(path)
    try:
        if not os.path.getsize(log):
            os.unlink(log)
    except OSError:
        pass


def seconds_of(name: str, default: float) -> float:
    """A number of seconds from the environment, or the default."""
    try:
        return max(0.0, float(os.environ.get(name, "")))
    except ValueError:
        return default


def main() -> None:
    """Serve on the inherited socket; the arguments are its path and the build of who started this."""
    path, build = sys.argv[1:3]
    os.set_inheritable(LISTENING_FD, False)
    listener = socket.socket(fileno=LISTENING_FD)
    listener.setblocking(False)

    async def serve() -> None:
        daemon = Daemon(
            listener,
            path,
            build,
            grace=seconds_of("SPELUNK_MCP_GRACE", GRACE_SECONDS),
            idle=seconds_of("SPELUNK_MCP_IDLE", IDLE_SECONDS),
        )
        await daemon.run()

    status = 0
    try:
        asyncio.run(serve())
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        status = 1
    os._exit(status)  # threads of abandoned calls are not waited for

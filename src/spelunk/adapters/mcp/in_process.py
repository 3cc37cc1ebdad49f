"""The protocol server in a thread of the client's own process, for ``spelunk mcp --no-server``."""

from __future__ import annotations

import asyncio
import socket
import threading

from spelunk.adapters.indexes import OpenIndexes
from spelunk.adapters.mcp.connection import serve_connection
from spelunk.adapters.mcp.protocol_server import make_server
from spelunk.adapters.scope import Scope
from spelunk.adapters.tools import Tools


class InProcessServer:
    """Serves connections of this process, each in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self._tools = Tools(OpenIndexes())

    def connect(self) -> socket.socket:
        """A connection to a new server thread, which ends when it is closed."""
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return ours

    def _serve(self, connection: socket.socket) -> None:
        async def serve() -> None:
            reader, writer = await asyncio.open_unix_connection(sock=connection)
            try:
                await serve_connection(make_server(self._tools, Scope("")), reader, writer)
            finally:
                writer.close()

        try:
            asyncio.run(serve())
        except OSError:
            pass  # the client is gone

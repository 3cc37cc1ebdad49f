"""One client's connection: lines of JSON to messages of the library, and back.

Malformed lines are answered with a JSON-RPC error, and the connection goes on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage

from spelunk.adapters.mcp.frames import (
    INVALID_REQUEST,
    PARSE_ERROR,
    TOO_LONG,
    Lines,
    error_line,
)
from spelunk.adapters.mcp.protocol_server import scope_of_client
from spelunk.adapters.scope import Scope

READ_BYTES: Final = 64 * 1024
GREETING_SECONDS: Final = 10.0
READY: Final = '{"spelunk":"ready"}'
"""The first line to a client: what it sent is being read by a server that has started."""


class GreetingError(Exception):
    """A connection that does not begin as one of ``spelunk mcp`` does."""


async def serve_connection(
    server: Server[Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one connection until its client leaves.

    Raises:
        GreetingError: The first line is not that of ``spelunk mcp``.
        OSError: The connection broke.
    """
    lines = _lines(reader)
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            first = await anext(lines, None)
    except TimeoutError:
        raise GreetingError("no first line") from None
    scope_of_client.set(_scope(first))  # the tasks of this connection inherit it
    wire = _Wire(writer)
    await wire.send(READY)
    # Streams that carry the sender's context, so that handlers run in this connection's.
    to_server, from_client = create_context_streams[SessionMessage | Exception](0)
    to_client, from_server = create_context_streams[SessionMessage](0)

    async def read() -> None:
        async with to_server:
            async for line in lines:
                message = await _message(line, wire)
                if message is not None:
                    try:
                        await to_server.send(SessionMessage(message))
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        return

    async def write() -> None:
        async with from_server:
            async for item in from_server:
                await wire.send(item.message.model_dump_json(by_alias=True, exclude_unset=True))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(write)
        await server.run(from_client, to_client, server.create_initialization_options())
        group.cancel_scope.cancel()


class _Wire:
    """The client's side of the connection; a line is written whole."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, line: str) -> None:
        self._writer.write(line.encode("utf-8", "replace") + b"\n")
        await self._writer.drain()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes | None]:
    """The lines of a stream; None for one that is too long."""
    lines = Lines()
    while data := await reader.read(READ_BYTES):
        for line in lines.feed(data):
            yield line


def _scope(line: bytes | None) -> Scope:
    try:
        values = json.loads(line or b"")["spelunk"]
        folder, roots, index_dir = values["folder"], values["roots"], values["index_dir"]
        if not isinstance(folder, str) or not all(isinstance(root, str) for root in roots):
            raise TypeError
        return Scope(folder, tuple(roots), index_dir if isinstance(index_dir, str) else None)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise GreetingError("not a client of spelunk mcp") from None


async def _message(line: bytes | None, wire: _Wire) -> types.JSONRPCMessage | None:
    """The message of a line; None where it has none, and the client has been told."""
    if line is None:
        await wire.send(error_line(None, INVALID_REQUEST, TOO_LONG))
        return None
    if not line.strip():
        return None
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        # A request whose id is no id passes for a notification, which nobody would answer.
        if not isinstance(message, types.JSONRPCNotification) or b'"id"' not in line:
            return message
        if "id" not in json.loads(line):
            return message
    except ValueError:
        pass  # told below, in our words: the library's quote the whole line
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        await wire.send(
            error_line(None, PARSE_ERROR, "not JSON, or nested too deeply; send one object a line")
        )
        return None
    if isinstance(value, list):
        await wire.send(
            error_line(None, INVALID_REQUEST, "batches are not supported; send one object a line")
        )
        return None
    known = value.get("id") if isinstance(value, dict) else None
    name = known if isinstance(known, (str, int)) and not isinstance(known, bool) else None
    if isinstance(value, dict) and "method" in value and "id" not in value:
        return None  # a malformed notification is never answered
    await wire.send(error_line(name, INVALID_REQUEST, "not a JSON-RPC 2.0 request in valid Unicode"))
    return None

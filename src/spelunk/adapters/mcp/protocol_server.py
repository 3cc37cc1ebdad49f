"""The protocol server: the official ``mcp`` library with the tools of :mod:`spelunk.adapters.tools`.

One server speaks all revisions of the protocol that the library knows: those
with a handshake (2024-11-05 to 2025-11-25) and the stateless 2026-07-28. The
low-level server is used, since its schemas and messages are written by hand:
the generated ones cost a model three times as many tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from spelunk import __version__
from spelunk.adapters.indexes import IndexingProgress
from spelunk.adapters.scope import Scope
from spelunk.adapters.tool_answer import ToolAnswer
from spelunk.adapters.tool_table import BY_NAME, TOOLS
from spelunk.adapters.tools import Tools, path_of
from spelunk.errors import IndexMissingError, SpelunkError, UsageError

INSTRUCTIONS: Final = (
    "Search this project's code and documents with `search` before grepping or listing files; "
    "then `read` the cited lines. Indexes are kept up to date by themselves."
)

UPDATE_WAIT_SECONDS: Final = 20.0
"""How long a call waits for an update; then it answers from what is published. Clients give up after 60 s."""
POLL_SECONDS: Final = 0.25
"""Between two looks at the progress of an update."""
MAX_THREADS: Final = 40
"""Calls that run at a time; further ones wait. Most of a call holds the interpreter's lock."""

scope_of_client: ContextVar[Scope] = ContextVar("scope_of_client")
"""The scope of the connection that a request came by."""

_READ_ONLY: Final = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)

Context = ServerRequestContext[Any, Any]
T = TypeVar("T")


def make_server(
    tools: Tools, default: Scope, on_request: Callable[[int], None] = lambda _: None
) -> Server[Any]:
    """Build the server.

    Args:
        tools: What it offers.
        default: The scope of a connection for which none is set.
        on_request: Called with 1 when a call begins and -1 when it ends.
    """
    calls = _Calls(tools, default, on_request)
    return Server(
        "spelunk",
        version=__version__,
        title="Spelunk",
        instructions=INSTRUCTIONS,
        on_list_tools=calls.list_tools,
        on_call_tool=calls.call_tool,
        on_list_resources=calls.list_resources,
        on_list_resource_templates=calls.list_resource_templates,
        on_read_resource=calls.read_resource,
    )


def tool_list() -> list[types.Tool]:
    """The tools as the protocol describes them."""
    return [
        types.Tool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.input_schema(),
            output_schema=tool.output_schema(),
            annotations=_READ_ONLY,
        )
        for tool in TOOLS
    ]


class _Calls:
    """The handlers of requests. Work is done in threads, so that the loop stays free for other clients."""

    def __init__(self, tools: Tools, default: Scope, on_request: Callable[[int], None]) -> None:
        self._tools = tools
        self._default = default
        self._on_request = on_request
        self._limiter: anyio.CapacityLimiter | None = None

    async def list_tools(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tool_list())

    async def list_resources(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[])  # there are as many as files; results link to them

    async def list_resource_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            name="file",
            uri_template="file://{+path}",
            description="An indexed file, as a result links to it.",
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(
        self, _: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        scope = scope_of_client.get(self._default)
        self._on_request(1)
        try:
            text = await self._in_thread(lambda: self._tools.whole_file(path_of(uri), scope))
        except SpelunkError as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"uri": uri[:1000]}) from None
        finally:
            self._on_request(-1)
        content = types.TextResourceContents(uri=uri, text=text, mime_type="text/plain")
        return types.ReadResourceResult(contents=[content])

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in BY_NAME:
            raise MCPError(
                types.INVALID_PARAMS,
                f"there is no tool {params.name[:100]!r}; there are {', '.join(BY_NAME)}",
            )
        self._on_request(1)
        try:
            return _result(await self._answer(ctx, params.name, params.arguments or {}))
        except SpelunkError as error:
            return types.CallToolResult(
                content=[types.TextContent(type="text", text=str(error))], is_error=True
            )
        finally:
            self._on_request(-1)

    async def _answer(self, ctx: Context, name: str, arguments: dict[str, Any]) -> ToolAnswer:
        """The answer from an index that is up to date, or after a while from what is published."""
        scope = scope_of_client.get(self._default)
        call = partial(self._tools.call, name, arguments, scope)
        done = anyio.Event()
        outcome: list[ToolAnswer | Exception] = []

        async def run() -> None:
            try:
                outcome.append(await self._in_thread(call))
            except Exception as error:  # raised below: a task group would wrap it
                outcome.append(error)
            done.set()

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            with anyio.move_on_after(UPDATE_WAIT_SECONDS):
                await self._report_progress(ctx, self._tools.roots(arguments, scope), done)
            group.cancel_scope.cancel()  # the thread goes on: what it indexes serves the next call
        if not outcome:
            return await self._from_published(name, arguments, scope)
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    async def _report_progress(self, ctx: Context, roots: list[str], done: anyio.Event) -> None:
        told: IndexingProgress | None = None
        value = 0.0
        while not done.is_set():
            with anyio.move_on_after(POLL_SECONDS):
                await done.wait()
            progress = self._progress(roots)
            if progress is not None and progress != told and not done.is_set():
                told = progress
                value = max(value + 1e-3, float(progress.done))  # it has to increase with each notification
                total = float(progress.total) if progress.total >= value else None
                await ctx.session.report_progress(value, total, f"indexing: {progress}")

    def _progress(self, roots: list[str]) -> IndexingProgress | None:
        found = [self._tools.indexes.progress(root) for root in roots]
        return next((p for p in found if p is not None), None)

    async def _from_published(self, name: str, arguments: dict[str, Any], scope: Scope) -> ToolAnswer:
        progress = self._progress(self._tools.roots(arguments, scope))
        so_far = f" ({progress})" if progress is not None else ""
        try:
            answer = await self._in_thread(partial(self._tools.call, name, arguments, scope, refresh=False))
        except IndexMissingError:
            raise UsageError(
                f"the index is being built{so_far}; call again in some seconds, or ask index_status"
            ) from None
        note = f"the index is being updated{so_far}: this answer is from an older or incomplete state"
        values = answer.values | {"notes": [*answer.values.get("notes", ()), note]}
        return ToolAnswer(values, f"{answer.text}\nNote: {note}\n", answer.links)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MAX_THREADS)
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._limiter)


def _result(answer: ToolAnswer) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=answer.text)]
    content += [
        types.ResourceLink(type="resource_link", uri=link.uri, name=link.name, mime_type="text/plain")
        for link in answer.links
    ]
    return types.CallToolResult(content=content, structured_content=answer.values)

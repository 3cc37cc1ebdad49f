"""The application: routes, and how a request becomes an answer.

The event loop reads requests and writes answers. Searches and whatever else
reads an index run in a few threads, comparisons of files in others, updates in
processes of their own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from spelunk.adapters.http import params
from spelunk.adapters.http.corpus_map import CANDIDATES, CorpusMap
from spelunk.adapters.http.guard import COOKIE, Token
from spelunk.adapters.http.openapi import document
from spelunk.adapters.http.problems import ApiError, bad_request, problem_of
from spelunk.adapters.http.revisions import check_revision
from spelunk.adapters.http.state import ServerState
from spelunk.adapters.http.static_files import INDEX, StaticFile, load_page
from spelunk.adapters.http.streams import Streams
from spelunk.adapters.http.symbol_views import SymbolViews, check_impact, one_workspace, symbol_question
from spelunk.adapters.http.views import Views, clean
from spelunk.adapters.http.workspaces import Fresh, ServedWorkspace

if TYPE_CHECKING:
    from spelunk.workspace.focus import Focus

MAX_BODY: Final = 64 * 1024
MAX_DRAINED: Final = 8 * 1024 * 1024
READERS: Final = 4
"""Threads that search and read: most of a search holds the interpreter's lock."""
MAX_WAITING: Final = 128
"""Requests that wait for one of them; further ones are refused."""
ANSWER_SECONDS: Final = 30.0
"""For the work of a request, without waiting for an update."""
PAGES: Final = frozenset(("", "search", "related", "symbol", "map", "status"))
"""Paths of the page: all are the same file, and so is any below ``file/``."""

Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The endpoints."""

    def __init__(self, state: ServerState, streams: Streams, token: Token | None) -> None:
        self._state = state
        self._workspaces = state.workspaces
        self._streams = streams
        self._token = token
        self._views = Views(state.workspaces)
        self._symbols = SymbolViews(state.workspaces)
        self._map = CorpusMap(state.workspaces)
        self._page = load_page()
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._comparers = ThreadPoolExecutor(2, "comparer")

    def routes(self) -> list[Route]:
        """The routes of all endpoints."""
        table: list[tuple[str, Handler, list[str]]] = [
            ("/api/search", self.search, ["GET", "POST"]),
            ("/api/related", self.related, ["GET", "POST"]),
            ("/api/file", self.file, ["GET"]),
            ("/api/outline", self.outline, ["GET"]),
            ("/api/symbol", self.symbol, ["GET"]),
            ("/api/impact", self.impact, ["GET"]),
            ("/api/repo-map", self.repo_map, ["GET"]),
            ("/api/map", self.map, ["GET"]),
            ("/api/status", self.status, ["GET"]),
            ("/api/index", self.index, ["GET", "POST"]),
            ("/api/session", self.session, ["GET", "POST", "DELETE"]),
            ("/api/openapi.json", self.openapi, ["GET"]),
            ("/metrics", self.metrics, ["GET"]),
            ("/healthz", self.healthz, ["GET"]),
            ("/readyz", self.readyz, ["GET"]),
            ("/{path:path}", self.page, ["GET"]),
        ]
        return [Route(path, handled(handler), methods=methods) for path, handler, methods in table]

    def close(self) -> None:
        """End the threads; those at work are not waited for."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._comparers.shutdown(wait=False, cancel_futures=True)

    async def _work(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run ``work`` in a thread.

        Raises:
            ApiError: Too many requests wait, or it takes too long.
        """
        state = self._state
        if state.waiting >= MAX_WAITING:
            raise ApiError(503, "overloaded", "too many requests at a time", "ask again", retry=1)
        state.waiting += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._readers, work)
        except TimeoutError:
            hint = "ask again, or for less: fewer hits, a simpler pattern, a filter"
            raise ApiError(503, "too_slow", "the answer took too long", hint, retry=5) from None
        finally:
            state.waiting -= 1

    async def _fresh(
        self,
        found: Sequence[ServedWorkspace],
        args: dict[str, Any],
        focus: Callable[[ServedWorkspace], Focus] | None = None,
    ) -> list[Fresh]:
        waits = (w.fresh(args["freshness"], args["wait"], self._comparers, focus) for w in found)
        return list(await asyncio.gather(*waits))

    async def search(self, request: Request) -> Response:
        """``/api/search``."""
        args = await arguments(request, params.SEARCH)
        parsed(args["q"], args["mode"])
        found = self._workspaces.chosen(args["repo"])
        fresh = await self._fresh(found, args, partial(_focus, args))
        values = await self._work(lambda: self._views.search(args, found, fresh))
        self._state.searches += 1
        return answer(values)

    async def _place(self, args: dict[str, Any]) -> tuple[tuple[ServedWorkspace, str], Fresh]:
        """The file that a request names, after its workspace was brought up to date."""
        owners = list(dict.fromkeys(w for w, _ in self._workspaces.places(args["path"], args["repo"])))
        fresh = dict(zip(owners, await self._fresh(owners, args), strict=True))
        place: list[tuple[ServedWorkspace, str]] = []
        await self._work(lambda: place.append(self._views.place(args["path"], args["repo"])) or {})  # type: ignore[func-returns-value]
        return place[0], fresh[place[0][0]]

    async def related(self, request: Request) -> Response:
        """``/api/related``."""
        args = await arguments(request, params.RELATED)
        place, fresh = await self._place(args)
        return answer(await self._work(lambda: self._views.related(args, place, fresh)))

    async def file(self, request: Request) -> Response:
        """``/api/file``."""
        args = await arguments(request, params.FILE)
        if args["q"]:
            parsed(args["q"], args["mode"])
        if args["rev"]:
            check_revision(args["rev"])
        place, fresh = await self._place(args)
        return answer(await self._work(lambda: self._views.file(args, place, fresh)))

    async def outline(self, request: Request) -> Response:
        """``/api/outline``."""
        args = await arguments(request, params.OUTLINE)
        place, fresh = await self._place(args)
        return answer(await self._work(lambda: self._views.outline(args, place, fresh)))

    async def map(self, request: Request) -> Response:
        """``/api/map``."""
        args = await arguments(request, params.MAP)
        query = args["q"] if args["q"] and args["q"].strip() else None
        if query:
            parsed(query, args["mode"])
        found = self._workspaces.chosen(args["repo"])
        fresh = await self._fresh(found, args)

        def work() -> dict[str, Any]:
            facets = self._views.matches(args, found, fresh, CANDIDATES) if query else None
            return self._map.answer(args, facets) | {"stale": not all(f.ok for f in fresh)}

        return answer(await self._work(work))

    async def symbol(self, request: Request) -> Response:
        """``/api/symbol``."""
        args = await arguments(request, params.SYMBOL)
        symbol_question(args)
        found = self._workspaces.chosen(args["repo"])
        fresh = await self._fresh(found, args)
        return answer(await self._work(lambda: self._symbols.symbol(args, found, fresh)))

    async def impact(self, request: Request) -> Response:
        """``/api/impact``."""
        args = await arguments(request, params.IMPACT)
        found = self._workspaces.chosen(args["repo"])
        check_impact(args, found)
        fresh = await self._fresh(found, args)
        return answer(await self._work(lambda: self._symbols.impact(args, found, fresh)))

    async def repo_map(self, request: Request) -> Response:
        """``/api/repo-map``."""
        args = await arguments(request, params.REPO_MAP)
        workspace = one_workspace(self._workspaces.chosen(args["repo"]), "this map")
        (fresh,) = await self._fresh([workspace], args)
        return answer(await self._work(lambda: self._symbols.repo_map(args, workspace, fresh)))

    async def status(self, request: Request) -> Response:
        """``/api/status``."""
        args = await arguments(request, params.STATUS)
        found = self._workspaces.chosen(args["repo"])
        return answer(await self._work(lambda: self._state.status(found, look=args["look"])))

    async def index(self, request: Request) -> Response:
        """``/api/index``."""
        starts = request.method == "POST"
        args = await arguments(request, params.INDEX if starts else params.INDEX_STATE)
        found = self._workspaces.chosen(args["repo"])
        joined: dict[str, bool] = {}
        if starts:
            indexes = [(w, await self._open(w)) for w in found]
            for w, opened in indexes:
                await w.update.partial_ended()
                _, joined[w.repo] = w.update.start(opened, rebuild=args["rebuild"])
        if "text/event-stream" in request.headers.get("accept", ""):
            events = self._streams.follow(found, joined if starts else None)
            return StreamingResponse(events, media_type="text/event-stream")
        states = [w.update.values(joined=joined.get(w.repo, False)) for w in found]
        return answer({"updates": states}, 202 if starts else 200)

    async def _open(self, workspace: ServedWorkspace) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._comparers, workspace.index)

    async def session(self, request: Request) -> Response:
        """``/api/session``."""
        token = self._token
        if request.method == "GET":
            shown = token is None or token.is_shown(dict(request.scope["headers"]))
            return answer({"required": token is not None, "ok": shown})
        response = answer({"ok": True})
        if request.method == "DELETE":
            response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
            return response
        args = await arguments(request, params.SESSION)
        if token is not None:
            if not token.is_right(args["token"]):
                raise ApiError(401, "token_required", "the token is wrong", "give the token of the server")
            response.set_cookie(COOKIE, token.cookie(), path="/", httponly=True, samesite="strict")
        return response

    async def openapi(self, request: Request) -> Response:
        """``/api/openapi.json``."""
        return answer(document(token=self._token is not None))

    async def metrics(self, request: Request) -> Response:
        """``/metrics``."""
        content, kind = await asyncio.get_running_loop().run_in_executor(self._comparers, self._state.metrics)
        return Response(content, media_type=kind)

    async def healthz(self, request: Request) -> Response:
        """``/healthz``."""
        return answer({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """``/readyz``."""
        loop = asyncio.get_running_loop()
        ready = await loop.run_in_executor(self._comparers, self._state.is_ready)
        return answer({"ready": ready}, 200 if ready else 503)

    async def page(self, request: Request) -> Response:
        """A file of the page."""
        path = request.path_params["path"]
        file = self._page.get(INDEX if path in PAGES or path.startswith("file/") else path)
        if file is None:
            raise ApiError(
                404, "not_found", "there is nothing at this path", "docs/http-api.md has the endpoints"
            )
        return _file_response(request, file)


def _file_response(request: Request, file: StaticFile) -> Response:
    packed = bool(file.packed) and "gzip" in request.headers.get("accept-encoding", "")
    etag = file.etag[:-1] + '-gzip"' if packed else file.etag
    headers = {"etag": etag, "cache-control": "no-cache", "vary": "Accept-Encoding"}
    if etag in [e.strip().removeprefix("W/") for e in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(file.packed if packed else file.content, headers=headers | {"content-type": file.type})


def parsed(query: str, mode: str) -> None:
    """Parse a query, so that its errors are told before an index is brought up to date."""
    from spelunk.search.query import parse

    parse(query, mode=mode)


def _focus(args: dict[str, Any], workspace: ServedWorkspace) -> Focus:
    """What a search is about in one workspace, for its first answer."""
    from spelunk.search.focus import focus_of
    from spelunk.search.query import narrow
    from spelunk.search.reading import read

    query = narrow(
        read(args["q"], mode=args["mode"]),
        lang=args["lang"],
        path=args["include"],
        not_path=args["exclude"],
        kind=args["kind"],
    )
    return focus_of(query, args["mode"], prefix=workspace.prefix, within=workspace.target.within)


async def arguments(request: Request, table: Sequence[params.Param]) -> dict[str, Any]:
    """The parameters of a request, checked.

    Raises:
        ApiError: They cannot be used, or do not arrive.
    """
    if request.method in ("GET", "HEAD"):
        return params.from_query(table, request.scope["query_string"])
    if request.scope["query_string"]:
        raise bad_request("a POST takes its parameters in the body", "send one JSON object")
    body = await _body(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and (body or kind):
        raise ApiError(
            415,
            "unsupported_media_type",
            "the body is not application/json",
            "set Content-Type: application/json",
        )
    return params.from_json(table, body)


async def _body(request: Request) -> bytes:
    """The body of a request.

    A body that is too large is read on up to :data:`MAX_DRAINED` before it is refused: a client
    that is still sending when the connection is closed sees a broken pipe and not the answer.

    Raises:
        ApiError: The body is larger than :data:`MAX_BODY`.
    """
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > MAX_DRAINED:
        raise _too_large()
    body, size = b"", 0
    async for part in request.stream():
        size += len(part)
        if size <= MAX_BODY:
            body += part
        elif size > MAX_DRAINED:
            break
    if size > MAX_BODY:
        raise _too_large()
    return body


def _too_large() -> ApiError:
    return ApiError(413, "too_large", "the body is too large", f"send at most {MAX_BODY:,} bytes")


def answer(values: dict[str, Any], status: int = 200) -> Response:
    """Plain values as a JSON response."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        content = clean(text).encode()
    return Response(content, status, media_type="application/json")


def refusal(error: ApiError) -> Response:
    """An error as a response."""
    headers = {"retry-after": str(error.retry)} if error.retry else {}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": error.values()}, error.status, headers)


def handled(handler: Handler) -> Handler:
    """A handler whose exceptions are responses."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return refusal(problem_of(error))

    return handle


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors: no such path, no such method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        refused = refusal(ApiError(405, "method_not_allowed", "no such method here", f"use {allowed}"))
        refused.headers["allow"] = allowed
        return refused
    return refusal(ApiError(error.status_code, "not_found", "there is nothing at this path"))


def make_app(api: Api, started: Callable[[], Awaitable[None]], stopped: Callable[[], None]) -> Starlette:
    """The application.

    Args:
        api: The endpoints.
        started: Awaited when the event loop runs.
        stopped: Called at the end.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await started()
        try:
            yield
        finally:
            api.close()
            stopped()

    return Starlette(routes=api.routes(), lifespan=lifespan, exception_handlers={HTTPException: _http_error})

"""Web page: its files, compressed once, as routes with an ETag and a strict content security policy."""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

VIEWS: Final = ("/", "/search", "/related", "/map", "/status", "/file/{path:path}")
"""Paths of the page itself; what it shows there is decided by its scripts."""

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""No inline script or style, nothing from elsewhere, and no text that becomes markup."""

HEADERS: Final = {
    "Cache-Control": "no-cache",  # asked again each time, answered with 304: an upgrade shows at once
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


class Asset(NamedTuple):
    """A file of the page.

    Attributes:
        name: Path below ``static/``, with ``/``.
        media_type: For ``Content-Type``.
        body: Its bytes.
        compressed: The same under gzip.
        etag: Equal exactly while the bytes are.
    """

    name: str
    media_type: str
    body: bytes
    compressed: bytes
    etag: str


def load_assets() -> dict[str, Asset]:
    """Read all files of the page, by name."""
    return {asset.name: asset for asset in _assets(importlib.resources.files(__package__) / "static", "")}


def _assets(folder: Traversable, prefix: str) -> Iterator[Asset]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _assets(entry, f"{prefix}{entry.name}/")
            continue
        media_type = TYPES.get("." + entry.name.rpartition(".")[2])
        if media_type is None:
            continue
        body = entry.read_bytes()
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        yield Asset(
            prefix + entry.name, media_type, body, gzip.compress(body, 9, mtime=0), f'"{digest}"'
        )


def page_routes() -> list[Route]:
    """Routes for ``GET`` and ``HEAD``: the page under each of :data:`VIEWS`, its files under ``/static/``."""
    assets = load_assets()

    async def view(request: Request) -> Response:
        return respond(request, assets["index.html"])

    async def static(request: Request) -> Response:
        asset = assets.get(request.path_params["name"])
        return respond(request, asset) if asset else Response(status_code=404, headers=HEADERS)

    routes = [Route(path, view, methods=["GET"], include_in_schema=False) for path in VIEWS]
    return [*routes, Route("/static/{name:path}", static, methods=["GET"], include_in_schema=False)]


def respond(request: Request, asset: Asset) -> Response:
    """The asset, compressed if the client can read that, or 304 if it has it."""
    headers = HEADERS | {"ETag": asset.etag}
    if asset.etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)

"""The files of the web page: read once, held in memory, and served by exact name.

So no path of a request is ever opened.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from importlib import resources
from typing import Final, NamedTuple

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
"""Content types by ending; other files are not served."""
PACKED: Final = frozenset({".html", ".js", ".mjs", ".css", ".svg", ".json", ".webmanifest", ".txt"})
INDEX: Final = "index.html"


class StaticFile(NamedTuple):
    """A file of the page.

    Attributes:
        content: Its bytes.
        packed: The same for clients that accept gzip; empty where that does not pay.
        type: Its content type.
        etag: Equal exactly while the content is.
    """

    content: bytes
    packed: bytes
    type: str
    etag: str


def load_page() -> dict[str, StaticFile]:
    """The files by path below ``/``, without a slash in front."""
    out: dict[str, StaticFile] = {}
    root = str(resources.files("spelunk.adapters.http") / "static")
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            ending = os.path.splitext(name)[1]
            if ending not in TYPES or name.startswith("."):
                continue
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                content = f.read()
            packed = gzip.compress(content, 9, mtime=0) if ending in PACKED else b""
            etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            key = os.path.relpath(path, root).replace(os.sep, "/")
            out[key] = StaticFile(content, packed if len(packed) < len(content) else b"", TYPES[ending], etag)
    return out

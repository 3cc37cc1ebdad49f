"""The protocol server over streamable HTTP, on loopback addresses alone.

Host and Origin of each request are checked, so that a web page whose name is
bound to this address afterwards (DNS rebinding) gets nothing.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from spelunk.adapters.listening import is_loopback, listen
from spelunk.errors import UsageError

DEFAULT_HOST: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 256
"""At a time; further ones get status 503."""


def address_of(text: str) -> tuple[str, int]:
    """Parse ``PORT`` or ``HOST:PORT``; port 0 takes any free one.

    Raises:
        UsageError: It is neither, or no loopback address.
    """
    host, colon, port = text.rpartition(":")
    host = host.strip("[]") if colon else DEFAULT_HOST
    if not (port.isascii() and port.isdigit()) or int(port) > 65_535 or not host:
        raise UsageError(f"--http {text}: give [HOST:]PORT, e.g. 8765 or 127.0.0.1:8765")
    if not is_loopback(host):
        raise UsageError(
            f"--http {text}: not a loopback address; for other machines put a proxy that authenticates in front"
        )
    return host, int(port)


def serve_http(address: str, greeting: dict[str, Any], *, quiet: bool = False) -> int:
    """Serve until interrupted.

    Args:
        address: As in :func:`address_of`.
        greeting: Folder, roots and index directory of the command line.
        quiet: Do not tell the address.

    Raises:
        UsageError: The address cannot be used, or a package is missing.
    """
    host, port = address_of(address)
    from spelunk.adapters.mcp.launch import require_library

    require_library()
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from spelunk.adapters.indexes import OpenIndexes
    from spelunk.adapters.mcp.protocol_server import make_server
    from spelunk.adapters.scope import Scope
    from spelunk.adapters.tools import Tools
    from spelunk.pipeline.child import UpdateProcesses

    roots = Scope(greeting["folder"], tuple(greeting["roots"])).served()
    if not roots:
        raise UsageError("--http: name the folders to serve; this one is the home folder or above it")
    processes = UpdateProcesses()
    indexes = OpenIndexes(keep=True, updater=processes.update)
    server = make_server(Tools(indexes), Scope(greeting["folder"], roots, greeting["index_dir"]))
    listener = listen(host, port, flag="--http ", hint="choose another port, or 0 for any")
    port = listener.getsockname()[1]
    names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    if ":" not in host:
        names.append(f"{host}:{port}")
    security = TransportSecuritySettings(
        allowed_hosts=names, allowed_origins=[f"http://{name}" for name in names]
    )
    app = server.streamable_http_app(host=host, transport_security=security)
    if not quiet:
        shown = f"[{host}]" if ":" in host else host
        print(
            f"spelunk: MCP at http://{shown}:{port}/mcp for {', '.join(roots)}", file=sys.stderr, flush=True
        )
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        indexes.close()
        processes.close()
    return 0

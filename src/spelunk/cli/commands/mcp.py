"""``spelunk mcp``: serve tools for agents over the Model Context Protocol.

Imports next to nothing: this is the thin process that each client keeps running.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from spelunk.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="folders that clients may search, and no others (default: the current folder, and what is indexed)",
    )
    parser.add_argument(
        "--no-server", action="store_true", help="answer in this process, without the shared server"
    )
    parser.add_argument(
        "--http", metavar="[HOST:]PORT", help="serve over HTTP on a loopback address, in this process"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until the client leaves."""
    greeting = _greeting(args)
    if args.http:
        from spelunk.adapters.mcp.http import serve_http

        return serve_http(args.http, greeting, quiet=args.quiet)
    from spelunk.adapters.mcp import launch
    from spelunk.adapters.mcp.shim import Shim

    connect: Callable[[], socket.socket] = launch.connect
    if args.no_server:
        from spelunk.adapters.mcp.in_process import InProcessServer

        launch.require_library()
        connect = InProcessServer().connect
    shim = Shim(*_streams(), greeting, connect, launch.reason_of_failure)
    try:
        shim.run()
    finally:
        shim.close()
    if shim.failure is not None:
        raise UsageError(shim.failure)
    return 0


def _greeting(args: argparse.Namespace) -> dict[str, Any]:
    """What the server has to know of this client: paths are made absolute here."""
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        folder = ""
    roots = [os.path.abspath(os.path.expanduser(path)) for path in args.paths]
    for path, root in zip(args.paths, roots, strict=True):
        if not os.path.exists(root):
            raise UsageError(f"{path}: no such folder; name the project's folder")
    index_dir = os.path.abspath(os.path.expanduser(args.index_dir)) if args.index_dir else None
    return {"folder": folder, "roots": roots, "index_dir": index_dir}


def _streams() -> tuple[int, int]:
    """Descriptors of the protocol; standard input and output are then something else.

    So nothing but the protocol can be written there, by whatever code.
    """
    if sys.stdin is None or sys.stdout is None:
        raise UsageError("standard input or output is closed; an MCP client opens both")
    sys.stdout.flush()
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return source, sink

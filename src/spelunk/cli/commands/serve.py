"""``spelunk serve``: answer over HTTP, for programs and for the web page."""

from __future__ import annotations

import argparse
from typing import Final

from spelunk.cli.parser import whole
from spelunk.errors import UsageError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8765
PACKAGES: Final = ("starlette", "uvicorn", "uvloop", "httptools")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", default=[], help="folders to serve (default: the current one)")
    add("--host", metavar="ADDRESS", default=DEFAULT_HOST, help="address to listen on (default: 127.0.0.1)")
    add("--port", metavar="N", type=whole(0), default=DEFAULT_PORT, help="port; 0 for any (default: 8765)")
    add("--token-file", metavar="FILE", help="file with the token (or SPELUNK_TOKEN in the environment)")
    add("--freshness", metavar="F", help="strict, bounded:SECONDS or relaxed, over the setting")
    add("--allow-host", metavar="NAME", action="append", default=[], help="a further name of this server")
    add("--rate", metavar="N", type=whole(0), default=100, help="requests a second a client; 0 for any")
    add("--connections", metavar="N", type=whole(1), default=1_000, help="open connections at most")
    add(
        "--watch",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep the indexes up to date while files change (default); else each search compares the files",
    )
    add("--memory-limit", metavar="SIZE", help="hard cap over all processes, e.g. 1GiB")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    import importlib.util

    missing = next((name for name in PACKAGES if importlib.util.find_spec(name) is None), None)
    if missing is not None:
        raise UsageError(f"{missing} is not installed; run `pip install 'spelunk[serve]'`")
    if args.port > 65_535:
        raise UsageError(f"--port {args.port}: give 0 to 65535")
    from spelunk.adapters.http.server import ServeOptions, serve, token_of
    from spelunk.adapters.listening import is_loopback
    from spelunk.cli.observed import log_of
    from spelunk.cli.output import say
    from spelunk.cli.targets import make_room
    from spelunk.workspace.freshness import seconds_allowed
    from spelunk.workspace.targets import targets

    if args.freshness is not None:
        seconds_allowed(args.freshness)
    token = token_of(args.token_file)
    if token is None and not is_loopback(args.host):
        raise UsageError(
            f"--host {args.host}: not a loopback address; give a token with --token-file or SPELUNK_TOKEN"
        )
    options = ServeOptions(
        targets=targets(args.paths, args.index_dir),
        index_dir=args.index_dir,
        host=args.host,
        port=args.port,
        token=token,
        freshness=args.freshness,
        names=tuple(args.allow_host),
        rate=float(args.rate),
        connections=args.connections,
        settings={"memory_limit": args.memory_limit} if args.memory_limit else {},
        watch=args.watch,
    )

    for target in options.targets:
        make_room(target, args.index_dir)

    def said(text: str) -> None:
        if not args.quiet:
            say(text, "info")

    return serve(options, log_of(args).observer, said)

"""``spelunk agent-hook``: answer the hook of a coding agent; ``install-agent`` registers it."""

from __future__ import annotations

import argparse
import sys


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("client", metavar="CLIENT", help="the client whose hook this is, e.g. claude")


def run(args: argparse.Namespace) -> int:
    """Read the event from standard input, and print what the index adds; always 0."""
    from spelunk.adapters.agents.clients import CLIENTS
    from spelunk.adapters.agents.hook import MAX_INPUT, answer
    from spelunk.cli.output import put_json
    from spelunk.errors import UsageError

    if args.client not in CLIENTS or not CLIENTS[args.client].hook:
        hooked = [name for name, client in CLIENTS.items() if client.hook]
        raise UsageError(f"{args.client}: has no hooks; there are {', '.join(hooked)}")
    if sys.stdin is None:
        return 0
    found = answer(args.client, sys.stdin.buffer.read(MAX_INPUT))
    if found is not None:
        put_json(found)
    return 0

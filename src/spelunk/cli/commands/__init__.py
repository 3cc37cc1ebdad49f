"""The commands: a table of their modules in this package, which imports none of them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Command(NamedTuple):
    """A command: its module in this package, and what it does in one line.

    The module has ``configure(parser)`` and ``run(args) -> int``. A ``passthrough``
    module has ``run(shared, words) -> int``, given the shared flags before the
    command and the words behind it, which it parses itself.
    """

    module: str
    summary: str
    passthrough: bool = False


COMMANDS: Final[dict[str, Command]] = {
    "index": Command("index", "bring the index of a folder up to date"),
    "search": Command("search", "find chunks of code and documents"),
    "watch": Command("watch", "keep indexes up to date while files change"),
    "read": Command("read", "print a file, some of its lines, or a symbol in it"),
    "similar": Command("similar", "find chunks similar to the one at FILE:LINE"),
    "history": Command("history", "show the commits and branchwork entries behind PATH[:LINE[-LINE]]"),
    "def": Command("define", "show where a symbol is defined"),
    "refs": Command("refs", "show every place that refers to a symbol"),
    "callers": Command("callers", "show who calls a symbol"),
    "callees": Command("callees", "show what a symbol calls"),
    "impl": Command("impl", "show what implements or overrides a symbol"),
    "outline": Command("outline", "show what a file defines"),
    "impact": Command("impact", "show what a change reaches, the tests to run first"),
    "path": Command("route", "show how one symbol reaches another"),
    "map": Command("map", "show the repository on a page: packages, central symbols, who depends on whom"),
    "graph": Command("graph", "draw callers and callees of a symbol, for Graphviz, Mermaid or as SVG"),
    "status": Command("status", "show what an index holds, and whether it is current"),
    "why": Command("why", "explain why a path is indexed, or which rule leaves it out"),
    "list": Command("list", "list all known indexes"),
    "check": Command("check", "verify that the stores of an index agree; repair them with --repair"),
    "migrate": Command("migrate", "move the chunks of an index into a Qdrant collection, or back"),
    "clear": Command("clear", "delete an index"),
    "trust": Command("trust", "let the settings file of a workspace count in full"),
    "doctor": Command("doctor", "check this machine and this installation"),
    "mcp": Command("mcp", "serve tools for agents over the Model Context Protocol"),
    "serve": Command("serve", "answer over HTTP, with a web page"),
    "install-agent": Command("install_agent", "set up coding agents to use Spelunk, or undo that"),
    "agent-hook": Command("agent_hook", "answer the hook of a coding agent"),
    "eval": Command("eval", "measure the quality of answers to labelled queries"),
    "bench": Command("bench", "measure the speed of this machine on a folder"),
    "completions": Command(
        "completions", "complete words in a shell: print the script, install or remove it"
    ),
    "branchwork": Command("branchwork", "keep the worklog of a branch (also: bw)", passthrough=True),
}
ALIASES: Final = {"bw": "branchwork"}
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "search and read": ("search", "similar", "read", "outline", "history"),
    "follow symbols": ("def", "refs", "callers", "callees", "impl", "impact", "path", "map", "graph"),
    "keep the index fresh": ("index", "watch", "status", "why", "check", "list", "clear", "migrate"),
    "serve people and agents": ("serve", "mcp", "install-agent", "agent-hook"),
    "keep a worklog": ("branchwork",),
    "set up and measure": ("doctor", "trust", "completions", "eval", "bench"),
}
"""What people want to do, and the commands for it: the order of the help."""

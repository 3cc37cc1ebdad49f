"""``spelunk`` without a command: help and version, printed from tables without building a parser."""

from __future__ import annotations

from spelunk.cli.commands import ALIASES, COMMANDS
from spelunk.cli.output import put, put_version
from spelunk.cli.parser import SHARED
from spelunk.errors import UsageError


def overview(flags: list[str]) -> int:
    """Print the version or the help; return the exit status.

    Raises:
        UsageError: The flags select neither.
    """
    if "--version" in flags:
        put_version()
        return 0
    if not {"-h", "--help"} & set(flags):
        raise UsageError("no command; `spelunk --help` lists them")
    width = max(map(len, COMMANDS))
    rows = "".join(f"  {name:<{width}}  {c.summary}\n" for name, c in COMMANDS.items())
    flags_of = [(", ".join(flag.names) + f" {flag.value}".rstrip(), flag.help) for flag in SHARED]
    wide = max(len(names) for names, _ in flags_of)
    shared = "".join(f"  {names:<{wide}}  {text}\n" for names, text in flags_of)
    put(f"""\
usage: spelunk COMMAND [flags]

Searches code and documents by full text and by vectors, and keeps its index up to date while files change.

  spelunk search "where are batches flushed"   search the current folder; its index is built if need be
  spelunk search 'sym:flush lang:go' ~/src     names, languages, paths: docs/query-language.md

commands:
{rows}
shared flags, before or after the command:
{shared}
exit status: 0 found or done, 1 nothing found or a check failed, 2 an error, 130 interrupted
""")
    return 0


def unknown(name: str) -> int:
    """Refuse a command that does not exist, and name the nearest one that does.

    Raises:
        UsageError: Always.
    """
    import difflib

    near = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], 1)
    hint = f"did you mean {near[0]}?" if near else "`spelunk --help` lists them"
    raise UsageError(f"no command {name!r}; {hint}")

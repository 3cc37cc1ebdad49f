"""``spelunk`` without a command: help and version, from tables alone."""

from __future__ import annotations

from spelunk import __version__
from spelunk.cli import ALIASES, COMMANDS
from spelunk.cli.output import put
from spelunk.errors import UsageError


def overview(flags: list[str]) -> int:
    """Print the version or the help; 2 where neither was asked for."""
    if "--version" in flags:
        return show_version()
    if not {"-h", "--help"} & set(flags):
        raise UsageError("no command; `spelunk --help` lists them")
    width = max(map(len, COMMANDS))
    rows = "".join(f"  {name:<{width}}  {c.summary}\n" for name, c in COMMANDS.items())
    put(f"""\
usage: spelunk COMMAND [flags]

Finds things in code and documents: full text and vectors, kept right while files change.

  spelunk search "where are batches flushed"   index this folder if need be, and search it
  spelunk search 'sym:flush lang:go' ~/src     names, languages, paths: docs/query-language.md

commands:
{rows}
shared flags, before or after the command:
  --index-dir DIR  where the index lies (default: the cache folder, or SPELUNK_HOME)
  -q, --quiet      only results and errors
  -v, --verbose    tell more, tracebacks of errors; -vv for all
  --log-format F   text, or json: every line on standard error is one object
  --color WHEN     auto, always or never (NO_COLOR is respected)
  --version        print the version
  -h, --help       print this, or the help of a command

exit status: 0 found or done, 1 nothing found or a check failed, 2 an error, 130 interrupted
""")
    return 0


def show_version() -> int:
    """Print the version."""
    put(f"spelunk {__version__}\n")
    return 0


def unknown(name: str) -> int:
    """Refuse a command that does not exist, with the nearest one that does."""
    import difflib

    near = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], 1)
    hint = f"did you mean {near[0]}?" if near else "`spelunk --help` lists them"
    raise UsageError(f"no command {name!r}; {hint}")

"""``spelunk`` without a command: help and version, printed from tables without building a parser."""

from __future__ import annotations

from spelunk.cli.commands import COMMANDS, GROUPS
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
    groups = "\n\n".join(
        f"{title}:\n" + "\n".join(f"  {name:<{width}}  {COMMANDS[name].summary}" for name in names)
        for title, names in GROUPS.items()
    )
    flags_of = [(", ".join(flag.names) + f" {flag.value}".rstrip(), flag.help) for flag in SHARED]
    wide = max(len(names) for names, _ in flags_of)
    shared = "".join(f"  {names:<{wide}}  {text}\n" for names, text in flags_of)
    put(f"""\
usage: spelunk QUERY... [PATH...]    search, as `spelunk search` does
       spelunk COMMAND [flags]

Searches code and documents by full text and by vectors, and keeps its index up to date while files change.

  spelunk where are batches flushed            ask about the current folder; its index is built if need be
  spelunk 'sym:flush lang:go' ~/src            names, languages, paths: docs/query-language.md
  pytest 2>&1 | spelunk                        find the code behind an error or a stack trace
  spelunk -F 'retry(' -t py -l                 as ripgrep does: exact text, types, globs, files alone
  spelunk -I                                   search while you type, with a preview
  spelunk read src/queue.py:40 -C 5            show the lines around a place
  spelunk def Writer.flush                     go to a definition; callers, refs and others below

{groups}

shared flags, before or after the command:
{shared}
`spelunk COMMAND --help` has the flags of a command; `man spelunk` all of them, where it is installed.
exit status: 0 found or done, 1 nothing found or a check failed, 2 an error, 130 interrupted
""")
    return 0

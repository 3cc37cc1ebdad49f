"""The commands: flags in, the API, results out.

Results go to standard output and everything else to standard error. Exit
status: 0 done, 1 a check found something, 2 an error, told in one line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from spelunk.errors import SpelunkError, UsageError

Handler = Callable[[argparse.Namespace], int]

PROG: Final = "spelunk branchwork"
SCHEMA_VERSION: Final = 1


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line that says where help is."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit status."""
    parser = Parser(
        prog=PROG,
        description="Keep the worklog of a branch: one Markdown file, by its stack and pull request.",
    )
    configure(parser)
    try:
        args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    return run(args)


def run(args: argparse.Namespace) -> int:
    """Run the command that was parsed; its exit status."""
    handler: Handler | None = getattr(args, "handler", None)
    if handler is None:
        say(f"{PROG}: error: no command; `{PROG} --help` lists them")
        return 2
    start = os.path.normpath(os.path.join(getattr(args, "first", None) or ".", args.start))
    before = ""
    try:
        if start != ".":
            before = os.getcwd()
            if not os.path.isdir(start):
                raise UsageError(f"-C {start}: no such folder; name one inside a repository")
            os.chdir(start)
        return handler(args)
    except SpelunkError as error:
        return _fail(args, str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains at exit
        return 0
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _fail(
            args,
            f"{error.filename or 'input'}: {error.strerror or error}; check that it exists and may be written",
        )
    finally:
        if before:
            os.chdir(before)


def _fail(args: argparse.Namespace, message: str) -> int:
    say(f"{PROG}: error: {message}")
    if getattr(args, "json", False):
        from spelunk.branchwork.present import print_json

        print_json({"schema_version": SCHEMA_VERSION, "command": args.command, "error": message})
    return 2


def say(text: str) -> None:
    """One line for people, on standard error."""
    sys.stderr.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their flags; each sets ``handler``."""
    from spelunk.branchwork import commands as run_

    parser.add_argument("-C", dest="first", metavar="DIR", help="run as if started in DIR")
    sub = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def command(name: str, handler: Handler, help: str, *, writes: bool = False, branch: bool = False) -> Any:
        added = sub.add_parser(
            name, help=help, description=help[0].upper() + help[1:] + ".", allow_abbrev=False
        )
        added.set_defaults(handler=handler, command=name)
        added.add_argument("-C", dest="start", metavar="DIR", default=".", help="run as if started in DIR")
        added.add_argument("--json", action="store_true", help="print one JSON object on standard output")
        if writes:
            added.add_argument(
                "--dry-run", action="store_true", help="write nothing, print what would change as a diff"
            )
        if branch:
            added.add_argument("--branch", metavar="B", help="a branch other than the one checked out")
        return added

    p = command(
        "create", run_.create, "start the current branch's document; never overwrites one", writes=True
    )
    p.add_argument(
        "--status",
        metavar="S",
        default="draft",
        help="draft, in-review, changes-requested, approved or merged",
    )
    p.add_argument("--base", metavar="B", help="the branch below this one; stays until it is changed by hand")
    p.add_argument("--template", metavar="F", help="a template instead of the configured or built-in one")
    p.add_argument("--author", metavar="A", help="who answers for the branch (dri)")
    _shared(p, local=True, offline=True)

    p = command(
        "refresh",
        run_.refresh,
        "bring title, stack, pull request, status and CI up to date",
        writes=True,
        branch=True,
    )
    p.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the document is out of date"
    )
    p.add_argument("--base", metavar="B", help="the branch below this one; stays until it is changed by hand")
    _shared(p, local=True, offline=True)

    p = command("log", run_.log, "add an entry to the timeline", writes=True, branch=True)
    p.add_argument("text", metavar="TEXT", help="what was done; its first line is the summary")
    p.add_argument(
        "--author",
        metavar="A",
        help="else SPELUNK_BRANCHWORK_AUTHOR, GIT_AUTHOR_NAME, github.user, user.name",
    )
    p.add_argument(
        "--body", metavar="FILE|-", help="what goes below the summary, from a file or standard input"
    )
    _shared(p, local=True)

    p = command("update", run_.update, "add to a section, or tick a checklist item", writes=True, branch=True)
    p.add_argument("--section", metavar="NAME", help="the section; a missing one is made")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--item", metavar="T", action="append", help="add a list item; may be repeated")
    what.add_argument(
        "--subitem", metavar="T", action="append", help="add an item below the last one; may be repeated"
    )
    what.add_argument("--code", metavar="PATH|-", help="add a code block from a file or standard input")
    what.add_argument(
        "--check-item", metavar="T", action="append", help="tick an item: its number, or words of it"
    )
    p.add_argument("--under", metavar="T", help="with --subitem: the item to go below")
    p.add_argument("--lang", metavar="L", help="with --code: the language; else by the file's ending")

    p = command("review", run_.review, "quote a review verbatim", writes=True, branch=True)
    p.add_argument("file", metavar="FILE|-", help="the review, from a file or standard input")
    p.add_argument("--from", dest="reviewer", metavar="WHO", required=True, help="who wrote it")
    p.add_argument("--summary", metavar="T", default="PR Review", help="the entry's summary")
    _shared(p, local=True)

    command("status", run_.status, "status, boxes, CI, and what blocks the merge", branch=True)
    p = command("show", run_.show, "print a document; with --json, all of it as data")
    p.add_argument("which", metavar="BRANCH", nargs="?", help="a branch, pull request number, slug or file")
    p = command("list", run_.list_, "all documents, and what became of their branches")
    p.add_argument("--status", metavar="S", help="only those of this status")
    p.add_argument("--stale", metavar="DAYS", type=float, help="only those without news for so many days")
    p.add_argument("--no-archived", action="store_true", help="leave the archive out")

    p = command("check", run_.check, "validate documents; exit 1 with path:line: message lines", branch=True)
    p.add_argument("paths", metavar="PATH", nargs="*", help="documents; else that of the current branch")
    p.add_argument("--all", action="store_true", help="every live document")
    p.add_argument("--compare-with", metavar="REF", help="also require a document if code changed since REF")
    p.add_argument("--strict", action="store_true", help="count warnings as errors")

    p = command(
        "archive", run_.archive, "set merged, move to the archive, drop the link", writes=True, branch=True
    )
    p.add_argument("--pr", metavar="N", type=int, help="find the document by its pull request as well")
    p.add_argument(
        "--if-present", action="store_true", help="exit 0 if there is no such document, and say so"
    )
    _shared(p, local=True)

    command("link", run_.link, "point CURRENT.md at the current branch's document", writes=True)
    p = command(
        "install-hook", run_.install_hook, "a post-checkout hook that keeps CURRENT.md right", writes=True
    )
    p.add_argument("--remove", action="store_true", help="undo it exactly")
    command(
        "install-workflow", run_.install_workflow, "a GitHub workflow that archives on merge", writes=True
    )
    p = command("search", run_.search, "search all documents through the index")
    p.add_argument(
        "query", metavar="QUERY", nargs="+", help="as for `spelunk search`, e.g. 'status:in-review deadlock'"
    )
    p.add_argument("-k", dest="limit", metavar="N", help="how many results")


def _shared(parser: argparse.ArgumentParser, *, local: bool = False, offline: bool = False) -> None:
    if local:
        parser.add_argument("--local", action="store_true", default=None, help="local times, without a zone")
    if offline:
        parser.add_argument("--offline", action="store_true", help="ask git only: no gt, gs or gh")

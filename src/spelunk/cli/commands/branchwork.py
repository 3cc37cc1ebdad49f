"""``spelunk branchwork``: keep the worklog of a branch; a table of subcommands over the Python API.

With ``--json`` one object is printed on standard output, after an error one with ``error``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spelunk.cli.output import note, put, put_json, put_version
from spelunk.cli.parser import command_parser, parse, split, whole
from spelunk.errors import SpelunkError, UsageError
from spelunk.present.phrases import several

if TYPE_CHECKING:
    from spelunk.branchwork import Branchwork, Outcome

PROG: Final = "spelunk branchwork"


def _switch(help: str, **more: Any) -> dict[str, Any]:
    return {"action": "store_true", "help": help, **more}


def _value(metavar: str, help: str, **more: Any) -> dict[str, Any]:
    return {"metavar": metavar, "help": help, **more}


_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "--json": _switch("print one JSON object on standard output"),
    "--dry-run": _switch("write nothing, print the change as a diff"),
    "--branch": _value("B", "a branch other than the one checked out"),
    "--local": _switch("local times, without a zone", default=None),
    "--offline": _switch("call git only: no gt, gs or gh"),
    "--base": _value("B", "the branch below this one; stays until it is changed by hand"),
    "--author": _value("A", "else SPELUNK_BRANCHWORK_AUTHOR, GIT_AUTHOR_NAME, github.user, user.name"),
    "create --status": _value("S", "draft, in-review, changes-requested, approved, merged", default="draft"),
    "create --template": _value("F", "a template instead of the configured or built-in one"),
    "create --author": _value("A", "the person responsible for the branch (dri)"),
    "refresh --check": _switch("write nothing; exit 1 if the document is out of date"),
    "log text": _value("TEXT", "what was done; its first line is the summary"),
    "log --body": _value("FILE|-", "the text below the summary, from a file or standard input"),
    "update --section": _value("NAME", "the section; a missing one is added"),
    "update --item": _value("T", "add a list item; may be repeated", action="append"),
    "update --subitem": _value("T", "add an item below the last one; may be repeated", action="append"),
    "update --code": _value("PATH|-", "add a code block from a file or standard input"),
    "update --check-item": _value("T", "tick an item: its number, or words of it", action="append"),
    "update --under": _value("T", "with --subitem: the item above the new one"),
    "update --lang": _value("L", "with --code: the language; else by the file's ending"),
    "review file": _value("FILE|-", "the review, from a file or standard input"),
    "review --from": _value("WHO", "the author of the review", dest="reviewer", required=True),
    "review --summary": _value("T", "the entry's summary", default="PR Review"),
    "show which": _value("BRANCH", "a branch, pull request number, slug or file", nargs="?"),
    "list --status": _value("S", "only those of this status"),
    "list --stale": _value("DAYS", "only those without a change for so many days", type=float),
    "list --no-archived": _switch("leave the archive out"),
    "check paths": _value("PATH", "documents; else that of the current branch", nargs="*"),
    "check --all": _switch("every live document"),
    "check --compare-with": _value("REF", "also require a document if code changed since REF"),
    "check --strict": _switch("count warnings as errors"),
    "archive --pr": _value("N", "find the document by its pull request as well", type=int),
    "archive --if-present": _switch("exit 0 if there is no such document, and say so"),
    "install-hook --remove": _switch("undo it exactly"),
    "search query": _value("QUERY", "as for `spelunk search`, e.g. 'status:in-review deadlock'", nargs="+"),
    "search -k": _value("N", "hits wanted (default: 10)", dest="limit", type=whole(1), default=10),
}
"""Every argument; the subcommand before its name owns it, one without is named in :data:`SUBCOMMANDS`."""

_ONE_OF: Final = ("--item", "--subitem", "--code", "--check-item")
"""Arguments of ``update`` of which exactly one is given."""


class Subcommand(NamedTuple):
    """A subcommand: its function, its summary, and the arguments that others have as well."""

    run: Callable[[Branchwork, argparse.Namespace], int]
    summary: str
    shared: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add all subcommands, for completions and the manual's test."""
    parser.add_argument("-C", dest="start", metavar="DIR", help="run as if started in DIR")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, sub in SUBCOMMANDS.items():
        _configure(subparsers.add_parser(name, help=sub.summary), name)


def _configure(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("-C", dest="start", metavar="DIR", action="append", help="run as if started in DIR")
    group = parser.add_mutually_exclusive_group(required=True) if name == "update" else parser
    own = [key for key in _ARGUMENTS if key.startswith(f"{name} ")]
    for key in [*own, "--json", *SUBCOMMANDS[name].shared.split()]:
        flag = key.rpartition(" ")[2]
        (group if flag in _ONE_OF else parser).add_argument(flag, **_ARGUMENTS[key])


def run(shared: Sequence[str], words: Sequence[str]) -> int:
    """Run a subcommand; its exit status. ``shared`` are the flags before ``branchwork``, ``words`` the rest."""
    flags, name, rest = split(words, ("-C",))
    if name is None:
        return _overview([*shared, *flags])
    if name not in SUBCOMMANDS:
        raise UsageError(f"no branchwork command {name!r}; `{PROG} --help` lists them")
    summary = SUBCOMMANDS[name].summary
    parser = command_parser(f"branchwork {name}", summary, lambda p: _configure(p, name))
    args = parse(parser, [*shared, *flags, *rest])
    args.command = name
    args.start = os.path.normpath(os.path.join(".", *(args.start or [])))
    try:
        if args.index_dir and name != "search":
            raise UsageError(f"--index-dir is for `{PROG} search`; {name} uses no index")
        from spelunk.branchwork.api import Branchwork

        return SUBCOMMANDS[name].run(Branchwork.load(args.start), args)
    except (SpelunkError, OSError) as error:
        if args.json and not isinstance(error, BrokenPipeError):
            _json(args, {"error": str(error)})
        raise


def _overview(flags: Sequence[str]) -> int:
    if "--version" in flags:
        put_version()
        return 0
    if not {"-h", "--help"} & set(flags):
        raise UsageError(f"no command; `{PROG} --help` lists them")
    about = "Keep the worklog of a branch: one Markdown file with its stack, pull request and history."
    parser = argparse.ArgumentParser(prog=PROG, description=about)
    configure(parser)
    put(parser.format_help())
    return 0


def _json(args: argparse.Namespace, facts: dict[str, Any]) -> None:
    put_json({"schema_version": 1, "command": args.command, **facts})


def _put_bytes(text: str) -> None:
    """Print a document byte for byte, whatever the locale."""
    if sys.stdout is None or not hasattr(sys.stdout, "buffer"):
        put(text)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.flush()


def _answer(args: argparse.Namespace, facts: dict[str, Any], text: str, message: str = "") -> int:
    """Print the result as JSON or as text, then a message for people."""
    if args.json:
        _json(args, facts)
    else:
        _put_bytes(text)
    if message:
        note(args, message)
    return 0


def _finish(args: argparse.Namespace, outcome: Outcome, message: str) -> int:
    """Print an outcome: its path, its diff or all of it as the result, and the message for people."""
    for line in outcome.notes:
        note(args, line)
    if args.dry_run:
        message = f"would have {message}"
    message = message if outcome.changed else "nothing to change"
    return _answer(args, outcome.to_dict(), outcome.diff() if args.dry_run else outcome.path + "\n", message)


def _input(args: argparse.Namespace, name: str) -> str:
    """The text of a file, or of standard input for ``-``."""
    from spelunk.io.lines import decode

    if name == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed; name a file")
        if sys.stdin.isatty():
            note(args, "reading standard input; end it with Ctrl-D")
        return decode(sys.stdin.buffer.read())
    try:
        with open(os.path.join(args.start, name), "rb") as file:
            return decode(file.read())
    except OSError as error:
        hint = "name a file, or - for standard input"
        raise UsageError(f"{name}: cannot be read: {error.strerror}; {hint}") from None


def _picked(args: argparse.Namespace, names: str) -> dict[str, Any]:
    return {name: getattr(args, name) for name in names.split()}


def _create(work: Branchwork, args: argparse.Namespace) -> int:
    outcome = work.create(**_picked(args, "status base template author local offline dry_run"))
    stack = outcome.facts["stack"]
    place = f"{stack['position']} of {stack['total']} on {stack['root']} (from {stack['source']})"
    place = place if stack["root"] else "without a trunk below it"
    return _finish(args, outcome, f"started the document of {outcome.branch}, {place}")


def _refresh(work: Branchwork, args: argparse.Namespace) -> int:
    outcome = work.refresh(**_picked(args, "branch base offline check local dry_run"))
    fields = ", ".join(outcome.facts["out_of_date"])
    if args.check:
        text = f"{outcome.path}: out of date: {fields}\n" if outcome.changed else ""
        return _answer(args, outcome.to_dict(), text) or int(outcome.changed)
    _finish(args, outcome, f"refreshed {fields}")
    pull, stack = outcome.facts["pull_request"], outcome.facts["stack"]
    if pull["reason"] not in (None, "not asked"):
        note(args, f"no pull request: {pull['reason']}")
    if stack["needs_restack"]:
        note(args, f"{outcome.branch} no longer contains the tip of {stack['base']}; restack it")
    return 0


def _log(work: Branchwork, args: argparse.Namespace) -> int:
    picked = _picked(args, "author branch local dry_run")
    outcome = work.log(args.text, body=_input(args, args.body) if args.body else "", **picked)
    return _finish(args, outcome, f"added {outcome.facts['heading']!r}")


def _update(work: Branchwork, args: argparse.Namespace) -> int:
    from spelunk.files.languages import TEXT, language_of

    if args.under and not args.subitem:
        raise UsageError("--under goes with --subitem")
    code = None if args.code is None else _input(args, args.code)
    language = args.lang or ("" if args.code in (None, "-") else language_of(args.code))
    more: dict[str, Any] = {
        f"{n}s": tuple(v or ()) for n, v in _picked(args, "item subitem check_item").items()
    }
    more |= _picked(args, "section under branch dry_run")
    outcome = work.update(code=code, language="" if language == TEXT else language, **more)
    verb = "ticked" if args.check_item else "added"
    return _finish(args, outcome, f"{verb} in {args.section or 'the checklists'}")


def _review(work: Branchwork, args: argparse.Namespace) -> int:
    outcome = work.review(_input(args, args.file), **_picked(args, "reviewer summary branch local dry_run"))
    return _finish(args, outcome, f"added {outcome.facts['heading']!r}")


def _status(work: Branchwork, args: argparse.Namespace) -> int:
    facts = work.status(args.branch)
    pr = f"PR #{facts['pr']}" if facts["pr"] is not None else "no pull request"
    place = f"{facts['position']} of {facts['total']} on {facts['base']}"
    last, ci = facts["last_update"], facts["ci"]
    rows = {
        "title": facts["title"],
        "stack": place if facts["position"] else "not placed yet",
        "updated": facts["last_updated"] or "never",
        "reviewers": ", ".join(facts["reviewers"]),
        "last": last
        and f"{last['date']} {'@' + last['author'] if last['author'] else ''}: {last['summary']}",
        "CI": ", ".join(f"{n} {state}" for state, n in ci.items() if n),
    }
    lines = [f"{facts['branch']}  {facts['status']}  {pr}"]
    lines += [f"  {name:<9} {value}" for name, value in rows.items() if value or name == "title"]
    for box in facts["checklists"]:
        if box["total"]:
            lines.append(f"  {box['section']}: {box['ticked']} of {box['total']}")
            lines += [f"    [ ] {item['text']}  ({facts['path']}:{item['line']})" for item in box["open"]]
    if facts["blockers"]:
        lines += ["blocks the merge:", *(f"  {line}" for line in facts["blockers"])]
    elif facts["status"] != "merged":
        lines.append("nothing blocks the merge")
    return _answer(args, facts, "\n".join(lines) + "\n")


def _show(work: Branchwork, args: argparse.Namespace) -> int:
    text = work.find(args.which).doc.text
    return _answer(args, work.show(args.which) if args.json else {}, text)


def _list(work: Branchwork, args: argparse.Namespace) -> int:
    documents = work.documents(status=args.status, stale_days=args.stale, archived=not args.no_archived)
    rows = [document.to_dict() for document in documents]
    cells = [
        (r["state"], r["status"] or "?", r["branch"] or "?", f"#{r['pr']}" if r["pr"] else "-", r["last_updated"] or "-",
         f"{r['ref']}:{r['path']}" if r["ref"] else r["path"])
        for r in rows
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    lines = ["  ".join(map(str.ljust, row, [*widths, 0])) for row in cells]
    text = "".join(f"{line}\n" for line in lines)
    return _answer(args, {"documents": rows}, text, "" if rows else "no documents")


def _check(work: Branchwork, args: argparse.Namespace) -> int:
    more = {"branch": args.branch, "compare_with": args.compare_with, "everything": args.all}
    problems = work.check(tuple(args.paths), **more)
    errors = sum(problem.level == "error" for problem in problems)
    failed = len(problems) if args.strict else errors
    rows = [{"path": p.path, "line": p.line, "level": p.level, "message": p.message} for p in problems]
    message = f"{several(errors, 'error')}, {several(len(problems) - errors, 'warning')}"
    text = "".join(f"{problem}\n" for problem in problems)
    return _answer(args, {"ok": not failed, "problems": rows}, text, message) or int(failed > 0)


def _archive(work: Branchwork, args: argparse.Namespace) -> int:
    from spelunk.branchwork.errors import DocumentMissingError

    try:
        outcome = work.archive(**_picked(args, "branch pr local dry_run"))
    except DocumentMissingError as error:
        if not args.if_present:
            raise
        facts = {"changed": False, "written": False, "reason": str(error)}
        return _answer(args, facts, "", f"nothing archived: {error}")
    return _finish(args, outcome, f"archived {outcome.facts['from']} as {outcome.path}")


def _link(work: Branchwork, args: argparse.Namespace) -> int:
    facts = work.relink(dry_run=args.dry_run)
    foreign = f"{work.settings.link_path} is not a link of branchwork; it was left alone"
    text = f"{facts['path']}\n" if facts["path"] else ""
    return _answer(args, facts, text, foreign if facts["link"] == "foreign" else "")


def _install_hook(work: Branchwork, args: argparse.Namespace) -> int:
    from spelunk.branchwork.actions import hook

    install = hook.remove if args.remove else hook.install
    path, action, *raw = install(work.repo, write=not args.dry_run)
    written = not args.dry_run and action not in ("unchanged", "absent")
    text = b"".join(raw).decode("utf-8", "surrogateescape") if args.dry_run else path + "\n"
    message = f"{'would be ' if args.dry_run else ''}{action}"
    return _answer(args, {"path": path, "action": action, "written": written}, text, message)


def _install_workflow(work: Branchwork, args: argparse.Namespace) -> int:
    from spelunk.branchwork.actions import workflow

    missing = workflow.install(work.store, write=not args.dry_run)
    facts = {"path": workflow.PATH, "changed": missing, "written": missing and not args.dry_run}
    written = "would be written" if args.dry_run else "written; commit it to the trunk"
    text = workflow.text() if args.dry_run else workflow.PATH + "\n"
    return _answer(args, facts, text, written if missing else "unchanged")


def _search(work: Branchwork, args: argparse.Namespace) -> int:
    from spelunk.cli.commands.search import show
    from spelunk.cli.stderr import hushed
    from spelunk.text.worklog import KIND

    with work.index(args.index_dir) as index, hushed(args.verbose):
        if not index.status(look=False).generation:
            note(args, f"{work.repo.root}: no index of the documents yet; building it")
        answer = index.search(" ".join(args.query), kinds=(KIND,), limit=args.limit)
        form = {"form": "json" if args.json else "text", "full": False, "max_tokens": None}
        form |= {"no_pager": False, "hyperlink_format": None}
        return show(argparse.Namespace(**vars(args) | form), answer, [index.root])


SUBCOMMANDS: Final[dict[str, Subcommand]] = {
    "create": Subcommand(_create, "start the current branch's document; never overwrites one",
        "--dry-run --base --local --offline"),
    "refresh": Subcommand(_refresh, "bring title, stack, pull request, status and CI up to date",
        "--dry-run --branch --base --local --offline"),
    "log": Subcommand(_log, "add an entry to the timeline", "--dry-run --branch --author --local"),
    "update": Subcommand(_update, "add to a section, or tick a checklist item", "--dry-run --branch"),
    "review": Subcommand(_review, "quote a review verbatim", "--dry-run --branch --local"),
    "status": Subcommand(_status, "status, boxes, CI, and what blocks the merge", "--branch"),
    "show": Subcommand(_show, "print a document; with --json, all of it as data"),
    "list": Subcommand(_list, "all documents, and the state of their branches"),
    "check": Subcommand(_check, "validate documents; exit 1 with path:line: message lines", "--branch"),
    "archive": Subcommand(_archive, "set merged, move to the archive, drop the link", "--dry-run --branch --local"),
    "link": Subcommand(_link, "point CURRENT.md at the current branch's document", "--dry-run"),
    "install-hook": Subcommand(_install_hook, "a post-checkout hook that keeps CURRENT.md right", "--dry-run"),
    "install-workflow": Subcommand(_install_workflow, "a GitHub workflow that archives on merge", "--dry-run"),
    "search": Subcommand(_search, "search all documents"),
}  # fmt: skip

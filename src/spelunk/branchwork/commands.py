"""What each command does with its flags; the work itself is in the API."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from spelunk.branchwork.errors import BranchworkError, DocumentMissingError

if TYPE_CHECKING:
    from spelunk.branchwork.api import Branchwork
    from spelunk.branchwork.outcome import Outcome


def _work() -> Branchwork:
    from spelunk.branchwork.api import Branchwork

    return Branchwork.load()


def _say(text: str) -> None:
    from spelunk.branchwork.cli import say

    say(text)


def _json(args: argparse.Namespace, facts: dict[str, Any]) -> None:
    from spelunk.branchwork.present import print_json

    print_json({"schema_version": 1, "command": args.command, **facts})


def _print(text: str) -> None:
    from spelunk.branchwork.present import print_text

    print_text(text)


def _tell(args: argparse.Namespace, done: Outcome, said: str) -> None:
    """An outcome: the path (or the diff) as the result, the rest for people."""
    for note in done.notes:
        _say(f"note: {note}")
    if args.json:
        _json(args, done.to_dict())
    elif args.dry_run:
        _print(done.diff())
    else:
        _print(done.path + "\n")
    _say(
        f"{'would have ' if args.dry_run and done.changed else ''}{said if done.changed else 'nothing to change'}"
    )


def _input(name: str) -> str:
    """A file's text, or standard input's for ``-``."""
    from spelunk.io.lines import decode

    if name == "-":
        if sys.stdin.isatty():
            _say("reading standard input; end it with Ctrl-D")
        buffer = getattr(sys.stdin, "buffer", None)
        return decode(buffer.read()) if buffer is not None else sys.stdin.read()
    try:
        with open(name, "rb") as file:
            return decode(file.read())
    except OSError as error:
        raise BranchworkError(
            f"{name}: cannot be read: {error.strerror}; name a file, or - for standard input"
        ) from None


def create(args: argparse.Namespace) -> int:
    """``create``."""
    done = _work().create(
        status=args.status, base=args.base, template=args.template, local=args.local,
        author=args.author, offline=args.offline, dry_run=args.dry_run,
    )  # fmt: skip
    _tell(args, done, f"started the document of {done.branch}, {_place(done)}")
    return 0


def _place(done: Outcome) -> str:
    stack = done.facts["stack"]
    if not stack["root"]:
        return "with no trunk to stand on"
    return f"{stack['position']} of {stack['total']} on {stack['root']} (from {stack['source']})"


def refresh(args: argparse.Namespace) -> int:
    """``refresh``."""
    done = _work().refresh(
        branch=args.branch, base=args.base, offline=args.offline, check=args.check, local=args.local,
        dry_run=args.dry_run,
    )  # fmt: skip
    fields = ", ".join(done.facts["out_of_date"])
    pull, stack = done.facts["pull_request"], done.facts["stack"]
    if args.check:
        if args.json:
            _json(args, done.to_dict())
        elif done.changed:
            _print(f"{done.path}: out of date: {fields}\n")
        return 1 if done.changed else 0
    _tell(args, done, f"refreshed {fields}")
    if pull["reason"] not in (None, "not asked"):
        _say(f"note: no pull request: {pull['reason']}")
    if stack["needs_restack"]:
        _say(f"note: {done.branch} no longer stands on the tip of {stack['base']}; restack it")
    return 0


def log(args: argparse.Namespace) -> int:
    """``log``."""
    body = _input(args.body) if args.body else ""
    done = _work().log(
        args.text, author=args.author, body=body, branch=args.branch, local=args.local, dry_run=args.dry_run
    )
    _tell(args, done, f"added {done.facts['heading']!r}")
    return 0


def update(args: argparse.Namespace) -> int:
    """``update``."""
    code, language = None, args.lang or ""
    if args.code is not None:
        from spelunk.branchwork.present import language_of

        code, language = _input(args.code), args.lang or language_of(args.code)
    if args.under and not args.subitem:
        raise BranchworkError("--under goes with --subitem")
    done = _work().update(
        args.section, items=tuple(args.item or ()), subitems=tuple(args.subitem or ()), under=args.under,
        code=code, language=language, check_items=tuple(args.check_item or ()),
        branch=args.branch, dry_run=args.dry_run,
    )  # fmt: skip
    _tell(args, done, f"{'ticked' if args.check_item else 'added'} in {args.section or 'the checklists'}")
    return 0


def review(args: argparse.Namespace) -> int:
    """``review``."""
    done = _work().review(
        _input(args.file), reviewer=args.reviewer, summary=args.summary, branch=args.branch,
        local=args.local, dry_run=args.dry_run,
    )  # fmt: skip
    _tell(args, done, f"added {done.facts['heading']!r}")
    return 0


def status(args: argparse.Namespace) -> int:
    """``status``."""
    facts = _work().status(args.branch)
    if args.json:
        _json(args, facts)
    else:
        from spelunk.branchwork.present import status_text

        _print(status_text(facts))
    return 0


def show(args: argparse.Namespace) -> int:
    """``show``."""
    work = _work()
    if args.json:
        _json(args, work.show(args.which))
    else:
        _print(work.find(args.which).doc.text)
    return 0


def list_(args: argparse.Namespace) -> int:
    """``list``."""
    rows = [row.to_dict() for row in _work().documents(
        status=args.status, stale_days=args.stale, archived=not args.no_archived
    )]  # fmt: skip
    if args.json:
        _json(args, {"documents": rows})
    else:
        from spelunk.branchwork.present import list_text

        _print(list_text(rows))
    if not rows:
        _say("no documents")
    return 0


def check(args: argparse.Namespace) -> int:
    """``check``."""
    problems = _work().check(
        tuple(args.paths), branch=args.branch, compare_with=args.compare_with, everything=args.all
    )
    errors = sum(problem.level == "error" for problem in problems)
    failed = bool(problems) if args.strict else errors > 0
    if args.json:
        found = [{"path": p.path, "line": p.line, "level": p.level, "message": p.message} for p in problems]
        _json(args, {"ok": not failed, "problems": found})
    else:
        _print("".join(f"{problem}\n" for problem in problems))
    warnings = len(problems) - errors
    _say(f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    return 1 if failed else 0


def archive(args: argparse.Namespace) -> int:
    """``archive``."""
    try:
        done = _work().archive(branch=args.branch, pr=args.pr, local=args.local, dry_run=args.dry_run)
    except DocumentMissingError as error:
        if not args.if_present:
            raise
        if args.json:
            _json(args, {"changed": False, "written": False, "reason": str(error)})
        _say(f"nothing archived: {error}")
        return 0
    _tell(args, done, f"archived {done.facts['from']} as {done.path}")
    return 0


def link(args: argparse.Namespace) -> int:
    """``link``."""
    work = _work()
    if args.dry_run:
        head = work.repo.head()
        stored = work.store.find(head) if head else None
        facts: dict[str, Any] = {"link": "dry-run", "path": stored.path if stored else None}
    else:
        facts = work.relink()
    if args.json:
        _json(args, facts)
    elif facts["path"]:
        _print(f"{facts['path']}\n")
    if facts["link"] == "foreign":
        _say(f"note: {work.settings.link_path} is not a link of ours; it was left alone")
    return 0


def install_hook(args: argparse.Namespace) -> int:
    """``install-hook``."""
    from spelunk.branchwork.actions import hook

    repo = _work().repo
    if args.remove:
        path, action = hook.remove(repo, write=not args.dry_run)
        raw = b""
    else:
        path, action, raw = hook.install(repo, write=not args.dry_run)
    written = not args.dry_run and action not in ("unchanged", "absent")
    if args.json:
        _json(args, {"path": path, "action": action, "written": written})
    elif args.dry_run:
        _print(raw.decode("utf-8", "surrogateescape"))
    else:
        _print(path + "\n")
    _say(f"{'would be ' if args.dry_run else ''}{action}")
    return 0


def install_workflow(args: argparse.Namespace) -> int:
    """``install-workflow``."""
    from spelunk.branchwork.actions.workflow import PATH, WORKFLOW
    from spelunk.branchwork.store import replace

    work = _work()
    path = work.store.absolute(PATH)
    old: str | None = None
    if os.path.lexists(path):
        with open(path, "rb") as file:
            old = file.read().decode("utf-8", "replace")
        if old != WORKFLOW:
            raise BranchworkError(f"{PATH} exists and differs; move it away first, it is never overwritten")
    if old is None and not args.dry_run:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace(path, WORKFLOW)
    if args.json:
        _json(args, {"path": PATH, "changed": old is None, "written": old is None and not args.dry_run})
    else:
        _print(WORKFLOW if args.dry_run else PATH + "\n")
    _say(
        "unchanged"
        if old is not None
        else "would be written"
        if args.dry_run
        else "written; commit it to the trunk"
    )
    return 0


def search(args: argparse.Namespace) -> int:
    """``search``: the index's own search over an index of the documents alone.

    That index lies in this worktree's git directory, so that an answer needs
    neither the repository's index nor a build of it, and the documents are
    found in a hidden folder and where git ignores them.
    """
    work = _work()
    try:
        from spelunk.cli import main as spelunk
    except ImportError:
        raise BranchworkError("this installation has no `spelunk search`; install Spelunk whole") from None
    pattern = f"/{work.settings.dir}/*.md"
    own = {"SPELUNK_INCLUDE": pattern, "SPELUNK_EXCLUDE": f"!{pattern}"}
    before = {name: os.environ.get(name) for name in own}
    flags = ["--index-dir", os.path.join(work.repo.gitdir, "spelunk-branchwork"), "--kind", "branchwork"]
    flags += ["-k", args.limit] if args.limit else []
    flags += ["--json"] if args.json else []
    os.environ.update(own)
    try:
        return int(spelunk(["search", *flags, "--", " ".join(args.query), work.repo.root]))
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

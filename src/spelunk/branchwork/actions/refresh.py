"""Bring a document up to date with its stack and pull request.

:func:`look` calls the external programs, which may take seconds and holds no
lock; :func:`apply` changes the text, and changes nothing the second time.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from spelunk.branchwork.document import ci, data, edit, fit
from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.errors import RepositoryError
from spelunk.branchwork.names import slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack import graph, pull_request, sources
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.stack.graph import Stack
from spelunk.branchwork.stack.pull_request import PullRequest
from spelunk.branchwork.store import Store
from spelunk.text.markdown import code_span


class Situation(Struct, frozen=True):
    """The state of a branch now.

    Attributes:
        hand_base: The base set by hand, ``""`` where the stack's own counts.
        pull: Its pull request, None if unknown.
        pull_reason: Why it is unknown.
        skipped: Sources that gave no stack, and why.
        base_guessed: Whether ``hand_base`` may come from a refresh in another clone.
    """

    branch: str
    stack: Stack
    hand_base: str
    pull: PullRequest | None
    pull_reason: str
    skipped: tuple[tuple[str, str], ...]
    base_guessed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As data, for ``--json``."""
        s, pull = self.stack, self.pull
        return {
            "stack": {
                "source": s.source, "root": s.root or None, "base": s.base or None, "position": s.position,
                "total": s.total, "needs_restack": s.needs_restack, "base_set_by_hand": bool(self.hand_base),
                "branches": [
                    {"name": m.name, "parent": m.parent or None, "pr": m.pr, "state": m.state or None,
                     "waiting": m.waiting, "current": m.current}
                    for m in s.members
                ],
                "not_used": [{"source": name, "reason": reason} for name, reason in self.skipped],
            },
            "pull_request": {
                "used": pull is not None, "reason": self.pull_reason or None,
                "number": pull.number if pull else None, "state": pull.state if pull else None,
                "url": pull.url if pull else None,
            },
        }  # fmt: skip


def look(store: Store, branch: str, doc: Worklog, *, base: str | None, offline: bool) -> Situation:
    """Find the branch's stack and pull request; ``base`` is the base given on the command line."""
    repo, settings = store.repo, store.settings
    programs = () if offline else settings.sources
    pull, reason = None, "not asked"
    if "gh" in programs:
        pull, reason = pull_request.fetch(repo, branch, settings.timeout)
    others = _others(store, branch)
    source = sources.discover(
        repo, branch, trunk=settings.trunk, sources=programs, timeout=settings.timeout,
        pull_base=pull.base if pull else "", hints={name: other.field("branch.base") for name, other in others.items()},
    )  # fmt: skip
    parents = source.graph
    hand, sure = (base, True) if base else hand_base(repo, branch, doc, parents.trunk)
    if not sure and parents.parents.get(branch) == hand:
        hand, sure = "", True  # the stack itself gives the same
    if hand:
        parents = graph.with_base(parents, branch, hand, "document")
    numbers = {name: data.pull_request(d)[0] for name, d in {**others, branch: doc}.items()}
    pulls = {name: number for name, number in numbers.items() if number is not None}
    merged = {name for name, d in {**others, branch: doc}.items() if d.field("status") == "merged"}
    states = {name: "merged" if name in merged else "open" for name in pulls}
    parents = graph.with_facts(parents, pulls, states)
    if pull:  # newer than what documents and sources know
        parents.pulls[branch], parents.states[branch] = pull.number, pull.state
    return Situation(branch, graph.build(parents, branch), hand, pull, reason, source.skipped, not sure)


def _others(store: Store, branch: str) -> dict[str, Worklog]:
    """The documents of the other branches, for their bases, pull request numbers and states."""
    documents = {s.branch: s.doc for s in [*reversed(store.archived()), *store.current()]}
    documents |= {name: s.doc for name, s in store.on_branches(store.repo.branches.refs).items()}
    return {name: doc for name, doc in documents.items() if name and name != branch}


def _base_key(branch: str) -> str:
    return f"branch.{branch}.spelunkBase"


def hand_base(repo: Repo, branch: str, doc: Worklog, trunk: str) -> tuple[str, bool]:
    """The document's base if it was set by hand, else ``""``; and whether that is known, not guessed.

    The base that a refresh wrote is kept in git's own section for the branch,
    which follows a rename. In a clone without it, a base counts as set by hand
    unless it is the trunk, which templates start with. A base that no longer
    exists never counts: it was merged.
    """
    base = doc.field("branch.base")
    if not base or base == branch or not exists(repo, base):
        return "", True
    who, _, written = repo.config(_base_key(branch)).partition(":")
    if who == "hand" or (who == "tool" and base != written):
        return base, True
    return ("", True) if who == "tool" or base == trunk else (base, False)


def exists(repo: Repo, name: str) -> bool:
    """Whether ``name`` is a branch or a tag."""
    tag = f"refs/tags/{name}"
    return name in repo.branches.refs or not repo.git("show-ref", "-q", "--verify", tag).code


def known_base(repo: Repo, base: str | None, branch: str) -> str | None:
    """A base as given on a command line, without its remote's name.

    Raises:
        RepositoryError: It is no branch or tag, or ``branch`` itself.
    """
    if base is None:
        return None
    known = repo.branches
    short = base.removeprefix(known.remote + "/") if known.remote else base
    name = base if exists(repo, base) else short
    if name == branch or not exists(repo, name):
        raise RepositoryError(f"--base {base}: not another branch here; `git branch --all` lists them")
    return name


def remember_base(repo: Repo, now: Situation) -> None:
    """Record whether the base was set by hand, for :func:`hand_base`; a guess is not recorded."""
    base = now.hand_base or now.stack.base
    value = f"{'hand' if now.hand_base else 'tool'}:{base}"
    known = now.branch in repo.branches.refs and not now.base_guessed
    if base and known and repo.config(_base_key(now.branch)) != value:
        repo.git("config", _base_key(now.branch), value)


def apply(doc: Worklog, now: Situation, settings: Settings, stamp: str) -> tuple[Worklog, list[str]]:
    """The document brought up to date, and the names of the parts that were not."""
    changed: list[str] = []

    def step(name: str, new: Worklog) -> Worklog:
        if new.lines != doc.lines:
            changed.append(name)
        return new

    s, pull = now.stack, now.pull
    base = now.hand_base or s.base
    fields: dict[str, str] = {}
    if doc.field("branch.name") != now.branch:
        fields = {"branch.name": now.branch, "slug": f"branchwork-{slug(now.branch)}"}
    if base:
        fields |= {"branch.base": base, "branch.position": str(s.position), "branch.total": str(s.total)}
    if pull:
        fields |= {"pr": _pr_text(doc.field("pr"), pull.number), "status": pull.status or doc.field("status")}
    for key, value in fields.items():
        doc = step(key, edit.set_field(doc, key, value, word=key in ("branch.name", "branch.base")))
    doc = step("reviewers", edit.add_to_list(doc, "reviewers", list(pull.reviewers) if pull else []))
    doc = step("title", edit.set_title(doc, _title(doc, now)))
    create_stack, create_ci = (n in settings.required_sections for n in ("PR Stack Context", "CI Status"))
    doc = step("stack", edit.set_stack(doc, graph.draw(s), create=create_stack))
    if pull:
        doc = step("ci", ci.set_checks(doc, pull.checks, create=create_ci))
    if changed:
        doc = edit.set_field(doc, "last_updated", stamp)
    return doc, changed


def _pr_text(text: str, number: int) -> str:
    """``pr`` with another number; a ticket beside it stays."""
    match = re.match(r"\s*#?(\d+)\b", text)
    if match is None:
        return f"{number} / {text}" if text else str(number)
    same = int(match.group(1)) == number
    return text if same else f"{text[: match.start(1)]}{number}{text[match.end(1) :]}"


def _title(doc: Worklog, now: Situation) -> str:
    number, _ = data.pull_request(doc)
    if number is None:
        return f"[WIP] {code_span(now.branch)}"
    head = data.title(doc)
    written = str(head["pr_title"] or "") if head else ""
    written = "" if written in ("[Short Title]", "[Title]") else written
    text = (now.pull.title if now.pull else "") or written or code_span(now.branch)
    return fit.heading_text(f"PR #{number}: {text}")

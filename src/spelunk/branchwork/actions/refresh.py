"""What a refresh finds out and what it changes in a document.

Useful in two steps: :func:`look` asks the programs, which may take seconds and
holds no lock; :func:`apply` changes a text, and changes nothing the second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from spelunk.branchwork.document import ci_checks as cichecks
from spelunk.branchwork.document import data, edit, fit
from spelunk.branchwork.document.document import Document
from spelunk.branchwork.document.markdown import code_span
from spelunk.branchwork.errors import RepositoryError
from spelunk.branchwork.names import slug
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack import graph as stack
from spelunk.branchwork.stack import pull_request as pullrequest
from spelunk.branchwork.stack import sources as discover
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.stack.graph import Stack
from spelunk.branchwork.stack.pull_request import PullRequest
from spelunk.branchwork.store import Store

_UNTITLED: Final = {"", "[Short Title]", "[Title]"}


@dataclass(frozen=True, slots=True)
class Situation:
    """What is true of a branch now.

    Attributes:
        hand_base: The base somebody set, ``""`` where the stack's own counts.
        pull: Its pull request, None if unknown.
        pull_reason: Why it is unknown.
        skipped: Sources that gave no stack, and why.
        base_guessed: Whether ``hand_base`` may come from a refresh elsewhere.
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


def look(
    repo: Repo,
    store: Store,
    settings: Settings,
    branch: str,
    doc: Document,
    *,
    base: str | None,
    offline: bool,
) -> Situation:
    """Ask for the branch's stack and pull request.

    Args:
        base: The base given on the command line.
        offline: Ask git only.
    """
    sources = () if offline else settings.sources
    pull, reason = (
        pullrequest.fetch(repo, branch, settings.timeout) if "gh" in sources else (None, "not asked")
    )
    hints, pulls, states = _neighbours(repo, store, branch)
    found = discover.discover(
        repo, branch, trunk=settings.trunk, sources=sources, timeout=settings.timeout,
        pull_base=pull.base if pull else "", hints=hints,
    )  # fmt: skip
    graph = found.graph
    hand, sure = (base, True) if base else hand_base(repo, branch, doc, graph.trunk)
    if not sure and graph.parents.get(branch) == hand:
        hand, sure = "", True  # no more than what the stack says itself
    if hand:
        graph = discover.with_base(
            graph, branch, hand, graph.source if graph.parents.get(branch) == hand else "document"
        )
    number = data.pull_request(doc)[0]
    if number is not None:
        pulls[branch] = number
        states[branch] = "merged" if doc.field("status") == "merged" else "open"
    graph = stack.with_facts(graph, pulls, states)
    if pull:  # asked just now, so it outranks what others remember
        graph.pulls[branch], graph.states[branch] = pull.number, pull.state
    drawn = stack.build(graph, branch)
    return Situation(branch, drawn, hand, pull, reason, found.skipped, not sure)


def _neighbours(
    repo: Repo, store: Store, branch: str
) -> tuple[dict[str, str], dict[str, int], dict[str, str]]:
    """Bases, pull request numbers and states that the other branches' documents give."""
    documents = {s.branch: s.doc for s in [*reversed(store.archived()), *store.current()]}
    documents |= {name: s.doc for name, s in store.on_branches(repo.branches().refs).items()}
    hints: dict[str, str] = {}
    pulls: dict[str, int] = {}
    states: dict[str, str] = {}
    for name, doc in documents.items():
        if name and name != branch:
            hints[name] = doc.field("branch.base")
            number, _ = data.pull_request(doc)
            if number is not None:
                pulls[name] = number
                states[name] = "merged" if doc.field("status") == "merged" else "open"
    return hints, pulls, states


def _base_key(branch: str) -> str:
    return f"branch.{branch}.spelunkBase"


def hand_base(repo: Repo, branch: str, doc: Document, trunk: str) -> tuple[str, bool]:
    """The document's base if somebody set it, else ``""``; and whether that is known, not guessed.

    What a refresh last wrote is kept in git's own section for the branch,
    which follows a rename. In a clone without it, a base counts as set by hand
    unless it is the trunk, which templates start with. One that is gone from
    the repository never counts: it was merged.
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
    return (
        name in repo.branches().refs or repo.git("show-ref", "-q", "--verify", f"refs/tags/{name}").code == 0
    )


def known_base(repo: Repo, base: str | None, branch: str) -> str | None:
    """A base as given on a command line, without its remote's name.

    Raises:
        RepositoryError: It is no branch or tag, or ``branch`` itself.
    """
    if base is None:
        return None
    known = repo.branches()
    short = base.removeprefix(known.remote + "/") if known.remote else base
    name = base if exists(repo, base) else short
    if name == branch or not exists(repo, name):
        raise RepositoryError(
            f"--base {base}: not another branch of this repository; `git branch --all` lists them"
        )
    return name


def remember_base(repo: Repo, now: Situation) -> None:
    """Keep who gave the base, for :func:`hand_base`; a guess is not kept."""
    base = now.hand_base or now.stack.base
    value = f"{'hand' if now.hand_base else 'tool'}:{base}"
    known = now.branch in repo.branches().refs and not now.base_guessed
    if base and known and repo.config(_base_key(now.branch)) != value:
        repo.git("config", _base_key(now.branch), value)


def apply(doc: Document, now: Situation, settings: Settings, stamp: str) -> tuple[Document, list[str]]:
    """The document brought up to date, and the names of what was not."""
    changed: list[str] = []

    def step(name: str, new: Document) -> Document:
        if new.lines != doc.lines:
            changed.append(name)
        return new

    s, pull = now.stack, now.pull
    if doc.field("branch.name") != now.branch:
        doc = step("branch.name", edit.set_field(doc, "branch.name", now.branch, word=True))
        doc = step("slug", edit.set_field(doc, "slug", f"branchwork-{slug(now.branch)}"))
    if now.hand_base or s.base:
        doc = step("branch.base", edit.set_field(doc, "branch.base", now.hand_base or s.base, word=True))
        doc = step("branch.position", edit.set_field(doc, "branch.position", str(s.position)))
        doc = step("branch.total", edit.set_field(doc, "branch.total", str(s.total)))
    if pull:
        doc = step("pr", edit.set_field(doc, "pr", _pr_text(doc.field("pr"), pull.number)))
        if pull.status:
            doc = step("status", edit.set_field(doc, "status", pull.status))
        doc = step("reviewers", edit.add_to_list(doc, "reviewers", list(pull.reviewers)))
    doc = step("title", edit.set_title(doc, _title(doc, now)))
    required = settings.required_sections
    doc = step("stack", edit.set_stack(doc, stack.draw(s), create="PR Stack Context" in required))
    if pull:
        doc = step("ci", cichecks.set_checks(doc, pull.checks, create="CI Status" in required))
    if changed:
        doc = edit.set_field(doc, "last_updated", stamp)
    return doc, changed


def _pr_text(text: str, number: int) -> str:
    """``pr`` with another number; a ticket beside it stays."""
    found = re.match(r"\s*#?(\d+)\b", text)
    if found:
        return (
            text
            if int(found.group(1)) == number
            else f"{text[: found.start(1)]}{number}{text[found.end(1) :]}"
        )
    return f"{number} / {text}" if text else str(number)


def _title(doc: Document, now: Situation) -> str:
    number, _ = data.pull_request(doc)
    if number is None:
        return f"[WIP] {code_span(now.branch)}"
    head = data.title(doc)
    written = str(head["pr_title"] or "") if head else ""
    text = (
        (now.pull.title if now.pull else "")
        or ("" if written in _UNTITLED else written)
        or code_span(now.branch)
    )
    return fit.heading_text(f"PR #{number}: {text}")

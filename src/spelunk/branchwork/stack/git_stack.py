"""A stack from git alone: the nearest branch below, by ancestry, then by reflog.

A branch's parent is the nearest branch whose tip is in its history. A parent
that was amended or went on is found through its reflog: the nearest commit of
the branch's history that once was the parent's tip (what
``git merge-base --fork-point`` finds, for all branches at once). Otherwise it is
the base that the branch's document gives, otherwise the trunk.

Four git calls, whatever the number of branches.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from spelunk.branchwork.stack.git import Ref, Repo
from spelunk.branchwork.stack.graph import Graph

MAX_BRANCHES: Final = 400
"""Bound on the branches considered, newest commits first."""


def graph(repo: Repo, branch: str, trunk: str, hints: dict[str, str]) -> Graph:
    """Parents of every branch that is not in the trunk, as far as git shows it.

    Args:
        branch: Always part of the answer.
        hints: Bases from documents.
    """
    known = repo.branches
    trunk_refs = repo.trunk_refs(trunk)
    refs = _open(repo, branch, trunk, trunk_refs)
    if not trunk_refs:
        return Graph("git", trunk, {branch: trunk} if trunk and trunk != branch else {})
    commits = _commits(repo, refs.values(), trunk_refs)
    history = {name: _reach(ref.sha, commits) for name, ref in refs.items()}
    tips = _Tips(commits, _reflogs(repo, refs))
    parents: dict[str, str] = {}
    restack: set[str] = set()
    for name in refs:
        if name == trunk:
            continue
        parent, moved = _parent(name, refs, history, tips)
        if not parent:
            hint = hints.get(name, "")
            parent = hint if hint != name and hint in known.refs else trunk
            moved = parent != trunk and parent in refs and refs[parent].sha not in history[name]
        parents[name] = parent
        if moved:
            restack.add(name)
    return Graph("git", trunk, parents, frozenset(restack))


def _open(repo: Repo, branch: str, trunk: str, trunk_refs: list[str]) -> dict[str, Ref]:
    """The branches with commits of their own, and ``branch``."""
    known = repo.branches
    excluded = [f"--no-merged={ref}" for ref in trunk_refs]
    patterns = ["refs/heads", *([f"refs/remotes/{known.remote}"] if known.remote else [])]
    done = repo.git("for-each-ref", "--sort=-committerdate", "--format=%(refname)", *excluded, *patterns)
    full = set(done.text.splitlines()[:MAX_BRANCHES])
    return {n: ref for n, ref in known.refs.items() if n == branch or (ref.full in full and n != trunk)}


def _commits(repo: Repo, refs: Iterable[Ref], trunk_refs: list[str]) -> dict[str, list[str]]:
    """Parents of every commit that a branch has and the trunk has not."""
    wanted = "".join(f"{ref.sha}\n" for ref in refs) + "".join(f"^{ref}\n" for ref in trunk_refs)
    done = repo.git("rev-list", "--parents", "--stdin", stdin=wanted.encode("utf-8", "surrogateescape"))
    rows = (line.split() for line in done.text.splitlines())
    return {row[0]: row[1:] for row in rows}


def _reach(sha: str, commits: dict[str, list[str]]) -> set[str]:
    """``sha`` and its ancestors, as far as the trunk."""
    seen: set[str] = set()
    pending = [sha]
    while pending:
        commit = pending.pop()
        if commit in commits and commit not in seen:
            seen.add(commit)
            pending += commits[commit]
    return seen


def _reflogs(repo: Repo, refs: dict[str, Ref]) -> dict[str, list[str]]:
    """The commits that each local branch pointed at, newest first; the last one is where it began."""
    full = {ref.full: name for name, ref in refs.items() if ref.local}
    logs: dict[str, list[str]] = {}
    if not full:
        return logs
    done = repo.git("log", "-g", "--branches", "--format=%gD%x00%H", "--no-abbrev", "--decorate=full", "--")
    for line in done.text.splitlines():
        selector, _, sha = line.partition("\0")
        short = selector.rpartition("@{")[0]
        name = short if short in refs else full.get(short, "")
        if name:
            logs.setdefault(name, []).append(sha)
    return logs


class _Tips:
    """Earlier tips of branches, and the number of commits of each above the trunk."""

    def __init__(self, commits: dict[str, list[str]], logs: dict[str, list[str]]) -> None:
        self.logs = logs
        self.moved = {sha for log in logs.values() for sha in log[:-1] if sha != log[-1]}
        self.size = cache(lambda sha: len(_reach(sha, commits)))

    def fork(self, name: str, other: str, own: set[str]) -> int:
        """The size of the newest commit of ``own`` that ``other`` once pointed at; 0 if there is none.

        Where a branch began is no evidence if another branch came to that
        commit by itself, or if ``name`` began there too: then the two stand
        beside each other.
        """
        log = self.logs.get(other, [])
        began = log[-1] if log else ""
        beside = began in self.moved or self.logs.get(name, [""])[-1] == began
        return max((self.size(sha) for sha in set(log) & own if not (beside and sha == began)), default=0)


def _parent(name: str, refs: dict[str, Ref], history: dict[str, set[str]], tips: _Tips) -> tuple[str, bool]:
    """The nearest branch below ``name`` and whether ``name`` left its tip; ``""`` if there is none."""
    own, tip = history[name], refs[name].sha
    ranks: list[tuple[int, bool, str]] = []
    for other, ref in refs.items():
        if other == name:
            continue
        if ref.sha in own and (ref.sha != tip or _is_below(other, name, tips.logs)):
            ranks.append((len(own) - len(history[other]), False, other))
        elif tip not in history[other]:  # else it stands on this one
            size = tips.fork(name, other, own)
            if size:
                ranks.append((len(own) - size, True, other))
    if not ranks:
        return "", False
    _, moved, parent = min(ranks)
    return parent, moved


def _is_below(other: str, name: str, logs: dict[str, list[str]]) -> bool:
    """Whether ``other``, at the same commit, is the lower branch: it has moved more often, or sorts first."""
    mine, theirs = len(logs.get(name, ())), len(logs.get(other, ()))
    return other < name if mine == theirs else theirs > mine

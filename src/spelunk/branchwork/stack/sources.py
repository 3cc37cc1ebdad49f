"""Where a stack comes from: Graphite, git-spice, the pull request, git alone, in that order.

Useful for one answer per source with the reason why a source gave none.
A base set by hand, on the command line or in the document, is laid over
whatever the source says (see :func:`with_base`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spelunk.branchwork.stack import git_stack as gitstack
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.stack.graph import Graph
from spelunk.branchwork.stack.runner import NOT_FOUND


@dataclass(frozen=True, slots=True)
class Found:
    """The graph, and why each source before it gave none."""

    graph: Graph
    skipped: tuple[tuple[str, str], ...] = ()


def discover(
    repo: Repo,
    branch: str,
    *,
    trunk: str,
    sources: tuple[str, ...],
    timeout: float,
    pull_base: str,
    hints: dict[str, str],
) -> Found:
    """The first source's graph that knows ``branch``.

    Args:
        trunk: The configured trunk, or ``""``.
        sources: Of ``graphite``, ``git-spice``, ``gh``, those that may be asked; git always is.
        timeout: Seconds for each external program.
        pull_base: The base of the branch's pull request, or ``""``.
        hints: Bases that other branches' documents give, for what git cannot tell.
    """
    skipped: list[tuple[str, str]] = []
    asked: dict[str, Callable[[], Graph | str]] = {
        "graphite": lambda: graphite(repo, timeout),
        "git-spice": lambda: git_spice(repo, timeout),
    }
    for name, ask in asked.items():
        if name not in sources:
            skipped.append((name, "not asked"))
            continue
        answer = ask()
        if isinstance(answer, str):
            skipped.append((name, answer))
        elif branch not in answer.parents:
            skipped.append((name, f"does not track {branch}"))
        else:
            return Found(answer, tuple(skipped))
    graph = gitstack.graph(repo, branch, repo.trunk(trunk), hints)
    if pull_base and pull_base != branch:
        graph = with_base(graph, branch, pull_base, "gh")
    return Found(graph, tuple(skipped))


def with_base(graph: Graph, branch: str, base: str, source: str) -> Graph:
    """The graph with another parent for ``branch``; what stood between them no longer counts."""
    if graph.parents.get(branch) == base:
        return graph
    parents = {**graph.parents, branch: base}
    if base not in parents and base != graph.trunk:
        parents.pop(base, None)
    step, seen = base, {branch}
    while step in parents and step not in seen:
        seen.add(step)
        step = parents[step]
    if step == branch and base != branch:  # the base stood on the branch: it becomes the root
        parents.pop(base, None)
    return Graph(source, graph.trunk, parents, graph.restack, graph.pulls, graph.states)


def graphite(repo: Repo, timeout: float) -> Graph | str:
    """What ``gt state`` says, or why it was not asked: it would initialise a repository that is not."""
    if not os.path.exists(os.path.join(repo.common, ".graphite_repo_config")):
        return "not initialised here"
    done = repo.runner.run(["gt", "state", "--no-interactive"], cwd=repo.root, timeout=timeout)
    if done.code == NOT_FOUND:
        return "gt is not installed"
    if done.code != 0:
        return done.reason
    text = done.text
    try:
        state: dict[str, Any] = json.loads(text[text.index("{") :])
        return _from_gt(state, *_gt_pulls(repo))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        return f"gt: an answer that is not understood ({type(error).__name__}: {error})"


def _gt_pulls(repo: Repo) -> tuple[dict[str, int], dict[str, str]]:
    """Numbers and states of the pull requests that Graphite last saw; ``gt state`` tells neither.

    They come from the file it keeps beside its configuration. Of several for
    one branch an open one counts, else the newest.
    """
    pulls: dict[str, int] = {}
    states: dict[str, str] = {}
    try:
        with open(os.path.join(repo.common, ".graphite_pr_info"), encoding="utf-8") as file:
            rows = json.load(file)["prInfos"]
        rows = [
            (str(row.get("state") or "OPEN").lower(), int(row["prNumber"]), str(row["headRefName"]))
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return pulls, states
    for state, number, branch in sorted(rows, key=lambda row: (row[0] == "open", row[1])):
        pulls[branch], states[branch] = number, state
    return pulls, states


def _from_gt(state: dict[str, Any], pulls: dict[str, int], states: dict[str, str]) -> Graph:
    trunks = [name for name, facts in state.items() if facts.get("trunk")]
    parents = {
        name: str(facts["parents"][0]["ref"])
        for name, facts in state.items()
        if not facts.get("trunk") and facts.get("parents")
    }
    restack = frozenset(name for name, facts in state.items() if facts.get("needs_restack"))
    return Graph("graphite", trunks[0] if trunks else "", parents, restack, pulls, states)


def git_spice(repo: Repo, timeout: float) -> Graph | str:
    """What ``gs ls --json`` says. Only where git-spice keeps its data: ``gs`` is also Ghostscript."""
    if repo.git("rev-parse", "-q", "--verify", "refs/spice/data").code != 0:
        return "not initialised here"
    reason = "gs is not installed"
    for program in ("git-spice", "gs"):
        done = repo.runner.run([program, "ls", "--all", "--json"], cwd=repo.root, timeout=timeout)
        if done.code == NOT_FOUND:
            continue
        if done.code != 0:
            reason = done.reason
            continue
        try:
            return _from_spice([json.loads(line) for line in done.text.splitlines() if line.strip()])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return f"gs: an answer that is not understood ({type(error).__name__}: {error})"
    return reason


def _from_spice(rows: list[dict[str, Any]]) -> Graph:
    parents: dict[str, str] = {}
    pulls: dict[str, int] = {}
    states: dict[str, str] = {}
    restack: set[str] = set()
    trunk = ""
    for row in rows:
        name, down = str(row["name"]), row.get("down")
        if down is None:
            trunk = name
        else:
            parents[name] = str(down["name"])
            if down.get("needsRestack"):
                restack.add(name)
        for up in row.get("ups") or []:
            parents.setdefault(str(up["name"]), name)
        change = row.get("change") or {}
        number = str(change.get("id") or "").lstrip("#!")
        if number.isdigit():
            pulls[name] = int(number)
            if change.get("status"):
                states[name] = str(change["status"])
    return Graph("git-spice", trunk, parents, frozenset(restack), pulls, states)

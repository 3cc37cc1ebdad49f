"""The sources of a stack in their order: Graphite, git-spice, the pull request, git alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from msgspec import Struct

from spelunk.branchwork.stack import git_stack
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.stack.graph import Graph, with_base
from spelunk.io.program import NOT_FOUND

_BAD_ANSWER = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class StackSource(Struct, frozen=True):
    """The graph of the first source that has the branch, and why each source before it gave none."""

    graph: Graph
    skipped: tuple[tuple[str, str], ...] = ()


def discover(
    repo: Repo, branch: str, *, trunk: str, sources: tuple[str, ...], timeout: float, pull_base: str,
    hints: dict[str, str],
) -> StackSource:  # fmt: skip
    """The graph of the first source that has ``branch``.

    Args:
        trunk: The configured trunk, or ``""``.
        sources: The external programs that may be called: of ``graphite``, ``git-spice``, ``gh``.
        timeout: Seconds for each external program.
        pull_base: The base of the branch's pull request, or ``""``.
        hints: Bases that other branches' documents give, for what git does not show.
    """
    skipped: list[tuple[str, str]] = []
    programs: dict[str, Callable[[Repo, float], Graph | str]] = {"graphite": graphite, "git-spice": git_spice}
    for name, ask in programs.items():
        answer = ask(repo, timeout) if name in sources else "not asked"
        if isinstance(answer, Graph) and branch in answer.parents:
            return StackSource(answer, tuple(skipped))
        skipped.append((name, f"does not track {branch}" if isinstance(answer, Graph) else answer))
    graph = git_stack.graph(repo, branch, repo.trunk(trunk), hints)
    if pull_base and pull_base != branch:
        graph = with_base(graph, branch, pull_base, "gh")
    return StackSource(graph, tuple(skipped))


def graphite(repo: Repo, timeout: float) -> Graph | str:
    """The graph of ``gt state``, or why there is none.

    ``gt`` would initialise a repository that is not, so its configuration has
    to be there. ``gt state`` gives no pull requests; they come from the file
    in which Graphite keeps them.
    """
    if not os.path.exists(os.path.join(repo.common, ".graphite_repo_config")):
        return "not initialised here"
    done = repo.runner.run(["gt", "state", "--no-interactive"], cwd=repo.root, timeout=timeout)
    if done.code:
        return "gt is not installed" if done.code == NOT_FOUND else done.reason
    try:
        state = json.loads(done.text[done.text.index("{") :])
        trunk = next((name for name, facts in state.items() if facts.get("trunk")), "")
        stacked = {n: f for n, f in state.items() if not f.get("trunk") and f.get("parents")}
        parents = {name: str(facts["parents"][0]["ref"]) for name, facts in stacked.items()}
        restack = frozenset(name for name, facts in state.items() if facts.get("needs_restack"))
    except _BAD_ANSWER as error:
        return f"gt: an answer that is not understood ({type(error).__name__}: {error})"
    try:
        with open(os.path.join(repo.common, ".graphite_pr_info"), encoding="utf-8") as file:
            infos = json.load(file)["prInfos"]
        rows = [(str(r.get("state") or "OPEN").lower(), int(r["prNumber"]), r["headRefName"]) for r in infos]
    except (OSError, *_BAD_ANSWER):
        rows = []
    rows.sort(key=lambda row: (row[0] == "open", row[1]))  # the last of a branch counts
    pulls, states = {b: number for _, number, b in rows}, {b: state for state, _, b in rows}
    return Graph("graphite", trunk, parents, restack, pulls, states)


def git_spice(repo: Repo, timeout: float) -> Graph | str:
    """The graph of ``gs ls --json``, or why there is none; only with git-spice's data, since ``gs`` is also Ghostscript."""
    if repo.git("rev-parse", "-q", "--verify", "refs/spice/data").code:
        return "not initialised here"
    reason = "gs is not installed"
    for program in ("git-spice", "gs"):
        done = repo.runner.run([program, "ls", "--all", "--json"], cwd=repo.root, timeout=timeout)
        if done.code:
            reason = reason if done.code == NOT_FOUND else done.reason
            continue
        try:
            rows = [json.loads(line) for line in done.text.splitlines() if line.strip()]
            below = {str(row["name"]): row["down"] for row in rows if row.get("down")}
            changes = {str(row["name"]): row["change"] for row in rows if row.get("change")}
            numbers = {name: str(c.get("id") or "").lstrip("#!") for name, c in changes.items()}
            return Graph(
                "git-spice", next((str(row["name"]) for row in rows if not row.get("down")), ""),
                {name: str(down["name"]) for name, down in below.items()},
                frozenset(name for name, down in below.items() if down.get("needsRestack")),
                {name: int(number) for name, number in numbers.items() if number.isdigit()},
                {name: str(c["status"]) for name, c in changes.items() if c.get("status")},
            )  # fmt: skip
        except _BAD_ANSWER as error:
            return f"gs: an answer that is not understood ({type(error).__name__}: {error})"
    return reason

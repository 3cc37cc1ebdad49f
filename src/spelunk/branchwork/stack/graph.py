"""A branch's stack: who stands on whom, where the branch is in it, how it is drawn.

Useful once the parents are known; see :mod:`spelunk.branchwork.stack.sources` for
where they come from. The drawing holds names, pull request numbers and marks,
and nothing that changes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spelunk.branchwork.stack.drawing import CURRENT, OTHER


@dataclass(frozen=True, slots=True)
class Graph:
    """Parents of branches, as one source tells them.

    Attributes:
        source: ``graphite``, ``git-spice``, ``gh``, ``git`` or ``document``.
        trunk: What the stacks stand on.
        parents: Each branch's parent; the trunk has none.
        restack: Branches that no longer stand on their parent's tip.
        pulls: Pull request numbers that the source knows.
        states: Pull request states that the source knows: ``open``, ``merged``, ``closed``.
    """

    source: str
    trunk: str
    parents: dict[str, str]
    restack: frozenset[str] = frozenset()
    pulls: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A branch in a stack.

    Attributes:
        depth: 0 for the root, 1 for what stands on it.
        pr: Its pull request's number, None if unknown.
        state: ``open``, ``merged``, ``closed`` or ``""`` if unknown.
        waiting: Open, on a branch below that is not merged yet.
    """

    name: str
    parent: str
    depth: int
    pr: int | None
    state: str
    waiting: bool
    current: bool


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack of one branch: the line down to its root, and all that stands on it.

    Attributes:
        root: What the stack stands on, usually the trunk; ``""`` if unknown.
        members: From the lowest up, each before those on it; siblings by name.
        position: 1 for the branch that stands on the root.
        total: How many branches the stack has, the root not counted.
        needs_restack: Whether the current branch left its parent's tip.
    """

    branch: str
    root: str
    source: str
    members: tuple[Member, ...]
    position: int
    total: int
    needs_restack: bool

    @property
    def base(self) -> str:
        """The current branch's parent."""
        return next(m.parent for m in self.members if m.current)


def build(graph: Graph, branch: str) -> Stack:
    """The stack of ``branch``; a circle among the parents is cut where it closes."""
    below = [branch]
    while (parent := graph.parents.get(below[-1], "")) and parent not in below and below[-1] != graph.trunk:
        below.append(parent)
    root = below.pop() if len(below) > 1 else ""
    children: dict[str, list[str]] = {}
    for child, parent in graph.parents.items():
        if child not in below or child == branch:
            children.setdefault(parent, []).append(child)
    members: list[Member] = []
    merged: dict[str, bool] = {root: True}

    def add(name: str, parent: str, depth: int) -> None:
        state = graph.states.get(name, "open" if name in graph.pulls else "")
        settled = merged.get(parent, False)
        waiting = state == "open" and not settled
        merged[name] = state == "merged" and settled
        members.append(Member(name, parent, depth, graph.pulls.get(name), state, waiting, name == branch))

    parent = root
    for depth, name in enumerate(reversed(below), 1):
        add(name, parent, depth)
        parent = name
    seen = {root, *below}
    pending = [(child, branch, len(below) + 1) for child in sorted(children.get(branch, []), reverse=True)]
    while pending:
        name, parent, depth = pending.pop()
        if name not in seen:
            seen.add(name)
            add(name, parent, depth)
            pending += [(child, name, depth + 1) for child in sorted(children.get(name, []), reverse=True)]
    return Stack(
        branch, root, graph.source, tuple(members), len(below), len(members), branch in graph.restack
    )


def draw(stack: Stack) -> list[str]:
    """The stack as a tree, its root on top; the same stack always gives the same lines."""
    lines = [f"{OTHER} {stack.root}"] if stack.root else []
    last: dict[int, bool] = {}
    members = stack.members
    for n, member in enumerate(members):
        last[member.depth] = not any(
            later.depth == member.depth
            for later in _until(members[n + 1 :], member.depth)
        )  # fmt: skip
        trunk = "".join("  " if last.get(d, True) else "│ " for d in range(1, member.depth))
        joint = "└─" if last[member.depth] else "├─"
        glyph = CURRENT if member.current else OTHER
        words = [f"{trunk}{joint}{glyph} {member.name}" if stack.root else f"{trunk}{glyph} {member.name}"]
        if member.pr is not None:
            words.append(f"(PR #{member.pr})")
        mark = {"merged": "✅ Merged", "closed": "🚫 Closed"}.get(member.state) or (
            "⏳ Waiting" if member.waiting else ""
        )
        lines.append(" ".join([*words, mark] if mark else words))
    return lines


def _until(members: tuple[Member, ...], depth: int) -> list[Member]:
    """The members up to the first that stands lower than ``depth``."""
    found = []
    for member in members:
        if member.depth < depth:
            break
        found.append(member)
    return found


def with_facts(graph: Graph, pulls: Mapping[str, int], states: Mapping[str, str]) -> Graph:
    """The graph with pull requests that something else knows; what it knows itself stays."""
    return Graph(
        graph.source, graph.trunk, graph.parents, graph.restack,
        {**pulls, **graph.pulls}, {**states, **graph.states},
    )  # fmt: skip

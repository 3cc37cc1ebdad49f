"""A branch's stack: parents of branches as a graph, the branch's own part of it, and its drawing.

The parents come from :mod:`spelunk.branchwork.stack.sources`. The drawing
holds names, pull request numbers and marks, and nothing that changes by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

CURRENT: Final = "◉"
OTHER: Final = "◯"
_GLYPHS: Final = "◉◯●○◎⦿•*"
_MARKS: Final = {"merged": "✅ Merged", "closed": "🚫 Closed"}


class Graph(Struct, frozen=True):
    """Parents of branches, as one source gives them.

    Attributes:
        source: ``graphite``, ``git-spice``, ``gh``, ``git`` or ``document``.
        trunk: The branch at the bottom of the stacks.
        parents: Each branch's parent; the trunk has none.
        restack: Branches that no longer contain their parent's tip.
        pulls: Pull request numbers from the source.
        states: Pull request states from the source: ``open``, ``merged``, ``closed``.
    """

    source: str
    trunk: str
    parents: dict[str, str]
    restack: frozenset[str] = frozenset()
    pulls: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


class Member(Struct, frozen=True):
    """A branch in a stack.

    Attributes:
        depth: 1 for a branch on the root, 2 for a branch on that, and so on.
        pr: Its pull request's number, None if unknown.
        state: ``open``, ``merged``, ``closed`` or ``""`` if unknown.
        waiting: Open, and a branch below it is not merged yet.
    """

    name: str
    parent: str
    depth: int
    pr: int | None
    state: str
    waiting: bool
    current: bool


class Stack(Struct, frozen=True):
    """The stack of one branch: the line down to its root, and all branches above it.

    Attributes:
        root: The branch below the stack, usually the trunk; ``""`` if unknown.
        members: From the lowest up, each before its children; siblings by name.
        position: 1 for the branch on the root.
        total: Number of branches in the stack, without the root.
        needs_restack: Whether the branch no longer contains its parent's tip.
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
        """The branch's parent."""
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
        merged[name] = state == "merged" and settled
        waiting = state == "open" and not settled
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
    restack = branch in graph.restack
    return Stack(branch, root, graph.source, tuple(members), len(below), len(members), restack)


def with_base(graph: Graph, branch: str, base: str, source: str) -> Graph:
    """The graph with another parent for ``branch``; branches between the two parents no longer count."""
    if graph.parents.get(branch) == base:
        return graph
    parents = {**graph.parents, branch: base}
    step, seen = base, {branch}
    while step in parents and step not in seen:
        seen.add(step)
        step = parents[step]
    if step == branch and base != branch:  # the base was above the branch: it becomes the root
        parents.pop(base, None)
    return replace(graph, source=source, parents=parents)


def with_facts(graph: Graph, pulls: Mapping[str, int], states: Mapping[str, str]) -> Graph:
    """The graph with pull requests of another source added; its own facts take precedence."""
    return replace(graph, pulls={**pulls, **graph.pulls}, states={**states, **graph.states})


def draw(stack: Stack) -> list[str]:
    """The stack as a tree, its root on top; equal stacks give equal lines."""
    lines = [f"{OTHER} {stack.root}"] if stack.root else []
    last: dict[int, bool] = {}
    for n, member in enumerate(stack.members):
        after = [later.depth for later in stack.members[n + 1 :] if later.depth <= member.depth]
        last[member.depth] = after[:1] != [member.depth]
        rails = "".join("  " if last.get(d, True) else "│ " for d in range(1, member.depth))
        joint = ("└─" if last[member.depth] else "├─") if stack.root else ""
        number = f" (PR #{member.pr})" if member.pr is not None else ""
        mark = _MARKS.get(member.state) or ("⏳ Waiting" if member.waiting else "")
        glyph = CURRENT if member.current else OTHER
        lines.append(f"{rails}{joint}{glyph} {member.name}{number} {mark}".rstrip())
    return lines


def parse_drawing(lines: list[str]) -> list[dict[str, Any]]:
    """The branches of a drawn stack, in any of the styles that documents have."""
    branches: list[dict[str, Any]] = []
    for line in lines:
        text = line.strip(" │├└─┬┴┘┐┤|\t\r\n")
        if not text or text.startswith("#"):
            continue
        name, _, rest = text.lstrip(_GLYPHS).strip().partition(" ")
        number = re.search(r"#(\d+)", rest)
        state = next((s for s in ("merged", "closed", "waiting") if s in rest.casefold()), "")
        current = text[0] in "◉◎⦿" or "👈" in rest
        pr = int(number.group(1)) if number else None
        branches.append({"name": name, "pr": pr, "state": state, "current": current})
    return branches

"""All documents, and what became of their branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spelunk.branchwork.document import data
from spelunk.branchwork.document.document import Document
from spelunk.branchwork.names import seconds
from spelunk.branchwork.stack.git import Repo
from spelunk.branchwork.store import Store, Stored


@dataclass(frozen=True, slots=True)
class Listed:
    """One document in a list.

    Attributes:
        state: ``live``, ``merged`` (but not archived), ``gone`` (so is its branch) or ``archived``.
        active: When it last changed, in seconds; None if it does not say.
    """

    stored: Stored
    state: str
    active: float | None

    def to_dict(self) -> dict[str, Any]:
        """As data, for ``--json``."""
        front = data.front_matter(self.stored.doc)
        head = data.title(self.stored.doc)
        return {
            "path": self.stored.path,
            "ref": self.stored.ref or None,
            "branch": self.stored.branch,
            "state": self.state,
            "status": front.get("status"),
            "pr": front["pr_number"],
            "title": head["text"] if head else None,
            "risk": front.get("risk"),
            "last_updated": front.get("last_updated"),
            "updates": len(self.stored.doc.entries),
        }


def listing(repo: Repo, store: Store, trunk: str, *, archived: bool = True) -> list[Listed]:
    """Documents of this working tree and of the other branches' own trees: live ones first, by branch.

    A branch's document is taken from the working tree where that branch is
    checked out or the branch is merged, else from the branch's tip, else from
    the working tree.
    """
    head = repo.head()
    filed = store.archived()
    here = {s.branch or s.path: s for s in store.current()}
    there = store.on_branches(repo.branches().refs)
    done = {(s.branch, s.doc.field("date")) for s in filed}
    merged = _merged(repo, store, trunk)
    found = {**here, **{b: s for b, s in there.items() if b not in here or b not in merged | {head}}}
    rows = [
        Listed(s, _state(s, merged, repo), active(s))
        for s in found.values()
        if not (s.ref and (s.branch, s.doc.field("date")) in done)
    ]
    order = {"live": 0, "merged": 1, "gone": 2}
    rows.sort(key=lambda row: (order[row.state], row.stored.branch))
    return rows + [Listed(s, "archived", active(s)) for s in filed if archived]


def active(stored: Stored) -> float | None:
    """The newest time that the document gives for itself."""
    texts = [stored.doc.field("last_updated"), stored.doc.field("date")]
    texts += [entry.date + (" UTC" if entry.utc else "") for entry in stored.doc.entries]
    times = [when for when in map(seconds, texts) if when is not None]
    return max(times, default=None)


def _merged(repo: Repo, store: Store, trunk: str) -> set[str]:
    """Branches that the trunk has: their commits, or, after a squash, their document."""
    refs = repo.trunk_refs(trunk)
    known = repo.branches().refs
    names: set[str] = set()
    tips = {known[trunk].sha} if trunk in known else set()
    for ref in refs:
        done = repo.git(
            "for-each-ref", f"--merged={ref}", "--format=%(refname)", "refs/heads", "refs/remotes"
        )
        full = set(done.text.splitlines())
        names |= {name for name, r in known.items() if r.full in full and r.sha not in tips}
    if refs:
        done = repo.git("ls-tree", "-z", "--name-only", refs[-1], f"{store.settings.dir}/")
        paths = [path for path in done.text.split("\0") if path.rpartition("/")[2].startswith("CURRENT-")]
        texts = repo.texts([f"{refs[-1]}:{path}" for path in paths])
        names |= {Stored(name, Document.parse(text)).branch for name, text in texts.items()}
    return names - {trunk}


def _state(stored: Stored, merged: set[str], repo: Repo) -> str:
    if stored.doc.field("status") == "merged" or stored.branch in merged:
        return "merged" if stored.branch in repo.branches().refs else "gone"
    return "live" if stored.branch in repo.branches().refs else "gone"

"""All documents, and whether their branches are open, merged or gone."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from spelunk.branchwork.document import data
from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.names import seconds
from spelunk.branchwork.store import Store, Stored


class Listed(Struct, frozen=True):
    """One document in a list.

    Attributes:
        state: ``live``, ``merged`` (but not archived), ``gone`` (the branch is deleted) or ``archived``.
        active: Time of its last change in seconds; None if it gives none.
    """

    stored: Stored
    state: str
    active: float | None

    def to_dict(self) -> dict[str, Any]:
        """As data, for ``--json``."""
        doc = self.stored.doc
        front, head = data.front_matter(doc), data.title(doc)
        return {
            "path": self.stored.path, "ref": self.stored.ref or None, "branch": self.stored.branch,
            "state": self.state, "status": front.get("status"), "pr": front["pr_number"],
            "title": head["text"] if head else None, "risk": front.get("risk"),
            "last_updated": front.get("last_updated"), "updates": len(doc.entries),
        }  # fmt: skip


def listing(store: Store, trunk: str, *, archived: bool = True) -> list[Listed]:
    """Documents of this working tree and of the other branches' own trees: live ones first, by branch.

    A branch's document is taken from the working tree where that branch is
    checked out or the branch is merged, else from the branch's tip, else from
    the working tree.
    """
    filed = store.archived()
    here = {s.branch or s.path: s for s in store.current()}
    there = store.on_branches(store.repo.branches.refs)
    done = {(s.branch, s.doc.field("date")) for s in filed}
    merged = _merged(store, trunk)
    local = merged | {store.repo.head()}
    chosen = {**here, **{b: s for b, s in there.items() if b not in here or b not in local}}
    rows = [
        Listed(s, _state(store, s, merged), active(s))
        for s in chosen.values()
        if not (s.ref and (s.branch, s.doc.field("date")) in done)
    ]
    rows.sort(key=lambda row: (("live", "merged", "gone").index(row.state), row.stored.branch))
    return rows + [Listed(s, "archived", active(s)) for s in filed if archived]


def active(stored: Stored) -> float | None:
    """The newest time in the document."""
    texts = [stored.doc.field("last_updated"), stored.doc.field("date")]
    texts += [entry.date + (" UTC" if entry.utc else "") for entry in stored.doc.entries]
    return max((when for when in map(seconds, texts) if when is not None), default=None)


def _merged(store: Store, trunk: str) -> set[str]:
    """Branches whose commits, or, after a squash, whose document the trunk holds."""
    repo, known = store.repo, store.repo.branches.refs
    refs = repo.trunk_refs(trunk)
    names: set[str] = set()
    tips = {known[trunk].sha} if trunk in known else set()
    for ref in refs:
        run = repo.git("for-each-ref", f"--merged={ref}", "--format=%(refname)", "refs/heads", "refs/remotes")
        full = set(run.text.splitlines())
        names |= {name for name, r in known.items() if r.full in full and r.sha not in tips}
    if refs:
        done = repo.git("ls-tree", "-z", "--name-only", refs[-1], f"{store.settings.dir}/")
        paths = [path for path in done.text.split("\0") if path.rpartition("/")[2].startswith("CURRENT-")]
        texts = repo.texts([f"{refs[-1]}:{path}" for path in paths])
        names |= {Stored(name, Worklog.parse(text)).branch for name, text in texts.items()}
    return names - {trunk}


def _state(store: Store, stored: Stored, merged: set[str]) -> str:
    if stored.branch not in store.repo.branches.refs:
        return "gone"
    return "merged" if stored.doc.field("status") == "merged" or stored.branch in merged else "live"

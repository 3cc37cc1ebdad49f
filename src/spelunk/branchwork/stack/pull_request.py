"""A pull request from ``gh``, in the terms of a document."""

from __future__ import annotations

import json
from typing import Any, Final

from msgspec import Struct

from spelunk.branchwork.stack.git import Repo
from spelunk.io.program import NOT_FOUND

FIELDS: Final = "number,title,state,isDraft,baseRefName,reviewDecision,latestReviews,statusCheckRollup,url"
OURS: Final = "GitHub"
"""Start of the details of a CI row that a refresh wrote and may remove."""

_RESULTS: Final = {
    "SUCCESS": "✅ Pass", "FAILURE": "❌ Fail", "ERROR": "❌ Fail", "TIMED_OUT": "❌ Timed out",
    "STARTUP_FAILURE": "❌ Fail", "ACTION_REQUIRED": "❌ Action required", "CANCELLED": "🚫 Cancelled",
    "SKIPPED": "⏭️ Skipped", "NEUTRAL": "⚪ Neutral", "STALE": "⚪ Stale",
}  # fmt: skip
RUNNING: Final = "⏳ Running"


class CheckRun(Struct, frozen=True):
    """A row of the CI table."""

    name: str
    status: str
    details: str


class PullRequest(Struct, frozen=True):
    """The facts of a pull request that a document has.

    Attributes:
        state: ``open``, ``merged`` or ``closed``.
        status: The status of the document; ``""`` when closed without a merge.
        base: The branch it goes into.
        reviewers: Sorted.
        checks: By workflow and name.
    """

    number: int
    title: str
    state: str
    status: str
    base: str
    reviewers: tuple[str, ...]
    checks: tuple[CheckRun, ...]
    url: str


def fetch(repo: Repo, branch: str, timeout: float) -> tuple[PullRequest | None, str]:
    """The branch's pull request through one ``gh`` call, or None and the reason in one line."""
    # Without a name gh takes the branch checked out and where it pushes to; a branch called "47" is no number.
    name = [] if branch == repo.head() else [branch]
    done = repo.runner.run(["gh", "pr", "view", *name, "--json", FIELDS], cwd=repo.root, timeout=timeout)
    if done.code:
        return None, "gh is not installed" if done.code == NOT_FOUND else done.reason
    try:
        return parse(json.loads(done.text)), ""
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return None, f"gh: an answer that is not understood ({type(error).__name__}: {error})"


def parse(data: dict[str, Any]) -> PullRequest:
    """A pull request from the JSON of ``gh pr view``.

    Raises:
        KeyError: Number or state are missing.
        TypeError: A field has another shape than gh gives it.
    """
    state = {"MERGED": "merged", "CLOSED": "closed"}.get(str(data["state"]).upper(), "open")
    decision = str(data.get("reviewDecision") or "").upper()
    status = {"CHANGES_REQUESTED": "changes-requested", "APPROVED": "approved"}.get(decision, "in-review")
    if state != "open":
        status = "merged" if state == "merged" else ""
    elif data.get("isDraft"):
        status = "draft"
    authors = [review.get("author") or {} for review in data.get("latestReviews") or []]
    reviewers = {str(author.get("login") or "") for author in authors} - {""}
    title, checks = " ".join(str(data.get("title") or "").split()), data.get("statusCheckRollup") or []
    return PullRequest(
        int(data["number"]), title, state, status, str(data.get("baseRefName") or ""),
        tuple(sorted(reviewers, key=str.casefold)), _checks(checks), str(data.get("url") or ""),
    )  # fmt: skip


def _checks(rollup: list[dict[str, Any]]) -> tuple[CheckRun, ...]:
    """One row for each check, the newest run of it, without anything that differs from run to run."""
    latest: dict[tuple[str, str], tuple[str, str]] = {}
    for item in rollup:
        name = " ".join(str(item.get("name") or item.get("context") or "").split())
        workflow = str(item.get("workflowName") or "")
        running = "conclusion" in item and str(item.get("status") or "").upper() != "COMPLETED"
        result = str(item.get("conclusion") or item.get("state") or "").upper()
        status = RUNNING if running else _RESULTS.get(result, RUNNING)
        when = str(item.get("startedAt") or item.get("completedAt") or item.get("createdAt") or "")
        key = (workflow, name)
        if name and latest.get(key, ("", ""))[0] <= when:
            latest[key] = (when, status)
    return tuple(
        CheckRun(name, status, f"{OURS}: {workflow}" if workflow else OURS)
        for (workflow, name), (_, status) in sorted(latest.items())
    )

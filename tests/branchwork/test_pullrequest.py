"""What a pull request changes, through an executable that replays what gh printed, and the real gh."""

from __future__ import annotations

import json
import shutil

import pytest

from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.stack.pull_request import FIELDS, parse

from .conftest import Sandbox, pull


@pytest.fixture
def gh(box: Sandbox, stand_in):  # type: ignore[no-untyped-def]
    box.git("remote", "add", "origin", "https://github.com/o/r.git")
    box.branch("feat/parallel")
    return stand_in("gh")


def test_one_call_fills_title_status_reviewers_and_checks(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    gh.says(pull())
    box.work.create()
    gh.forget()

    done = box.work.refresh()

    assert gh.calls() == [f"pr view --json {FIELDS}"]
    assert not done.changed  # create did it all
    doc = Worklog.parse(box.path("feat-parallel").read_text())
    assert [doc.field(k) for k in ("pr", "status", "reviewers")] == [
        "47",
        "changes-requested",
        "coderabbitai, galligan",
    ]
    assert "\n# PR #47: Add Parallel Indexing\n" in doc.text
    assert (
        "| Check | Status | Details |\n|-------|--------|---------|\n"
        "| coverage/total | ❌ Fail | GitHub |\n| bench | ⏳ Running | GitHub: CI |\n| build | ✅ Pass | GitHub: CI |\n"
    ) in doc.text
    assert "https" not in doc.text
    assert [p for p in box.work.check() if p.level == "error"] == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"state": "MERGED", "isDraft": True}, "merged"),
        ({"isDraft": True, "reviewDecision": "APPROVED"}, "draft"),
        ({"reviewDecision": "CHANGES_REQUESTED"}, "changes-requested"),
        ({"reviewDecision": "APPROVED"}, "approved"),
        ({"reviewDecision": "REVIEW_REQUIRED"}, "in-review"),
        ({"reviewDecision": ""}, "in-review"),
        ({"state": "CLOSED"}, ""),
    ],
)
def test_each_state_has_its_status(changes: dict[str, object], status: str) -> None:
    assert parse(json.loads(pull(**changes))).status == status


def test_a_closed_pull_request_leaves_the_status_alone(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    gh.says(pull(state="CLOSED"))

    box.work.create(status="approved")

    assert Worklog.parse(box.path("feat-parallel").read_text()).field("status") == "approved"


def test_people_keep_their_words_beside_what_gh_knows(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    gh.says("", code=1, error="no pull requests found for branch")
    box.work.create()
    path = box.path("feat-parallel")
    text = (
        path.read_text().replace("pr:", "pr: BLZ-42").replace("reviewers: []", "reviewers: [zoe, Galligan]")
    )
    path.write_text(
        text.replace(
            "|---------|\n", "|---------|\n| build | ? | `make -j` |\n| Bench local | ✅ 3x | mine |\n"
        )
    )
    gh.says(pull())

    box.work.refresh()

    doc = Worklog.parse(path.read_text())
    assert doc.field("pr") == "47 / BLZ-42"
    assert doc.field("reviewers") == "zoe, Galligan, coderabbitai"
    assert "| build | ✅ Pass | `make -j` |\n| Bench local | ✅ 3x | mine |\n| coverage/total |" in doc.text


def test_a_base_of_the_pull_request_places_a_branch_that_git_cannot(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    box.branch("feat/top", "main")
    gh.says(pull(baseRefName="feat/parallel"))

    facts = box.work.create().facts["stack"]

    assert (facts["source"], facts["base"], facts["position"]) == ("gh", "feat/parallel", 2)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (
            {"text": "", "code": 1, "error": 'no pull requests found for branch "x"\n'},
            "no pull requests found",
        ),
        (
            {"text": "", "code": 4, "error": "To get started with GitHub CLI, please run:  gh auth login\n"},
            "gh auth login",
        ),
        ({"text": "<html>", "code": 0}, "not understood"),
        ({"text": '{"number": "x"}', "code": 0}, "not understood"),
        ({"text": '{"number": 1, "state": "OPEN", "latestReviews": 3}', "code": 0}, "not understood"),
    ],
)
def test_a_failing_gh_is_no_error_and_says_why(box: Sandbox, gh, says: dict, reason: str) -> None:  # type: ignore[no-untyped-def]
    gh.says(**says)

    done = box.bw("create", "--json")

    facts = json.loads(done.stdout)["pull_request"]
    assert done.returncode == 0
    assert (facts["used"], reason in facts["reason"]) == (False, True)
    assert "# [WIP] `feat/parallel`" in box.path("feat-parallel").read_text()


def test_a_failing_gh_leaves_the_fields_as_they_are(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    gh.says(pull())
    box.work.create()
    before = box.path("feat-parallel").read_bytes()
    gh.says("", code=1, error="network is down")

    done = box.work.refresh()

    assert done.facts["pull_request"]["reason"] == "gh: network is down"
    assert box.path("feat-parallel").read_bytes() == before


def test_a_program_that_hangs_is_ended(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    script = gh.folder / "gh"
    script.write_text("#!/bin/sh\nsleep 600 &\nwait\n")
    box.env["SPELUNK_BRANCHWORK_TIMEOUT"] = "0.3"

    done = box.bw("create", "--json")

    assert done.returncode == 0
    assert "no answer within 0.3 s" in json.loads(done.stdout)["pull_request"]["reason"]


def test_offline_asks_nobody(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    box.bw("create", "--offline")
    box.bw("refresh", "--offline")
    box.bw("log", "x")
    box.bw("status")
    box.bw("list")
    box.bw("check")

    assert gh.calls() == []


def test_the_same_checks_in_another_order_change_nothing(box: Sandbox, gh) -> None:  # type: ignore[no-untyped-def]
    gh.says(pull())
    box.work.create()
    facts = json.loads(pull())
    facts["statusCheckRollup"].reverse()
    facts["latestReviews"].reverse()
    rerun = {**facts["statusCheckRollup"][2], "startedAt": "2025-08-28T00:00:00Z", "conclusion": "FAILURE"}
    facts["statusCheckRollup"].append(rerun)  # an older run of the same check
    gh.says(json.dumps(facts))

    assert not box.work.refresh(check=True).changed


def test_the_real_gh_may_be_there_without_an_account(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gh") is None:
        print("skipped: gh is not installed (Debian package gh)")
        pytest.skip("gh is not installed")
    monkeypatch.setenv("GH_CONFIG_DIR", str(box.root.parent / "gh"))
    box.git("remote", "add", "origin", "https://github.com/o/r.git")
    box.branch("feat/a")

    done = box.work.create()

    assert done.written
    assert done.facts["pull_request"]["used"] is False
    assert done.facts["pull_request"]["reason"].startswith("gh: ")

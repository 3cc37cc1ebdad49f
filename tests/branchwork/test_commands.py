"""Every command as a user runs it, with good input and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spelunk.branchwork import Branchwork, BranchworkError, DocumentExistsError, RepositoryError
from spelunk.branchwork.document.document import Worklog

from .conftest import DATA, NOON, TEMPLATE, Sandbox

DAY = 86400


def test_create_fills_a_document_and_points_the_link_at_it(box: Sandbox) -> None:
    box.stack("feat/index", "feat/Ünï_code--X")

    done = box.bw("create", "--status", "in-review")

    assert (done.returncode, done.stdout) == (0, ".agents/logs/branchwork/CURRENT-feat-n-code-x.md\n")
    link = box.root / ".agents/logs/CURRENT.md"
    assert link.is_symlink()
    assert str(link.readlink()) == "branchwork/CURRENT-feat-n-code-x.md"
    doc = Worklog.parse(link.read_text(encoding="utf-8"))
    assert doc.field("branch.name") == "feat/Ünï_code--X"
    assert doc.field("slug") == "branchwork-feat-n-code-x"
    assert (doc.field("branch.base"), doc.field("branch.position"), doc.field("branch.total")) == (
        "feat/index",
        "2",
        "2",
    )
    assert (doc.field("status"), doc.field("dri"), doc.field("reviewers")) == ("in-review", "Ada", "")
    assert "\n# [WIP] `feat/Ünï_code--X`\n" in doc.text
    assert box.git("ls-files", "--others", "--exclude-standard").split() == [
        ".agents/logs/branchwork/CURRENT-feat-n-code-x.md"
    ]
    assert box.bw("check").returncode == 0


def test_a_second_create_changes_nothing(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.work.log("first")
    before = box.path("feat-a").read_bytes()

    done = box.bw("create", "--json")

    assert done.returncode == 2
    assert "never overwritten" in json.loads(done.stdout)["error"]
    assert done.stderr.count("\n") == 1
    assert box.path("feat-a").read_bytes() == before


def test_two_branches_with_one_slug_have_two_documents(box: Sandbox) -> None:
    box.branch("feat/a-b")
    box.work.create()
    box.branch("feat-a/b")

    done = box.work.create()

    assert done.path.endswith("CURRENT-feat-a-b-2.md")
    assert box.work.find("feat/a-b").path.endswith("CURRENT-feat-a-b.md")
    assert box.work.find("feat-a/b").path == done.path
    assert [p.level for p in box.work.check()] == []


@pytest.mark.parametrize("name", ["日本語", "#1", "123", "feat/`x`", "x'y\"z", "-dash", "a{b}", "HEAD2"])
def test_any_branch_name_works_from_create_to_archive(box: Sandbox, name: str) -> None:
    box.git("update-ref", f"refs/heads/{name}", "HEAD")
    box.git("symbolic-ref", "HEAD", f"refs/heads/{name}")
    box.commit()

    box.work.create()
    box.work.log("done", author="ada")

    assert box.work.status()["branch"] == name
    assert not box.work.refresh(check=True).changed
    assert [p for p in box.work.check() if p.level == "error"] == []
    assert box.work.archive().branch == name


def test_create_from_the_users_template_keeps_its_words_and_drops_its_example(box: Sandbox) -> None:
    box.branch("feat/a")

    box.bw("create", "--template", str(DATA / "template.md"), "--local")

    text = box.path("feat-a").read_text()
    assert "status: draft  # draft | in-review | changes-requested | approved | merged\n" in text
    assert "  position: 1 # 1  # 1-indexed\n" in text
    assert "# [WIP] `feat/a`\n" in text
    assert "Example" not in text
    assert "UTC" not in Worklog.parse(text).field("date")
    assert box.bw("check").returncode == 0


def test_log_takes_its_author_from_the_flag_the_environment_or_git(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()

    box.bw("log", "one")
    box.env["SPELUNK_BRANCHWORK_AUTHOR"] = "@claude"
    box.bw("log", "two")
    box.bw("log", "three", "--author", "bob")

    assert [(u["author"], u["summary"]) for u in box.json("show")["updates"]] == [
        ("bob", "three"), ("claude", "two"), ("Ada", "one"),
    ]  # fmt: skip


def test_log_writes_what_was_typed(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()

    box.bw("log", "a\\nb `x` $HOME\n\nmore\\t", "--body", "-", stdin="- one\n  - two\n~~~\ncode\n~~~\n")

    (update,) = box.json("show")["updates"]
    assert update["summary"] == "a\\nb `x` $HOME"
    assert update["body"] == "more\\t\n\n- one\n  - two\n~~~\ncode\n~~~"
    assert update["utc"] is True


def test_the_order_of_updates_is_a_setting(box: Sandbox) -> None:
    (box.root / "spelunk.toml").write_text('[branchwork]\norder = "oldest"\n')
    box.branch("feat/a")
    box.work.create()

    for text in ("one", "two"):
        box.work.log(text)

    assert [u["summary"] for u in box.work.show()["updates"]] == ["one", "two"]


def test_update_adds_ticks_and_says_what_it_cannot(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()

    box.bw("update", "--section", "merge", "--item", "Tests pass", "--item", "Docs")
    box.bw("update", "--section", "Merge Checklist", "--subitem", "guide")
    box.bw("update", "--section", "Notes", "--code", "-", "--lang", "sh", stdin="```\n")
    box.bw("update", "--section", "Risks", "--item", "none")
    ticked = box.json("update", "--section", "merge", "--check-item", "tests")
    again = box.json("update", "--check-item", "tests pass")
    failed = box.bw("update", "--section", "merge", "--check-item", "nope")

    text = box.path("feat-a").read_text()
    assert "- [x] Tests pass\n- [ ] Docs\n  - guide\n" in text
    assert "## Notes\n\n````sh\n```\n````\n" in text
    assert text.endswith("## Follow-up Work\n\n- [ ] …\n\n## Risks\n\n- none\n")
    assert (ticked["changed"], again["changed"]) == (True, False)
    assert failed.returncode == 2
    assert "1. Tests pass; 2. Docs" in failed.stderr


def test_a_review_is_quoted_verbatim(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    review = "## Overall\n\n````markdown\n```rust\nx\n```\n````\n### 2025-01-01: [@x] not an update\n~~~\n\ttab  \n"

    done = box.bw("review", "--from", "@coderabbitai", "-", stdin=review)

    assert done.returncode == 0
    (update,) = box.json("show")["updates"]
    assert (update["author"], update["summary"], update["reviews"]) == ("coderabbitai", "PR Review", [review])


def test_status_says_what_blocks_the_merge(box: Sandbox, example: str) -> None:
    box.branch("feat/add-parallel-indexing")
    box.put("parallel-indexing", example)

    facts = box.json("status")
    text = box.bw("status").stdout

    assert facts["blockers"] == [
        "not approved: the status is in-review",
        "Definition of Done: 7 open, first line 41: Parallel processing supports 1-16 workers",
        "Merge Checklist: 2 open, first line 56: Squash commits before merge",
        "CI: Benchmarks: ⏳ Running",
    ]
    assert [(c["section"], c["ticked"], c["total"]) for c in facts["checklists"]] == [
        ("Issues & Tickets", 0, 5), ("Definition of Done", 0, 7), ("Merge Checklist", 5, 7), ("Follow-up Work", 0, 3),
    ]  # fmt: skip
    assert "blocks the merge:" in text
    assert facts["last_update"]["summary"] == "Local benchmark results"


@pytest.mark.parametrize(
    "which", ["feat/add-parallel-indexing", "47", "#47", "parallel-indexing", "branchwork-parallel-indexing"]
)
def test_show_finds_a_document_by_branch_number_or_slug(box: Sandbox, example: str, which: str) -> None:
    box.put("parallel-indexing", example)

    assert box.bw("show", which).stdout == example
    assert box.json("show", which)["front_matter"]["pr_number"] == 47
    assert box.bw("show", ".agents/logs/branchwork/CURRENT-parallel-indexing.md").stdout == example


def test_a_document_found_by_front_matter_needs_no_file_name(box: Sandbox, example: str) -> None:
    box.branch("feat/add-parallel-indexing")
    path = box.put("anything", example)

    box.work.log("x", author="a")

    assert path.read_text().count("[@a] x") == 1


def test_a_log_in_the_example_keeps_every_other_line(box: Sandbox, example: str) -> None:
    box.branch("feat/add-parallel-indexing")
    path = box.put("parallel-indexing", example.replace("\n", "\r\n"))

    box.work.log("x", author="a")

    after = path.read_bytes().decode()
    expected = example.replace(
        "last_updated: 2025-08-30 16:30 UTC", "last_updated: 2025-08-29 12:00 UTC"
    ).replace("## Updates\n\n", "## Updates\n\n### 2025-08-29 12:00 UTC: [@a] x\n\n")
    assert after == expected.replace("\n", "\r\n")


def test_list_knows_live_merged_gone_and_archived(box: Sandbox) -> None:
    for name in ("feat/live", "feat/merged", "feat/squashed", "feat/gone", "feat/filed"):
        box.branch(name, "main")
        box.work.create()
        box.commit()
    box.git("checkout", "-q", "main")
    box.git("merge", "-q", "--no-ff", "feat/merged", "-m", "m")
    box.git("merge", "-q", "--squash", "feat/squashed")
    box.git("commit", "-q", "-m", "squashed")
    for name in ("feat/gone", "feat/filed"):
        box.git("merge", "-q", "--no-ff", name, "-m", "m")
        box.git("branch", "-q", "-D", name)
    box.work.archive(branch="feat/filed")

    rows = {row["branch"]: row for row in box.json("list")["documents"]}

    assert {name: row["state"] for name, row in rows.items()} == {
        "feat/live": "live", "feat/merged": "merged", "feat/squashed": "merged", "feat/gone": "gone",
        "feat/filed": "archived",
    }  # fmt: skip
    assert rows["feat/live"]["ref"] == "feat/live"
    assert [r["branch"] for r in box.json("list", "--status", "merged")["documents"]] == ["feat/filed"]
    assert box.bw("list", "--status", "odd").returncode == 2


def test_list_stale_goes_by_the_newest_time_a_document_gives(box: Sandbox) -> None:
    box.branch("feat/old")
    box.work.create()
    box.commit()
    box.now = NOON + 20 * DAY
    box.branch("feat/new", "main")
    box.work.create()

    assert [row.stored.branch for row in box.work.documents(stale_days=14)] == ["feat/old"]
    assert [row.stored.branch for row in box.work.documents(stale_days=30)] == []


def test_check_prints_path_line_and_message(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create(status="approved")
    box.work.update("dod", items=("ship",))
    path = box.path("feat-a")
    path.write_text(path.read_text().replace("risk: ", "risk: huge").replace("## Notes\n", "## Jottings\n"))

    done = box.bw("check")

    name = ".agents/logs/branchwork/CURRENT-feat-a.md"
    lines = path.read_text().split("\n")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{name}:14: risk: 'huge' is not one of low, medium, high",
        f"{name}:{lines.index('- [ ] ship') + 1}: Definition of Done: 'ship' is open, but the status is approved",
        f"{name}:{len(lines) - 1}: section 'Notes' is missing",
    ]
    problems = box.json("check")["problems"]
    assert [p["line"] for p in problems] == [14, lines.index("- [ ] ship") + 1, len(lines) - 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("status: draft", "status: odd", "status: 'odd' is not one of draft"),
        ("slug: branchwork-feat-a", "slug: other", "slug: 'other' must be"),
        ("pr:", "pr: x", "pr: 'x' is not a number"),
        ("pr:", "pr: 7", "must start with 'PR #7: '"),
        ("  position: 1", "  position: 3", "branch.position: 3 is more than the total, 1"),
        ("date: 2025-08-29 12:00 UTC", "date: 29.8.2025", "is not YYYY-MM-DD HH:MM UTC"),
        ("date: 2025-08-29 12:00 UTC", "date: 2025-02-30 12:00 UTC", "is not YYYY-MM-DD HH:MM UTC"),
        ("reviewers: []", "reviewers: ada", "must be a list"),
        ("# [WIP] `feat/a`", "# Feature A", "while there is no pull request"),
        ("## Issues", "## Notes", "is there twice"),
        ("|-------|--------|---------|", "text", "has no table"),
        ("## Updates\n", "## Updates\n\n### something\n", "update 'something' is not"),
        ("## Updates\n", "## Updates\n\n<<<<<<< HEAD\n", "a merge conflict is left"),
        ("## Updates\n", "## Updates\n\n```\n", "a code fence is opened and never closed"),
        ("---\n\n#", "--\n\n#", "no front matter"),
        ("risk: ", "risc: ", "risk is missing"),
    ],
)
def test_check_finds_each_fault(box: Sandbox, old: str, new: str, message: str) -> None:
    box.branch("feat/a")
    box.work.create()
    path = box.path("feat-a")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    found = box.work.check((str(path.relative_to(box.root)),))

    assert any(message in p.message and p.level == "error" for p in found), found


def test_check_compare_with_wants_a_document_only_for_code(box: Sandbox) -> None:
    box.git("checkout", "-q", "-b", "feat/a")
    box.commit("docs/guide.md")
    docs = box.bw("check", "--compare-with", "main")
    box.commit("src/x.py")
    code = box.bw("check", "--compare-with", "main")
    box.work.create()
    box.commit()
    done = box.bw("check", "--compare-with", "main")
    box.git("checkout", "-q", "--detach")
    detached = box.bw("check", "--compare-with", "main")

    assert docs.returncode == 0
    assert code.returncode == 1
    assert code.stdout == (
        ".agents/logs/branchwork/CURRENT-feat-a.md:1: 1 code files changed since main (first src/x.py), and feat/a has"
        " no document; `spelunk branchwork create` starts one\n"
    )
    assert (done.returncode, detached.returncode) == (0, 0)
    assert box.bw("check", "--compare-with", "nowhere").returncode == 2


def test_archive_finds_the_document_by_front_matter(box: Sandbox, example: str) -> None:
    box.put("parallel-indexing", example)
    box.now = NOON

    done = box.work.archive(branch="feat/add-parallel-indexing")

    assert done.path == ".agents/logs/branchwork/202508291200-feat-add-parallel-indexing.md"
    assert not box.path("parallel-indexing").exists()
    assert (box.root / done.path).read_text() == example.replace(
        "status: in-review", "status: merged"
    ).replace("last_updated: 2025-08-30 16:30 UTC", "last_updated: 2025-08-29 12:00 UTC")


def test_archive_finds_it_by_number_and_tells(box: Sandbox, example: str) -> None:
    box.put("parallel-indexing", example)

    done = box.bw("archive", "--branch=some/other-head", "--pr=47")
    again = box.bw("archive", "--pr", "47")

    assert done.returncode == 0
    assert "no document names the branch some/other-head" in done.stderr
    assert (again.returncode, "archived before" in again.stderr) == (0, True)


def test_archive_never_fails_without_a_word(box: Sandbox, example: str) -> None:
    box.put("parallel-indexing", example)

    loud = box.bw("archive", "--branch", "feat/none")
    lenient = box.bw("archive", "--branch", "feat/none", "--if-present")

    assert (loud.returncode, lenient.returncode) == (2, 0)
    assert "there are: feat/add-parallel-indexing" in loud.stderr
    assert "nothing archived" in lenient.stderr


def test_archive_never_overwrites_and_drops_the_link(box: Sandbox) -> None:
    box.branch("feat/a")
    names = []
    for _ in range(3):
        box.work.create()
        names.append(box.work.archive().path)

    assert [name[36:] for name in names] == ["-feat-a.md", "-feat-a-2.md", "-feat-a-3.md"]
    assert not (box.root / ".agents/logs/CURRENT.md").is_symlink()


def test_a_base_set_by_hand_stays_and_any_other_follows_the_stack(box: Sandbox) -> None:
    box.stack("develop-ish", "feat/a", "feat/b")
    box.work.create()
    path = box.path("feat-b")
    assert "  base: feat/a " in path.read_text()

    box.git("rebase", "-q", "--onto", "main", "feat/a", "feat/b")
    followed = box.work.refresh()
    path.write_text(path.read_text().replace("  base: main ", "  base: develop-ish "))
    by_hand = box.work.refresh()
    flag = box.work.refresh(base="main")

    assert followed.facts["stack"]["base"] == "main"
    assert (by_hand.facts["stack"]["base"], by_hand.facts["stack"]["base_set_by_hand"]) == (
        "develop-ish",
        True,
    )
    assert by_hand.facts["stack"]["position"] == 2
    assert (flag.facts["stack"]["base"], flag.facts["stack"]["position"]) == ("main", 1)
    assert box.work.refresh().facts["stack"]["base_set_by_hand"] is True
    with pytest.raises(RepositoryError, match="not another branch"):
        box.work.refresh(base="nowhere")


def test_in_a_clone_a_base_follows_the_stack_until_it_differs(box: Sandbox, tmp_path: Path) -> None:
    box.stack("feat/a", "feat/b")
    box.work.create()
    box.commit()
    box.git("checkout", "-q", "main")
    clone = Sandbox(tmp_path / "clone")
    box.git("clone", "-q", str(box.root), str(clone.root), cwd=tmp_path)
    clone.git("checkout", "-q", "feat/b")

    same = clone.offline().refresh()
    clone.git("rebase", "-q", "--onto", "origin/main", "origin/feat/a")
    moved = clone.offline().refresh()

    assert (same.changed, same.facts["stack"]["base"], same.facts["stack"]["base_set_by_hand"]) == (
        False,
        "feat/a",
        False,
    )
    assert moved.facts["stack"]["base"] == "main"


def test_a_base_that_is_gone_is_no_longer_kept(box: Sandbox) -> None:
    box.stack("feat/a", "feat/b")
    box.work.create(base="feat/a")
    box.git("branch", "-q", "-D", "feat/a")

    assert box.work.refresh().facts["stack"]["base"] == "main"


def test_refresh_check_exits_1_when_out_of_date_and_writes_nothing(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    fresh = box.bw("refresh", "--check")
    box.commit()
    box.branch("feat/b")
    box.git("checkout", "-q", "feat/a")
    before = box.path("feat-a").read_bytes()

    stale = box.bw("refresh", "--check")

    assert (fresh.returncode, stale.returncode) == (0, 1)
    assert stale.stdout == ".agents/logs/branchwork/CURRENT-feat-a.md: out of date: branch.total, stack\n"
    assert box.path("feat-a").read_bytes() == before
    box.bw("refresh")
    assert box.bw("refresh", "--check").returncode == 0


def test_a_second_refresh_writes_nothing_whatever_the_time(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.work.refresh()
    before = box.path("feat-a").stat()

    box.now += 5 * DAY
    done = box.work.refresh()

    assert (done.changed, done.written) == (False, False)
    assert box.path("feat-a").stat().st_mtime_ns == before.st_mtime_ns


def test_on_a_detached_head_commands_ask_for_a_branch(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.git("checkout", "-q", "--detach")

    done = box.bw("log", "x")

    assert done.returncode == 2
    assert "HEAD is detached" in done.stderr
    assert box.bw("log", "x", "--branch", "feat/a").returncode == 0
    assert box.bw("refresh", "--branch", "feat/a").returncode == 0
    assert box.json("link")["path"] is None


def test_during_a_rebase_the_branch_is_the_one_being_rebased(box: Sandbox) -> None:
    box.branch("feat/a")
    box.commit("same.py", "a\n")
    box.work.create()
    box.git("checkout", "-q", "main")
    box.commit("same.py", "b\n")
    box.git("checkout", "-q", "feat/a")
    subprocess.run(["git", "rebase", "main"], cwd=box.root, capture_output=True)  # stops at a conflict

    assert box.work.branch() == "feat/a"


def test_worktrees_have_their_own_link_and_one_lock(box: Sandbox, tmp_path: Path) -> None:
    box.branch("feat/a")
    box.work.create()
    box.commit()
    box.git("worktree", "add", "-q", "-b", "feat/b", str(tmp_path / "wt"))
    other = Sandbox(tmp_path / "wt")
    other.commit("z.py")

    done = other.work.create()
    other.bw("log", "from the worktree")

    assert done.facts["stack"]["base"] == "feat/a"
    assert str((other.root / ".agents/logs/CURRENT.md").readlink()).endswith("CURRENT-feat-b.md")
    assert str((box.root / ".agents/logs/CURRENT.md").readlink()).endswith("CURRENT-feat-a.md")
    assert other.git("status", "--porcelain").split() == ["??", ".agents/logs/branchwork/CURRENT-feat-b.md"]
    assert (box.root / ".git/spelunk-branchwork.lock").exists()


def test_a_renamed_branch_takes_its_document_along(box: Sandbox) -> None:
    box.branch("feat/old")
    box.work.create()
    box.work.log("kept")
    box.git("branch", "-m", "feat/new")

    found = box.work.status()
    done = box.work.refresh()

    assert found["branch"] == "feat/old"
    assert done.path.endswith("CURRENT-feat-new.md")
    assert not box.path("feat-old").exists()
    shown = box.work.show()
    assert shown["front_matter"]["slug"] == "branchwork-feat-new"
    assert shown["title"]["text"] == "[WIP] `feat/new`"
    assert shown["updates"][0]["summary"] == "kept"
    assert box.work.check() == []
    assert not box.work.refresh(check=True).changed


def test_a_document_on_another_branch_can_be_read_and_not_written(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    box.commit()
    box.git("checkout", "-q", "main")

    assert box.work.show("feat/a")["ref"] == "feat/a"
    done = box.bw("log", "x", "--branch", "feat/a")
    assert done.returncode == 2
    assert "on that branch only; check it out" in done.stderr


def test_numbers_of_the_stacks_other_documents_are_drawn(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    path = box.path("feat-a")
    path.write_text(path.read_text().replace("pr:", "pr: 46").replace("status: draft", "status: merged"))
    box.commit()
    box.branch("feat/b")

    box.work.create()

    assert "└─◯ feat/a (PR #46) ✅ Merged\n  └─◉ feat/b\n" in box.path("feat-b").read_text()


def test_untracked_storage_is_ignored_by_git(box: Sandbox) -> None:
    (box.root / "pyproject.toml").write_text(
        "[tool.spelunk.branchwork]\ntracked = false\ndir = 'notes/logs'\n"
    )
    box.commit("x.py")
    box.branch("feat/a")

    done = box.work.create()

    assert done.path == "notes/logs/CURRENT-feat-a.md"
    assert (box.root / "notes/CURRENT.md").is_symlink()
    assert box.git("status", "--porcelain") == ""


def test_a_pointer_file_stands_in_for_a_link(box: Sandbox) -> None:
    box.env["SPELUNK_BRANCHWORK_LINK"] = "pointer"
    box.branch("feat/a")
    box.bw("create")
    pointer = box.root / ".agents/logs/CURRENT.md"

    assert not pointer.is_symlink()
    assert pointer.read_text() == "branchwork/CURRENT-feat-a.md\n"
    box.bw("archive")
    assert not pointer.exists()


def test_a_file_of_ones_own_in_the_links_place_is_left_alone(box: Sandbox) -> None:
    box.branch("feat/a")
    mine = box.root / ".agents/logs/CURRENT.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("# Mine\n")

    assert box.work.create().facts["link"] == "foreign"
    assert mine.read_text() == "# Mine\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "--dry-run"], ["refresh", "--dry-run", "--base", "main"], ["log", "x", "--dry-run"],
        ["update", "--section", "Notes", "--item", "x", "--dry-run"], ["review", "--from", "a", "-", "--dry-run"],
        ["archive", "--dry-run"], ["link", "--dry-run"], ["install-hook", "--dry-run"], ["install-workflow", "--dry-run"],
    ],
)  # fmt: skip
def test_a_dry_run_writes_nothing_and_shows_what_it_would(box: Sandbox, arguments: list[str]) -> None:
    box.stack("feat/a", "feat/b")
    if arguments[0] != "create":
        box.work.create()

    def snapshot() -> dict[str, bytes]:
        return {
            str(p): p.read_bytes()
            for p in box.root.rglob("*")
            if p.is_file() and ".lock" not in p.name and "/index" not in str(p)
        }

    before = snapshot()
    done = box.bw(*arguments, stdin="review\n")
    data = box.bw(*arguments, "--json", stdin="review\n")

    assert (done.returncode, data.returncode) == (0, 0)
    assert snapshot() == before
    assert done.stdout
    assert json.loads(data.stdout).get("written", False) is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no command"),
        (["nonsense"], "no branchwork command"),
        (["log"], "TEXT"),
        (["log", "  "], "needs a text"),
        (["log", "x", "--body", "/nonexistent"], "cannot be read"),
        (["update", "--item", "x"], "--section NAME"),
        (["update", "--section", "Notes"], "one of the arguments"),
        (["update", "--section", "Updates", "--item", "x"], "branchwork log"),
        (["update", "--section", "stack", "--item", "x"], "branchwork refresh"),
        (["update", "--section", "Notes", "--item", " "], "needs a text"),
        (["update", "--section", "Notes", "--subitem", "x"], "--item first"),
        (["update", "--section", "Notes", "--code", "/nonexistent"], "cannot be read"),
        (["update", "--section", "Notes", "--item", "x", "--under", "y"], "--under goes with"),
        (["review", "-"], "--from"),
        (["review", "--from", "x", "-"], "empty"),
        (["review", "--from", "", "start.py"], "the author has no name"),
        (["archive", "--branch", ""], "--branch needs a name"),
        (["show", "/etc/hosts"], "no document for"),
        (["refresh", "--base", "HEAD~1"], "not another branch"),
        (["refresh", "--base", "feat/a"], "not another branch"),
        (["show", "nothing"], "no document for nothing"),
        (["check", "nothing"], "no document for nothing"),
        (["create", "--status", "odd"], "must be one of"),
        (["create", "--template", "/nonexistent"], "cannot be read"),
        (["archive", "--pr", "x"], "invalid int"),
        (["list", "--stale", "x"], "invalid float"),
        (["status", "-C", "/nonexistent"], "no such folder"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_status_2(box: Sandbox, arguments: list[str], said: str) -> None:
    box.branch("feat/a")
    if arguments[:1] != ["create"]:
        box.work.create()

    done = box.bw(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_command_runs_as_if_started_elsewhere(box: Sandbox, tmp_path: Path) -> None:
    box.branch("feat/a")
    box.work.create()
    (box.path("feat-a").parent / "CURRENT-folder.md").mkdir()

    (box.root / "body.md").write_text("the body\n")
    logged = box.bw("log", "x", "--body", "body.md", "-C", "repo", cwd=tmp_path)

    first = box.bw("-C", "repo", "show", cwd=tmp_path)
    last = box.bw("show", "-C", "repo", cwd=tmp_path)

    assert logged.returncode == 0
    assert "the body" in first.stdout
    assert first.stdout == last.stdout == box.path("feat-a").read_text()
    assert box.bw("list").returncode == 0


def test_outside_a_repository_and_without_git_the_message_says_so(
    tmp_path: Path, box: Sandbox, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    outside = box.bw("status", cwd=tmp_path)
    bare = tmp_path / "bare.git"
    box.git("init", "-q", "--bare", str(bare))
    inside_bare = box.bw("status", cwd=bare)
    monkeypatch.setenv("PATH", "/nonexistent")
    without = box.bw("status")

    assert (outside.returncode, "not in a git repository" in outside.stderr) == (2, True)
    assert (inside_bare.returncode, "without a working tree" in inside_bare.stderr) == (2, True)
    assert (without.returncode, "git was not found" in without.stderr) == (2, True)


def test_in_a_repository_without_commits_there_is_no_crash(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.git("init", "-q")

    assert sandbox.bw("list").returncode == 0
    assert sandbox.bw("status").returncode == 2
    sandbox.git("checkout", "-q", "-b", "feat/a")
    assert sandbox.bw("create").returncode == 0
    assert sandbox.bw("refresh").returncode == 0


def test_a_document_in_latin_1_survives_byte_for_byte(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    path = box.path("feat-a")
    path.write_bytes(path.read_bytes() + b"\nCaf\xe9 \xff\n")

    box.bw("log", "x")
    shown = box.bw("show")
    data = box.bw("show", "--json")

    assert path.read_bytes().endswith(b"\nCaf\xe9 \xff\n")
    assert "Caf\udce9" in shown.stdout
    assert json.loads(data.stdout)["path"].endswith("CURRENT-feat-a.md")


def test_nothing_heavy_is_imported(box: Sandbox) -> None:
    box.branch("feat/a")
    box.work.create()
    code = (
        "import sys; from spelunk.cli import main\n"
        "status = [main(['branchwork', c]) for c in ('link', 'show')]\n"
        "assert 'markdown_it' not in sys.modules\n"
        "status += [main(['branchwork', c]) for c in ('status', 'list', 'check')]\n"
        "heavy = {'asyncio', 'importlib.metadata', 'numpy', 'pydantic', 'typer', 'click', 'rich', 'tantivy', 'yaml',\n"
        "         'tomllib', 'unittest', 'xml', 'email', 'http', 'urllib.request', 'multiprocessing', 'sqlite3'}\n"
        "assert status == [0] * 5 and not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "engine = {m for m in sys.modules if m.startswith(('spelunk.index', 'spelunk.store', 'spelunk.search'))}\n"
        "assert not engine, engine\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=box.root, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_search_answers_why_from_the_documents_fields(box: Sandbox, tmp_path: Path) -> None:
    box.env["SPELUNK_HOME"] = str(tmp_path / "home")
    box.branch("feat/a")
    box.work.create(status="in-review")
    box.work.log(
        "Fixed the deadlock", body="The flush held the queue lock while it took the workers'.", author="ada"
    )
    box.work.archive()
    box.branch("feat/b")
    box.work.create(status="in-review")
    box.work.log("Another deadlock", body="This one between two flushes.", author="bob")

    found = box.bw("search", "status:in-review deadlock", "--json")
    merged = box.bw("search", "status:merged", "deadlock", "-k", "1", "--json", cwd=box.root / ".agents")

    assert found.returncode == 0, found.stderr
    hits = json.loads(found.stdout)["hits"]
    assert {hit["kind"] for hit in hits} == {"branchwork"}
    assert {hit["path"].rpartition("/")[2] for hit in hits} == {"CURRENT-feat-b.md"}
    assert "This one between two flushes." in hits[0]["content"]
    (hit,) = json.loads(merged.stdout)["hits"]
    assert hit["path"].endswith("-feat-a.md")
    assert box.bw("search", "nothingatall").returncode in (0, 1)


def test_the_api_says_what_is_wrong(box: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError):
        Branchwork.load(str(tmp_path / "nowhere"))
    with pytest.raises(RepositoryError, match="main is the trunk"):
        box.work.create()
    box.branch("feat/a")
    box.work.create()
    with pytest.raises(DocumentExistsError):
        box.work.create()
    with pytest.raises(BranchworkError, match="the author has no name"):
        box.git("config", "user.name", "")
        box.work.log("x")


def test_the_template_has_every_field_and_section() -> None:
    theirs = Worklog.parse((DATA / "template.md").read_text(encoding="utf-8"))
    ours = Worklog.parse(TEMPLATE)

    assert theirs.front is not None
    assert ours.front is not None
    assert list(ours.front.fields) == list(theirs.front.fields)
    assert [s.name for s in ours.sections][:-1] == [s.name for s in theirs.sections]
    assert ours.sections[-1].name == "Follow-up Work"

"""Stacks: position, total, the drawing, and where they come from in real repositories."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from spelunk.branchwork import Branchwork
from spelunk.branchwork.stack import git_stack
from spelunk.branchwork.stack import graph as stack
from spelunk.branchwork.stack.graph import Graph, parse_drawing, with_base
from spelunk.branchwork.stack.sources import graphite

from .conftest import Sandbox

SEVEN = ("feat/a", "feat/b", "feat/c", "feat/d", "feat/e", "feat/f", "feat/g")


def graph(**parents: str) -> Graph:
    return Graph("git", "main", parents)


def parents(box: Sandbox, branch: str, hints: dict[str, str] | None = None) -> dict[str, str]:
    return git_stack.graph(Branchwork.load(str(box.root)).repo, branch, "main", hints or {}).parents


def chain(*names: str) -> dict[str, str]:
    return dict(zip(names, ("main", *names), strict=False))


def test_only_the_branchs_own_stack_is_drawn() -> None:
    made = stack.build(graph(a="main", b="a", c="b", d="b", side="a", other="main"), "b")

    assert stack.draw(made) == ["◯ main", "└─◯ a", "  └─◉ b", "    ├─◯ c", "    └─◯ d"]
    assert (made.position, made.total, made.base) == (2, 4, "a")


def test_marks_come_from_the_pull_requests_that_are_known() -> None:
    known = stack.with_facts(
        graph(a="main", b="a", c="b", d="c"), {"a": 46, "b": 47, "c": 48},
        {"a": "merged", "b": "open", "c": "open"},
    )  # fmt: skip

    drawn = stack.draw(stack.build(known, "b"))

    assert drawn == [
        "◯ main", "└─◯ a (PR #46) ✅ Merged", "  └─◉ b (PR #47)", "    └─◯ c (PR #48) ⏳ Waiting", "      └─◯ d",
    ]  # fmt: skip
    assert [(b["name"], b["pr"], b["state"], b["current"]) for b in parse_drawing(drawn)] == [
        ("main", None, "", False), ("a", 46, "merged", False), ("b", 47, "", True), ("c", 48, "waiting", False),
        ("d", None, "", False),
    ]  # fmt: skip


def test_a_forked_tree_is_drawn_with_its_rails() -> None:
    made = stack.build(graph(a="main", b="a", b1="b", c="a", c1="c", c2="c1"), "a")

    assert stack.draw(made) == [
        "◯ main", "└─◉ a", "  ├─◯ b", "  │ └─◯ b1", "  └─◯ c", "    └─◯ c1", "      └─◯ c2",
    ]  # fmt: skip


def test_a_circle_of_parents_ends() -> None:
    made = stack.build(graph(a="b", b="c", c="a"), "a")

    assert made.branch == "a"
    assert len({m.name for m in made.members}) == made.total
    assert stack.draw(stack.build(with_base(graph(a="main", b="a"), "a", "b", "document"), "a"))[0] == "◯ b"


def test_random_forests_give_every_branch_one_place() -> None:
    rng = random.Random(5)
    for _ in range(200):
        names = [f"b{n}" for n in range(rng.randint(1, 12))]
        edges = {name: rng.choice(["main", *names[:n]]) for n, name in enumerate(names)}
        for name in names:
            made = stack.build(Graph("git", "main", edges), name)
            assert 1 <= made.position <= made.total == len(made.members)
            assert sum("◉" in line for line in stack.draw(made)) == 1
            assert len(stack.draw(made)) == made.total + 1


def test_git_alone_finds_a_stack_of_seven(box: Sandbox) -> None:
    box.stack(*SEVEN)

    assert parents(box, "feat/d") == chain(*SEVEN)
    for n, name in enumerate(SEVEN, 1):
        box.git("checkout", "-q", name)
        made = stack.build(Graph("git", "main", parents(box, name)), name)
        assert (made.position, made.total) == (n, 7)


def test_git_alone_sees_through_a_needed_restack(box: Sandbox) -> None:
    box.stack(*SEVEN)
    box.git("checkout", "-q", "feat/c")
    box.commit()  # c went on
    box.git("checkout", "-q", "feat/e")
    box.git("commit", "-q", "--amend", "-m", "other words")  # e was rewritten

    found = git_stack.graph(box.work.repo, "feat/d", "main", {})

    assert found.parents == chain(*SEVEN)
    assert found.restack == {"feat/d", "feat/f"}


def test_git_alone_keeps_siblings_and_forks_apart(box: Sandbox) -> None:
    box.branch("base")
    box.branch("left")
    box.branch("right", "base")
    box.branch("other", "main")
    box.git("checkout", "-q", "base")
    box.git("commit", "-q", "--amend", "-m", "rewritten")

    assert parents(box, "left") == {"base": "main", "left": "base", "right": "base", "other": "main"}


def test_branches_without_commits_stand_on_what_they_left(box: Sandbox) -> None:
    box.branch("feat/a")
    box.branch("feat/b", commit=False)

    assert parents(box, "feat/b") == {"feat/a": "main", "feat/b": "feat/a"}
    box.git("checkout", "-q", "-b", "fresh", "main")
    assert parents(box, "fresh")["fresh"] == "main"


def test_a_deleted_parent_leaves_its_child_on_what_is_below(box: Sandbox) -> None:
    box.stack("feat/a", "feat/b", "feat/c")
    box.git("branch", "-q", "-D", "feat/b")

    assert parents(box, "feat/c") == {"feat/a": "main", "feat/c": "feat/a"}


def test_a_renamed_parent_is_found_under_its_new_name(box: Sandbox) -> None:
    box.stack("feat/a", "feat/b")
    box.git("branch", "-m", "feat/a", "feat/new")
    box.git("checkout", "-q", "feat/new")
    box.commit()

    assert parents(box, "feat/b") == {"feat/new": "main", "feat/b": "feat/new"}


def test_a_merged_branch_is_no_longer_in_the_stack(box: Sandbox) -> None:
    box.stack("feat/a", "feat/b")
    box.git("checkout", "-q", "main")
    box.git("merge", "-q", "--no-ff", "feat/a", "-m", "merge")
    box.git("checkout", "-q", "feat/b")

    assert parents(box, "feat/b") == {"feat/b": "main"}


def test_a_fresh_clone_has_the_remotes_branches_and_no_reflog(box: Sandbox, tmp_path: Path) -> None:
    box.stack(*SEVEN)
    box.git("checkout", "-q", "main")
    clone = Sandbox(tmp_path / "clone")
    box.git("clone", "-q", str(box.root), str(clone.root), cwd=tmp_path)
    clone.git("checkout", "-q", "feat/d")

    assert parents(clone, "feat/d") == chain(*SEVEN)


def test_a_fresh_clone_that_needs_a_restack_takes_the_bases_of_the_documents(
    box: Sandbox, tmp_path: Path
) -> None:
    box.stack("feat/a", "feat/b")
    box.git("checkout", "-q", "feat/a")
    box.git("commit", "-q", "--amend", "-m", "rewritten")
    clone = Sandbox(tmp_path / "clone")
    box.git("clone", "-q", str(box.root), str(clone.root), cwd=tmp_path)
    clone.git("checkout", "-q", "feat/b")

    assert parents(clone, "feat/b")["feat/b"] == "main"
    assert parents(clone, "feat/b", {"feat/b": "feat/a"}) == {"feat/a": "main", "feat/b": "feat/a"}


def test_the_trunk_is_the_remotes_head_or_a_usual_name(box: Sandbox, tmp_path: Path) -> None:
    box.git("branch", "-m", "main", "production")
    box.branch("feat/a")
    assert box.work.repo.trunk() == ""  # two branches, and nothing tells
    assert box.work.repo.trunk("production") == "production"
    box.git("checkout", "-q", "production")
    clone = Sandbox(tmp_path / "clone")
    box.git("clone", "-q", str(box.root), str(clone.root), cwd=tmp_path)

    assert clone.work.repo.trunk() == "production"


@pytest.mark.slow
def test_the_real_graphite_and_git_alone_agree_on_seven_branches(box: Sandbox, gt) -> None:  # type: ignore[no-untyped-def]
    gt("init", "--trunk", "main")
    for n, name in enumerate(SEVEN):
        (box.root / f"f{n}.py").write_text(f"{n}\n")
        box.git("add", "-A")
        gt("create", name, "-m", f"step {n}")
    box.git("checkout", "-q", "feat/c")
    box.commit()  # behind Graphite's back: d needs a restack

    said = graphite(box.work.repo, 60.0)

    assert isinstance(said, Graph)
    assert said.parents == chain(*SEVEN)
    assert "feat/d" in said.restack
    assert git_stack.graph(box.work.repo, "feat/d", "main", {}).parents == said.parents
    box.git("checkout", "-q", "--detach")
    detached = graphite(box.work.repo, 60.0)
    assert isinstance(detached, Graph)
    assert detached.parents == said.parents


def test_graphite_is_never_asked_where_it_would_initialise(box: Sandbox, stand_in) -> None:  # type: ignore[no-untyped-def]
    fake = stand_in("gt")
    box.branch("feat/a")

    box.work.create()

    assert fake.calls() == []
    assert not (box.root / ".git/.graphite_repo_config").exists()


def test_the_real_graphite_places_a_document_with_one_call(box: Sandbox, gt, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    gt("init", "--trunk", "main")
    for name in ("feat/index", "feat/parallel"):
        (box.root / f"{name[5:]}.py").write_text("x\n")
        box.git("add", "-A")
        gt("create", name, "-m", name)
    box.git("checkout", "-q", "feat/index")
    asked: list[str] = []
    work = box.work
    run = work.repo.runner.run
    monkeypatch.setattr(
        work.repo,
        "runner",
        type("Spy", (), {"run": lambda self, argv, **kw: (asked.append(argv[0]), run(argv, **kw))[1]})(),
    )

    facts = work.create().facts

    assert asked.count("gt") == 1
    assert facts["stack"]["source"] == "graphite"
    assert (facts["stack"]["position"], facts["stack"]["total"]) == (1, 2)
    assert "└─◉ feat/index\n  └─◯ feat/parallel\n" in box.path("feat-index").read_text()


def test_graphites_own_record_gives_the_marks_of_the_stack(box: Sandbox, stand_in) -> None:  # type: ignore[no-untyped-def]
    box.stack("feat/a", "feat/b", "feat/c")
    box.git("checkout", "-q", "feat/b")
    stand_in("gt").says(
        '{"main": {"trunk": true}, "feat/a": {"trunk": false, "needs_restack": false, "parents": [{"ref": "main", "sha": "1"}]},'
        ' "feat/b": {"trunk": false, "needs_restack": true, "parents": [{"ref": "feat/a", "sha": "2"}]},'
        ' "feat/c": {"trunk": false, "needs_restack": false, "parents": [{"ref": "feat/b", "sha": "3"}]}}'
    )
    (box.root / ".git/.graphite_repo_config").write_text("{}")
    record = box.root / ".git/.graphite_pr_info"
    record.write_text(
        '{"prInfos": [{"prNumber": 48, "state": "OPEN", "headRefName": "feat/c"},'
        ' {"prNumber": 46, "state": "MERGED", "headRefName": "feat/a", "isDraft": false},'
        ' {"prNumber": 40, "state": "CLOSED", "headRefName": "feat/a"}]}'
    )

    marked = box.work.create(dry_run=True).after or ""
    record.write_text('{"prInfos": [3]}')
    plain = box.work.create(dry_run=True).after or ""

    assert "└─◯ feat/a (PR #46) ✅ Merged\n  └─◉ feat/b\n    └─◯ feat/c (PR #48) ⏳ Waiting\n" in marked
    assert "└─◯ feat/a\n  └─◉ feat/b\n    └─◯ feat/c\n" in plain


def test_git_spice_is_read_where_it_keeps_its_data(box: Sandbox, stand_in) -> None:  # type: ignore[no-untyped-def]
    fake = stand_in("gs")
    fake.says(
        '{"name":"main","ups":[{"name":"feat/a"}]}\n'
        '{"name":"feat/a","down":{"name":"main"},"ups":[{"name":"feat/b"}],"change":{"id":"#46","url":"u","status":"merged"}}\n'
        '{"name":"feat/b","current":true,"down":{"name":"feat/a","needsRestack":true},"change":{"id":"#47","url":"u"}}\n'
    )
    box.stack("feat/a", "feat/b")

    before = box.work.create(dry_run=True).facts["stack"]
    box.git("update-ref", "refs/spice/data", "HEAD")
    after = box.work.create(dry_run=True)

    assert before["source"] == "git"
    assert after.facts["stack"]["source"] == "git-spice"
    assert after.facts["stack"]["needs_restack"] is True
    assert "└─◯ feat/a (PR #46) ✅ Merged\n  └─◉ feat/b (PR #47)\n" in (after.after or "")


@pytest.mark.parametrize(
    "said", ["", "not json", "{}", "[]", '{"feat/a": 3}', '{"feat/a": {"parents": [{}]}}', '{"main": null}']
)
def test_an_answer_that_is_not_understood_is_a_reason_and_no_error(box: Sandbox, stand_in, said: str) -> None:  # type: ignore[no-untyped-def]
    stand_in("gt").says(said)
    stand_in("gs").says(said)
    (box.root / ".git/.graphite_repo_config").write_text("{}")
    box.git("update-ref", "refs/spice/data", "HEAD")
    box.branch("feat/a")

    facts = box.work.create(dry_run=True).facts["stack"]

    assert facts["source"] == "git"
    assert {entry["source"] for entry in facts["not_used"]} == {"graphite", "git-spice"}


@pytest.mark.parametrize("seed", range(5))
def test_git_alone_is_right_about_random_stacks(box: Sandbox, seed: int) -> None:
    """Branches grow from one another while others go on, are amended, or are rebased by their fork point."""
    rng = random.Random(seed)
    truth: dict[str, str] = {}
    for n in range(rng.randint(4, 7)):
        parent = (
            rng.choice(["main", *truth]) if rng.random() < 0.5 else [*truth, "main"][max(len(truth) - 1, 0)]
        )
        name = f"b{n}"
        box.branch(name, parent)
        truth[name] = parent
        if rng.random() < 0.5:
            box.git("checkout", "-q", rng.choice(list(truth)))
            box.commit()
            if rng.random() < 0.5:
                box.git("commit", "-q", "--amend", "-m", f"amended {n}")
        if rng.random() < 0.2:
            child = rng.choice(list(truth))
            box.git("checkout", "-q", child)
            box.git("rebase", "-q", "--fork-point", truth[child])

    assert parents(box, "b0") == truth

"""Reading: the example that users know, whole, and every variant of its parts."""

from __future__ import annotations

import pytest

from spelunk.branchwork.document import data
from spelunk.branchwork.document.check import check
from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.store import Stored
from spelunk.text.markdown import cells

from .conftest import DATA


@pytest.fixture(scope="module")
def shown(example: str) -> dict:
    return data.to_dict(Stored("doc.md", Worklog.parse(example)))


def test_the_examples_front_matter_is_read_as_typed_values(shown: dict) -> None:
    front = shown["front_matter"]

    assert front["date"] == "2025-08-29 18:55 UTC"
    assert front["slug"] == "branchwork-parallel-indexing"
    assert front["status"] == "in-review"
    assert (front["pr"], front["pr_number"], front["tickets"]) == ("47", 47, [])
    assert front["branch"] == {
        "name": "feat/add-parallel-indexing",
        "base": "main",
        "position": 2,
        "total": 3,
    }
    assert front["reviewers"] == ["coderabbitai", "galligan"]
    assert (front["dri"], front["scope"], front["risk"]) == ("claude", "indexer", "medium")
    assert front["backout_plan"] == "revert feature flag and fallback to sequential indexer"
    assert front["last_updated"] == "2025-08-30 16:30 UTC"


def test_the_examples_title_and_stack_are_read(shown: dict) -> None:
    assert shown["title"]["pr"] == 47
    assert shown["title"]["pr_title"] == "Add Parallel Indexing"
    assert [(b["name"], b["pr"], b["state"], b["current"]) for b in shown["stack"]["branches"]] == [
        ("main", None, "", False),
        ("feat/refactor-index-interface", 46, "merged", False),
        ("feat/add-parallel-indexing", 47, "", True),
        ("feat/benchmark-parallel-perf", 48, "waiting", False),
        ("feat/update-docs", 45, "merged", False),
    ]


def test_the_examples_issues_have_their_keys(shown: dict) -> None:
    assert [(i["number"], i["tickets"], i["checked"]) for i in shown["issues"]] == [
        (123, ["BLZ-42"], False), (456, ["BLZ-43"], False), (789, ["BLZ-44"], False),
        (101, ["BLZ-45"], False), (112, ["BLZ-46"], False),
    ]  # fmt: skip
    assert shown["issues"][2]["summary"] == "Add circuit breaker pattern"
    assert [i["tickets"] for i in shown["follow_up"]] == [["BLZ-44"], ["BLZ-45"], ["BLZ-46"]]


def test_the_examples_checklists_and_table_are_read(shown: dict) -> None:
    assert [i["checked"] for i in shown["definition_of_done"]] == [False] * 7
    assert [i["checked"] for i in shown["merge_checklist"]] == [True] * 5 + [False] * 2
    assert [(r["check"], r["status"], r["details"], r["state"]) for r in shown["ci"]] == [
        ("Build", "✅ Pass", "`cargo build --release`", "pass"),
        ("Tests", "✅ Pass", "127/127 passing", "pass"),
        ("Clippy", "✅ Pass", "No warnings", "pass"),
        ("Coverage", "✅ 84.3%", "+2.1% from base", "pass"),
        ("Benchmarks", "⏳ Running", "~3.5x improvement", "running"),
    ]


def test_the_examples_decisions_and_notes_are_read(shown: dict) -> None:
    assert [d["title"] for d in shown["decisions"]] == [
        "Use tokio channels initially", "Fixed worker pool size", "Memory limit as hard cap", "Batch size of 100",
    ]  # fmt: skip
    assert shown["decisions"][1]["reason"] == "Dynamic scaling added complexity without clear benefit"
    assert len(shown["notes"]) == 4


def test_the_examples_updates_are_read_in_every_variant(shown: dict) -> None:
    assert [(u["date"], u["author"], u["summary"]) for u in shown["updates"]] == [
        ("2025-08-29 18:55", "claude", "Initial implementation"),
        ("2025-08-29 20:30", "claude", "Added tests and benchmarks"),
        ("2025-08-29 21:15", "coderabbitai", "PR Review"),
        ("2025-08-30 09:00", "galligan", "PR Review"),
        ("2025-08-30 09:30", "claude", "Response to review"),
        ("2025-08-30 10:45", "claude", "Addressed critical review feedback"),
        ("2025-08-30 14:22", "coderabbitai", "PR Review Update from @coderabbitai"),
        ("2025-08-30 15:00", "claude", "Performance optimization"),
        ("2025-08-30 16:30", "galligan", "Local benchmark results"),
    ]
    assert [len(u["reviews"]) for u in shown["updates"]] == [0, 0, 1, 1, 0, 0, 1, 0, 0]


def test_a_nested_fence_stays_inside_its_review(shown: dict) -> None:
    review = shown["updates"][2]["reviews"][0]

    assert "```rust" in review
    assert "// Suggested fix:" in review
    assert review.rstrip().endswith("existing metrics system")
    assert shown["updates"][2]["body"].endswith("**Status**: Changes requested")


def test_files_changed_lists_are_read(shown: dict) -> None:
    assert shown["updates"][0]["files"][0] == {
        "path": "src/indexer/parallel.rs", "note": "New parallel processing module",
    }  # fmt: skip
    assert [len(u["files"]) for u in shown["updates"]] == [3, 2, 0, 0, 0, 2, 0, 2, 0]


def test_lines_are_where_they_say(shown: dict, example: str) -> None:
    lines = example.split("\n")

    for part in ("issues", "definition_of_done", "merge_checklist", "ci", "decisions", "notes", "follow_up"):
        for item in shown[part]:
            assert (item.get("text") or item["check"]) in lines[item["line"] - 1]
    for update in shown["updates"]:
        assert lines[update["line"] - 1].startswith(f"### {update['date']}")
        assert lines[update["end_line"] - 1].strip()


def test_check_reports_precisely_what_is_irregular_in_the_example(example: str) -> None:
    stored = Stored(".agents/logs/branchwork/CURRENT-parallel-indexing.md", Worklog.parse(example))

    found = [(p.line, p.level, p.message) for p in check(stored, Settings())]

    slug = "'branchwork-feat-add-parallel-indexing' for the branch feat/add-parallel-indexing"
    written = "written today: `<date> UTC: [@author] summary`"
    assert found == [
        (1, "warning", "the file is called CURRENT-parallel-indexing.md, the branch feat/add-parallel-indexing"
                       " gives CURRENT-feat-add-parallel-indexing.md"),
        (3, "error", f"slug: 'branchwork-parallel-indexing' must be {slug}"),
        (23, "warning", "the drawn stack has 4 branches, branch.total says 3"),
        (23, "warning", "the drawn stack has no ◉ on feat/add-parallel-indexing"),
        (51, "warning", "Merge Checklist: 'All CI checks passing' is ticked, but Benchmarks is ⏳ Running"),
        (85, "warning", f"update: no UTC; {written}"),
        (96, "warning", f"update: no UTC; {written}"),
        (96, "warning", "updates: the order is oldest first"),
        (105, "warning", f"update: no UTC; {written}"),
        (136, "warning", f"update: no UTC; {written}"),
        (145, "warning", f"update: no UTC; {written}"),
        (149, "warning", f"update: no UTC; {written}"),
        (159, "warning", f"update: no UTC, author given as `from @coderabbitai`; {written}"),
        (172, "warning", f"update: no UTC; {written}"),
        (181, "warning", f"update: no UTC; {written}"),
    ]  # fmt: skip


def test_a_templates_example_is_cut_off_before_anything_is_read() -> None:
    doc = Worklog.parse((DATA / "template.md").read_text(encoding="utf-8"))

    assert [s.name for s in doc.sections] == [
        "PR Stack Context", "Issues", "Definition of Done", "Merge Checklist", "CI Status", "Decisions", "Notes", "Updates",
    ]  # fmt: skip
    assert doc.entries == ()
    assert doc.field("branch.name") == ""
    assert doc.field("branch.base") == "main"
    assert doc.field("position") == ""


def test_an_example_section_of_ones_own_is_read_like_any_other() -> None:
    doc = Worklog.parse("# T\n\n## Example\n\nOne of mine.\n\n## Notes\n\n- a\n")

    assert [s.name for s in doc.sections] == ["Example", "Notes"]


def test_headings_in_code_comments_and_lists_are_no_sections() -> None:
    doc = Worklog.parse(
        "## Notes\n```\n## a\n```\n<!--\n## b\n-->\n- x\n\n  ## c\n\n    ## d\n> ## e\n\n~~~~\n```\n## f\n~~~\n~~~~\n## Updates\n"
    )

    assert [s.name for s in doc.sections] == ["Notes", "Updates"]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("2025-08-29 18:55 UTC: [@claude] Done", ("2025-08-29 18:55", True, "claude", "Done", "")),
        ("2025-08-29 18:55: [@claude] Done", ("2025-08-29 18:55", False, "claude", "Done", "no UTC")),
        ("2025-08-29 8:55 UTC - Done", ("2025-08-29 08:55", True, "", "Done", "no [@author]")),
        ("2025-08-29: Done", ("2025-08-29", False, "", "Done", "no time of day, no UTC, no [@author]")),
        ("2025-08-29T18:55Z: [@a b] x: y", ("2025-08-29 18:55", True, "a b", "x: y", "")),
        ("Done", ("", False, "", "Done", "not `<date> UTC: [@author] summary`")),
    ],
)
def test_update_headings_are_read_in_every_variant(heading: str, expected: tuple) -> None:
    (entry,) = Worklog.parse(f"## Updates\n\n### {heading}\n").entries

    assert (entry.date, entry.utc, entry.author, entry.summary, entry.variant) == expected


def test_table_cells_keep_escaped_bars() -> None:
    assert cells("| a \\| b | c |  |") == ["a | b", "c", ""]
    assert cells("a | b") == ["a", "b"]


def test_values_in_every_yaml_form_are_read() -> None:
    doc = Worklog.parse(
        "---\ntitle: 'it''s'  # hint\npr: 47 / BLZ-42\nbranch:\n    name: \"a\\\"b\"\n    base: main # hint\n"
        "reviewers:\n- a # x\n- 'b'\nscope: [x, 'y, z',\n  w]\nrisk: # low\nbackout_plan: >\n  fold\n  this\ndri: a#b\n---\n"
    )

    assert doc.front is not None
    assert {k: f.value for k, f in doc.front.fields.items()} == {
        "title": "it's", "pr": "47 / BLZ-42", "branch": None, "branch.name": 'a"b', "branch.base": "main",
        "reviewers": ["a", "b"], "scope": ["x", "y, z", "w"], "risk": None, "backout_plan": "fold this", "dri": "a#b",
    }  # fmt: skip
    assert doc.front.unreadable == ()

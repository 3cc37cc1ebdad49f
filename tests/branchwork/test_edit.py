"""Edits: each touches its own span, and lands where a person would have put it."""

from __future__ import annotations

import pytest

from spelunk.branchwork.document import ci, edit, fit
from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.errors import DocumentError
from spelunk.branchwork.stack.pull_request import CheckRun

from .conftest import DATA, TEMPLATE


def doc(text: str) -> Worklog:
    return Worklog.parse(text)


def removed_and_added(before: Worklog, after: Worklog) -> tuple[list[str], list[str]]:
    import difflib

    lines = list(difflib.ndiff(before.lines, after.lines))
    return [x[2:] for x in lines if x[0] == "-"], [x[2:] for x in lines if x[0] == "+"]


def test_a_scalar_keeps_its_hint_and_its_line() -> None:
    before = doc((DATA / "template.md").read_text(encoding="utf-8"))

    after = edit.set_field(before, "status", "in-review")
    after = edit.set_field(after, "branch.name", "feat/x")
    after = edit.set_field(after, "branch.position", "2")
    after = edit.set_field(after, "last_updated", "2025-01-01 00:00 UTC")

    assert removed_and_added(before, after)[1] == [
        "status: in-review  # draft | in-review | changes-requested | approved | merged\n",
        "  name: feat/x # e.g. feat/add-parallel-indexing\n",
        "  position: 2 # 1  # 1-indexed\n",
        "last_updated: 2025-01-01 00:00 UTC # auto-updated timestamp\n",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "feat/x",
        "#1",
        "123",
        "yes",
        "a: b",
        "it's",
        "x #y",
        "@me",
        "- x",
        "[x]",
        "a,b",
        "ünïcode",
        "*",
        'q"q',
        "-x",
        "`",
    ],
)
def test_any_branch_name_is_read_back_as_it_was_set(name: str) -> None:
    after = edit.set_field(doc(TEMPLATE), "branch.name", name, word=True)

    assert Worklog.parse(after.text).field("branch.name") == name


def test_missing_keys_are_added_beside_their_siblings() -> None:
    after = edit.set_field(doc("---\nbranch:\n    base: x\nrisk: low\n---\n"), "branch.total", "3")
    after = edit.set_field(after, "dri", "ada")

    assert after.text == "---\nbranch:\n    base: x\n    total: 3\nrisk: low\ndri: ada\n---\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[a, b] # hint", "[a, b, c] # hint"),
        ("[]", "[c]"),
        ("", " [c]"),
        ("# who", " [c] # who"),
        ("\n  - a", "\n  - a\n  - c"),
        ("\n- a # x\n- b", "\n- a # x\n- b\n- c"),
        ("a, b", "[a, b, c]"),
    ],
)
def test_a_list_grows_in_the_form_it_has(written: str, expected: str) -> None:
    lead = "" if written.startswith("\n") or not written else " "
    before = doc(f"---\nreviewers:{lead}{written}\nrisk: low\n---\n")

    after = edit.add_to_list(before, "reviewers", ["c"])

    assert (
        after.text
        == f"---\nreviewers:{' ' if lead and not expected.startswith(' ') else ''}{expected}\nrisk: low\n---\n"
    )
    assert edit.add_to_list(after, "reviewers", ["C"]) is after


def test_an_item_takes_the_placeholders_place() -> None:
    after = edit.add_item(doc(TEMPLATE), "Decisions", "**A**: b")
    after = edit.add_item(after, "decisions", "second")
    after = edit.add_item(after, "dod", "ship it")

    assert "## Decisions\n\n- **A**: b\n- second\n\n## Notes\n\n- …\n" in after.text
    assert "## Definition of Done\n\n- [ ] ship it\n\n## Merge" in after.text


@pytest.mark.parametrize("section", ["Notes", "dod"])
@pytest.mark.parametrize(
    "text", ["", " \n", "…", "- …", "[ ]", "[x]", "- [ ]", "[ ] …", "[ ]\t...", "- [X] \n\n"]
)
def test_an_item_without_a_text_is_refused_for_the_next_one_would_take_its_place(
    section: str, text: str
) -> None:
    with pytest.raises(DocumentError, match="needs a text"):
        edit.add_item(Worklog.parse(TEMPLATE), section, text)


@pytest.mark.parametrize(
    ("text", "line"), [("[", "- [ ] ["), ("[ ]\nmore", "- [ ]\n  more"), ("[x] a", "- [x] a")]
)
def test_a_box_that_is_written_out_is_the_items_box(text: str, line: str) -> None:
    doc = edit.add_item(Worklog.parse("## Definition of Done\n"), "dod", text)

    assert doc.text == f"## Definition of Done\n\n{line}\n"


def test_a_subitem_lands_below_its_parent_and_its_siblings() -> None:
    before = doc("## Notes\n\n- a\n  more\n- b\n\n  para\n\ntail\n\n## Updates\n")

    after = edit.add_subitem(before, "Notes", "one")
    after = edit.add_subitem(after, "Notes", "two")
    after = edit.add_subitem(after, "Notes", "three", under="a")

    assert after.text == (
        "## Notes\n\n- a\n  more\n  - three\n- b\n\n  para\n  - one\n  - two\n\ntail\n\n## Updates\n"
    )


def test_an_item_follows_a_list_and_not_what_is_below_it() -> None:
    before = doc("## Notes\n\n* a\n  ```\n  ## not a section\n  ```\n* b\n  - sub\n\nAfter.\n\n## Updates\n")

    after = edit.add_item(before, "Notes", "c")

    assert "* b\n  - sub\n* c\n\nAfter.\n" in after.text


def test_the_style_of_a_list_is_kept() -> None:
    numbered = edit.add_item(doc("## Notes\n1. a\n2. b\n"), "Notes", "c").text
    boxed = edit.add_item(doc("## Notes\n\n- [x] a\n"), "Notes", "b").text
    loose = edit.add_item(doc("## Notes\n\n- a\n\n- b\n"), "Notes", "c\nmore").text

    assert numbered == "## Notes\n1. a\n2. b\n3. c\n"
    assert boxed == "## Notes\n\n- [x] a\n- [ ] b\n"
    assert loose == "## Notes\n\n- a\n\n- b\n\n- c\n  more\n"


def test_a_footer_under_a_rule_stays_at_the_end() -> None:
    before = doc("## Follow-up Work\n\n- [ ] a\n\n---\n*archived after merge*\n")

    item = edit.add_item(before, "Follow-up Work", "b").text
    section = edit.add_item(before, "Risks", "none").text

    assert item == "## Follow-up Work\n\n- [ ] a\n- [ ] b\n\n---\n*archived after merge*\n"
    assert section == "## Follow-up Work\n\n- [ ] a\n\n## Risks\n\n- none\n\n---\n*archived after merge*\n"


def test_a_missing_section_is_made_at_its_usual_place() -> None:
    after = edit.add_item(doc("# T\n\n## Issues\n\n- [ ] a\n\n## Updates\n"), "Decisions", "x")

    assert after.text == "# T\n\n## Issues\n\n- [ ] a\n\n## Decisions\n\n- x\n\n## Updates\n"


def test_code_cannot_break_out_of_its_fence() -> None:
    code = "~~~\n```\nx\n```\n## not a section\n"

    after = edit.add_code(doc(TEMPLATE), "Notes", code, "text")

    assert "## Notes\n\n````text\n~~~\n```\nx\n```\n## not a section\n````\n\n## Updates\n" in after.text


def test_a_row_can_be_added_to_the_ci_table() -> None:
    after = edit.add_item(doc(TEMPLATE), "CI Status", "Build | ✅ Pass | local")

    assert "|-------|--------|---------|\n| Build | ✅ Pass | local |\n\n## Decisions" in after.text


@pytest.mark.parametrize("wanted", ["2", "Tests PASS", "sts p"])
def test_a_box_is_ticked_by_number_text_or_part(wanted: str) -> None:
    before = doc("## Merge Checklist\n\n- [x] docs\n- [ ] Tests pass  \n  - [ ] sub\n")

    after, item = edit.tick(before, "merge", wanted)

    assert after.text == "## Merge Checklist\n\n- [x] docs\n- [x] Tests pass  \n  - [ ] sub\n"
    assert edit.tick(after, None, wanted)[0] is after
    assert item.text == "Tests pass"


@pytest.mark.parametrize("wanted", ["nothing like it", "s", ""])
def test_a_box_that_is_not_one_is_an_error_that_lists_them(wanted: str) -> None:
    with pytest.raises(DocumentError, match="docs"):
        edit.tick(doc("## Merge Checklist\n\n- [x] docs\n- [ ] tests\n"), "merge", wanted)


def test_entries_go_on_top_or_below_or_as_the_document_has_them(example: str) -> None:
    before = doc(example)

    newest = edit.add_entry(before, "2025-09-01 10:00 UTC: [@a] x", ["body"], "newest")
    oldest = edit.add_entry(before, "2025-09-01 10:00 UTC: [@a] x", [], "oldest")
    keep = edit.add_entry(before, "2025-09-01 10:00 UTC: [@a] x", [], "keep")

    assert newest.entries[0].summary == "x"
    assert oldest.entries[-1].summary == "x"
    assert keep.text == oldest.text
    assert removed_and_added(before, newest) == (
        [],
        ["### 2025-09-01 10:00 UTC: [@a] x\n", "\n", "body\n", "\n"],
    )
    assert removed_and_added(before, oldest) == ([], ["### 2025-09-01 10:00 UTC: [@a] x\n", "\n"])


def test_an_entrys_body_cannot_end_the_entry() -> None:
    lines, notes = fit.fit_body("# A\n\ntext\n\n## B\n\n```\n# code\n")

    assert lines == ["#### A", "", "text", "", "##### B", "", "```", "# code", "```"]
    assert len(notes) == 2
    with pytest.raises(DocumentError, match="never closed"):
        fit.fit_body("<!-- open")


def test_backslashes_stay_what_they_are() -> None:
    after = edit.add_entry(doc(TEMPLATE), fit.heading_text(r"x: [@a] a\nb \t #"), [r"C:\new"], "newest")

    assert "### x: [@a] a\\nb \\t \\#\n\nC:\\new\n" in after.text


def test_the_stack_replaces_only_what_is_in_its_fence(example: str) -> None:
    after = edit.set_stack(doc(example), ["◯ main", "└─◉ x"])

    assert "## PR Stack Context\n\n```text\n◯ main\n└─◉ x\n```\n\n## Issues & Tickets\n" in after.text
    assert edit.set_stack(after, ["◯ main", "└─◉ x"]) is after


def test_a_missing_stack_fence_is_put_below_its_heading() -> None:
    after = edit.set_stack(doc("## PR Stack Context\n\nSome words.\n\n## Issues\n"), ["◉ x"])

    assert after.text == "## PR Stack Context\n\n```text\n◉ x\n```\n\nSome words.\n\n## Issues\n"


@pytest.mark.parametrize(
    "text", ["## PR Stack Context\n\n```text\nold\n\n## Issues\n", "## Notes\n~~~\n", "## Notes\n<!-- x\n"]
)
def test_what_an_open_fence_or_comment_would_swallow_is_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="never closed"):
        edit.set_stack(doc(text), ["◉ x"], create=True)
    with pytest.raises(DocumentError, match="never closed"):
        edit.add_entry(doc(text), "x", [], "newest")


def test_ci_rows_keep_their_place_details_and_padding() -> None:
    table = (
        "## CI Status\n\n| Check | Status | Details |\n|-------|--------|---------|\n"
        "| build | ⏳ Running |  `make`  |\n| by hand | ✅ Pass | mine |\n| old | ❌ Fail | GitHub: CI |\n\nText.\n"
    )
    checks = (CheckRun("build", "✅ Pass", "GitHub: CI"), CheckRun("a|b", "❌ Fail", "GitHub: CI"))

    after = ci.set_checks(doc(table), checks)

    assert after.text == (
        "## CI Status\n\n| Check | Status | Details |\n|-------|--------|---------|\n"
        "| build | ✅ Pass |  `make`  |\n| by hand | ✅ Pass | mine |\n| a\\|b | ❌ Fail | GitHub: CI |\n\nText.\n"
    )
    assert ci.set_checks(after, checks).text == after.text


def test_windows_line_endings_are_kept_and_used() -> None:
    before = doc(TEMPLATE.replace("\n", "\r\n"))

    after = edit.add_entry(before, "2025-09-01 10:00 UTC: [@a] x", ["b"], "newest")
    after = edit.add_item(edit.set_field(after, "status", "approved"), "Notes", "n\nm")

    assert "\n" not in after.text.replace("\r\n", "")
    assert Worklog.parse(after.text.replace("\r\n", "\n")).entries[0].summary == "x"


def test_a_last_line_without_an_ending_gets_one_before_more_is_added() -> None:
    assert edit.add_item(doc("## Notes\n\n- a"), "Notes", "b").text == "## Notes\n\n- a\n- b\n"
    assert edit.add_item(doc("## Notes"), "Notes", "b").text == "## Notes\n\n- b\n"

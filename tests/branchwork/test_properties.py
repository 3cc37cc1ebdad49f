"""What holds for every document, whatever people wrote into it."""

from __future__ import annotations

from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st

from spelunk.branchwork.actions import refresh
from spelunk.branchwork.document import ci, data, edit, fit
from spelunk.branchwork.document.check import check
from spelunk.branchwork.document.document import Worklog
from spelunk.branchwork.errors import DocumentError
from spelunk.branchwork.settings import Settings
from spelunk.branchwork.stack import graph as stack
from spelunk.branchwork.stack.pull_request import CheckRun, PullRequest
from spelunk.branchwork.store import Stored
from spelunk.io import lines as text_lines
from spelunk.text.markdown import quote
from tests.examples import examples

from .conftest import TEMPLATE

FRONT = [
    "---", "...", "date:", "date: 2025-08-29 18:55 UTC", "slug: x", "status: draft  # hint", "status:", "pr: 47 / BLZ-1",
    "pr:", "branch:", "  name: feat/x", "  base: main", "    position: # 1", "  total: 3 # n", "branch: scalar",
    "reviewers: [a, b]", "reviewers:", "  - a", "- b", "reviewers: [", "  c]", "risk: 'low'", "backout_plan: |", "  line",
    "last_updated: # auto", "last_updated: 2020-01-01 00:00 UTC", "# comment", "? odd", "\tx: y", "a: \"b", "",
]  # fmt: skip
BODY = [
    "# [WIP] `x`", "# PR #47: T", "## PR Stack Context", "## Issues", "## Issues & Tickets", "## Definition of Done",
    "## Merge Checklist", "## CI Status", "## Decisions", "## Notes", "## Updates", "## Follow-up Work", "## Mine ##",
    "## Example", "Do not edit below this line", "```text", "```", "````markdown", "````", "~~~", "  ```", "- ```",
    "◯ main", "└─◉ x", "- [ ] a", "- [x] b", "- …", "- [ ] …", "  - sub", "* star", "1. one", "    code", "para", "> q",
    "| Check | Status | Details |", "|---|---|---|", "| build | ✅ Pass | x |", "build | ❌", "### 2025-08-29 18:55: [@a] x",
    "### 2025-08-30 18:55 UTC: [@a] y", "### odd", "#### deep", "---", "*footer*", "<!--", "-->", "<div>", "", "", "",
]  # fmt: skip

endings = st.sampled_from(["\n", "\r\n"])
anything = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\t`~#-|[]:\udcff"), max_size=300)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Texts made of what documents are made of, in any order, sometimes in their usual one."""
    front = draw(st.lists(st.sampled_from(FRONT), max_size=14))
    body = draw(st.lists(st.sampled_from(BODY), max_size=40))
    base = draw(st.sampled_from(["", TEMPLATE, "---\n" + "\n".join(FRONT[2:12]) + "\n---\n\n"]))
    text = base + "\n".join([*(["---", *front, "---"] if draw(st.booleans()) and not base else []), *body])
    return text.replace("\n", draw(endings)) + draw(st.sampled_from(["", "\n", "\r\n"]))


def kept(before: str, after: str) -> bool:
    """Whether ``after`` is ``before`` with only whole lines put in, ``last_updated`` aside."""

    def lines(text: str) -> list[str]:
        return [text_lines.body(line) for line in text_lines.split(text)]

    rest = iter(lines(after))
    return all(any(line == other for other in rest) for line in lines(before))


@given(anything | documents())
@settings(deadline=None)
@case("")
@case("\ufeff---\nstatus: draft\n---\n")
@case("---\n---")
def test_parse_and_write_is_the_identity(text: str) -> None:
    doc = Worklog.parse(text)

    assert doc.text == text
    assert text_lines.encode(text_lines.decode(text_lines.encode(text))) == text_lines.encode(text)
    data.to_dict(Stored("x.md", doc))  # and everything can be read from it
    data.summary(Stored("x.md", doc))
    check(Stored("x.md", doc), Settings())


def situation(name: str, *, with_pull: bool, title: str = "T") -> refresh.Situation:
    graph = stack.Graph(
        "git", "main", {"feat/a": "main", name: "feat/a", "feat/up": name}, frozenset(), {"feat/a": 46}
    )
    pull = PullRequest(
        47, title, "open", "approved", "main", ("ada", "bob"),
        (CheckRun("build", "✅ Pass", "GitHub: CI"), CheckRun("new|x", "❌ Fail", "GitHub")), "https://example.org",
    )  # fmt: skip
    return refresh.Situation(name, stack.build(graph, name), "", pull if with_pull else None, "", ())


@given(documents() | anything, st.booleans(), st.sampled_from(["T", "a # b #", "`x`", "ü|"]))
@examples(300)
def test_refresh_twice_equals_once(text: str, with_pull: bool, title: str) -> None:
    now = situation("feat/x", with_pull=with_pull, title=title)

    try:
        once, _ = refresh.apply(Worklog.parse(text), now, Settings(), "2025-01-01 00:00 UTC")
    except DocumentError:
        return  # refused, so nothing was written
    once = Worklog.parse(once.text)
    twice, changed = refresh.apply(once, now, Settings(), "2026-02-02 00:00 UTC")

    assert changed == []
    assert twice.text == once.text


@given(documents(), st.booleans())
@examples(300)
def test_refresh_leaves_everything_else_alone(text: str, with_pull: bool) -> None:
    before = Worklog.parse(text)
    try:
        after, _ = refresh.apply(
            before, situation("feat/x", with_pull=with_pull), Settings(), "2025-01-01 00:00 UTC"
        )
    except DocumentError:
        return

    assert [s.name for s in before.sections if not s.known] == [s.name for s in after.sections if not s.known]
    assert [e.heading for e in before.entries] == [e.heading for e in after.entries]
    for name in (
        "Issues",
        "Definition of Done",
        "Merge Checklist",
        "Decisions",
        "Notes",
        "Follow-up Work",
        "Updates",
    ):
        old, new = before.section(name), after.section(name)
        assert (old is None) == (new is None)
        if old and new:
            a = before.lines[old.line : before.content_end(old)]
            b = after.lines[new.line : after.content_end(new)]
            assert [x.rstrip("\r\n") for x in a] == [x.rstrip("\r\n") for x in b]


words = st.text(st.sampled_from("ab `#~-*\\n|[]é\n"), min_size=1, max_size=12)
steps = st.lists(
    st.tuples(st.sampled_from(["log", "review", "item", "subitem", "code"]), st.sampled_from(["Notes", "dod", "Mine", "CI Status"]), words),
    min_size=1, max_size=5,
)  # fmt: skip


def apply_step(doc: Worklog, kind: str, section: str, text: str) -> Worklog:
    if kind == "log":
        body, _ = fit.fit_body(text)
        return edit.add_entry(doc, fit.heading_text(f"2025-09-01 10:00 UTC: [@a] {text}"), body, "newest")
    if kind == "review":
        return edit.add_entry(
            doc, "2025-09-01 10:00 UTC: [@b] PR Review", quote(text, "markdown", 4), "oldest"
        )
    if kind == "item":
        return edit.add_item(doc, section, text)
    if kind == "subitem":
        return edit.add_subitem(doc, section, text)
    return edit.add_code(doc, section, text, "text")


@given(documents(), steps)
@case("", [("item", "Notes", "[ ]"), ("item", "Notes", "[")])
@case("", [("item", "dod", "[x]"), ("item", "dod", "[ ] a")])
@examples(400)
def test_any_sequence_of_log_and_update_keeps_every_byte(
    text: str, sequence: list[tuple[str, str, str]]
) -> None:
    text = text.replace("- …", "- x").replace("- [ ] …", "- [ ] x")  # a placeholder is there to give way
    doc = Worklog.parse(text)
    for kind, section, words_ in sequence:
        before = doc
        try:
            doc = Worklog.parse(apply_step(doc, kind, section, words_).text)
        except DocumentError:
            continue
        assert kept(before.text, doc.text)
        assert len(doc.entries) == len(before.entries) + (kind in ("log", "review"))
        ends = {line[len(text_lines.body(line)) :] for line in doc.lines[:-1]}
        assert ends <= {line[len(text_lines.body(line)) :] for line in before.lines} | {doc.eol}


@given(documents(), words)
@examples(200)
def test_what_was_added_is_there_to_be_read(text: str, summary: str) -> None:
    heading = fit.heading_text(f"2025-09-01 10:00 UTC: [@ada] {summary}")
    try:
        doc = edit.add_entry(Worklog.parse(text), heading, quote(summary, "markdown", 4), "newest")
    except DocumentError:
        return

    entry = data.to_dict(Stored("x", doc))["updates"][0]
    assert (entry["date"], entry["author"]) == ("2025-09-01 10:00", "ada")
    assert entry["reviews"] == [summary if summary.endswith("\n") else summary + "\n"]


@given(documents(), st.sampled_from(["2", "a", "b", "x"]))
@settings(deadline=None)
def test_ticking_changes_one_character(text: str, wanted: str) -> None:
    doc = Worklog.parse(text)
    try:
        after, _ = edit.tick(doc, None, wanted)
    except DocumentError:
        return

    differences = [(a, b) for a, b in zip(doc.text, after.text, strict=True) if a != b]
    assert differences in ([], [(" ", "x")])


@given(st.text(st.sampled_from("ab: #'\"[]{},&*!|>%@`-?~/\\0.1yesné"), min_size=1, max_size=10))
@settings(deadline=None)
def test_any_value_is_read_back_as_it_was_set(value: str) -> None:
    if value != value.strip():
        return
    doc = edit.set_field(Worklog.parse(TEMPLATE), "branch.name", value, word=True)
    doc = edit.set_field(doc, "dri", value, word=True)

    assert Worklog.parse(doc.text).field("branch.name") == value
    assert Worklog.parse(doc.text).field("dri") == value


@given(documents())
@examples(100)
def test_checks_twice_equal_once(text: str) -> None:
    checks = (CheckRun("build", "❌ Fail", "GitHub: CI"), CheckRun("lint", "✅ Pass", "GitHub: CI"))
    try:
        once = ci.set_checks(Worklog.parse(text), checks, create=True)
    except DocumentError:
        return

    assert ci.set_checks(Worklog.parse(once.text), checks, create=True).text == once.text

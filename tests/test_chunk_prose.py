import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spelunk.chunk import chunk, parse
from spelunk.chunk.prose import markdown_headings, rst_headings
from spelunk.config import Options
from spelunk.text.front_matter import front_matter
from spelunk.types import Document


def chunks(text, language="markdown", path="a.md"):
    return chunk(parse(Document(path, text, b"", language), Options()))


def headings(text):
    return [(row + 1, level, title) for row, level, title in markdown_headings(text.split("\n"))]


def test_atx_and_setext_headings_have_their_levels():
    text = "# One #\ntext\n\nTwo\n===\n\nThree\nlines\n---\n\n###### Six\n####### seven\n#no"

    assert headings(text) == [(1, 1, "One"), (4, 1, "Two"), (7, 2, "Three lines"), (11, 6, "Six")]


def test_nothing_inside_fences_and_comments_is_a_heading():
    text = "````\n# no\n```\n# no\n````\n~~~ py\n# no\n~~~\n<!--\n# no\n-->\n# yes\n`` # code ``\n"

    assert headings(text) == [(12, 1, "yes")]


def test_markup_in_a_heading_is_left_out_of_its_symbol():
    assert headings("# `code` and **bold** [link](http://x)") == [(1, 1, "code and bold link")]


def test_the_scope_is_the_path_of_headings():
    body = "words and words. " * 60
    text = f"# Top\n\n{body}\n\n## Middle\n\n{body}\n\n### Low\n\n{body}\n\n## Other\n\n{body}\n"

    result = chunks(text)

    assert [(c.kind, c.scope, c.symbol) for c in result] == [
        ("section", "", "Top"),
        ("section", "Top", "Middle"),
        ("section", "Top > Middle", "Low"),
        ("section", "Top", "Other"),
    ]


def test_small_subsections_stay_with_their_parent():
    result = chunks("# Top\n\nwords\n\n## A\n\nwords\n\n## B\n\nwords\n")

    assert [(c.start_line, c.end_line, c.symbol) for c in result] == [(1, 11, "Top")]
    assert [d.name for d in result[0].definitions] == ["Top", "A", "B"]


def test_a_large_section_is_split_at_paragraphs():
    text = "# Top\n\n" + "\n\n".join(f"paragraph {i} " * 40 for i in range(12))

    result = chunks(text)

    assert len(result) > 2
    assert {(c.symbol, c.kind) for c in result} == {("Top", "section")}
    assert all(text[c.start : c.end].startswith(("# Top", "paragraph")) for c in result)


YAML = """---
title: "A: title"   # hint
status: in-review
empty:
tags: [one, "two", 'three, four']
reviewers:
  - ann
  - bob # hint
branch:
  name: feat/x
  position: 2
text: |
  first
  second
---
# Title
"""


def test_front_matter_becomes_dotted_fields():
    fields, row = front_matter(YAML.split("\n"))

    assert row == 15
    assert fields == (
        ("title", "A: title"),
        ("status", "in-review"),
        ("tags", "one"),
        ("tags", "two"),
        ("tags", "three, four"),
        ("reviewers", "ann"),
        ("reviewers", "bob"),
        ("branch.name", "feat/x"),
        ("branch.position", "2"),
        ("text", "first second"),
    )


def test_toml_front_matter():
    text = '+++\ntitle = "x"\ntags = ["a", "b"]\n[extra]\nn = 1\n+++\nbody\n'

    assert front_matter(text.split("\n"))[0] == (
        ("title", "x"),
        ("tags", "a"),
        ("tags", "b"),
        ("extra.n", "1"),
    )


@pytest.mark.parametrize(
    "text", ["", "---\n", "---\nwords alone\n---\n", "--- \nnever: closed\n", "a: b\n---\n"]
)
def test_what_is_not_front_matter_gives_no_fields(text):
    assert front_matter(text.split("\n")) == ((), 0)


def test_every_chunk_carries_the_fields():
    result = chunks(YAML + "words " * 800)

    assert len(result) > 1
    assert all(("status", "in-review") in c.fields for c in result)


BRANCHWORK = """---
slug: branchwork-feat-x
status: draft
---
# [WIP] `feat/x`

## Decisions

- none

## Updates

### 2025-08-30 10:45 UTC: [@ann] Addressed the review

- done

#### Files changed

- a.py

### 2025-08-29 20:30: Tests added

words

### 2025-08-29: PR Review Update from @bot

words
"""


@pytest.mark.parametrize("path", ["a.md", "x/branchwork/CURRENT-feat.md"])
def test_each_update_of_a_branchwork_document_is_a_chunk(path):
    result = chunks(BRANCHWORK, path=path)

    assert {c.kind for c in result} == {"branchwork"}
    assert [(c.start_line, c.end_line, c.symbol) for c in result][-3:] == [
        (13, 19, "Addressed the review"),
        (21, 23, "Tests added"),
        (25, 27, "PR Review Update from @bot"),
    ]
    assert result[-1].scope == "[WIP] feat/x > Updates"


def test_the_folder_alone_makes_it_branchwork():
    assert chunks("# A\n", path=".agents/logs/branchwork/a.md")[0].kind == "branchwork"
    assert chunks("# A\n", path="branchwork.md")[0].kind == "section"


def test_rst_levels_follow_the_order_of_styles():
    text = "====\nBook\n====\n\nPart\n====\n\nwords\n\nOne\n---\n\nPart two\n========\n"

    assert rst_headings(text.split("\n")) == [
        (0, 1, "Book"),
        (4, 2, "Part"),
        (9, 3, "One"),
        (12, 2, "Part two"),
    ]


def test_plain_text_is_paragraphs_and_underlined_titles_are_sections():
    assert chunks("words\n\nmore words\n", "text")[0].kind == "paragraph"
    assert chunks("A title\n=======\n\nwords\n", "text")[0].symbol == "A title"


@pytest.mark.parametrize(
    ("language", "text"),
    [("org", "* Title\nwords"), ("asciidoc", "= Title\nwords"), ("latex", "\\section{Title}\nwords")],
)
def test_other_markups_have_sections(language, text):
    assert [(c.kind, c.symbol) for c in chunks(text, language)] == [("section", "Title")]


def headings_one_row_at_a_time(lines: list[str]) -> list[tuple[int, int, str]]:
    """Titles of reStructuredText, found by looking at every row."""
    rule = re.compile(r"""([!-/:-@\[-`{-~])\1{2,}[ \t\r]*$""")
    found: list[tuple[int, int, str]] = []
    styles: dict[str, int] = {}
    row = 0
    while row < len(lines) - 1:
        line, below = lines[row], lines[row + 1]
        match = rule.match(below) if line and not line[0].isspace() else None
        if match and line.strip() and not rule.match(line) and (row == 0 or not lines[row - 1].strip()):
            if len(below.rstrip()) >= len(line.strip()) or len(below.rstrip()) >= 4:
                found.append((row, styles.setdefault(match.group(1), len(styles) + 1), line.strip()))
                row += 2
                continue
        elif row + 2 <= len(lines) - 1 and line.strip():
            match = rule.match(line)
            if match and below.strip() and lines[row + 2].rstrip() == line.rstrip():
                found.append((row, styles.setdefault(match.group(1) * 2, len(styles) + 1), below.strip()))
                row += 3
                continue
        row += 1
    return found


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.sampled_from(["", "Title", " indented", "===", "=====", "---", "----- ", "==", "a", "===x"]),
        max_size=9,
    )
)
def test_titles_are_found_at_rules_as_at_every_row(lines: list[str]) -> None:
    assert rst_headings(lines) == headings_one_row_at_a_time(lines)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.sampled_from(
            ["", "Title", "    code", "===", "---", "- item", "# A", "```", "<!--", "-->", "> q"]
        ),
        max_size=9,
    )
)
def test_documents_without_rules_lose_no_heading(lines: list[str]) -> None:
    """A rule after the end, below a blank line, is no heading, but makes paragraphs matter."""
    assert markdown_headings(lines) == [
        h for h in markdown_headings([*lines, "", "==="]) if h[0] < len(lines)
    ]

"""Hyperlinks of a terminal: formats, and that nothing of a path gets out of one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk.errors import UsageError
from spelunk.present.hyperlinks import ALIASES, Hyperlinks, link_lines, link_places, quoted
from spelunk.present.render import View, render
from spelunk.search.answer import Answer, Matched
from spelunk.types import Hit

LINK = re.compile(r"\x1b\]8;;([^\x1b]*)\x1b\\(.*?)\x1b\]8;;\x1b\\", re.S)


def test_a_place_in_an_editor():
    links = Hyperlinks("vscode")

    assert links.wrap("a b.py", "/w/a b.py", 3, 7) == (
        "\x1b]8;;vscode://file/w/a%20b.py:3:7\x1b\\a b.py\x1b]8;;\x1b\\"
    )


@pytest.mark.parametrize("name", ALIASES)
def test_every_name_makes_a_url_or_none(name):
    shown = Hyperlinks(name).wrap("x", "/w/x", 2)

    if name == "none":
        assert shown == "x" and not Hyperlinks(name)
    else:
        assert re.fullmatch(r"[a-z+-]+://\S+", LINK.fullmatch(shown)[1])


def test_a_format_of_ones_own():
    assert (
        LINK.fullmatch(Hyperlinks("ed://{path}?l={line}&c={column}").wrap("x", "/a", 4, 2))[1]
        == "ed:///a?l=4&c=2"
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "emacs",
        "file://{nope}{path}",
        "file://{line}",
        "x://{path}:{column}",
        "{path}",
        "x://{path} {line}",
        "x://{path",
        "x://{path}\x1b",
    ],
)
def test_what_is_no_format_is_told(pattern):
    with pytest.raises(UsageError, match="hyperlink format"):
        Hyperlinks(pattern)


@given(st.binary(min_size=1, max_size=60).map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_no_path_can_end_a_link_or_begin_another(path):
    shown = Hyperlinks("kitty").wrap("x", "/" + path, 1)

    assert shown.count("\x1b") == 4
    assert re.fullmatch(r"[!-~]+", LINK.fullmatch(shown)[1])
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/:-]|%[0-9A-F]{2})*", quoted(path))


def hit(path: str, content: str) -> Hit:
    return Hit(
        path=path, start_line=10, end_line=10 + content.count("\n") - 1, language="python", kind="function",
        symbol="f", score=1.0, content=content, signals={}, chunk_id="0", root="/w",
    )  # fmt: skip


def flushing() -> Answer:
    found = (hit("a.py", "def f():\n    flush()\n"),)
    return Answer("flush", "hybrid", 1.0, found, matched=Matched(frozenset(["flush"])))


def test_a_hit_leads_to_its_best_line_and_each_line_to_itself():
    answer = flushing()
    view = View(color=True, links=Hyperlinks("vscode"))

    urls = [url for url, _ in LINK.findall(render(answer, "text", view).text)]

    assert urls == ["vscode://file/w/a.py:11:1", "vscode://file/w/a.py:10:1", "vscode://file/w/a.py:11:5"]


def test_links_change_nothing_that_is_seen():
    answer = flushing()
    plain = render(answer, "text", View(color=True)).text

    linked = render(answer, "text", View(color=True, links=Hyperlinks("file"))).text

    assert LINK.sub(lambda m: m[2], linked) == plain != linked


def test_places_in_results_about_symbols():
    links = Hyperlinks("vscode")
    text = "\x1b[35msrc/a.py\x1b[0m:\x1b[32m7\x1b[0m  f\n\x1b[35msrc/b.py\x1b[0m:3-9  class C\n  C  \x1b[2msrc/b.py:3\x1b[0m\n"

    linked = link_places(text, links, "/w")

    assert [url for url, _ in LINK.findall(linked)] == [
        "vscode://file/w/src/a.py:7:1", "vscode://file/w/src/b.py:3:1", "vscode://file/w/src/b.py:3:1",
    ]  # fmt: skip
    assert LINK.sub(lambda m: m[2], linked) == text
    assert link_places("\x1b[35ma\\x1b.py\x1b[0m:1\n", links, "/w") == "\x1b[35ma\\x1b.py\x1b[0m:1\n"


def test_lines_of_an_outline():
    linked = link_lines("\x1b[32m3-9\x1b[0m  class  C\n", Hyperlinks("vscode"), "/w/a.py")

    assert LINK.findall(linked) == [("vscode://file/w/a.py:3:1", "\x1b[32m3-9\x1b[0m")]

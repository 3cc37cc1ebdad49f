"""The tools of the MCP server without a transport: their table, arguments, budgets, and what may be read."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk import Index, UsageError, WorkspaceError
from spelunk.adapters.indexes import OpenIndexes
from spelunk.adapters.scope import Scope
from spelunk.adapters.tool_table import BY_NAME, MAX_TOKENS, TOOLS, checked
from spelunk.adapters.tools import Tools, path_of
from spelunk.text.token_estimate import token_estimate
from tests.examples import examples

MAX_LIST_TOKENS = 2_400


@pytest.fixture
def tools() -> Tools:
    return Tools(OpenIndexes())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    for n in range(12):
        body = "".join(f"    batches = flush(batches, {i})\n" for i in range(60))
        (root / "src" / f"writer_{n}.py").write_text(f"def flush_batches_{n}(batches):\n{body}")
    (root / "README.md").write_text("# Project\n\nThe writer flushes batches.\n\n## Use\n\nCall it.\n")
    return root


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# The table


def test_the_list_of_tools_costs_few_tokens() -> None:
    pytest.importorskip("mcp", reason="the extra [mcp] is not installed")
    from spelunk.adapters.mcp.protocol_server import tool_list

    listed = [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tool_list()]

    assert token_estimate(compact(listed)) <= MAX_LIST_TOKENS


def test_every_tool_has_an_example_or_a_question_and_what_it_is_not_for() -> None:
    for tool in TOOLS:
        assert "Not for:" in tool.description
        if tool.name != "index_status":
            assert "Example:" in tool.description or '("' in tool.description


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ({"query": "x", "workspace": "a"}, ("a",)),
        ({"query": "x", "workspace": '["a", "b"]'}, ("a", "b")),
        ({"query": "x", "workspace": []}, ()),
        ({"query": "x", "workspace": None}, ()),
    ],
)
def test_what_clients_are_known_to_write_is_taken(arguments: dict[str, Any], given: tuple[str, ...]) -> None:
    assert checked(BY_NAME["search"], arguments)["workspace"] == given


def test_numbers_as_text_and_whole_floats_are_taken() -> None:
    args = checked(BY_NAME["search"], {"query": "x", "limit": "7", "max_tokens": 900.0})

    assert (args["limit"], args["max_tokens"]) == (7, 900)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@examples(150)
@given(
    st.sampled_from(sorted(BY_NAME)),
    st.dictionaries(
        st.sampled_from(["query", "path", "place", "workspace", "limit", "max_tokens", "x"]), JSON, max_size=4
    ),
)
def test_any_arguments_are_taken_or_refused_in_one_short_line(name: str, arguments: dict[str, Any]) -> None:
    try:
        checked(BY_NAME[name], arguments)
    except UsageError as error:
        assert len(str(error)) < 400


# Budgets


@pytest.mark.parametrize("tokens", [200, 500, 1_000, 4_000, MAX_TOKENS])
def test_answers_stay_within_their_budget_as_text_and_as_json(
    tokens: int, tools: Tools, project: Path
) -> None:
    scope = Scope(str(project))
    for name, arguments in (
        ("search", {"query": "flush batches", "limit": 12}),
        ("read", {"path": "src/writer_3.py"}),
        ("outline", {"path": "README.md"}),
    ):
        answer = tools.call(name, {**arguments, "max_tokens": tokens}, scope)

        assert token_estimate(answer.text) <= tokens, name
        assert token_estimate(compact(answer.values)) <= tokens, name


def test_a_search_shows_whole_hits_first_and_cites_the_rest(tools: Tools, project: Path) -> None:
    answer = tools.call("search", {"query": "flush batches", "limit": 12}, Scope(str(project)))
    hits = answer.values["hits"]

    assert "continues_to" not in hits[0] and hits[0]["content"]
    assert any("content" not in hit for hit in hits)
    assert all(f"{hit['path']}:{hit['start_line']}-{hit['end_line']}" in answer.text for hit in hits)
    assert any("call read" in note for note in answer.values["notes"])


def test_read_goes_on_where_it_stopped(tools: Tools, project: Path) -> None:
    scope = Scope(str(project))
    whole = (project / "src/writer_3.py").read_text()
    text, line, calls = "", 1, 0
    while True:
        values = tools.call(
            "read", {"path": "src/writer_3.py", "start_line": line, "max_tokens": 400}, scope
        ).values
        text += values["text"]
        calls += 1
        if "next_line" not in values:
            break
        line = values["next_line"]

    assert text == whole
    assert calls > 2


def test_a_line_longer_than_the_budget_is_cut_and_passed(tools: Tools, project: Path) -> None:
    (project / "wide.md").write_text("word " * 4_000 + "\nlast line\n")

    values = tools.call("read", {"path": "wide.md", "max_tokens": 300}, Scope(str(project))).values

    assert values["next_line"] == 2
    assert "is cut after" in values["note"]
    assert token_estimate(values["text"]) <= 300


def test_lines_of_a_citation(tools: Tools, project: Path) -> None:
    values = tools.call("read", {"path": "README.md:3-5"}, Scope(str(project))).values

    assert (values["start_line"], values["end_line"]) == (3, 5)
    assert values["text"] == "The writer flushes batches.\n\n## Use\n"


def test_outline_names_definitions_with_their_lines(tools: Tools, project: Path) -> None:
    values = tools.call("outline", {"path": "README.md"}, Scope(str(project))).values

    assert [(d["name"], d["start_line"]) for d in values["definitions"]] == [("Project", 1), ("Use", 5)]


def test_history_tells_the_commits_of_a_place(tools: Tools, project: Path) -> None:
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", str(project)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Flush in batches\n\nOne write each."]):
        subprocess.run([*git, *command], check=True)

    answer = tools.call("history", {"place": "src/writer_3.py:1-3"}, Scope(str(project)))

    assert [c["subject"] for c in answer.values["commits"]] == ["Flush in batches"]
    assert "One write each." in answer.text
    with pytest.raises(UsageError):
        tools.call("history", {"place": "../outside"}, Scope(str(project)))


# Symbols


@pytest.fixture
def callers(tmp_path: Path) -> Path:
    root = tmp_path / "calls"
    (root / "src").mkdir(parents=True)
    (root / "src/flush.py").write_text(
        "def flush(rows):\n    return write(rows)\n\n\ndef write(rows):\n    pass\n"
    )
    for n in range(40):
        text = f"from src.flush import flush\n\n\ndef caller_{n}():\n    flush({n})\n"
        (root / f"src/caller_{n}.py").write_text(text)
    return root


def test_symbol_tells_callers_with_exact_places(tools: Tools, callers: Path) -> None:
    arguments = {"question": "callers", "symbol": "src/flush.py:1", "limit": 50, "max_tokens": MAX_TOKENS}
    answer = tools.call("symbol", arguments, Scope(str(callers)))

    places = {f"{e['path']}:{e['line']}" for e in answer.values["edges"]}
    assert places == {f"src/caller_{n}.py:5" for n in range(40)}
    assert all(place in answer.text for place in places)
    path = tools.call(
        "symbol", {"question": "path", "symbol": "caller_3", "to": "write"}, Scope(str(callers))
    )
    assert [e["symbol"]["name"] for e in path.values["edges"]] == ["flush", "write"]


@pytest.mark.parametrize("tokens", [200, 400, 1_000, 4_000])
def test_answers_about_symbols_stay_within_their_budget(tokens: int, tools: Tools, callers: Path) -> None:
    scope = Scope(str(callers))
    for name, arguments in (
        ("symbol", {"question": "callers", "symbol": "flush"}),
        ("symbol", {"question": "references", "symbol": "flush"}),
        ("impact", {"changed": "src/flush.py"}),
        ("map", {}),
    ):
        answer = tools.call(name, {**arguments, "max_tokens": tokens}, scope)

        assert token_estimate(answer.text) <= tokens, name
        assert token_estimate(compact(answer.values)) <= tokens, name
        if tokens < 1_000 and name == "symbol":
            assert answer.values["dropped"] and "raise max_tokens" in answer.text


def test_a_budget_too_small_for_all_definitions_of_a_name_shows_some(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text("".join(f"class C{n}:\n    def get(self): pass\n" for n in range(60)))

    arguments = {"question": "callers", "symbol": "get", "limit": 60, "max_tokens": 300}
    answer = tools.call("symbol", arguments, Scope(str(tmp_path)))

    shown = len(answer.values["targets"])
    assert 0 < shown < 60
    assert f"{60 - shown} of the definitions" in answer.text


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("symbol", {"question": "callers"}, "symbol needs symbol"),
        ("symbol", {"question": "who", "symbol": "flush"}, "use one of"),
        ("symbol", {"question": "path", "symbol": "flush"}, "needs `to`"),
        ("symbol", {"question": "callers", "symbol": "flush", "to": "write"}, "needs `to`"),
        ("symbol", {"question": "definition", "symbol": "flush", "depth": 2}, "has no steps"),
        ("symbol", {"question": "callers", "symbol": ""}, "the name is empty"),
        ("symbol", {"question": "callers", "symbol": "src/flush.py:99"}, "no such line"),
        ("symbol", {"question": "callers", "symbol": "../x.py:1"}, "outside the workspace"),
        ("symbol", {"question": "callers", "symbol": "src/none.py:1"}, "not indexed"),
        ("impact", {}, "needs changed"),
        ("impact", {"changed": "src", "diff": "HEAD"}, "not both"),
        ("impact", {"diff": "--output=/tmp/x"}, "one revision"),
        ("map", {"workspace": ["/"]}, "not served"),
    ],
)
def test_bad_questions_about_symbols_are_one_line(
    name: str, arguments: dict[str, Any], message: str, tools: Tools, callers: Path
) -> None:
    subprocess.run(["git", "init", "-q", str(callers)], check=True)
    with pytest.raises(UsageError) as caught:
        tools.call(name, arguments, Scope(str(callers), (str(callers),)))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_symbols_of_several_workspaces_and_outside_of_what_is_served(
    tools: Tools, callers: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "zebra.py").write_text("def zebra():\n    pass\n\n\ndef flush():\n    zebra()\n")
    both = Scope("/", (str(callers), str(other)))

    found = tools.call("symbol", {"question": "callers", "symbol": "zebra"}, both).values
    assert found["root"] == str(other) and found["edges"][0]["path"] == "zebra.py"
    place = tools.call("symbol", {"question": "callers", "symbol": "other/zebra.py:1"}, both).values
    ride = {"question": "path", "symbol": "zebra.flush", "to": "other/zebra.py:1"}
    assert tools.call("symbol", ride, both).values["edges"][0]["symbol"]["name"] == "zebra"
    assert place["edges"] == found["edges"]
    with pytest.raises(UsageError, match="several workspaces have this name"):
        tools.call("symbol", {"question": "callers", "symbol": "flush"}, both)
    with pytest.raises(UsageError, match="one workspace"):
        tools.call("map", {}, both)

    (callers / "private.py").write_text("def secret(key):\n    pass\n\n\ndef caller_0():\n    secret(1)\n")
    with Index.open(callers) as index:
        index.update()
    part = Scope("/", (str(callers / "src"),))
    for question in ("definition", "references", "callers", "callees", "implementations"):
        values = tools.call("symbol", {"question": question, "symbol": "secret"}, part).values
        assert values["targets"] == values["edges"] == [] and "private.py" not in compact(values)
    values = tools.call("symbol", {"question": "path", "symbol": "secret", "to": "flush"}, part).values
    assert "private.py" not in compact(values)


# Scopes


def test_several_workspaces_are_merged_and_their_paths_can_be_read(
    tools: Tools, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").write_text("# Other\n\nIt flushes batches as well.\n")
    scope = Scope("/", (str(project), str(other)))

    answer = tools.call("search", {"query": "flushes batches", "limit": 20}, scope)
    paths = [hit["path"] for hit in answer.values["hits"]]

    assert {"project/README.md", "other/README.md"} <= set(paths)
    assert "as well" in tools.call("read", {"path": "other/README.md"}, scope).values["text"]
    only = tools.call("search", {"query": "flushes batches", "workspace": ["other"]}, scope)
    assert [hit["path"] for hit in only.values["hits"]] == ["README.md"]


def test_a_folder_that_nobody_chose_is_neither_read_nor_indexed(
    tools: Tools, project: Path, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "key.txt").write_text("the key\n")
    scope = Scope(str(project))

    for name, arguments in (
        ("search", {"query": "key", "workspace": [str(private)]}),
        ("read", {"path": str(private / "key.txt")}),
        ("read", {"path": "key.txt", "workspace": [str(private)]}),
        ("outline", {"path": str(private / "key.txt")}),
        ("index_status", {"workspace": [str(private)]}),
    ):
        with pytest.raises(UsageError):
            tools.call(name, arguments, scope)
    with pytest.raises(UsageError):
        tools.whole_file(str(private / "key.txt"), scope)
    assert not os.path.exists(os.environ["SPELUNK_HOME"])


def test_what_the_user_has_indexed_may_be_named(tools: Tools, project: Path, tmp_path: Path) -> None:
    indexed = tmp_path / "indexed"
    indexed.mkdir()
    (indexed / "note.md").write_text("# A note\n")
    with Index.open(indexed) as index:
        index.update()

    scope = Scope(str(project))
    assert tools.call("read", {"path": str(indexed / "note.md")}, scope).values["text"] == "# A note\n"
    with pytest.raises(WorkspaceError, match="not served"):
        tools.call("search", {"query": "x", "workspace": [str(indexed)]}, Scope("/", (str(project),)))


@pytest.mark.parametrize("folder", ["", "/", "~"])
def test_home_and_the_root_are_no_default(folder: str, tools: Tools) -> None:
    with pytest.raises(WorkspaceError, match="no workspace is chosen"):
        tools.call("search", {"query": "x"}, Scope(os.path.expanduser(folder)))


SECRET = "the secret of the neighbour"
PART = st.sampled_from(
    [
        "..",
        ".",
        "",
        "src",
        "writer_1.py",
        "link",
        "linked.py",
        "secret.txt",
        "outside",
        "project",
        "~",
        "etc",
        "//",
    ]
)


@examples(150)
@given(
    st.lists(PART, min_size=1, max_size=7).map("/".join),
    st.sampled_from(["", "/"]),
    st.booleans(),
    st.booleans(),
)
def test_no_path_leads_out_of_the_workspace(
    tmp_path_factory: pytest.TempPathFactory, path: str, start: str, absolute: bool, by_link: bool
) -> None:
    """Neither ``..`` nor absolute paths nor links, whether they are there before or come after the indexing."""
    base = tmp_path_factory.getbasetemp() / "scope"
    project, outside = base / "project", base / "outside"
    if not base.exists():
        (project / "src").mkdir(parents=True)
        outside.mkdir()
        (outside / "secret.txt").write_text(SECRET)
        (project / "src/writer_1.py").write_text("def write():\n    pass\n")
        (project / "link").symlink_to(outside)
        (project / "linked.py").symlink_to(outside / "secret.txt")
    shown = f"{base if absolute else ''}{start if not absolute else '/'}{path}"
    scope = Scope(str(project / "src") if by_link else str(project))
    tools = Tools(OpenIndexes())

    for name, argument in (("read", "path"), ("outline", "path")):
        try:
            answer = tools.call(name, {argument: shown}, scope)
        except UsageError:
            continue
        assert SECRET not in compact(answer.values) + answer.text
        assert answer.values["path"].endswith("writer_1.py")


def test_a_file_that_becomes_a_link_is_not_followed(tools: Tools, project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    scope = Scope(str(project))
    assert tools.call("read", {"path": "README.md"}, scope).values["text"].startswith("# Project")

    (project / "README.md").unlink()
    (project / "README.md").symlink_to(tmp_path / "secret")

    with pytest.raises(UsageError):
        tools.call("read", {"path": "README.md"}, scope)


def test_addresses_of_files() -> None:
    assert path_of("file:///a/b%20c.py") == "/a/b c.py"
    for bad in ("http://x/y", "file://host/a", "file:", "/a/b"):
        with pytest.raises(UsageError):
            path_of(bad)


# Public methods beneath


def test_lines_and_outline_of_an_index(project: Path) -> None:
    with Index.open(project) as index:
        passage = index.read("README.md", 3, 3)
        outline = index.outline("src/writer_1.py")

        assert (passage.text, passage.lines) == ("The writer flushes batches.\n", 7)
        assert index.read("README.md", 8).text == ""
        assert index.read("README.md", 1, 10**9).end_line == 7
        assert [(d.name, d.line, d.end_line) for d in outline.definitions] == [("flush_batches_1", 1, 61)]
        for bad in ("nope.py", "../project/README.md", "/etc/passwd", ""):
            with pytest.raises(UsageError, match="not indexed"):
                index.read(bad)
            with pytest.raises(UsageError, match="not indexed"):
                index.outline(bad)
        with pytest.raises(UsageError, match="counted from 1"):
            index.read("README.md", 0)


def test_lines_of_a_notebook_are_those_of_its_file(tmp_path: Path) -> None:
    notebook = {
        "cells": [
            {"cell_type": "code", "source": ["first = 1\n", "second = 2\n"], "metadata": {}, "outputs": []}
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook, indent=1))
    raw = (tmp_path / "n.ipynb").read_text().split("\n")
    line = next(n for n, text in enumerate(raw, 1) if "second" in text)

    with Index.open(tmp_path) as index:
        assert index.read("n.ipynb", line, line).text.rstrip() == "second = 2"

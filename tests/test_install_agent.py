"""``spelunk install-agent``: entries, blocks and files of coding agents, put in and taken out byte for byte."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelunk import Index
from spelunk.adapters.agents import text_block
from spelunk.adapters.agents.clients import CLIENTS, hook_entry, server_entry
from spelunk.adapters.agents.hook import answer, words_of
from spelunk.adapters.agents.install import InstallPlan
from spelunk.adapters.agents.json_edit import ADDED, DIFFERENT, PRESENT, JsonEntry, add, created, remove
from spelunk.adapters.agents.json_spans import parse
from spelunk.errors import UsageError
from tests.examples import examples

SERVER = JsonEntry(("mcpServers",), "spelunk", {"command": "spelunk", "args": ["mcp"]})
HOOK = JsonEntry(("hooks", "PostToolUse"), None, {"matcher": "Grep", "hooks": [{"type": "command"}]})
DEEP = JsonEntry(("a", "b", "c"), "spelunk", 1)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def install(root: Path, *names: str) -> list[str]:
    plan = InstallPlan(str(root))
    for name in names:
        plan.install(name)
    return [change.shown for change in plan.write()]


def uninstall(root: Path, *names: str) -> list[str]:
    plan = InstallPlan(str(root))
    for name in names:
        plan.remove(name)
    return [change.shown for change in plan.write()]


# Edits of JSON

SPACE = st.sampled_from(["", " ", "\n", "\n  ", "\t", "\r\n  ", " // c\n", "/* c */ "])
SCALAR = st.sampled_from(["1", '"x"', "null", "true", "-2.5e3", '"a\\"b"', '"//no"', '"\\u00e9{"'])
KEY = st.sampled_from(["mcpServers", "hooks", "PostToolUse", "a", "b", "c", "other", "z z"])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    @st.composite
    def build(draw: Callable[..., str]) -> str:
        keys = draw(st.lists(KEY, unique=True, max_size=3))
        out = "{" + draw(SPACE)
        for n, key in enumerate(keys):
            out += json.dumps(key) + draw(SPACE) + ":" + draw(SPACE) + draw(inner) + draw(SPACE)
            if n + 1 < len(keys) or draw(st.booleans()):
                out += "," + draw(SPACE)
        return out + "}"

    return build()


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(SPACE, st.lists(inner, max_size=2), SPACE).map(
        lambda t: "[" + t[0] + ",".join(t[1]) + t[2] + "]"
    )


VALUE = st.recursive(SCALAR, lambda inner: objects(inner) | arrays(inner), max_leaves=8)
DOCUMENT = st.tuples(st.sampled_from(["", "\ufeff"]), SPACE, objects(VALUE), SPACE).map("".join)


@examples(300)
@given(DOCUMENT, st.permutations([SERVER, HOOK, DEEP]))
def test_what_is_added_to_json_is_removed_byte_for_byte(document: str, entries: list[JsonEntry]) -> None:
    texts, added = [document], list[JsonEntry]()
    for entry in entries:
        try:
            after, found = add(texts[-1], entry)
        except ValueError:
            continue  # a container of another kind
        assert found == ADDED
        assert add(after, entry) == (after, PRESENT)
        texts.append(after)
        added.append(entry)

    while added:
        after, entry = texts.pop(), added.pop()
        assert remove(after, entry) == (texts[-1], True)


@examples(200)
@given(DOCUMENT)
def test_an_edit_adds_its_entry_and_changes_no_other_value(document: str) -> None:
    try:
        after, _ = add(document, SERVER)
    except ValueError:
        return
    before, now = parse(document).value, parse(after).value

    assert now["mcpServers"].pop("spelunk") == SERVER.value
    assert now["mcpServers"] == before.get("mcpServers", {})
    assert {k: v for k, v in now.items() if k != "mcpServers"} == {
        k: v for k, v in before.items() if k != "mcpServers"
    }


@examples(200)
@given(VALUE.map(lambda text: text.replace("// c\n", "").replace("/* c */", "")))
def test_json_without_comments_is_read_as_by_json(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        return  # a trailing comma

    assert parse(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{]",
        '{"a"}',
        '{"a" 1}',
        "{'a': 1}",
        '{"a": }',
        "[1 2]",
        "{} x",
        '{"a": "\n"}',
        "/*",
        "[" * 999,
    ],
)
def test_broken_json_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d+"):
        parse(text)


def test_a_new_file_holds_the_entry_alone_and_is_removed() -> None:
    text = created(SERVER)

    assert json.loads(text) == {"mcpServers": {"spelunk": SERVER.value}}
    assert remove(text, SERVER) == (None, True)


def test_an_entry_that_was_moved_or_got_neighbours_is_still_removed() -> None:
    text = (
        '{\n  "mcpServers": {\n    "other": {"command": "x"},\n    "spelunk": %s,\n    "third": {}\n  }\n}\n'
    )
    full = text % json.dumps(SERVER.value)

    left, found = remove(full, SERVER)

    assert found and left is not None
    assert json.loads(left) == {"mcpServers": {"other": {"command": "x"}, "third": {}}}


def test_an_entry_of_somebody_else_is_left() -> None:
    text = '{"mcpServers": {"spelunk": {"command": "mine"}}}'

    assert add(text, SERVER) == (text, DIFFERENT)
    assert remove(text, SERVER) == (text, False)


# Blocks


@examples(300)
@given(
    st.none()
    | st.lists(st.sampled_from(["a", "\n", "\r\n", "# x", "<!-- y -->", "spelunk: begin", " "])).map("".join),
    st.sampled_from([text_block.MARKDOWN, text_block.HASH]),
)
def test_a_block_is_replaced_in_place_and_removed_byte_for_byte(
    text: str | None, style: text_block.CommentStyle
) -> None:
    first = text_block.put(text, "line 1\nline 2", style)
    second = text_block.put(first, "another", style)

    assert text_block.put(first, "line 1\nline 2", style) == first
    assert text_block.put(second, "line 1\nline 2", style) == first
    assert text_block.take_out(first, style) == (text, True)
    assert text_block.take_out(second, style) == (text, True)


def test_text_behind_a_block_is_kept() -> None:
    text = text_block.put("# Title\n", "ours", text_block.MARKDOWN) + "\nMine.\n"

    assert text_block.take_out(text, text_block.MARKDOWN) == ("# Title\n\nMine.\n", True)


# Clients


def test_there_are_more_than_fourteen_clients() -> None:
    assert len(CLIENTS) >= 14


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_installed_twice_as_once_and_removed_without_a_trace(name: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    before = files(Path(os.environ["HOME"]))

    assert install(project, name)
    once = files(project)
    assert install(project, name) == []
    assert files(project) == once

    uninstall(project, name)
    assert list(project.iterdir()) == []
    assert files(Path(os.environ["HOME"])) == before


@pytest.mark.parametrize("name", CLIENTS)
def test_the_configuration_names_the_server(name: str, tmp_path: Path) -> None:
    install(tmp_path, name)
    client = CLIENTS[name]
    path = Path(
        os.environ["HOME"] + client.config[1:] if client.config[0] == "~" else tmp_path / client.config
    )

    value = (tomllib.loads if client.form == "toml" else json.loads)(path.read_text())
    for key in ("mcp_servers",) if client.form == "toml" else client.path:
        value = value[key]
    command = value["spelunk"]["command"]
    words = command if isinstance(command, list) else [command, *value["spelunk"]["args"]]
    assert os.path.basename(words[0]) == "spelunk"
    assert words[1] == "mcp"


def test_files_of_the_user_come_back_byte_for_byte(tmp_path: Path) -> None:
    """Random subsets of clients over files that exist already, in random order."""
    existing = {
        ".mcp.json": '{ // servers\n  "mcpServers": {\n    "db": {"command": "db"}, /* mine */\n  },\n}',
        ".claude/settings.json": '{"hooks": {"PostToolUse": []}, "model": "x"}\n',
        ".gemini/settings.json": '\ufeff{\r\n\t"theme": "dark"\r\n}\r\n',
        ".codex/config.toml": '# my settings\nmodel = "x" # comment\n[mcp_servers.db]\ncommand = "db"',
        "AGENTS.md": "# Agents\n\nNo end of line",
        "CLAUDE.md": "",
        "GEMINI.md": "# Gemini\r\n",
        ".vscode/mcp.json": '{"servers": {}}',
        "opencode.json": '{\n  "$schema": "https://opencode.ai/config.json"\n}\n',
    }
    for seed in range(12):
        root = tmp_path / str(seed)
        for name, text in existing.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(text.encode())
        (root / "AGENTS.md").chmod(0o600)
        before = files(root)
        chance = random.Random(seed)
        names = chance.sample(sorted(CLIENTS), chance.randint(1, len(CLIENTS)))

        for name in names:
            install(root, name)
        for name in reversed(names):
            uninstall(root, name)

        assert files(root) == before
        assert (root / "AGENTS.md").stat().st_mode & 0o777 == 0o600


def test_a_block_stays_while_another_client_needs_it(tmp_path: Path) -> None:
    install(tmp_path, "codex", "zed")

    uninstall(tmp_path, "codex")
    assert "spelunk: begin" in (tmp_path / "AGENTS.md").read_text()
    uninstall(tmp_path, "zed")
    assert not (tmp_path / "AGENTS.md").exists()


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("claude", ".mcp.json", b'{"mcpServers": {'),
        ("claude", ".mcp.json", b"[]"),
        ("claude", ".mcp.json", b'{"mcpServers": 5}'),
        ("claude", ".mcp.json", b""),
        ("claude", ".mcp.json", b'{"a": "\xff"}'),
        ("claude", ".claude/settings.json", b'{"hooks": []}'),
        ("codex", ".codex/config.toml", b"a = "),
        ("codex", ".codex/config.toml", b"mcp_servers = {}\n"),
    ],
)
def test_a_broken_file_is_an_error_and_nothing_is_written(
    name: str, path: str, text: bytes, tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_bytes(text)

    with pytest.raises(UsageError, match="nothing was written"):
        install(tmp_path, name)

    assert files(tmp_path) == {path: text}


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    project = tmp_path / "project"
    project.mkdir()
    (project / ".mcp.json").symlink_to(tmp_path / "secret")

    with pytest.raises(UsageError, match="leads out of the project"):
        install(project, "claude")

    assert (tmp_path / "secret").read_text() == "{}"
    assert os.listdir(project) == [".mcp.json"]


def test_a_link_in_the_home_folder_is_written_through(tmp_path: Path) -> None:
    home = Path(os.environ["HOME"])
    (home / ".copilot").mkdir()
    (tmp_path / "dotfile").write_text('{"mcpServers": {}}')
    (home / ".copilot" / "mcp-config.json").symlink_to(tmp_path / "dotfile")

    install(tmp_path, "copilot")

    assert (home / ".copilot" / "mcp-config.json").is_symlink()
    assert "spelunk" in (tmp_path / "dotfile").read_text()


def test_what_was_changed_by_hand_is_left_and_told(tmp_path: Path) -> None:
    install(tmp_path, "claude")
    agent = tmp_path / ".claude/agents/spelunk.md"
    agent.write_text(agent.read_text() + "Mine.\n")
    plan = InstallPlan(str(tmp_path))
    plan.remove("claude")
    plan.write()

    assert agent.exists()
    assert any("changed by hand" in note for change in plan.changes.values() for note in change.notes)


# The command


def run(*args: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "spelunk", *args], cwd=cwd, capture_output=True, input=stdin, timeout=120
    )


def test_the_command_lists_shows_writes_and_removes(tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    listed = run("install-agent", cwd=tmp_path).stdout.decode()
    assert "cursor          Cursor               used here" in listed

    shown = run("install-agent", "--all", "--dry-run", cwd=tmp_path).stdout.decode()
    assert '+      "command": "spelunk"' in shown and "+++ .cursor/mcp.json" in shown
    assert os.listdir(tmp_path / ".cursor") == []

    done = run("install-agent", "--all", cwd=tmp_path)
    assert b"created .cursor/mcp.json" in done.stdout and done.returncode == 0
    done = run("install-agent", "--all", "--remove", cwd=tmp_path)
    assert b"deleted .cursor/mcp.json" in done.stdout
    assert files(tmp_path) == {}


def test_an_unknown_client_is_an_error(tmp_path: Path) -> None:
    done = run("install-agent", "emacs", cwd=tmp_path)

    assert done.returncode == 2
    assert b"emacs: no such client; there are claude" in done.stderr


# The hook


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "writer.py").write_text("def flush_batches():\n    pass\n")
    (tmp_path / "reader.py").write_text("def read_batches():\n    pass\n")
    with Index.open(tmp_path) as index:
        index.update()
    return tmp_path


def event(project: Path, pattern: object, response: object = "") -> bytes:
    return json.dumps(
        {"cwd": str(project), "tool_input": {"pattern": pattern}, "tool_response": response}
    ).encode()


def test_the_hook_adds_what_the_search_did_not_find(project: Path) -> None:
    done = run(
        "agent-hook", "claude", cwd=project, stdin=event(project, r"flush_\w+batches", "reader.py:1: x")
    )

    output = json.loads(done.stdout)["hookSpecificOutput"]
    assert output["hookEventName"] == "PostToolUse"
    assert "writer.py:1-2 function flush_batches" in output["additionalContext"]
    assert "reader.py" not in output["additionalContext"]


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", b"[]", b"{}", b'{"tool_input": 5}', b'{"tool_input": {"pattern": 7}}', b"[" * 9_000],
)
def test_the_hook_says_nothing_and_succeeds_whatever_it_is_given(data: bytes, project: Path) -> None:
    assert answer("gemini", data) is None


def test_the_hook_builds_no_index(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def flush():\n    pass\n")

    assert answer("claude", event(tmp_path, "flush")) is None
    assert not os.path.exists(os.environ["SPELUNK_HOME"])


def test_words_of_a_pattern() -> None:
    assert words_of(r"\bflush_(all|one)\s*\(self") == "flush_ all one self"
    assert words_of(r"[.*]+$") == ""


def test_the_hook_entry_is_what_clients_document() -> None:
    entry = hook_entry(CLIENTS["claude"], "claude", "spelunk")

    assert entry.path == ("hooks", "PostToolUse")
    assert entry.value["hooks"][0] == {
        "type": "command",
        "command": "spelunk agent-hook claude",
        "timeout": 5,
    }
    assert server_entry(CLIENTS["vscode"], "spelunk").value["type"] == "stdio"

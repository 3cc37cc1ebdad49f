"""The page of the command line has every command and every flag."""

import re
from pathlib import Path

import pytest

from spelunk.cli import ALIASES, COMMANDS
from spelunk.cli.completions import completions

PAGE = (Path(__file__).parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
OWN = [name for name in COMMANDS if name != "branchwork"]  # its commands have a page of their own


def test_every_command_has_a_section_and_a_row():
    for name in COMMANDS:
        assert f"spelunk {name}" in SECTIONS
        assert re.search(rf"^\| \[`{name}`\]\(#spelunk-{name}\)", PAGE, re.M)


def test_no_section_is_about_a_command_that_does_not_exist():
    assert {s.removeprefix("spelunk ") for s in SECTIONS if s.startswith("spelunk ")} == set(COMMANDS)


@pytest.mark.parametrize("command", OWN)
def test_every_flag_is_in_the_section_of_its_command(command):
    page = SECTIONS[f"spelunk {command}"] + SECTIONS["Shared flags"]

    flags = [flag for flag, _ in completions([command, "-"])]

    assert "--quiet" in flags
    assert [f for f in flags if not re.search(rf"(?<![\w-]){re.escape(f)}(?![\w-])", page)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command):
    assert "```console\n$ " in SECTIONS[f"spelunk {command}"]


def test_aliases_are_documented():
    for alias in ALIASES:
        assert f"`{alias}`" in PAGE


def test_modes_are_those_of_the_engine():
    from spelunk.search.request import MODES

    assert all(f"`{mode}`" in PAGE for mode in MODES)


def test_every_state_has_an_action():
    from spelunk.workspace import state
    from spelunk.workspace.state import ACTIONS

    names = {state.MISSING, state.CORRUPT, state.TOO_NEW, state.OPTIONS_CHANGED, state.BEHIND, state.CURRENT}
    assert set(ACTIONS) == names
    assert all(f"| `{name}` |" in PAGE for name in names)

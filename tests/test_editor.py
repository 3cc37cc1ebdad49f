"""How editors are told to open a line."""

import pytest

from spelunk.cli.editor import command
from spelunk.errors import UsageError


@pytest.mark.parametrize(
    ("editor", "words"),
    [
        ("vim", ["vim", "+7", "/a b.py"]),
        ("/usr/bin/vim.basic", ["/usr/bin/vim.basic", "+7", "/a b.py"]),
        ("emacsclient -nw", ["emacsclient", "-nw", "+7", "/a b.py"]),
        ("code --wait", ["code", "--wait", "--goto", "/a b.py:7:2"]),
        ("cursor", ["cursor", "--goto", "/a b.py:7:2"]),
        ("hx", ["hx", "/a b.py:7:2"]),
        ("'/opt/My Editor/subl' -w", ["/opt/My Editor/subl", "-w", "/a b.py:7:2"]),
        ("idea.sh", ["idea.sh", "--line", "7", "/a b.py"]),
        ("kate", ["kate", "--line", "7", "/a b.py"]),
        ("mate -w", ["mate", "-w", "-l", "7", "/a b.py"]),
        ("ed-of-my-own", ["ed-of-my-own", "/a b.py"]),
    ],
)
def test_the_words_of_an_editor(editor, words):
    assert command({"EDITOR": editor}, "/a b.py", 7, 2) == words


def test_visual_comes_first():
    assert command({"VISUAL": "nano", "EDITOR": "vim"}, "/a", 1)[0] == "nano"
    assert command({"VISUAL": "", "EDITOR": "vim"}, "/a", 1)[0] == "vim"


@pytest.mark.parametrize("editor", ["'open", "   "])
def test_what_is_no_command_is_told(editor):
    with pytest.raises(UsageError, match="VISUAL or EDITOR"):
        command({"EDITOR": editor}, "/a", 1)


def test_without_an_editor_the_error_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageError, match="set VISUAL or EDITOR"):
        command({}, "/a", 1)

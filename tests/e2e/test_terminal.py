"""On a terminal: the pager, links, the search as one types."""

import os
import signal
import sys

import pytest

from tests.terminal import Terminal

UP, DOWN, ENTER, ESCAPE = "\x1b[A", "\x1b[B", "\r", "\x1b"


@pytest.fixture
def pager(tmp_path):
    """A pager that writes what it gets into a file."""
    script = tmp_path / "pager"
    script.write_text(f'#!/bin/sh\ncat > "{tmp_path}/paged"; echo "LESS is $LESS"\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def long_file(tree):
    (tree / "long.py").write_text("".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(60)))
    return tree / "long.py"


def run(cli, *words, env=None, **size):
    return Terminal([*cli.argv, *words], cli.env | (env or {}), cli.cwd, **size)


def test_what_does_not_fit_goes_through_the_pager(cli, tree, tmp_path, pager, long_file):
    cli.ok("index")
    for words in (["outline", "long.py"], ["read", "long.py"], ["search", "return", "-k", "50", "--full"]):
        with run(cli, *words, env={"PAGER": str(pager), "SPELUNK_PAGER": str(pager)}) as terminal:
            assert terminal.finish() == 0
        assert "LESS is FRX" in terminal.text
        assert "\x1b[" in (tmp_path / "paged").read_text()
        (tmp_path / "paged").unlink()


def test_what_fits_or_is_not_to_be_paged_is_not(cli, tree, tmp_path, pager, long_file):
    cli.ok("index")
    for words, env in (
        (["outline", "src/queue.py"], {}),
        (["outline", "long.py", "--no-pager"], {}),
        (["outline", "long.py"], {"SPELUNK_PAGER": "cat"}),
        (["outline", "long.py"], {"SPELUNK_PAGER": ""}),
        (["outline", "long.py"], {"SPELUNK_PAGER": "/nowhere/pager"}),
        (["outline", "long.py"], {"SPELUNK_PAGER": "nowhere > /dev/null"}),
    ):
        with run(cli, *words, env={"PAGER": str(pager), **env}) as terminal:
            assert terminal.finish() == 0
        assert "flush" in terminal.text or "f59" in terminal.text, terminal.text
        assert not (tmp_path / "paged").exists()


def test_a_pager_that_is_left_early_ends_nothing_with_an_error(cli, long_file):
    cli.ok("index")
    with run(cli, "read", "long.py", env={"SPELUNK_PAGER": "true"}) as terminal:
        assert terminal.finish() == 0
    assert "Broken" not in terminal.text and "Traceback" not in terminal.text


def test_places_are_links_on_a_terminal_alone(cli, tree):
    cli.ok("index")
    link = f"\x1b]8;;vscode://file{tree}/src/queue.py:".encode()
    with run(cli, "flush", "a", "batch", "--hyperlink-format", "vscode") as terminal:
        assert terminal.finish() == 0
    assert link in terminal.raw
    with run(cli, "flush", "a", "batch") as terminal:
        assert terminal.finish() == 0
    assert b"\x1b]8;;file://" in terminal.raw
    for env in ({"SPELUNK_HYPERLINK_FORMAT": "none"}, {"NO_COLOR": "1"}):
        with run(cli, "flush", "a", "batch", env=env) as terminal:
            assert terminal.finish() == 0
        assert b"\x1b]8" not in terminal.raw
    assert "\x1b]8" not in cli.ok("flush", "a", "batch", env={"SPELUNK_HYPERLINK_FORMAT": "vscode"})
    assert "hyperlink format" in cli.refused("flush", "a", "--color", "always", "--hyperlink-format", "nope")


def test_reading_on_a_terminal_has_numbers_and_colours(cli):
    cli.ok("index")
    with run(cli, "read", "src/queue.py:4") as terminal:
        assert terminal.finish() == 0

    assert "4:    def flush(self, batch):" in terminal.text and "1-class Queue:" in terminal.text
    assert b"\x1b[34m" in terminal.raw


# While one types


@pytest.fixture
def editor(tmp_path):
    """An editor that writes its words into a file."""
    script = tmp_path / "vim"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{tmp_path}/edited"\n')
    script.chmod(0o755)
    return script


def test_one_types_selects_opens_and_leaves(cli, tree, tmp_path, editor):
    cli.ok("index")
    with run(cli, "-I", env={"VISUAL": str(editor)}) as terminal:
        terminal.wait_for(lambda text: "type to search" in text)
        terminal.type("flush")
        screen = terminal.wait_for(lambda text: "src/queue.py" in text)
        assert "def flush(self, batch):" in screen and " hit" in screen
        terminal.type("\x15connects")
        terminal.wait_for(lambda text: "dial.go" in text and "guide.md" in text and "queue.py" not in text)
        first = terminal.text.splitlines()[1]
        terminal.type(ENTER)
        terminal.wait_for(lambda _: (tmp_path / "edited").exists())
        terminal.wait_for(lambda text: "connects" in text.splitlines()[0])
        terminal.type(DOWN + ENTER)
        terminal.wait_for(lambda _: (tmp_path / "edited").read_text().count("\n") == 4)
        terminal.type(ESCAPE)
        assert terminal.finish() == 0
    lines = (tmp_path / "edited").read_text().splitlines()
    assert {lines[1], lines[3]} == {f"{tree}/src/net/dial.go", f"{tree}/docs/guide.md"}
    assert os.path.basename(lines[1]) in first and all(line.startswith("+") for line in lines[::2])


def test_the_keys_for_files_and_mode(cli):
    cli.ok("index")
    with run(cli, "-I", "connects") as terminal:
        terminal.wait_for(lambda text: "dial.go" in text and "guide.md" in text)
        terminal.type("\x06")
        terminal.wait_for(lambda text: "guide.md" not in text and "dial.go" in text and " code " in text)
        terminal.type("\x06")
        terminal.wait_for(lambda text: "guide.md" in text and "dial.go" not in text)
        terminal.type("\x14")
        terminal.wait_for(lambda text: " lexical " in text)
        terminal.type("\x03")
        assert terminal.finish() == 0


def test_a_window_that_is_made_smaller_and_larger(cli):
    cli.ok("index")
    with run(cli, "-I", "connects") as terminal:
        terminal.wait_for(lambda text: "guide.md" in text)
        for rows, columns in ((8, 40), (40, 120), (3, 20), (24, 80)):
            terminal.resize(rows, columns)
            os.killpg(terminal.process.pid, signal.SIGWINCH)
            terminal.wait_for(lambda text: "> connects" in text)
        terminal.wait_for(lambda text: "guide.md" in text and "Esc" in text)
        terminal.type(ESCAPE)
        assert terminal.finish() == 0


def test_an_error_in_a_pattern_is_shown_until_it_is_whole(cli):
    cli.ok("index")
    with run(cli, "-I", "-m", "regex") as terminal:
        terminal.type("disk(")
        terminal.wait_for(lambda text: "missing" in text or "regex" in text.splitlines()[-1])
        terminal.type("\x7f")
        terminal.wait_for(lambda text: "queue.py" in text)
        terminal.type("\x04")
        assert terminal.finish() == 0


def test_an_editor_that_is_none_is_told(cli):
    cli.ok("index")
    with run(cli, "-I", "flush", env={"VISUAL": "/nowhere/editor"}) as terminal:
        terminal.wait_for(lambda text: "queue.py" in text)
        terminal.type(ENTER)
        terminal.wait_for(lambda text: "set VISUAL or EDITOR" in text)
        terminal.type(ESCAPE)
        assert terminal.finish() == 0


def test_a_first_index_is_built_before_the_screen(cli):
    with run(cli, "-I", "flush") as terminal:
        terminal.wait_for(lambda text: "queue.py" in text)
        terminal.type(ESCAPE)
        assert terminal.finish() == 0
    assert b"no index yet; building it" in terminal.raw


def test_without_a_terminal_it_is_refused(cli):
    assert "needs a terminal" in cli.refused("-I")
    assert "needs a terminal" in cli.refused("-I", "flush", "-l")
    with run(cli, "-I", "--json") as terminal:
        assert terminal.finish() == 2
    assert "leave out the flags" in terminal.text


def test_a_search_imports_nothing_of_it(cli):
    import subprocess

    cli.ok("index")
    code = (
        "import sys; from spelunk.cli import main; main(['flush', 'a', 'batch']);"
        "print(sorted({'prompt_toolkit', 'asyncio', 'subprocess', 'tree_sitter'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cli.cwd, env=cli.env, capture_output=True, text=True, check=True
    )

    assert done.stderr.splitlines()[-1] == "[]"


def test_an_empty_folder_has_nothing_to_search(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    with run(cli, "-I", "flush", str(tmp_path / "empty")) as terminal:
        terminal.wait_for(lambda text: "no files to search here" in text)
        terminal.type(ESCAPE)
        assert terminal.finish() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_screen_and_restores_the_terminal(cli, number, status):
    cli.ok("index")
    with run(cli, "-I", "flush") as terminal:
        terminal.wait_for(lambda text: "queue.py" in text)
        os.kill(terminal.process.pid, number)
        assert terminal.finish() == status
    assert b"\x1b[?1049l" in terminal.raw, "the alternate screen is left"
    assert "Traceback" not in terminal.text


def test_sigterm_while_the_screen_is_drawn_ends_it_in_order(cli):
    cli.ok("index")
    code = (
        "import os, signal, sys\n"
        "from spelunk.cli.interactive import screen\n"
        "pieces = screen.list_pieces\n"
        "def signalled(state):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return pieces(state)\n"
        "screen.list_pieces = signalled\n"
        "from spelunk.cli import main\n"
        "sys.exit(main(['-I', 'flush']))\n"
    )
    with Terminal([sys.executable, "-c", code], cli.env, cli.cwd) as terminal:
        assert terminal.finish() == 143
    assert b"\x1b[?1049l" in terminal.raw, "the alternate screen is left"
    assert "Exception" not in terminal.text and "Traceback" not in terminal.text

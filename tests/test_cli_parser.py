"""argv and its pieces, without a process."""

import argparse

import pytest

from spelunk.cli import COMMANDS, main
from spelunk.cli.commands.similar import parse_place
from spelunk.cli.output import caret
from spelunk.cli.parser import command_parser, parse, split, whole
from spelunk.cli.progress import line
from spelunk.errors import QuerySyntaxError, UsageError


def parsed(*words):
    from spelunk.cli.commands import search

    parser = command_parser("search", COMMANDS["search"].summary, search.configure)
    return parse(parser, words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["search", "x"], ([], "search", ["x"])),
        (
            ["-q", "--index-dir", "d", "search", "-k", "1"],
            (["-q", "--index-dir", "d"], "search", ["-k", "1"]),
        ),
        (["--color=never", "index"], (["--color=never"], "index", [])),
        (["--version"], (["--version"], None, [])),
        ([], ([], None, [])),
    ],
)
def test_split(words, expected):
    assert split(words) == expected


def test_flags_between_the_words():
    args = parsed("query", "-k", "3", "a", "--lang=go", "b", "-v")

    assert (args.query, args.paths, args.limit, args.lang, args.verbose) == (
        "query",
        ["a", "b"],
        3,
        ["go"],
        True,
    )


def test_what_follows_two_dashes_is_literal():
    assert parsed("-k", "3", "--", "-Wall", "--x").paths == ["--x"]
    assert parsed("--", "-Wall").query == "-Wall"


def test_a_short_flag_with_its_value_glued_on():
    assert parsed("x", "-k3", "y").limit == 3


@pytest.mark.parametrize(
    "words", [[], ["x", "-k"], ["x", "-k", "-m"], ["x", "--nonsense"], ["x", "--lim", "3"]]
)
def test_errors_are_raised_with_a_hint(words):
    with pytest.raises(UsageError, match=r"see `spelunk search --help`$"):
        parsed(*words)


def test_whole_numbers():
    assert whole(0)("0") == 0
    for text in ("-1", "x", "1.5", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            whole(0)(text)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("a.py:3", ("a.py", 3)),
        ("a:b.py:3-9", ("a:b.py", 3)),
        ("a.py:3:7", ("a.py", 3)),
        ("/x y:1", ("/x y", 1)),
    ],
)
def test_places(place, expected):
    assert parse_place(place) == expected


@pytest.mark.parametrize("place", ["a.py", "a.py:", ":3", "a.py:x", "a.py:0", "a.py:-3", ""])
def test_no_places(place):
    with pytest.raises(UsageError):
        parse_place(place)


def test_the_caret_stands_below_wide_and_combining_characters():
    shown, mark = caret(QuerySyntaxError("x", '漢字 e\u0301 "', 7)).splitlines()

    assert shown == '  漢字 e\u0301 "'
    assert mark == "  " + " " * 7 + "^"


def test_the_progress_line():
    assert line(50, 200, 250, 1000, 5.0) == (
        "indexing [######..................]  25%  50/200 files  10 files/s  0:15 left"
    )
    assert line(0, 0, 0, 0, 0.0)


def test_an_unexpected_error_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr("spelunk.workspace.catalogue.catalogue", lambda: 1 / 0)

    assert main(["list"]) == 2
    err = capsys.readouterr().err
    assert (
        err == "spelunk: ZeroDivisionError: division by zero; this is a bug; run with -v for the traceback\n"
    )
    assert main(["list", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_main_leaves_signal_handlers_alone_outside_the_main_thread():
    import threading

    status = []
    thread = threading.Thread(target=lambda: status.append(main(["--version"])))
    thread.start()
    thread.join()

    assert status == [0]


def test_help_imports_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from spelunk.cli import main; main(['search', '--help']);"
        "heavy = {'numpy', 'tantivy', 'tree_sitter', 'sqlite3', 'subprocess', 'inspect', 'json', 'xxhash', 're2'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == "[]\n"

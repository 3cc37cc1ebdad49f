"""Text that was pasted, through the real command."""

import json
import subprocess

import pytest

TRACE = """Flushing fails
Traceback (most recent call last):
  File "/srv/app/src/queue.py", line 6, in flush
    self.disk.write(batch)
OSError: [Errno 28] No space left on device: '/data'
"""
NASTY = [
    'it says "No batch',
    "flush: bar && `baz` | lang:klingon -path:src",
    r"C:\src\queue.py -Wall --flush /batch( [a",
    '{"batch": 1, "sym:": [null, "x"]}',
    "# batch\n\n```\nsym:\n-lang:python\n/(/\n",
    "-batch -queue\n-disk",
    "\x1b[31mbatch\x1b[0m\n<!-- disk",
]


@pytest.fixture
def index_dir(cli):
    cli.ok("index")


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_text_is_no_syntax_error_and_finds_what_has_its_words(cli, index_dir, text):
    found = json.loads(cli.ok("search", "--json", "--", text))

    assert found["hits"]
    assert found["reading"].startswith("read as text: ")


def test_the_answer_says_how_the_text_was_read(cli, index_dir):
    done = cli("search", TRACE)

    assert done.returncode == 0
    assert done.stdout.startswith("src/queue.py:")
    assert "read as text: 30 words, 1 path, 1 error, 1 stack trace" in done.stderr
    assert "read as" not in cli("search", "flush a batch").stderr
    assert cli("search", TRACE, "--quiet").stderr == ""


def test_a_text_is_read_from_standard_input(cli, index_dir, tmp_path):
    (tmp_path / "trace.txt").write_text(TRACE)
    with open(tmp_path / "trace.txt") as stdin:
        piped = cli.json("search", "-", stdin=stdin)

    given = cli.json("search", TRACE)
    assert piped["query"] == TRACE and piped["hits"] == given["hits"]
    assert "empty" in cli("search", "-", stdin=subprocess.DEVNULL).stderr


def test_too_long_a_text_is_refused(cli, index_dir, tmp_path):
    (tmp_path / "long.log").write_text("line of a log\n" * 100_000)
    with open(tmp_path / "long.log") as stdin:
        line = cli.refused("search", "-", stdin=stdin)

    assert "1,048,576" in line


def test_literal_and_query_force_the_reading(cli, index_dir):
    text = 'lang:go "batch'

    assert (
        json.loads(cli.ok("search", "--literal", "lang:go batch", "--json"))["hits"][0]["path"]
        == "src/queue.py"
    )
    assert cli("search", "--query", text).returncode == 2
    assert "not allowed with" in cli("search", "--query", "--literal", text).stderr


def test_flags_filter_a_text(cli, index_dir):
    found = cli.json("search", 'connects to an "address', "--lang", "go")

    assert {hit["language"] for hit in found["hits"]} == {"go"}

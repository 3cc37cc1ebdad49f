"""The command line as people use it who come from ripgrep: no command, its flags, reading, completions."""

import json
import shutil
import subprocess
import sys

import pytest

from spelunk.cli import COMMANDS
from spelunk.cli.bare import near_command, query_and_paths
from spelunk.store.writer_lock import GRACE_SECONDS

from .conftest import Cli


@pytest.fixture
def indexed(cli):
    cli.ok("index")
    return cli


# Words without a command


def test_words_are_searched_for(indexed):
    assert indexed.ok("flush", "a", "batch") == indexed.ok("search", "flush a batch")
    assert indexed.ok("flush a batch") == indexed.ok("search", "flush a batch")
    assert indexed.json("-k", "1", "flush", "a", "batch")["query"] == "flush a batch"
    assert "dial.go" in indexed.ok("Dial", "-t", "go")


def test_paths_behind_the_words(indexed):
    assert [hit["path"] for hit in indexed.json("connects", "docs")["hits"]] == ["docs/guide.md"]
    assert [hit["path"] for hit in indexed.json("who connects", "docs")["hits"]] == ["docs/guide.md"]
    assert {hit["path"] for hit in indexed.json("what", "connects", "src/net/")["hits"]} == {
        "src/net/dial.go"
    }
    assert "nowhere: no such" in indexed.refused("who connects", "nowhere")


def test_a_question_may_hold_the_name_of_a_folder(cli, tree, monkeypatch):
    monkeypatch.chdir(tree)

    assert query_and_paths(["where", "are", "the", "docs"]) == ("where are the docs", [])
    assert query_and_paths(["flush", "src", "docs"]) == ("flush", ["src", "docs"])
    assert query_and_paths(["where", "is", "it", "src/net", "."]) == ("where is it", ["src/net", "."])
    assert query_and_paths(["src"]) == ("src", [])
    assert query_and_paths(["a b", "x"]) == ("a b", ["x"])


def test_standard_input_is_searched_for(indexed, tree):
    (tree.parent / "trace").write_text('Traceback:\n  File "src/queue.py", line 6, in flush\nOSError: full\n')
    with (tree.parent / "trace").open() as file:
        done = indexed("-q", "-l", stdin=file)
    with (tree.parent / "trace").open() as file:
        dashed = indexed("-l", "-", stdin=file)

    assert done.returncode == 0 and done.stdout.splitlines()[0] == "src/queue.py"
    assert dashed.stdout == done.stdout and "read as text" in dashed.stderr


def test_nothing_to_search_for_is_refused(indexed, tree):
    (tree.parent / "empty").write_text("")

    assert "no command" in indexed.refused()
    assert "nothing to search for" in indexed.refused("-t", "go")
    with (tree.parent / "empty").open() as file:
        assert "the query is empty" in indexed.refused(stdin=file)


def test_an_exact_command_wins_and_a_slip_is_asked_about(indexed):
    assert "current" in indexed.ok("status")
    assert "`spelunk search`" in (line := indexed.refused("serach")) and "search -- serach" in line
    assert "`spelunk status`" in indexed.refused("stauts", ".")
    assert indexed("--", "status").returncode in (0, 1)
    assert "no index" not in indexed("search", "--", "serach").stderr
    told = indexed("serach", "flush", "batch")
    assert told.returncode == 0 and "serach is taken as a word" in told.stderr


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("serach", "search"), ("indx", "index"), ("stat", None), ("statsu", "status"), ("paht", "path"),
        ("paths", "path"), ("lint", None), ("max", None), ("mpa", "map"), ("completion", "completions"),
        ("branchwrk", "branchwork"), ("flush", None), ("x", None), ("watcher", None), ("ref", "refs"),
    ],
)  # fmt: skip
def test_words_near_a_command(word, command):
    assert near_command(word) == command


def test_no_command_is_near_another_word_of_the_list():
    assert [name for name in COMMANDS if near_command(name) != name] == []


def test_flags_of_search_before_a_command(indexed):
    assert indexed.ok("-k", "1", "search", "flush") == indexed.ok("search", "flush", "-k", "1")
    assert "stand behind its name" in indexed.refused("-k", "1", "outline", "src/queue.py")


def test_help_is_a_word_of_its_own(cli):
    assert cli.ok("help") == cli.ok("--help")
    assert cli.ok("help", "read") == cli.ok("read", "--help")
    assert "search and read:" in cli.ok("--help")


# Flags of ripgrep


def test_types_globs_and_exact_text(indexed):
    assert "go (" not in indexed.ok("--type-list") and "\ngo: *.go" in indexed.ok("--type-list")
    assert indexed.ok("-l", "connects", "-t", "md") == "docs/guide.md\n"
    assert "guide.md" not in indexed.ok("-l", "connects", "-T", "md")
    assert indexed.ok("-l", "connects", "-g", "*.{md,txt}") == "docs/guide.md\n"
    assert indexed.ok("-l", "connects", "-g", "!docs") == "src/net/dial.go\n"
    assert indexed.ok("-F", "-l", "disk.write(") == "src/queue.py\n"
    assert indexed("-F", "-l", "DISK.write(").returncode == 1
    assert indexed.ok("-F", "-i", "-l", "DISK.write(") == "src/queue.py\n"
    assert indexed.json("-F", "disk.write(")["query"] == "disk.write("
    assert "unknown type" in indexed.refused("x", "-t", "klingon")


def test_context_before_and_after(indexed):
    out = indexed.ok("-F", "connect(address)", "-B", "1", "-A", "0", "-q")

    assert out.splitlines()[1:] == ["4-func Dial(address string) error {", "5:\treturn connect(address)"]


def test_places_are_from_the_current_folder(indexed, tree):
    assert indexed.ok("-l", "Dial", "-F", cwd=tree / "src" / "net") == "dial.go\n"
    assert indexed.ok("-l", "Dial", "-F", tree, cwd=tree / "docs") == f"{tree}/src/net/dial.go\n"
    assert indexed.ok("-l0", "-F", "Dial") == "src/net/dial.go\0"
    assert indexed.ok("--vimgrep", "-F", "Dial") == (
        "src/net/dial.go:3:4:// Dial connects to an address.\n"
        "src/net/dial.go:4:6:func Dial(address string) error {\n"
    )


def test_sorting_by_path(indexed):
    hits = [hit["path"] for hit in indexed.json("connects batch otter", "--sort", "path")["hits"]]

    assert hits == sorted(hits) and len(hits) > 1


FILES = {
    "a.py": "import os\n\n\ndef flush(x):\n    os.sync()  # flush, then flush\n    return x.flush\n",
    "b/c.go": "package b\n\nfunc Flush(os string) {\n\tflush(os)\n}\n",
    "b/d.md": "# Flush\n\nto flush is to write\n\n    flush\n",
    "b/e.txt": "nothing\n\n\nflushing\n",
}


@pytest.fixture(scope="module")
def parity(tmp_path_factory):
    """A project with an index, for tests that leave both as they are."""
    folder = tmp_path_factory.mktemp("parity")
    root = folder / "parity"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    cli = Cli(folder / "home", root)
    cli.ok("index")
    return cli


@pytest.mark.parametrize(
    "flags",
    [
        ["-F", "flush"], ["-F", "flush", "-i"], ["-F", "flush", "-w"], ["-F", "x.flush"], ["-F", "flush(", "-t", "go"],
        ["-F", "os", "-w", "-T", "go"], ["-F", "flush", "-g", "*.py"], ["-F", "flush", "-g", "!*.py"],
        ["-F", "flush", "-g", "b/*.{md,txt}"], ["-F", "sync()  # flush"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("form", ["-l", "-c", "--vimgrep"])
def test_exact_text_is_found_where_ripgrep_finds_it(parity, flags, form):
    rg = shutil.which("rg")
    if rg is None:
        pytest.skip("ripgrep is not installed")

    theirs = subprocess.run(
        [rg, "--no-config", "--sort", "path", *flags, form], cwd=parity.cwd, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = parity("search", *flags, form, "--sort", "path")

    assert ours.stdout == theirs.stdout
    assert ours.returncode == theirs.returncode


# Reading


def test_lines_of_a_file(indexed, tree):
    whole = (tree / "src" / "queue.py").read_text()

    assert indexed.ok("read", "src/queue.py") == whole
    assert indexed.ok("read", "src/queue.py:4-5") == "".join(whole.splitlines(True)[3:5])
    assert indexed.ok("read", "src/queue.py:5-") == "".join(whole.splitlines(True)[4:])
    assert indexed.ok("read", "src/queue.py:4:9", "-C", "0") == whole.splitlines(True)[3]
    assert (
        indexed.ok("read", "src/queue.py:4", "-C", "1", "-n").splitlines()[1]
        == "4:    def flush(self, batch):"
    )
    assert indexed.ok("read", "queue.py:1", "-C0", cwd=tree / "src") == "class Queue:\n"
    found = indexed.json("read", "src/queue.py:2", "-C", "1")
    assert (found["path"], found["start_line"], found["end_line"], found["lines"]) == (
        "src/queue.py",
        1,
        3,
        6,
    )
    assert found["text"] == "".join(whole.splitlines(True)[:3]) and found["language"] == "python"


def test_a_symbol_of_a_file(indexed):
    flush = (
        '    def flush(self, batch):\n        """Write a batch to disk."""\n        self.disk.write(batch)\n'
    )

    for name in ("flush", "Queue.flush", "Queue::flush", "flush()"):
        assert indexed.ok("read", f"src/queue.py:{name}") == flush
    assert "## Otters" in indexed.ok("read", "docs/guide.md:Otters")


def test_colour_does_not_change_the_text(indexed, tree):
    import re

    shown = indexed.ok("read", "src/queue.py", "--color", "always")

    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == (tree / "src" / "queue.py").read_text() != shown


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("logo.png", "binary"), ("build.log", "*.log"), ("nowhere.py", "no such file"), ("src/queue.py:400", "it has 6 lines"),
        ("src/queue.py:3-1", "counted from 1"), ("src/queue.py:0", "counted from 1"), ("src/queue.py:flsh", "did you mean flush?"),
        ("src/queue.py:", "give PATH"), ("src", "a folder"), ("/etc/passwd", "not"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(indexed, place, part):
    assert part in indexed.refused("read", place)


# Completions


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_installed_once_and_removed_without_a_trace(cli, tmp_path, shell):
    home = tmp_path / "user"
    home.mkdir()
    for name in (".bashrc", ".zshrc"):
        (home / name).write_text("# mine\nPS1='> '")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    env = {
        "HOME": str(home),
        "SHELL": f"/bin/{shell}",
        "XDG_DATA_HOME": "",
        "XDG_CONFIG_HOME": "",
        "ZDOTDIR": "",
    }

    first = cli.ok("completions", "--install", env=env)
    there = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    again = cli("completions", shell, "--install", env=env)
    assert "written: " in first and again.stdout == "" and "nothing to do" in again.stderr
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == there != before
    assert any(cli.ok("completions", shell).encode() == data for data in there.values())

    assert "removed: " in cli.ok("completions", "--remove", env=env)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert "nothing to do" in cli("completions", "--remove", env=env).stderr


def test_bash_loads_what_was_installed(cli, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    home = tmp_path / "user"
    home.mkdir()
    env = {"HOME": str(home), "XDG_DATA_HOME": ""}
    cli.ok("completions", "bash", "--install", env=env)
    (script,) = home.glob(".local/share/bash-completion/completions/spelunk")

    done = subprocess.run(
        [bash, "-c", f". '{script}'; complete -p spelunk"], capture_output=True, text=True, check=True
    )

    assert "_spelunk" in done.stdout


def test_files_of_others_are_not_replaced(cli, tmp_path):
    home = tmp_path / "user"
    target = home / ".config" / "fish" / "completions" / "spelunk.fish"
    target.parent.mkdir(parents=True)
    target.write_text("# my own\n")
    env = {"HOME": str(home), "XDG_CONFIG_HOME": ""}

    for flag in ("--install", "--remove"):
        assert "holds something else" in cli.refused("completions", "fish", flag, env=env)
    assert target.read_text() == "# my own\n"
    assert "name one of" in cli.refused("completions", "--install", env=env | {"SHELL": "/bin/tcsh"})
    assert "name a shell" in cli.refused("completions")


def test_words_without_a_command_are_completed_as_a_search(cli):
    assert "--type-list" in cli.ok("completions", "bash", "--", "flush", "--type-l")
    assert cli.ok("completions", "bash", "--", "-I").startswith("-I")


def test_jsonl_and_the_flags_about_files_exclude_each_other(cli):
    assert "not allowed with" in cli.refused("x", "-l", "--json")
    assert json.loads(cli.ok("connects", "--jsonl").splitlines()[0])["path"]


@pytest.mark.parametrize(
    "words",
    ["why was the default changed", "path expressions in queues", "map of builtins", "check utf8 validity"],
)
def test_an_error_of_a_question_that_begins_with_a_command_says_how_to_search(indexed, words):
    assert indexed.refused(*words.split()).endswith(f"; to search for these words: spelunk -- {words}")
    assert indexed("--", *words.split(), "-k", "1").returncode in (0, 1)


def test_a_wrong_flag_of_one_word_is_no_question(indexed):
    assert "to search for" not in indexed.refused("status", "--nonsense")


@pytest.mark.parametrize("path", ["srcc/", "src/nosuch", "/no/such/folder", "./gone"])
def test_a_last_word_that_looks_like_a_path_and_is_none_is_told(indexed, path):
    told = f"spelunk: {path}: no such file or folder; it is taken as a word of the query\n"

    assert told in indexed("flush", path).stderr


@pytest.mark.parametrize(
    "words", [["flush", "and/or"], ["flush", "https://example.com/a"], ["srcc/"], ["flush", "src/"]]
)
def test_other_words_with_a_slash_are_not(indexed, words):
    assert "taken as a word" not in indexed(*words).stderr


def test_an_outline_tells_why_it_is_empty(indexed):
    (indexed.cwd / "notes.txt").write_text("plain words\n")
    empty = indexed("outline", "notes.txt")

    assert (empty.returncode, empty.stdout) == (1, "")
    assert "notes.txt: no definitions found in it" in empty.stderr
    assert "src: a folder; name a file in it" in indexed.refused("outline", "src")
    assert "src: a folder; name a file in it" in indexed.refused("read", "src")


def test_a_list_without_repositories_leaves_the_folder_as_it_was(indexed, tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_text("otters\n")

    assert "no git repositories" in indexed.refused("index", "--repos", tmp_path / "plain")
    assert "a.txt" in indexed.ok("search", "otters", tmp_path / "plain")


def test_clear_waits_for_another_writer(cli, tree):
    cli.ok("index")
    place = cli.json("status")["directory"]
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from spelunk.store.writer_lock import WriterLock as L\n"
         "lock = L(sys.argv[1]); lock.acquire('test'); print(flush=True); sys.stdin.read(); lock.release()", place],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout.readline()
    assert "wait for it with --wait" in cli.refused("clear", "--yes")
    waiting = subprocess.Popen(
        [*cli.argv, "clear", "--yes", "--wait"], cwd=cli.cwd, env=cli.env, stderr=subprocess.PIPE
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=GRACE_SECONDS + 2)  # without the flag it gives up
    holder.communicate(b"")

    assert b"deleted the index" in waiting.communicate()[1] and waiting.returncode == 0

"""Bad input gives one line and status 2, or a smaller answer with a stated reason; nothing published is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing

import pytest


@pytest.fixture
def index_dir(cli):
    """The index directory of the small project, indexed."""
    cli.ok("index")
    (found,) = cli.home.glob("project-*")
    return found


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB; yields its folder and a function that remounts it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mount.returncode:
        pytest.skip(f"cannot mount a small disk: {mount.stderr.strip()}")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)

    yield folder, remount
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("command", [["index"], ["search", "x"], ["status"], ["check"]])
def test_a_path_that_does_not_exist(cli, command):
    assert cli.refused(*command, "nowhere").startswith("spelunk: nowhere: no such")


def test_an_unquoted_query_is_told_so(cli):
    assert "needs quotes" in cli.refused("search", "where", "are", "batches")
    assert "needs quotes" not in cli.refused("search", "where", "/dev/null")


def test_a_path_that_is_a_file(cli, tree):
    assert "a file, not a folder" in cli.refused("index", "src/queue.py")
    assert "not in an indexed folder" in cli.refused("search", "x", "src/queue.py")


def test_an_empty_folder_gives_an_empty_answer_with_the_reason(cli, tmp_path):
    (tmp_path / "empty").mkdir()

    done = cli("index", tmp_path / "empty")
    assert done.returncode == 0 and "no files to index" in done.stderr
    done = cli("search", "x", tmp_path / "empty")
    assert (done.returncode, done.stdout) == (1, "") and "no files to search" in done.stderr


def test_a_folder_that_cannot_be_read(cli, tree):
    (tree / "secret").mkdir(mode=0)
    code = (
        "import os, sys; from spelunk.cli import main\n"
        "main(['index', 'nowhere'])  # loads what another user may not be able to read\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main(['index', 'secret']))"
    )
    cli.home.mkdir(mode=0o777)
    for folder in (tree, *tree.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=cli.env, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1:] == ["spelunk: secret: cannot be read (permission denied)"]


@pytest.mark.parametrize(
    "words",
    [
        ["index", "--workers", "99"],
        ["index", "--workers", "many"],
        ["index", "--files-per-batch", "0"],
        ["index", "--memory-limit", "lots"],
        ["index", "--memory-limit", "1KiB"],
        ["index", "--mode", "sideways"],
        ["index", "--storage", "tape"],
        ["index", "--io-threads", "-1"],
        ["index", "--embedder", "nobody"],
        ["index", "--executor", "cloud"],
        ["index", "--nonsense"],
        ["search", "x", "-k", "0"],
        ["search", "x", "-k", "1000000"],
        ["search", "x", "-k", "ten"],
        ["search", "x", "-m", "psychic"],
        ["search", "x", "-C", "-1"],
        ["search", "x", "--max-tokens", "0"],
        ["search", "x", "--lang", "klingon"],
        ["search", "x", "--json", "--jsonl"],
        ["search", "x", "--json", "--max-tokens", "3"],
        ["search"],
        ["search", "x", "--color", "blue"],
        ["similar", "src/queue.py"],
        ["similar", "src/queue.py:0"],
        ["similar", "src/queue.py:4000"],
        ["similar", "src/nowhere.py:1"],
        ["similar", "build.log:1"],
        ["completions", "tcsh"],
        ["serach"],
        ["--nonsense"],
        [],
    ],
    ids=" ".join,
)
def test_bad_flags_and_values(cli, index_dir, words):
    line = cli.refused(*words)

    assert len(line) > len("spelunk: ") + 10


@pytest.mark.parametrize(
    ("query", "column"), [('say "hello', 5), ("/a(/", 1), ("x lang:klingon", 8), ("x /foo\\(", 3)]
)
def test_a_query_syntax_error_points_at_the_column(cli, index_dir, query, column):
    done = cli("search", "--query", query)

    message, shown, mark = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert f"column {column}:" in message
    assert shown == "  " + query
    assert mark == "  " + " " * (column - 1) + "^"


def test_a_long_query_is_shown_around_its_fault(cli, index_dir):
    _, shown, mark = cli("search", "--query", "word " * 100 + '"open').stderr.splitlines()

    assert len(shown) < 120
    assert shown[mark.index("^")] == '"'


def test_an_index_directory_that_is_a_file(cli, tree):
    assert "not a folder" in cli.refused("index", "--index-dir", "build.log")
    assert "not a folder" in cli.refused("index", "--index-dir", os.devnull)

    assert (tree / "build.log").read_text() == "noise\n"


@pytest.mark.parametrize(
    "words",
    [["index", ""], ["status", ""], ["clear", "", "--yes"], ["trust", ""], ["check", ""], ["why", ""],
     ["search", "x", ""], ["search", "x", ".", ""], ["clear", "--yes", "--index-dir", ""]],
    ids=" ".join,
)  # fmt: skip
def test_an_empty_path_is_not_the_current_folder(cli, index_dir, words):
    assert "is empty" in cli.refused(*words)

    assert cli.json("status")["state"] == "current"


def test_a_place_that_does_not_exist_builds_no_index(cli, tree):
    assert "no such file" in cli.refused("similar", "src/nowhere.py:1")
    assert "no such file" in cli.refused("similar", tree / "nowhere" / "a.py:1", cwd=tree.parent)

    assert cli.json("list")["workspaces"] == []


def test_an_empty_query(cli):
    assert "empty" in cli.refused("search", "  ")


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(x+x+)+y", r"^(\w+\s?)*$", r"(a|aa)+$"])
def test_a_regex_that_would_backtrack_ends(cli, tree, pattern):
    (tree / "evil.txt").write_text("a" * 50_000 + "!\n" + "x" * 50_000 + "\n" + "word " * 10_000 + "!\n")

    assert cli("search", pattern, "-m", "regex").returncode in (0, 1)


def test_a_back_reference_is_refused(cli, index_dir):
    assert "not supported" in cli("search", r"(a)\1", "-m", "regex").stderr


def test_a_newer_format_is_refused_and_kept(cli, index_dir):
    with closing(sqlite3.connect(index_dir / "manifest.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = 99 WHERE key = 'format'")

    assert "format 99 is newer" in cli.refused("search", "x")
    assert "format 99 is newer" in cli.refused("index")
    assert cli.json("status")["state"] == "format-too-new"
    cli.ok("index", "--rebuild")
    assert cli.json("search", "flush", "-k", "1")["hits"]


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_a_damaged_manifest(cli, index_dir, damage):
    _damage(index_dir / "manifest.sqlite", damage)

    done = cli("search", "flush", "-k", "1", "--no-refresh")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert cli("check").returncode in (1, 2)
    cli.ok("check", "--repair")
    assert cli.json("search", "flush", "-k", "1")["hits"][0]["path"] == "src/queue.py"


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
def test_damaged_vectors_leave_the_full_text_with_a_reason(cli, index_dir, damage):
    (segment,) = (index_dir / "vectors").iterdir()
    _damage(segment, damage)

    found = cli.json("search", "flush", "-k", "1", "--no-refresh")
    assert found["hits"][0]["path"] == "src/queue.py"
    if damage != "garbage":
        semantic = cli("search", "flush", "-m", "semantic", "--no-refresh")
        assert semantic.returncode == 0 and "degraded: vectors" in semantic.stderr
        assert "queue.py" in semantic.stdout
    assert cli("check").returncode == 1
    cli.ok("check", "--repair")
    assert cli.json("search", "flush", "-k", "1", "-m", "semantic")["degraded"] is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage"])
@pytest.mark.parametrize("ending", ["meta.json", ".term", ".idx", ".fast"])
def test_a_damaged_full_text(cli, index_dir, ending, damage):
    (file,) = [p for p in index_dir.glob("lexical-*/*") if p.name.endswith(ending) and p.name[0] != "."]
    _damage(file, damage)

    done = cli("search", "flush", "-k", "1", "--no-refresh")
    assert done.returncode == 0 or len(done.stderr.splitlines()) == 1, done.stderr
    assert cli("check").returncode == 1
    cli.ok("check", "--repair")
    assert cli.json("search", "flush", "-k", "1")["hits"][0]["path"] == "src/queue.py"


def _damage(path, how):
    size = path.stat().st_size
    if how == "truncated":
        os.truncate(path, size // 2)
    elif how == "empty":
        os.truncate(path, 0)
    else:
        with path.open("r+b") as f:
            f.write(bytes(range(1, 256)) * 40 if size > 20_000 else bytes(range(1, 256))[: max(1, size // 2)])


def test_a_full_disk_keeps_what_was_published(cli, tree, small_disk):
    disk, remount = small_disk
    cli.ok("index", "--index-dir", disk / "ix")
    for n in range(200):
        lines = "\n".join(f"value_{n}_{i} = {n * i * 7919 % 10007}" for i in range(400))
        (tree / f"data{n}.py").write_text(lines)

    done = cli("index", "--index-dir", disk / "ix")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    found = cli("search", "flush a batch", "-k", "1", "--no-refresh")
    assert found.stdout.startswith("src/queue.py"), found

    remount("size=64m")
    cli.ok("index")
    assert cli.json("check")["files"] == 203


def test_an_index_on_a_read_only_disk_answers_and_refuses_to_be_written(cli, tree, small_disk):
    disk, remount = small_disk
    cli.ok("index", "--index-dir", disk / "ix")
    remount("ro")
    (tree / "new.py").write_text("def walrus():\n    pass\n")

    found = cli("search", "flush a batch", "-k", "1")
    assert found.returncode == 0 and found.stdout.startswith("src/queue.py")
    assert "files have changed" in found.stderr
    assert "cannot be written" in cli.refused("index")
    assert "cannot be written" in cli.refused("index", "--index-dir", disk / "new")
    assert "cannot be written" in cli.refused("clear", "--yes")
    assert cli.json("check")["ok"] is True


def test_an_index_dir_that_holds_other_files_is_refused(cli, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")

    assert "holds other files" in cli.refused("index", "--index-dir", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"


def test_an_index_dir_of_another_workspace_is_refused(cli, tree, tmp_path):
    cli.ok("index", "--index-dir", tmp_path / "ix")
    shutil.copytree(tree, tmp_path / "copy")

    assert "choose another folder" in cli.refused("index", tmp_path / "copy", "--index-dir", tmp_path / "ix")


def test_a_bad_configuration_file_is_named(cli, tree):
    (tree / "spelunk.toml").write_text("workers = 99\n")
    assert "spelunk.toml" in cli.refused("search", "x")
    (tree / "spelunk.toml").write_text("workers = = 2\n")
    assert "not valid TOML" in cli.refused("index")


def test_standard_output_that_cannot_be_written(cli, index_dir):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*cli.argv, "search", "flush"], cwd=cli.cwd, env=cli.env, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == "spelunk: No space left on device\n"

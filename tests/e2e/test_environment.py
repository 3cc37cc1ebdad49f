"""The command in a hostile or poor environment: locales, modules in the current folder, closed streams, damaged files."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

LOCALES = {
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
    "latin-1": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"},
}


@pytest.fixture
def umlauts(tmp_path):
    """A project whose names and contents are not ASCII."""
    root = tmp_path / "grüße ∑"
    (root / "söürces").mkdir(parents=True)
    (root / "söürces" / "añadir.py").write_text('def añadir():\n    """naïve ∑ 漢字"""\n', encoding="utf-8")
    (root / "README.md").write_text("# Über uns\n\nOtters swim.\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "args",
    [
        ["index"],
        ["index", "--rebuild", "--mode", "parallel", "--workers", "2"],
        ["search", "naïve"],
        ["search", "naïve", "--full", "--explain", "-v"],
        ["status"],
        ["list"],
        ["check"],
        ["why", "söürces/añadir.py"],
        ["similar", "söürces/añadir.py:1"],
        ["search", "--help"],
    ],
    ids=" ".join,
)
def test_no_locale_breaks_a_command(cli, umlauts, locale, args):
    cli.ok("index", cwd=umlauts)

    done = subprocess.run(
        [*cli.argv, *args], cwd=umlauts, env=cli.env | LOCALES[locale], stdin=subprocess.DEVNULL,
        capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode in (0, 1 if args[0] == "similar" else 0), done
    assert b"Traceback" not in done.stderr and b"Error" not in done.stderr
    done.stdout.decode("latin-1" if locale == "latin-1" else "ascii")


@pytest.mark.parametrize("locale", LOCALES)
def test_json_is_utf_8_whatever_the_locale(cli, umlauts, locale):
    cli.ok("index", cwd=umlauts)

    for args in (["search", "naïve"], ["status"], ["list"], ["index"], ["why", "README.md"]):
        done = subprocess.run(
            [*cli.argv, *args, "--json"],
            cwd=umlauts,
            env=cli.env | LOCALES[locale],
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout.decode("utf-8"))["schema_version"] == 1


def test_an_index_means_the_same_files_in_every_locale(cli, umlauts):
    cli.ok("index", cwd=umlauts)

    report = cli.json("index", cwd=umlauts, env=LOCALES["ascii"])
    assert report["files"] == cli.json("index", cwd=umlauts)["files"]
    assert report["files"]["unchanged"] == 2


@pytest.mark.parametrize("locale", LOCALES)
def test_a_query_that_does_not_parse_is_shown_in_every_locale(cli, tree, locale):
    cli.ok("index")

    done = cli("search", "--query", '"ünclosed', env=LOCALES[locale])

    assert done.returncode == 2
    assert "quote without an end" in done.stderr


# Modules in the current folder

MODULES = (
    "json",
    "sqlite3",
    "tomllib",
    "re2",
    "tantivy",
    "numpy",
    "xxhash",
    "argparse",
    "typing",
    "own_module",
)


@pytest.fixture
def trap(tree, tmp_path):
    """The project with modules that leave a mark when they are imported; yields the file of the mark."""
    mark = tmp_path / "imported"
    for name in MODULES:
        (tree / f"{name}.py").write_text(
            f"import os\nwith os.fdopen(os.open({str(mark)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 'w') as f:\n"
            f"    f.write({name!r} + chr(10))\nraise SystemExit(77)\n"
        )
    return mark


def commands(cli):
    scripts = os.path.join(sysconfig.get_path("scripts"), "spelunk")
    return {"module": cli.argv, "script": [scripts] if os.path.exists(scripts) else None}


@pytest.mark.parametrize("how", ["module", "script"])
@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_no_module_of_the_current_folder_is_imported(cli, tree, trap, how, mode):
    argv = commands(cli)[how]
    if argv is None:
        pytest.skip("the console script is not installed")
    for args in (
        ["index", "--mode", mode, "--workers", "2", "--json"],
        ["search", "flush", "--json"],
        ["doctor"],
    ):
        done = subprocess.run(
            [*argv, *args], cwd=tree, env=cli.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done
    assert not trap.exists(), trap.read_text()


def test_spawned_workers_import_nothing_from_the_current_folder(cli, tree, trap):
    code = (
        "import sys; sys.path[:] = [p for p in sys.path if p]\n"
        "from spelunk.pipeline import processes\n"
        "processes.fork_is_safe = lambda: False\n"  # as on macOS
        "from spelunk.cli import main\n"
        "sys.exit(main(['index', '--mode', 'parallel', '--workers', '2', '--json']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tree, env=cli.env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done
    assert json.loads(done.stdout)["files"]["failed"] == 0
    assert not trap.exists(), trap.read_text()


# Closed standard streams


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_closed_streams_break_no_update(cli, tree, closed, mode):
    cli.ok("index")
    (tree / "new.py").write_text("def walrus():\n    pass\n")

    words = " ".join([*cli.argv, "index", "--rebuild", "--mode", mode, "--workers", "2"])
    done = subprocess.run(["sh", "-c", f"exec {words} {closed}"], cwd=tree, env=cli.env, check=False)

    assert done.returncode == 0
    assert cli.json("check")["files"] == 14 if (tree / "json.py").exists() else cli.json("check")["ok"]
    assert cli.json("search", "walrus", "-k", "1", "--no-refresh")["hits"][0]["path"] == "new.py"


def test_an_error_never_ends_in_a_file_of_the_index(cli, tree):
    cli.ok("index")
    words = " ".join([*cli.argv, "search", "x", "-k", "0"])

    done = subprocess.run(["sh", "-c", f"exec {words} <&- >&- 2>&-"], cwd=tree, env=cli.env, check=False)

    assert done.returncode == 2
    assert cli.json("check")["ok"] is True


def test_results_without_standard_output_are_an_error(cli, tree):
    cli.ok("index")
    for words in ("search flush", "search flush --json", "index --json", "status"):
        command = f"exec {' '.join(cli.argv)} {words} >&-"
        done = subprocess.run(
            ["sh", "-c", command], cwd=tree, env=cli.env, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr == "spelunk: standard output is closed\n"


# Damaged files


GARBAGE = {
    "empty": b"",
    "text": b"not json",
    "list": b"[1, 2]",
    "number": b"1e999",
    "infinite": b'{"since": 1e999, "pid": 1e999, "opened": 1e999, "x": {"state": "open", "failures": 1e999, "opened": 1e999, "rest": 1e999, "reason": ""}}',
    "nan": b'{"since": NaN, "pid": NaN, "root": NaN}',
    "words": b'{"since": "x", "pid": "y", "host": 3, "command": [], "root": 7, "directory": {}, "x": "y"}',
    "deep": b"[" * 100_000,
    "nul": b'{"root": "/a\\u0000b", "directory": "/c\\u0000d", "command": "\\u0000"}',
    "surrogates": b'{"root": "/\\ud800", "directory": "/\\ud800"}',
    "relative": b'{"root": "project", "directory": "elsewhere"}',
    "huge": b'{"root": "' + b"/a" * 2_000_000 + b'"}',
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_the_small_files_never_ends_in_a_traceback(cli, tree, garbage):
    cli.ok("index")
    (index,) = cli.home.iterdir()
    for name in ("workspace.json", "writer.json", "breakers.json"):
        (index / name).write_bytes(GARBAGE[garbage])
    with open(index / "writer.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # somebody writes: writer.json is believed
        results = [cli(*args) for args in (["status", "--json"], ["list"], ["index"], ["clear", "-y"])]
    results += [cli("search", "flush", "-k", "1"), cli("clear", "-y")]

    for done in results:
        assert "Traceback" not in done.stderr and "this is a bug" not in done.stderr, done
    assert "queue.py" in results[-2].stdout


def test_a_fifo_in_place_of_a_small_file_holds_nobody_up(cli, tree):
    cli.ok("index")
    (index,) = cli.home.iterdir()
    for name in ("workspace.json", "writer.json", "breakers.json"):
        (index / name).unlink(missing_ok=True)
        os.mkfifo(index / name)

    for args in (["status"], ["list"], ["search", "flush"]):
        done = cli(*args)
        assert "this is a bug" not in done.stderr and done.returncode in (0, 2), done
    shutil.rmtree(index)


# Locks


def test_a_manifest_that_is_locked_is_reported(cli, tree):
    cli.ok("index")
    (manifest,) = cli.home.glob("*/manifest*.sqlite")
    code = (
        "import sqlite3, sys\n"
        f"db = sqlite3.connect({str(manifest)!r}, isolation_level=None)\n"
        "db.execute('PRAGMA locking_mode = EXCLUSIVE')\n"
        "db.execute('BEGIN EXCLUSIVE')\n"
        "db.execute('CREATE TABLE IF NOT EXISTS held (x)')\n"
        "print('locked', flush=True)\nsys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "locked\n"
        lines = [cli.refused("search", "flush"), cli.refused("search", "flush", "--no-refresh")]
    finally:
        holder.communicate()

    assert all("lock" in line for line in lines), lines

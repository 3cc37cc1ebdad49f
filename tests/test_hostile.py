"""A workspace may have been made by somebody who means harm."""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.config import Options
from spelunk.errors import SpelunkError, UsageError
from spelunk.files.directory import Directory, start
from spelunk.files.folder import FolderSource
from spelunk.files.git_dir import branch_of
from spelunk.files.read import read
from spelunk.files.stamp import file_stamp
from spelunk.files.walk import Gathered, open_directory
from spelunk.types import Document, Entry, Failed, Flag, Skipped
from tests.confine import OutsideError
from tests.e2e.conftest import Cli

SECRET = "topsecretword"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    (made / "pkg").mkdir(parents=True)
    (made / "pkg" / "a.py").write_text("def harmless_function():\n    return 1\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.py").write_text(f"def {SECRET}():\n    return 1\n")
    return made


@pytest.fixture
def cli(tmp_path: Path, root: Path) -> Cli:
    return Cli(tmp_path / "home", root)


def entry(path: str, stamp: bytes = b"") -> Entry:
    return Entry(path, 1, stamp, "python", Flag.NONE)


# Paths that lead outside


def test_no_path_leads_outside(cli: Cli, root: Path) -> None:
    cli.ok("index")
    for glob in ("../**", "../../*", "/etc/*", "..", "pkg/../../outside/*"):
        done = cli("search", SECRET, "--include", glob, "--json")
        assert done.returncode in (1, 2), done
        if done.stdout:
            assert json.loads(done.stdout)["hits"] == []
    for path in ("../outside/a.py", "/etc/passwd", "pkg/../../outside/a.py"):
        assert SECRET not in cli("why", path).stdout
        with Index.open(root) as index:
            with pytest.raises(UsageError):
                index.similar(path, 1)
            assert not index.search(SECRET, include=[path]).hits


def test_a_manifest_that_names_paths_outside_reads_none_of_them(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    index = Index.open(root, index_dir=str(place))
    index.update()
    index.close()
    db = sqlite3.connect(place / "manifest.sqlite")
    db.execute("UPDATE files SET path = '../outside/a.py', stamp = x''")
    db.commit()
    db.close()

    assert not index.check().ok
    assert not index.search(SECRET).hits
    assert [h.path for h in index.search("harmless_function").hits] == ["pkg/a.py"]
    with index.snapshot() as snapshot:
        assert [f.path for f in snapshot.all_files()] == ["pkg/a.py"]


# Links that appear between the walk and the read


def test_a_file_that_became_a_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    stamp = file_stamp((root / "pkg" / "a.py").stat())
    (root / "pkg" / "a.py").unlink()
    (root / "pkg" / "a.py").symlink_to(tmp_path / "outside" / "a.py")

    got = read(FolderSource(str(root)), entry("pkg/a.py", stamp), Options())

    assert isinstance(got, Skipped) and got.reason == "symlink"


@pytest.mark.parametrize("known", [True, False])
def test_a_folder_that_became_a_link_is_not_followed(root: Path, tmp_path: Path, known: bool) -> None:
    stamp = file_stamp((root / "pkg" / "a.py").stat()) if known else b""
    (root / "pkg").rename(tmp_path / "aside")
    (root / "pkg").symlink_to(tmp_path / "outside")

    got = read(FolderSource(str(root)), entry("pkg/a.py", stamp), Options())

    assert isinstance(got, Skipped) and got.reason == "symlink"


@pytest.mark.parametrize("relative", ["pkg", "pkg/inner"])
def test_a_walk_does_not_enter_a_folder_that_became_a_link(root: Path, tmp_path: Path, relative: str) -> None:
    (root / "pkg" / "inner").mkdir()
    (tmp_path / "outside" / "inner").mkdir()
    options = Options()
    first, seen = start(str(root), options, 0)
    gathered = Gathered(options, first, seen, 0)
    os.close(open_directory(first, gathered))
    listed = Directory(
        f"{root}/{relative}/", f"{relative}/", first.rules, inode=(root / relative).stat().st_ino
    )
    os.close(open_directory(listed, gathered))
    (root / "pkg").rename(tmp_path / "aside")
    (root / "pkg").symlink_to(tmp_path / "outside")

    with pytest.raises(NotADirectoryError):
        open_directory(listed, gathered)


def test_a_file_replaced_by_another_is_read(root: Path) -> None:
    got = read(FolderSource(str(root)), entry("pkg/a.py", b"other"), Options())

    assert isinstance(got, Document) and "harmless" in got.text


def test_links_that_come_and_go_while_it_is_indexed_let_nothing_in(root: Path, tmp_path: Path) -> None:
    for n in range(20):
        (root / "pkg" / f"m{n}.py").write_text(f"def inside_{n}():\n    return {n}\n")
        (tmp_path / "outside" / f"m{n}.py").write_text(f"def {SECRET}_{n}():\n    return {n}\n")
    stop = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            os.rename(root / "pkg", root.parent / "aside")
            os.symlink(root.parent / "outside", root / "pkg")
            os.unlink(root / "pkg")
            os.rename(root.parent / "aside", root / "pkg")
            swaps += 1

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for n in range(15):
            index = Index.open(root, index_dir=str(tmp_path / f"ix{n % 3}"), mode="sequential")
            index.update(rebuild=True)
            with index.snapshot() as snapshot:
                for file in snapshot.all_files():
                    assert SECRET not in snapshot.text(file.id).text
            index.close()
    finally:
        stop.set()
        swapper.join()
    assert swaps > 15


def test_no_test_writes_through_a_link_out_of_its_folder(tmp_path: Path) -> None:
    outside = Path(os.path.realpath(os.devnull)).parent / "full"  # harmless, whatever happens
    (tmp_path / "link").symlink_to(outside)
    (tmp_path / "inside").symlink_to(tmp_path / "file")

    with pytest.raises(OutsideError):
        (tmp_path / "link").write_text("lost")
    (tmp_path / "inside").write_text("kept")

    assert (tmp_path / "file").read_text() == "kept"


# Things that are no files


def test_special_files_hold_nobody_up(root: Path, tmp_path: Path, cli: Cli) -> None:
    for name in ("pipe.py", ".gitignore", "spelunkignore", "pkg/CACHEDIR.TAG"):
        os.mkfifo(root / name)
    (root / ".git").mkdir()
    os.mkfifo(root / ".git" / "HEAD")
    os.mkfifo(root / ".git" / "config")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(root)  # the name of a socket may not be long
        try:
            bound.bind("socket.py")
        finally:
            os.chdir(here)
        try:
            os.mknod(root / "null.py", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError as error:
            assert error.errno in (errno.EPERM, errno.EACCES)  # only root may

        report = cli.json("index")

    assert report["files"]["indexed"] == 1
    assert cli.json("search", "harmless_function")["hits"]
    assert branch_of(str(root)) == ""
    cli("why", "pipe.py")
    cli("status")


@pytest.mark.parametrize("name", ["spelunk.toml", "pyproject.toml"])
def test_settings_that_are_a_pipe_are_refused(root: Path, cli: Cli, name: str) -> None:
    os.mkfifo(root / name)

    assert "not a regular file" in cli.refused("index")


@pytest.mark.parametrize(
    "text", ["[tool]\nspelunk = 3\n", "[tool.spelunk]\nmax_file_size = [1]\n", "tool = 1 # [tool.spelunk"]
)
def test_settings_of_a_wrong_shape_are_refused_or_ignored(root: Path, cli: Cli, text: str) -> None:
    (root / "pyproject.toml").write_text(text)

    done = cli("index")

    assert done.returncode in (0, 2) and "bug" not in done.stderr


# Names and texts that would speak to a terminal


EVIL = [
    "\x1b[31mred.py",
    "a\nb.py",
    "\x9b2J.py",
    "\u202egnp.py",
    "\rreturn.py",
    "\x07bell.py",
    "tab\t.py",
    "b\udcff.py",
    "-rf.py",
]


def test_no_name_or_text_reaches_a_terminal_raw(root: Path, cli: Cli) -> None:
    for n, name in enumerate(EVIL):
        (root / name).write_text(
            f"def evil_function_{n}():\n    '''\x1b]0;owned\x07 \x1b[2J \x9b5n \u202e'''\n    return {n}\n"
        )
    cli.ok("index")
    outputs = []
    for arguments in (
        ["search", "evil_function_1", "-k", "20"], ["search", "/evil_function/", "-k", "20"], ["search", "evil", "--explain"],
        ["search", "evil", "-C", "3"], ["search", "evil", "--format", "markdown"], ["status"], ["list"], ["check"],
        ["why", EVIL[0]], ["similar", "pkg/a.py:1"],
    ):  # fmt: skip
        done = subprocess.run(
            [*cli.argv, *arguments], cwd=root, env=cli.env, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )  # fmt: skip
        outputs.append(done.stdout + done.stderr)

    text = b"\n".join(outputs).decode("utf-8", "surrogateescape")
    assert "evil_function_0" in text
    bad = {c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"}
    assert not bad


# Files that would take all memory or time


def bomb(kind: str) -> bytes:
    if kind == "outputs":
        return json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "source": ["def in_the_notebook(): pass"],
                        "outputs": ["A" * 30_000_000],
                    }
                ]
            }
        ).encode()
    if kind == "many cells":
        return (
            b'{"cells": ['
            + b'{"cell_type":"code","source":"x"},' * 400_000
            + b'{"cell_type":"code","source":"y"}]}'
        )
    if kind == "deep":
        return b'{"cells": ' + b"[" * 5_000_000 + b"]" * 5_000_000 + b"}"
    if kind == "deep objects":
        return b'{"a":' * 2_000_000
    return b'{"cells": [{"cell_type": "code", "source": "' + b"\\u0041" * 2_500_000 + b'"}]}'


@pytest.mark.parametrize("kind", ["outputs", "many cells", "deep", "deep objects", "escapes"])
def test_a_notebook_that_unfolds_costs_no_memory(root: Path, cli: Cli, kind: str) -> None:
    (root / "bomb.ipynb").write_bytes(bomb(kind))

    report = cli.json("index", "--memory-limit", "512MiB", env={"SPELUNK_MAX_FILE_SIZE": "64MiB"})

    assert report["peak_rss_bytes"] < 512 * 2**20
    assert not report["failures"]
    assert cli.json("search", "harmless_function")["hits"]


NESTED = {
    "a.py": "(" * 200_000, "b.js": "[" * 200_000, "c.json": "[" * 200_000, "d.c": "{" * 200_000, "e.html": "<div>" * 100_000,
    "f.lisp": "(" * 200_000, "g.md": "> " * 100_000 + "x", "h.yaml": "".join(" " * n + "a:\n" for n in range(800)),
    "i.rs": "fn f() {" * 20_000, "j.cpp": "a<" * 100_000, "k.hs": "(" * 100_000, "l.sh": "$(" * 50_000, "m.md": "[" * 100_000,
    "n.toml": "a = " + "[" * 100_000, "o.rb": "if a\n" * 20_000, "p.ts": "a ? " * 50_000, "q.sql": "(" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_deep_nesting_ends_no_run(root: Path, cli: Cli, mode: str) -> None:
    for name, text in NESTED.items():
        (root / name).write_text(text + "\n# harmless\n")

    report = cli.json("index", "--mode", mode, "--workers", "2")

    assert report["files"]["failed"] == 0, report["failures"]
    assert report["files"]["seen"] == len(NESTED) + 1


def test_one_line_of_50_megabytes(root: Path, cli: Cli) -> None:
    (root / "big.js").write_text("a=f(b);" * (50 * 2**20 // 8))

    refused = cli.json("index")
    taken = cli.json("index", "--memory-limit", "900MiB", env={"SPELUNK_MAX_FILE_SIZE": "64MiB"})

    assert [s["reason"] for s in refused["skipped"]] == ["too-large"]
    assert [s["reason"] for s in taken["skipped"]] == ["minified"]
    assert taken["peak_rss_bytes"] < 900 * 2**20


def test_a_file_that_grows_without_end_is_given_up(root: Path) -> None:
    path = root / "log.txt"
    path.write_text("line\n")
    stop = threading.Event()

    def grow() -> None:
        with open(path, "a") as f:
            while not stop.is_set():
                f.write("line\n")
                f.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        got = read(FolderSource(str(root)), entry("log.txt"), Options())
    finally:
        stop.set()
        writer.join()

    assert isinstance(got, Document | Failed | Skipped)


# Who may read an index


def test_an_index_is_its_owners_alone(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "ix"
    code = (
        f"import os; os.umask(0); from spelunk import Index; i = Index.open({str(root)!r}, index_dir={str(place)!r});"
        "i.update(); i.search('harmless'); assert os.umask(0) == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

    found = [place, *place.rglob("*")]
    assert len(found) > 10
    for path in found:  # a file deeper down is reached through a folder of its owner's alone
        if path.is_dir() or path.parent == place:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_somebody_elses_folder_is_not_taken_for_an_index(root: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")

    with pytest.raises(UsageError, match="holds other files"):
        Index.open(root, index_dir=str(mine)).update()

    assert (mine / "letter.txt").read_text() == "dear"
    with pytest.raises(SpelunkError):
        Index.open(root, index_dir=str(mine)).search("x")

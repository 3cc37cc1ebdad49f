"""Deleting an index never touches a file that Spelunk did not write."""

import os
import re

import pytest

from spelunk.workspace import locate


def contents(folder):
    """Every file below a folder, with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_folder_of_hidden_files_is_not_empty(cli, tree, tmp_path):
    home = tmp_path / "someone"
    home.mkdir()
    (home / ".netrc").write_text("machine example login ada password secret")

    line = cli.refused("index", "--index-dir", home)

    assert "holds other files (.netrc)" in line
    assert contents(home) == {".netrc": b"machine example login ada password secret"}
    assert cli("clear", "-y", "--index-dir", home).returncode == 1
    assert (home / ".netrc").exists()


@pytest.mark.parametrize("where", [".", "..", "src"])
def test_an_index_directory_may_not_hold_a_workspace_or_its_files(cli, tree, where):
    before = contents(tree)

    cli.refused("index", "--index-dir", where)
    cli("clear", "-y", "--index-dir", where)

    assert contents(tree) == before


def test_an_empty_workspace_is_no_index_directory_of_itself(cli, tmp_path):
    (tmp_path / "empty").mkdir()

    assert "holds the workspace" in cli.refused("index", "--index-dir", ".", cwd=tmp_path / "empty")
    assert os.listdir(tmp_path / "empty") == []


def test_files_added_to_an_index_directory_are_kept(cli, tmp_path):
    index = tmp_path / "ix"
    cli.ok("index", "--index-dir", index)
    strangers = [
        "notes.txt",
        ".hidden",
        "project/main.py",
        "vectors/mine.vec",
        "lexical-1/readme",
        "lexical-x/a",
    ]
    for name in strangers:
        (index / name).parent.mkdir(exist_ok=True)
        (index / name).write_text(name)
    (index / "lexical-9").symlink_to(tmp_path / "project")

    done = cli("clear", "-y")

    assert done.returncode == 0 and "holds other files" in done.stderr
    assert contents(index) == {name: name.encode() for name in strangers}
    assert (index / "lexical-9").is_symlink()
    assert (tmp_path / "project" / "src" / "queue.py").exists()
    assert cli.json("list")["workspaces"] == []


def test_a_workspace_inside_an_index_directory_survives(cli, tmp_path):
    index = tmp_path / "ix"
    cli.ok("index", "--index-dir", index)
    (index / "work").mkdir()
    (index / "work" / "main.py").write_text("def main():\n    pass\n")
    cli.ok("index", index / "work")

    cli.ok("clear", "-y")

    assert (index / "work" / "main.py").exists()
    assert cli.json("search", "main", index / "work")["hits"]


@pytest.mark.parametrize("extra", [[], ["--workers", "2", "--mode", "parallel"]])
def test_clear_deletes_the_whole_folder_of_an_index(cli, tree, tmp_path, extra):
    index = tmp_path / "ix"
    for round in range(3):
        (tree / "new.py").write_text(f"def step_{round}():\n    return {round}\n")
        cli.ok("index", "--index-dir", index, *extra, *(["--rebuild"] if round == 2 else []))
    cli.ok("search", "step")
    (tree / "new.py").unlink()
    cli.ok("index")
    cli.ok("check")

    assert cli.json("clear", "-y")["cleared"] is True

    assert not index.exists()


def test_every_file_of_an_index_has_a_name_that_clear_knows(cli, tree):
    cli.ok("index")
    (index,) = cli.home.iterdir()

    for path in index.iterdir():
        if path.is_dir():
            (files,) = [f for name, f in locate.OWN_FOLDERS.items() if name.fullmatch(path.name)]
            assert [p.name for p in path.iterdir() if not files.fullmatch(p.name)] == []
        else:
            assert locate.OWN_FILES.fullmatch(path.name), path.name


def test_an_index_directory_that_is_a_link_is_cleared(cli, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    cli.ok("index", "--index-dir", tmp_path / "link")
    assert cli.json("status")["directory"] == str(tmp_path / "disk")

    done = cli("clear", "-y", "--index-dir", tmp_path / "link")

    assert done.returncode == 0 and "deleted the index" in done.stderr
    assert not (tmp_path / "disk").exists()


def test_an_index_inside_its_workspace_is_not_indexed(cli, tree):
    cli.ok("index", "--index-dir", tree / "ix")
    (tree / "ix" / "notes.txt").write_text("otters")

    generation = cli.json("search", "writer json root otters", "-k", "100")["index"]["generation"]
    again = cli.json("search", "writer json root otters", "-k", "100")

    assert not [hit for hit in again["hits"] if hit["path"].startswith("ix/")]
    assert again["index"]["generation"] == generation
    assert "index directory" in cli("why", "ix/writer.json").stdout
    cli.ok("clear", "-y")
    assert contents(tree / "ix") == {"notes.txt": b"otters"}
    assert "ix/notes.txt" in cli.ok("search", "otters", "-m", "lexical")  # it is a folder like any other now


def test_an_index_in_a_hidden_folder_of_its_workspace(cli, tree):
    cli.ok("index", "--index-dir", ".spelunk", env={"SPELUNK_HIDDEN": "true"})

    report = cli.json("index", env={"SPELUNK_HIDDEN": "true"})

    assert report["files"]["indexed"] == 0
    assert {"path": ".spelunk", "reason": "cache"} in report["skipped"]
    cli.ok("clear", "-y")
    assert not (tree / ".spelunk").exists()


def test_a_stale_pointer_never_clears_the_index_of_another(cli, tree, tmp_path):
    index = tmp_path / "ix"
    cli.ok("index", "--index-dir", index)
    pointer = next(cli.home.glob("project-*")) / "workspace.json"
    kept = pointer.read_bytes()
    cli.ok("clear", "-y")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.py").write_text("a = 1\n")
    cli.ok("index", tmp_path / "other", "--index-dir", index)
    pointer.parent.mkdir()
    pointer.write_bytes(kept)

    done = cli("clear", "-y")

    assert done.returncode == 1 and "no index to delete" in done.stderr
    assert cli.json("status", tmp_path / "other")["state"] == "current"


def test_the_list_of_own_names_is_narrow():
    for name in ("notes.txt", "manifest.sqlite.bak", "writer.json~", ".netrc", "workspace.json.orig"):
        assert not locate.OWN_FILES.fullmatch(name)
    folders = "|".join(pattern.pattern for pattern in locate.OWN_FOLDERS)
    assert not re.fullmatch(folders, "vectors2")

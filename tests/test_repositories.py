"""An index of what is committed in many repositories: names, branches, ignore rules, filters, and what moves."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from spelunk import Index, WorkspaceError
from spelunk.config import DEFAULTS, Options
from spelunk.embed.hashed import HashedEmbedder
from spelunk.files.branches import BranchTable, OnBranches
from spelunk.files.folder import FolderSource
from spelunk.files.repositories import RepositoriesSource
from spelunk.files.repository_list import listed
from spelunk.files.source import Walk
from spelunk.testing import logical_content
from spelunk.types import Document, Failed, Skipped
from tests.corpus import write_tree
from tests.forked import forks

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgSign=false"]


def git(where: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=where, check=True, capture_output=True)


def commit(where: Path, files: dict[str, str | None], message: str = "change") -> None:
    for path, text in files.items():
        place = Path(os.fsdecode(os.fsencode(where / path)))
        if text is None:
            place.unlink()
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    git(where, "add", "-A", "-f")
    git(where, "commit", "-q", "-m", message)


def repository(where: Path, files: dict[str, str | None]) -> Path:
    where.mkdir(parents=True)
    git(where, "init", "-q", "-b", "main")
    commit(where, files)
    return where


SHARED = "def flush_queue(n):\n    return n + 1\n"
CORE: dict[str, str | None] = {
    "src/shared.py": SHARED,
    "src/mixed.py": "def only_main():\n    return 'main'\n",
}


@pytest.fixture
def org(tmp_path: Path) -> Path:
    """``core`` with the branches main and dev/x, and ``fork``, a bare clone of it."""
    core = repository(tmp_path / "org" / "core", CORE)
    git(core, "checkout", "-q", "-b", "dev/x")
    commit(
        core,
        {"src/mixed.py": "def only_dev():\n    return 'dev'\n", "src/new.py": "def added():\n    return 3\n"},
    )
    git(core, "checkout", "-q", "main")
    git(tmp_path / "org", "clone", "-q", "--bare", "core", "fork.git")
    return tmp_path / "org"


@pytest.fixture
def repos(org: Path) -> Path:
    place = org.parent / "list.txt"
    place.write_text("# both branches of core\norg/core main dev/x\n\norg/fork.git  # its HEAD\n")
    return place


def paths(walk: Walk) -> list[str]:
    return [row[0] for row in walk.rows]


# --- the list ---------------------------------------------------------------------------------------


def test_a_list_names_repositories_and_revisions(repos: Path, org: Path) -> None:
    assert [(r.name, Path(r.path), r.revisions) for r in listed(str(repos))] == [
        ("core", org / "core", ("main", "dev/x")),
        ("fork", org / "fork.git", ()),
    ]


def test_a_folder_is_searched_two_levels_deep(org: Path, tmp_path: Path) -> None:
    repository(org / "team" / "tool", {"a.py": "a = 1\n"})
    repository(org / "team" / "deep" / "er" / "lost", {"a.py": "a = 1\n"})
    (org / "plain").mkdir()

    assert [r.name for r in listed(str(org))] == ["core", "fork", "team/tool"]


def test_repositories_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for team in ("a", "b"):
        repository(tmp_path / team / "core", {"x.py": "x = 1\n"})
    place = tmp_path / "list"
    place.write_text(f"a/core\n{tmp_path}/b/core\n")

    assert [r.name for r in listed(str(place))] == ["a/core", "b/core"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no git repositories"),
        ("org/core\nnowhere", "line 2: nowhere: no git repository"),
        ("'org/core", "line 1: No closing quotation"),
    ],
)
def test_a_list_that_means_nothing_is_refused(text: str, says: str, repos: Path) -> None:
    repos.write_text(text)
    with pytest.raises(WorkspaceError, match=says):
        listed(str(repos))


# --- the walk -----------------------------------------------------------------------------------------


def test_a_file_that_is_the_same_on_several_branches_is_one_entry(repos: Path) -> None:
    source = RepositoriesSource(str(repos))
    walk = source.walk(DEFAULTS)

    assert paths(walk) == [
        "core/src/mixed.py", "core/src/shared.py", "core@dev/x/src/mixed.py", "core@dev/x/src/new.py",
        "fork/src/mixed.py", "fork/src/shared.py",
    ]  # fmt: skip
    assert source.branches is not None and source.branches.counts() == (2, 3)

    def on(repo: str, branch: str) -> list[str]:
        assert source.branches is not None
        return sorted(source.branches.select(lambda n: repo in n, lambda n: branch in n))

    assert on("core", "main") == ["core/src/mixed.py", "core/src/shared.py"]
    assert on("core", "dev") == ["core/src/shared.py", "core@dev/x/src/mixed.py", "core@dev/x/src/new.py"]
    assert on("fork", "main") == ["fork/src/mixed.py", "fork/src/shared.py"]


def test_contents_are_those_of_the_commit_and_not_of_the_working_tree(repos: Path, org: Path) -> None:
    (org / "core" / "src" / "shared.py").write_text("changed = True\n")
    source = pickle.loads(pickle.dumps(RepositoriesSource(str(repos))))
    try:
        entries = {e.path: e for e in source.walk(DEFAULTS).entries}
        assert source.read(entries["core/src/shared.py"], 10_000) == SHARED.encode()
        assert (
            source.read(entries["core@dev/x/src/mixed.py"], 10_000) == b"def only_dev():\n    return 'dev'\n"
        )
        for path, entry in entries.items():
            assert source.stamp(path) == entry.stamp
            unknown = replace(entry, stamp=b"")
            assert source.read(unknown, 10_000) == source.read(entry, 10_000)
        assert isinstance(source.read(entries["core/src/shared.py"], 5), Skipped)
        gone = replace(entries["core/src/shared.py"], stamp=bytes(20))
        assert isinstance(source.read(gone, 10_000), Failed)
        assert source.stamp("core/never.py") is None and source.stamp("never/was.py") is None
    finally:
        source.close()


def test_a_commit_is_walked_as_its_working_tree_would_be(tmp_path: Path) -> None:
    """Names, sizes, languages, flags, and what is left out; ignore files count, tracked or not."""
    core = tmp_path / "all" / "core"
    core.mkdir(parents=True)
    write_tree(core, 12)
    files: dict[str, str | None] = {
        ".gitignore": "build/\n*.log\n", "build/x.py": "x = 1\n", "a.log": "log\n", "sub/.gitignore": "!keep.log\nlocal\n",
        "sub/keep.log": "kept\n", "sub/local": "no\n", ".hidden/a.py": "a = 1\n", ".spelunkignore": "secret/\n",
        "secret/a.py": "a = 1\n", "tests/test_a.py": "def test():\n    pass\n", "docs/guide.md": "# Guide\n",
        "node_modules/m/i.js": "x\n", "poetry.lock": "x\n", "picture.png": "x", "ä.txt": "Umlaut\n", "empty.py": "",
        "large.txt": "word " * 400, "vendor/v.go": "package v\n",
    }  # fmt: skip
    git(core, "init", "-q", "-b", "main")
    commit(core, files)
    (core / "link.py").symlink_to("core.c")
    git(core, "add", "-f", "link.py")
    git(core, "commit", "-q", "-m", "link")
    options = Options(max_file_size=1_500, exclude=("core/docs/",))
    folder = FolderSource(str(tmp_path / "all")).walk(options)

    walk = RepositoriesSource(str(tmp_path / "all")).walk(options)

    def facts(walk: Walk) -> list[object]:
        return [(path, size, language, bits) for path, size, _, language, bits in walk.rows]

    assert "core/sub/keep.log" in paths(walk) and "core/docs/guide.md" not in paths(walk)
    assert facts(walk) == facts(folder)
    assert [(s.path, s.reason) for s in walk.skipped] == [(s.path, s.reason) for s in folder.skipped]


def test_a_repository_that_cannot_be_read_is_told_and_the_others_are_walked(repos: Path, org: Path) -> None:
    shutil.rmtree(org / "fork.git" / "objects")
    (org / "fork.git" / "objects").mkdir()

    walk = RepositoriesSource(str(repos)).walk(DEFAULTS)

    assert [f.path for f in walk.failed] == ["fork"] and "git cannot read it" in walk.failed[0].error
    assert "core/src/shared.py" in paths(walk)
    repos.write_text("org/core nobranch\n")
    assert "no revision 'nobranch'" in RepositoriesSource(str(repos)).walk(DEFAULTS).failed[0].error


def test_an_empty_repository_has_no_files(tmp_path: Path) -> None:
    (tmp_path / "all" / "new").mkdir(parents=True)
    git(tmp_path / "all" / "new", "init", "-q")

    walk = RepositoriesSource(str(tmp_path / "all")).walk(DEFAULTS)

    assert (walk.rows, walk.failed) == ([], [])


def test_the_table_of_branches_survives_json() -> None:
    table = BranchTable()
    table.add(
        "core", ["main", "dev"], [OnBranches("core/a.py", (0, 1)), OnBranches("core@dev/b\udcff.py", (1,))]
    )

    again = BranchTable.from_json(table.as_json())

    assert sorted(again.select(lambda n: True, lambda n: n == "dev")) == ["core/a.py", "core@dev/b\udcff.py"]
    assert list(again.select(lambda n: n == "other", lambda n: True)) == []


# --- the index ------------------------------------------------------------------------------------------


def opened(repos: Path | None, tmp_path: Path, **settings: object) -> Index:
    where = {"repositories": str(repos)} if repos is not None else {}
    return Index.open(
        str(tmp_path), index_dir=str(tmp_path / "index"), embedder="hashed", **where, **settings
    )  # type: ignore[arg-type]


def found(index: Index, query: str) -> list[str]:
    return sorted(hit.path for hit in index.search(query, mode="lexical").hits)


def test_repositories_and_branches_are_filters_of_a_search(repos: Path, tmp_path: Path) -> None:
    with opened(repos, tmp_path) as index:
        report = index.update()

        assert report.files.indexed == 6 and not report.failures and report.history is None
        assert found(index, "only branch:dev") == ["core@dev/x/src/mixed.py"]
        assert found(index, "only branch:main repo:core") == ["core/src/mixed.py"]
        assert found(index, "flush branch:dev") == ["core/src/shared.py"]
        assert found(index, "only repo:fork") == ["fork/src/mixed.py"]
        assert found(index, "only -repo:fork -branch:main") == ["core@dev/x/src/mixed.py"]
        assert found(index, "only repo:nothing") == []
        (hit,) = index.search("flush_queue").hits
        assert hit.path == "core/src/shared.py" and [c.path for c in hit.copies] == ["fork/src/shared.py"]


def test_a_later_index_of_the_folder_knows_what_it_is_of(repos: Path, tmp_path: Path) -> None:
    with opened(repos, tmp_path) as index:
        index.update()
    with opened(None, tmp_path) as index:
        assert index.update().files.unchanged == 6
        assert found(index, "only branch:dev") == ["core@dev/x/src/mixed.py"]


def test_a_commit_is_found_by_the_next_search_and_only_its_files_are_read(
    repos: Path, org: Path, tmp_path: Path
) -> None:
    with opened(repos, tmp_path) as index:
        index.update()
        commit(org / "core", {"src/later.py": "def much_later():\n    return 9\n", "src/mixed.py": None})

        assert found(index, "much_later") == ["core/src/later.py"]
        assert found(index, "only branch:main repo:core") == []
        report = index.update()
        assert (report.files.indexed, report.files.unchanged) == (0, 6)

    git(org / "core", "checkout", "-q", "dev/x")
    commit(org / "core", {"src/later.py": "def much_later():\n    return 9\n"})
    with opened(None, tmp_path) as index:
        assert found(index, "much_later branch:dev") == ["core/src/later.py"]


def test_shared_content_is_embedded_once(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    embed = HashedEmbedder.embed

    def counted(self: HashedEmbedder, texts: list[str], words: list[list[str]]) -> object:
        made.extend(texts)
        return embed(self, texts, words)

    monkeypatch.setattr(HashedEmbedder, "embed", counted)
    with opened(repos, tmp_path, mode="sequential") as index:
        index.update()

    assert len(made) == len(set(made)) == 4, "shared, main's and dev's version, and the new file"
    assert len(logical_content(str(tmp_path / "index"))) == 6


def test_workers_read_from_git_as_well(tmp_path: Path) -> None:
    core = tmp_path / "all" / "core"
    core.mkdir(parents=True)
    write_tree(core, 40)
    git(core, "init", "-q", "-b", "main")
    commit(core, {})
    contents = []
    for mode, name in (("sequential", "one"), ("parallel", "two")):
        with Index.open(
            index_dir=str(tmp_path / name), repositories=str(tmp_path / "all"), mode=mode, workers=2
        ) as index:
            assert index.update().files.indexed == 42
        contents.append(logical_content(str(tmp_path / name)))

    assert contents[0] == contents[1]
    with Index.open(tmp_path / "all", index_dir=str(tmp_path / "folder")) as index:
        index.update()
    assert logical_content(str(tmp_path / "folder")) == contents[0]


def test_an_index_of_the_folder_itself_is_not_replaced(repos: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    with opened(None, tmp_path) as index:
        index.update()
    with (
        opened(repos, tmp_path) as index,
        pytest.raises(WorkspaceError, match="indexed as a folder of files"),
    ):
        index.update()


def run_forked(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return forks(os.environ).run(words, str(cwd), os.environ)


def test_the_command_line(repos: Path, org: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_forked(*arguments, "--index-dir", str(tmp_path / "index"), cwd=tmp_path)

    assert "6 indexed" in run("index", "--repos", str(repos)).stdout
    assert "core@dev/x/src/mixed.py" in run("search", "only branch:dev", str(tmp_path)).stdout
    assert "current" in run("status", str(tmp_path)).stdout
    both = run("index", str(org), "--repos", str(repos))
    assert (both.returncode, both.stderr.count("\n")) == (2, 1) and "give one of them" in both.stderr
    nothing = run("index", "--repos", str(tmp_path / "nothing"))
    assert nothing.returncode == 2 and "no such file or folder" in nothing.stderr
    assert run("clear", str(tmp_path), "--yes").returncode == 0
    assert not (tmp_path / "index").exists()


# --- contents that repositories share, and the commands that look at one path -----------------------


def test_a_bare_repository_is_indexed_by_what_it_has_committed(org: Path, tmp_path: Path) -> None:
    bare = tmp_path / "app.git"
    git(tmp_path, "clone", "-q", "--bare", str(org / "core"), str(bare))

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return run_forked(*args, cwd=tmp_path)

    indexed = run("index", "app.git", "--json")
    named = run("search", "flush_queue", "app.git", "--json")
    inside = run_forked("search", "flush_queue", "--json", cwd=bare)
    commit(org / "core", {"src/walrus.py": "def only_walrus():\n    return 1\n"})
    git(bare, "fetch", "-q", str(org / "core"), "main:main")
    later = run("search", "only_walrus", "app.git", "--json")

    assert indexed.returncode == 0, indexed.stderr
    assert json.loads(indexed.stdout)["files"]["indexed"] == 2
    for done, path in (
        (named, "app/src/shared.py"),
        (inside, "app/src/shared.py"),
        (later, "app/src/walrus.py"),
    ):
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["hits"][0]["path"] == path


def test_a_bare_repository_starts_no_program(org: Path, tmp_path: Path) -> None:
    bare, trace, program = tmp_path / "app.git", tmp_path / "ran", tmp_path / "evil"
    git(tmp_path, "clone", "-q", "--bare", str(org / "core"), str(bare))
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {trace}\ncat\n')
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.alternateRefsCommand", "core.pager", "core.sshCommand", "gpg.program",
                "diff.external", "filter.evil.clean", "filter.evil.smudge", "uploadpack.packObjectsHook"):  # fmt: skip
        git(bare, "config", key, str(program))
    git(bare, "config", "core.hooksPath", str(tmp_path))
    git(bare, "config", "extensions.partialClone", "origin")
    git(bare, "config", "remote.origin.promisor", "true")
    git(bare, "config", "remote.origin.url", f"ext::{program}")
    git(bare, "config", "protocol.ext.allow", "always")

    with Index.open(bare, embedder="hashed") as index:
        index.update()
        assert found(index, "flush_queue") == ["app/src/shared.py"]

    assert not trace.exists()


def test_a_search_of_a_bare_repository_indexes_it_first(org: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(org / "core"), "app.git")

    done = run_forked("search", "flush_queue", "app.git", "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert {hit["path"] for hit in json.loads(done.stdout)["hits"]} == {"app/src/shared.py"}


def test_a_folder_that_only_looks_like_a_repository_is_a_folder(tmp_path: Path) -> None:
    for name in ("objects", "refs"):
        (tmp_path / "ws" / name).mkdir(parents=True)
    (tmp_path / "ws" / "HEAD").write_text("# Heads of departments\n")

    index = opened(None, tmp_path / "ws")
    index.update()

    assert isinstance(index.source, FolderSource)


def test_a_content_of_many_repositories_is_cut_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk.pipeline import worker

    shared = {f"lib/part_{n}.py": f"def shared_{n}():\n    return {n}\n" for n in range(5)}
    for name in ("one", "two", "three"):
        repository(
            tmp_path / "org" / name,
            {**shared, "own.py": f"def own_{name}():\n    return 1\n", "README.md": "# The same\n\nText.\n"},
        )
    parsed: list[str] = []
    parse = worker.parse

    def counted(document: Document, options: Options) -> Any:
        parsed.append(document.path)
        return parse(document, options)

    monkeypatch.setattr(worker, "parse", counted)
    with Index.open(
        repositories=tmp_path / "org", index_dir=str(tmp_path / "ix"), mode="sequential"
    ) as index:
        assert index.update().files.indexed == 3 * 7
        assert len(parsed) == 5 + 1 + 3  # each content once
        assert {h.path for h in index.search("sym:own_two").hits} == {"two/own.py"}
        assert index.check().ok
    together = logical_content(str(tmp_path / "ix"))
    monkeypatch.setattr(worker, "_cut_key", lambda document: object())
    with Index.open(
        repositories=tmp_path / "org", index_dir=str(tmp_path / "iy"), mode="sequential"
    ) as index:
        index.update()
    assert logical_content(str(tmp_path / "iy")) == together


def test_a_worklog_by_its_folder_is_not_cut_as_its_copy_elsewhere(tmp_path: Path) -> None:
    text = "# Notes\n\n## Log\n\n### 2026-11-28 10:00 · something\n\nDone.\n"
    repository(tmp_path / "org" / "one", {"branchwork/a.md": text, "docs/a.md": text})
    with Index.open(
        repositories=tmp_path / "org", index_dir=str(tmp_path / "ix"), mode="sequential"
    ) as index:
        index.update()
        hits = {
            kind: index.search(f"done kind:{kind}", mode="lexical").hits for kind in ("branchwork", "section")
        }
    assert {k: [h.path for h in found] for k, found in hits.items()} == {
        "branchwork": ["one/branchwork/a.md"],
        "section": ["one/docs/a.md"],
    }


def test_why_says_what_the_index_of_repositories_holds(repos: Path, tmp_path: Path) -> None:
    with Index.open(repositories=repos, index_dir=str(tmp_path / "ix"), mode="sequential") as index:
        index.update()

        held = index.why("core/src/mixed.py")
        assert (held.verdict, held.language) == ("indexed", "python") and held.index is not None
        assert index.why(str(tmp_path / "core@dev/x" / "src" / "mixed.py")).verdict == "indexed"
        assert index.why("core/src").verdict == "indexed" and index.why(".").verdict == "indexed"
        missing = index.why("core/src/none.py")
        assert missing.verdict == "missing" and "NAME/PATH" in missing.detail


def test_a_watcher_of_repositories_follows_their_branches(org: Path, tmp_path: Path) -> None:
    import time

    from spelunk.watch import events
    from spelunk.watch.watcher import Watcher

    seen: list[events.WatchEvent] = []
    with Index.open(repositories=org, index_dir=str(tmp_path / "ix"), mode="sequential") as index:
        index.update()
        with Watcher(index, seen.append, poll_seconds=0.05):
            commit(org / "core", {"src/zeppelin.py": "def ballast():\n    return 1\n"})
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if index.search("ballast", mode="lexical", refresh=False).hits:
                    break
                time.sleep(0.05)
        hits = index.search("ballast", mode="lexical", refresh=False).hits
    assert [h.path for h in hits] == ["core/src/zeppelin.py"]
    assert any(e.kind == events.UPDATED for e in seen)

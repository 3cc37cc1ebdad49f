from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from spelunk.config import Options
from spelunk.errors import WorkspaceError
from spelunk.files.explain import why
from spelunk.files.folder import FolderSource
from spelunk.files.source import Walk
from spelunk.files.stamp import file_stamp, is_settled
from spelunk.files.walk import walk
from spelunk.types import Entry, Flag


@pytest.fixture(autouse=True)
def _no_global_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def tree(root: Path, files: dict[str, str]) -> str:
    for path, text in files.items():
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)
    return str(root)


def repository(root: Path) -> Path:
    for part in (".git/objects", ".git/refs", ".git/info"):
        (root / part).mkdir(parents=True, exist_ok=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    return root


def paths(found: Walk) -> list[str]:
    return [row[0] for row in found.rows]


def reasons(found: Walk) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in found.skipped}


def folders(found: Walk) -> list[str]:
    """The folders in a fence, which holds them as (path, stamp) before the rule files."""
    return [os.fsdecode(path) for path in found.fence.split(b"\0")[::2] if not path.startswith(b"/")]


def settle_clock(found_at: str) -> None:
    """Let every time stamp below a root become old enough to be trusted."""
    newest = max(os.stat(d).st_ctime_ns for d, _, _ in os.walk(found_at))
    while time.time_ns() - newest < 50_000_000:
        time.sleep(0.01)


def test_an_entry_has_what_stat_and_the_name_say(tmp_path: Path) -> None:
    root = tree(tmp_path, {"tests/a.py": "x = 1\n"})
    settle_clock(root)
    st = os.stat(tmp_path / "tests/a.py")

    (entry,) = walk(root).entries

    assert isinstance(entry, Entry)
    assert (entry.path, entry.size, entry.language, entry.flags) == ("tests/a.py", 6, "python", Flag.TEST)
    assert entry.stamp == file_stamp(st) == FolderSource(root).stamp("tests/a.py")


def test_paths_come_sorted(tmp_path: Path) -> None:
    root = tree(tmp_path, dict.fromkeys(("b.py", "a/z.py", "a-b.py", "a.py", "a/b/c.py"), ""))

    assert paths(walk(root)) == sorted(["b.py", "a/z.py", "a-b.py", "a.py", "a/b/c.py"])
    assert folders(walk(root)) == ["", "a", "a/b"]


def test_hidden_files_are_left_out_unless_asked_for_and_git_always(tmp_path: Path) -> None:
    root = tree(repository(tmp_path), {".github/ci.yml": "", ".env": "", "a.py": ""})

    assert paths(walk(root)) == ["a.py"]
    assert paths(walk(root, Options(hidden=True))) == [".env", ".github/ci.yml", "a.py"]


def test_recognised_files_are_reported_with_a_stable_reason(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {"yarn.lock": "", "x.min.js": "", "logo.png": "", "node_modules/a/b.js": "", "big.txt": "x" * 100,
         "env/pyvenv.cfg": "", "env/lib/a.py": "", "a.js.map": "",
         "out/CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n", "out/x.c": ""},
    )  # fmt: skip

    found = walk(root, Options(max_file_size=50))

    assert paths(found) == []
    assert reasons(found) == {
        "yarn.lock": "lock-file", "x.min.js": "minified", "logo.png": "binary", "node_modules": "dependencies",
        "big.txt": "too-large", "env": "dependencies", "a.js.map": "source-map", "out": "cache",
    }  # fmt: skip


def test_what_is_ignored_is_not_reported(tmp_path: Path) -> None:
    root = tree(
        tmp_path, {".gitignore": "node_modules\n*.png\n", "node_modules/a.js": "", "b.png": "", "c.py": ""}
    )

    found = walk(root)

    assert (paths(found), found.skipped) == (["c.py"], [])


def test_links_are_not_followed_and_cycles_end(tmp_path: Path) -> None:
    root = tree(tmp_path, {"d/a.py": ""})
    (tmp_path / "d/loop").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "alias.py").symlink_to("d/a.py")
    (tmp_path / "outside").symlink_to("/etc")

    found = walk(root)

    assert paths(found) == ["d/a.py"]
    assert reasons(found) == dict.fromkeys(("d/loop", "self", "alias.py", "outside"), "symlink")


def test_a_fifo_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    os.mkfifo(tmp_path / ".gitignore")

    found = walk(str(tmp_path))

    assert reasons(found) == {"pipe.py": "special"}
    assert why(str(tmp_path), "pipe.py").rule == "special"


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path)
    Path(os.fsdecode(raw + b"/d\xff")).mkdir()
    for name in (b"d\xff/a\xfe.py", b"b\xfe.py", b"c\xfe.log"):
        Path(os.fsdecode(raw + b"/" + name)).touch()
    Path(tmp_path, ".gitignore").write_bytes(b"c\xfe.*\n/d\xff/?\xfe.txt\n")

    found = walk(str(tmp_path))

    assert sorted(map(os.fsencode, paths(found))) == [b"b\xfe.py", b"d\xff/a\xfe.py"]
    assert why(str(tmp_path), os.fsdecode(b"c\xfe.log")).rule == os.fsdecode(b"c\xfe.*")
    settle_clock(str(tmp_path))
    again = walk(str(tmp_path))
    assert FolderSource(str(tmp_path)).unchanged(again.fence)


def test_a_nested_repository_is_skipped_and_a_worktree_too(tmp_path: Path) -> None:
    root = tree(repository(tmp_path), {"a.py": "", "sub/b.py": "", "tree/c.py": "", "plain/d.py": ""})
    repository(tmp_path / "sub")
    (tmp_path / "tree/.git").write_text("gitdir: /nowhere/worktrees/tree\n")
    (tmp_path / "plain/.git").mkdir()

    found = walk(root)

    assert paths(found) == ["a.py", "plain/d.py"]
    assert reasons(found) == {"sub": "nested-repository", "tree": "nested-repository"}
    assert why(root, "sub/b.py").rule == "nested-repository"


def test_a_folder_of_repositories_is_entered(tmp_path: Path) -> None:
    root = tree(tmp_path, {"one/a.py": "", "one/x.log": "", "two/b.py": "", "two/in/c.py": ""})
    repository(tmp_path / "one").joinpath(".git/info/exclude").write_text("*.log\n")
    repository(tmp_path / "two")
    repository(tmp_path / "two/in")

    found = walk(root)

    assert paths(found) == ["one/a.py", "two/b.py"]
    assert reasons(found) == {"two/in": "nested-repository"}
    assert why(root, "one/x.log").source == "one/.git/info/exclude"


def test_rules_above_a_subfolder_root_apply(tmp_path: Path) -> None:
    tree(repository(tmp_path), {".gitignore": "*.log\n/pkg/gen/\n", "pkg/.gitignore": "!keep.log\n", "pkg/a.log": "",
                                "pkg/keep.log": "", "pkg/gen/x.py": "", "pkg/b.py": ""})  # fmt: skip
    root = str(tmp_path / "pkg")

    assert paths(walk(root)) == ["b.py", "keep.log"]
    assert why(root, "a.log").source == str(tmp_path / ".gitignore")


def test_spelunkignore_adds_and_re_includes(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {".gitignore": "build/\n*.log\n", ".spelunkignore": "*.tmp\n!build/docs/*.md\n!wanted.log\n!.github/\n!yarn.lock\n",
         "build/x.py": "", "build/docs/a.md": "", "build/docs/b.txt": "", "wanted.log": "", "x.log": "", "y.tmp": "",
         ".github/ci.yml": "", ".other/x": "", "yarn.lock": ""},
    )  # fmt: skip

    found = walk(root)

    assert paths(found) == [".github/ci.yml", "build/docs/a.md", "wanted.log", "yarn.lock"]
    assert folders(found) == ["", ".github", "build", "build/docs"]
    assert why(root, "build/docs/a.md").source == ".spelunkignore"
    assert why(root, "build/docs/b.txt").rule == "build/"
    assert why(root, "y.tmp").source == ".spelunkignore"


def test_a_whole_ignored_folder_can_be_re_included(tmp_path: Path) -> None:
    root = tree(tmp_path, {".gitignore": "gen/\n*.o\n", ".spelunkignore": "!gen/\n!node_modules/mine/\n", "gen/a/b.c": "",
                           "gen/a/b.o": "", "node_modules/mine/x.js": "", "node_modules/other/y.js": ""})  # fmt: skip

    found = walk(root)

    assert paths(found) == ["gen/a/b.c", "node_modules/mine/x.js"]


def test_include_and_exclude_settings(tmp_path: Path) -> None:
    root = tree(tmp_path, {"src/a.py": "", "src/b.js": "", "src/skip/c.py": "", "lib/d.py": "", "e.py": "",
                           ".spelunkignore": "!src/skip\n"})  # fmt: skip

    assert paths(walk(root, Options(include=("*.py",), exclude=("skip/",)))) == [
        "e.py",
        "lib/d.py",
        "src/a.py",
    ]
    anchored = walk(root, Options(include=("/src/",)))
    assert paths(anchored) == ["src/a.py", "src/b.js", "src/skip/c.py"]
    assert "lib" not in folders(anchored)
    assert why(root, "lib/d.py", Options(include=("/src/",))).source == "include"
    assert why(root, "src/skip/c.py", Options(exclude=("skip/",))).source == "exclude"


@pytest.mark.parametrize(
    ("path", "verdict", "rule", "source", "line"),
    [
        ("a.py", "indexed", "", "", 0),
        ("src", "indexed", "", "", 0),
        ("out/deep/x.py", "ignored", "out/", ".gitignore", 2),
        ("src/x.gen", "ignored", "*.gen", "src/.gitignore", 1),
        ("src/keep.log", "indexed", "!keep.log", "src/.gitignore", 2),
        ("gone.py", "missing", "", "", 0),
        ("gone/gone.py", "missing", "", "", 0),
        (".env", "ignored", "hidden", "", 0),
        (".git/HEAD", "ignored", "git", "", 0),
        ("node_modules/x/y.js", "skipped", "dependencies", "", 0),
        ("go.sum", "skipped", "lock-file", "", 0),
        ("blob", "skipped", "binary", "", 0),
        ("../else", "outside", "", "", 0),
        ("/etc/passwd", "outside", "", "", 0),
    ],
)
def test_why_names_the_rule(
    tmp_path: Path, path: str, verdict: str, rule: str, source: str, line: int
) -> None:
    root = tree(
        repository(tmp_path),
        {".gitignore": "*.log\nout/\n", "src/.gitignore": "*.gen\n!keep.log\n", "a.py": "", "out/deep/x.py": "",
         "src/x.gen": "", "src/keep.log": "", ".env": "", "node_modules/x/y.js": "", "go.sum": "", "blob": "\0\0"},
    )  # fmt: skip

    found = why(root, path)

    assert (found.verdict, found.rule, found.source, found.line) == (verdict, rule, source, line)


def test_why_takes_an_absolute_path(tmp_path: Path) -> None:
    root = tree(tmp_path, {"a/b.py": "#!/usr/bin/env python\n"})

    found = why(root, f"{root}/a/b.py")

    assert (found.path, found.verdict, found.language) == ("a/b.py", "indexed", "python")


def test_a_missing_root_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for root in ("none", "file"):
        with pytest.raises(WorkspaceError, match="cannot be indexed"):
            walk(str(tmp_path / root))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_a_failure_and_not_the_end(tmp_path: Path) -> None:
    root = tree(tmp_path, {"shut/a.py": "", "b.py": ""})
    (tmp_path / "shut").chmod(0)
    try:
        found = walk(root)
    finally:
        (tmp_path / "shut").chmod(0o755)

    assert paths(found) == ["b.py"]
    assert [(failed.path, failed.stage) for failed in found.failed] == [("shut", "discover")]


def test_a_folder_that_cannot_be_opened_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, {"shut/a.py": "", "gone/c.py": "", "b.py": ""})
    opened = os.open

    def refuse(path: str, *args: int, **kwargs: int) -> int:
        if str(path).endswith("/shut/"):
            raise PermissionError(13, "Permission denied")
        if str(path).endswith("/gone/"):
            raise FileNotFoundError(2, "No such file or directory")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)

    found = walk(root)

    assert paths(found) == ["b.py"]
    assert [(failed.path, failed.error) for failed in found.failed] == [("shut", "Permission denied")]


def test_nothing_changed_is_told_apart_from_every_change_of_the_file_set(tmp_path: Path) -> None:
    root = tree(repository(tmp_path), {"a/b.py": "", ".gitignore": "*.log\n", "a/.gitignore": ""})
    settle_clock(root)
    found = walk(root)
    assert FolderSource(root).unchanged(found.fence)

    def differs() -> bool:
        return not FolderSource(root).unchanged(found.fence)

    (tmp_path / "a/c.py").touch()
    assert differs()
    settle_clock(root)
    found = walk(root)
    (tmp_path / "a/c.py").rename(tmp_path / "a/d.py")
    assert differs()
    settle_clock(root)
    found = walk(root)
    (tmp_path / "a/.gitignore").write_text("*.py\n")
    assert differs()
    settle_clock(root)
    found = walk(root)
    (tmp_path / ".git/info/exclude").write_text("*.c\n")
    assert differs()
    settle_clock(root)
    found = walk(root)
    (Path(os.environ["HOME"]) / ".gitconfig").write_text("")
    assert differs()


def test_a_fresh_time_stamp_is_not_trusted(tmp_path: Path) -> None:
    now = 1_700_000_000_123_456_789

    assert not is_settled(now - 1_000_000, now)
    assert is_settled(now - 100_000_000, now)
    assert not is_settled(now // 1_000_000_000 * 1_000_000_000 - 1_000_000_000, now)
    assert is_settled(now - 10**10, now)

    root = tree(tmp_path, {"a.py": ""})
    found = walk(root)
    if found.rows[0][2] == b"":
        assert not FolderSource(root).unchanged(found.fence)
    else:
        assert found.rows[0][2] == file_stamp(os.stat(tmp_path / "a.py"))

"""The ignore rules against git itself, and against the sentences of its manual."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spelunk.config import Options
from spelunk.files.explain import why
from spelunk.files.git_config import excludes_file
from spelunk.files.glob import Rule
from spelunk.files.ignore import GITIGNORE, from_setting, no_rules, parse
from spelunk.files.walk import walk
from tests.examples import examples

HIDDEN = Options(hidden=True)
NAMES = ["a", "b", "foo", "bar", "foobar", "a.c", "foo.c", "b.tar.gz", ".hid", "x y", "é", "a[b]", "b\\c", "#x", "!y",
         "sp ", "A", "-", "a^", "]"]  # fmt: skip
ATOMS = ["a", "b", "foo", "bar", "f", "o", ".", ".c", "*", "*", "?", "**", "[ab]", "[!a]", "[^f]", "[a-f]", "[]]", "[]-a]",
         "[[:alpha:]]", "[[:upper:]b]", "[[:nope:]]", "[a", "\\", "\\*", "\\[", "\\!", "é", "[é]", "x y", "#", "!", " ",
         "[/]", "[!/]", "\\/", "gz", "foo**/bar", "foo**", "**foo/", "a/**/b", "**/b"]  # fmt: skip


@pytest.fixture(autouse=True)
def _only_git_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(empty))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=4))
    joined = "".join(part + draw(st.sampled_from(["", "", "", "/"])) for part in parts)
    bang = draw(st.sampled_from(["", "", "!"]))
    slash = draw(st.sampled_from(["", "", "", "/", "**/"]))
    end = draw(st.sampled_from(["", "", "", "/", "/*", "/**", " ", "\\ ", "\t"]))
    return bang + slash + joined + end


@st.composite
def derived(draw: st.DrawFn, paths: list[str]) -> str:
    """A pattern bent from a path that is there, so that it is likely to match something."""
    parts = draw(st.sampled_from(paths)).split("/")
    start = draw(st.integers(0, len(parts) - 1))
    bent = []
    for part in parts[start : draw(st.integers(start + 1, len(parts)))]:
        at = draw(st.integers(0, len(part)))
        bent.append(
            draw(
                st.sampled_from(
                    [part, part, part, "*", "**", part[:at] + "*", part[:at] + "**", "*" + part[at:], "**" + part[at:],
                     part[:at] + "?" + part[at + 1 :], part[:at] + "[!/]" + part[at + 1 :], part[:at] + "*" + part[at:],
                     part[:at] + "\\" + part[at:], part[:at] + "[" + part[at : at + 1] + "]" + part[at + 1 :]]
                )
            )
        )  # fmt: skip
    if len(bent) > 1 and draw(st.booleans()):
        del bent[draw(st.integers(0, len(bent) - 1))]
    bang = draw(st.sampled_from(["", "", "!"]))
    slash = draw(st.sampled_from(["", "", "/", "**/"]))
    return bang + slash + "/".join(bent) + draw(st.sampled_from(["", "", "", "/", "/*", "/**", "**"]))


def ignore_texts(paths: list[str]) -> st.SearchStrategy[bytes]:
    line = st.one_of(
        patterns(),
        derived(paths),
        derived(paths),
        st.sampled_from(NAMES),
        st.sampled_from(["", "# no", "*", "!*/", "!*.c", "/*"]),
    )
    return st.builds(
        lambda bom, lines, end: (bom + end.join(lines) + end).encode(),
        st.sampled_from(["", "", "", "\ufeff"]),
        st.lists(line, max_size=6),
        st.sampled_from(["\n", "\n", "\r\n"]),
    )


Tree = tuple[list[str], bytes, list[tuple[str, bytes]], bytes]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    few = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=6, unique=True))
    path = st.lists(st.sampled_from(few), min_size=1, max_size=4).map("/".join)
    paths = draw(st.lists(path, min_size=1, max_size=14))
    texts = ignore_texts(paths)
    inner = st.sampled_from(paths).map(lambda path: path.rpartition("/")[0])
    nested = draw(st.lists(st.tuples(inner, texts), max_size=3))
    return paths, draw(texts), nested, draw(st.one_of(st.just(b""), texts))


TREES = trees()


def build(root: str, tree: Tree) -> None:
    """Make a repository by hand: cheaper than a process."""
    paths, top, nested, exclude = tree
    for part in (".git/objects", ".git/refs", ".git/info"):
        os.makedirs(os.path.join(root, part))
    Path(root, ".git/HEAD").write_text("ref: refs/heads/main\n")
    Path(root, ".git/info/exclude").write_bytes(exclude)
    for path in paths:
        full = os.path.join(root, path)
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            if not os.path.isdir(full):
                Path(full).touch()
        except (FileExistsError, NotADirectoryError):
            continue
    Path(root, ".gitignore").write_bytes(top)
    for directory, text in nested:
        if os.path.isdir(os.path.join(root, directory)):
            Path(root, directory, ".gitignore").write_bytes(text)


def listed_by_git(directory: str) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=directory, capture_output=True, check=True
    )
    return sorted(os.fsdecode(name) for name in done.stdout.split(b"\0") if name)


def agrees(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as root:
        build(root, tree)

        found = walk(root, HIDDEN)
        ours = [row[0] for row in found.rows] + [skipped.path for skipped in found.skipped]

        assert sorted(ours) == listed_by_git(root)
        for path in {os.path.join(d, f)[len(root) + 1 :] for d, _, fs in os.walk(root) for f in fs}:
            verdict = why(root, path, HIDDEN).verdict
            assert (verdict != "ignored") == (path in ours), (path, verdict)
        below = next((row[0].split("/")[0] for row in found.rows if "/" in row[0]), None)
        if below is not None:
            inner = walk(os.path.join(root, below), HIDDEN)
            ours = [row[0] for row in inner.rows] + [skipped.path for skipped in inner.skipped]
            assert sorted(ours) == listed_by_git(os.path.join(root, below))


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@examples(1000, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_the_walk_agrees_with_git(tree: Tree) -> None:
    agrees(tree)


@pytest.mark.slow
@settings(max_examples=3_000, **COMMON)  # type: ignore[arg-type]
@given(TREES)
def test_the_walk_agrees_with_git_on_many_trees(tree: Tree) -> None:
    agrees(tree)


def scope_of(text: str) -> object:
    return no_rules().extend(parse(text.encode(), ".gitignore", GITIGNORE))


def file_rule(text: str, path: str) -> Rule | None:
    scope = no_rules().extend(parse(text.encode(), ".gitignore", GITIGNORE))
    *above, name = path.split("/")
    for directory in above:
        scope = scope.enter(directory)
    return scope.file(name)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("*.o\n", "deep/down/x.o", 1),
        ("*.o\n!keep.o\n", "keep.o", 2),
        ("/top\n", "sub/top", 0),
        ("/top\n", "top", 1),
        ("a/b\n", "x/a/b", 0),
        ("**/a/b\n", "x/y/a/b", 1),
        ("a/**/b\n", "a/b", 1),
        ("a/**/b\n", "a/x/y/b", 1),
        ("a/**\n", "a/x/y", 1),
        ("# no\n\n\\#yes\n", "#yes", 3),
        ("trail   \n", "trail", 1),
        ("trail\\ \n", "trail ", 1),
        ("crlf\r\n", "crlf", 1),
        ("\ufeffbom\n", "bom", 1),
        ("[a-c]x\n", "bx", 1),
        ("[!a-c]x\n", "bx", 0),
        ("a*b*c*d*e*f\n", "a1b2c3d4e5f", 1),
        ("only-dirs/\n", "only-dirs", 0),
    ],
)
def test_the_last_matching_line_decides_and_is_known(text: str, path: str, line: int) -> None:
    rule = file_rule(text, path)

    assert (rule.line if rule else 0) == line


def test_a_pattern_of_many_stars_does_not_explode() -> None:
    assert file_rule("*a" * 30 + "b\n", "a" * 250) is None


def test_settings_are_rules_too() -> None:
    scope = no_rules().extend(from_setting(("*.log", "!keep.log"), "exclude"))

    found = scope.file("x.log")
    kept = scope.file("keep.log")

    assert found is not None and (found.source, found.line, found.negated) == ("exclude", 1, False)
    assert kept is not None and kept.negated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[core]\n\texcludesFile = ~/mine\n", "{home}/mine"),
        ('[core]\n\texcludesfile = "/with space/x" # said\n', "/with space/x"),
        ("[user]\n\texcludesfile = /no\n", "{home}/config/git/ignore"),
        ("[core] excludesfile = /one\n[CORE]\nEXCLUDESFILE=/two\n", "/two"),
        ("[include]\n\tpath = other\n", "{home}/from-include"),
    ],
)
def test_the_users_excludes_file_is_found(text: str, expected: str) -> None:
    home = os.environ["HOME"]
    Path(home, ".gitconfig").write_text(text)
    Path(home, "other").write_text(f"[core]\n\texcludesfile = {home}/from-include\n")

    assert excludes_file(None)[0] == expected.format(home=home)


def test_global_excludes_and_info_exclude_count_and_the_nearer_wins(tmp_path: Path) -> None:
    build(str(tmp_path), (["a.glob", "b.info", "c.glob", "keep.glob"], b"", [], b"*.info\n!keep.glob\n"))
    Path(os.environ["HOME"], "config/git").mkdir(parents=True)
    Path(os.environ["HOME"], "config/git/ignore").write_text("*.glob\n")

    paths = [row[0] for row in walk(str(tmp_path)).rows]

    assert paths == ["keep.glob"]
    assert why(str(tmp_path), "b.info").source == ".git/info/exclude"
    assert why(str(tmp_path), "a.glob").source.endswith("config/git/ignore")


def test_outside_a_repository_ignore_files_count_as_well(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / ".ignore").write_text("!wanted.log\n*.tmp\n")
    for name in ("a.log", "wanted.log", "x.tmp", "y.py"):
        (tmp_path / name).touch()

    assert [row[0] for row in walk(str(tmp_path)).rows] == ["wanted.log", "y.py"]

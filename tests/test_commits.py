"""The index of commits over real repositories: what is read, what is forgotten, and what they say of files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.errors import UsageError
from spelunk.files.git_log import MAX_CHANGES, parse_log
from spelunk.history.places import Span, last_changes
from spelunk.text.dates import moment
from spelunk.types import HistoryReport
from spelunk.workspace.status import read_status

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


def git(where: Path, *arguments: str, **environment: str) -> str:
    """Run git; the test fails where git does."""
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments],
        cwd=where, env={**os.environ, **ENVIRONMENT, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


class Repository:
    """A real repository whose commits are a day apart."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.day = 0
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "-q")

    def commit(self, message: str, files: dict[str, str | None], author: str = "Ada") -> str:
        """Write files, delete those with None, commit; returns the id."""
        self.day += 1
        for path, content in files.items():
            place = self.root / path
            if content is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content)
        git(self.root, "add", "-A")
        date = f"2024-01-{self.day:02}T12:00:00Z"
        git(self.root, "commit", "-q", "--allow-empty", "-m", message, GIT_AUTHOR_DATE=date,
            GIT_COMMITTER_DATE=date, GIT_AUTHOR_NAME=author)  # fmt: skip
        return git(self.root, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo")
    made.commit("Retry requests", {"net/retry.py": "LIMIT = 3\n\ndef retry():\n    return LIMIT\n"})
    made.commit(
        "Cache answers\n\nThey never change.", {"net/cache.py": "CACHE = {}\n"}, author="Grace Hopper"
    )
    made.commit(
        "Raise the limit of attempts to five\n\nThe provider drops every third connection.",
        {
            "net/retry.py": "LIMIT = 5\n\ndef retry():\n    return LIMIT\n",
            "docs/retry.md": "# Five attempts\n",
        },
    )
    return made


def updated(root: Path, **settings: object) -> HistoryReport | None:
    with Index.open(root, **settings) as index:
        return index.update().history


def subjects(root: Path, query: str, **settings: object) -> list[str]:
    with Index.open(root, **settings) as index:
        return [hit.symbol for hit in index.search(query, kinds=["commit"]).hits]


def test_a_commit_is_found_by_the_words_of_its_body(repo: Repository) -> None:
    with Index.open(repo.root) as index:
        hit = index.search("why does the provider drop a connection", kinds=["commit"]).hits[0]

    assert hit.symbol == "Raise the limit of attempts to five" and hit.kind == "commit"
    assert hit.commit is not None and hit.path == hit.commit.id == git(repo.root, "rev-parse", "HEAD")
    assert hit.commit.body == "The provider drops every third connection."
    assert (hit.commit.author, hit.commit.date) == ("Ada", "2024-01-03T12:00:00Z")
    assert hit.commit.files == ("docs/retry.md", "net/retry.py") and hit.commit.file_count == 2


def test_a_commit_is_found_by_the_path_that_it_changed(repo: Repository) -> None:
    assert subjects(repo.root, "cache.py")[0] == "Cache answers"


def test_code_search_returns_no_commits(repo: Repository) -> None:
    with Index.open(repo.root) as index:
        index.update()
        kinds = {hit.kind for hit in index.search("limit attempts provider connection").hits}

    assert kinds and "commit" not in kinds


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("author:grace", ["Cache answers"]),
        ("-author:grace", ["Raise the limit of attempts to five", "Retry requests"]),
        ("since:2024-01-02", ["Raise the limit of attempts to five", "Cache answers"]),
        ("until:2024-01-01", ["Retry requests"]),
        ("since:2024-01-02 until:2024-01-02", ["Cache answers"]),
        ("path:docs", ["Raise the limit of attempts to five"]),
        ("path:retry.py", ["Raise the limit of attempts to five", "Retry requests"]),
        ("-path:docs path:net", ["Cache answers", "Retry requests"]),
        ("kind:commit author:nobody", []),
    ],
)
def test_filters_alone_list_the_newest_commits(repo: Repository, query: str, expected: list[str]) -> None:
    assert subjects(repo.root, query) == expected


def test_a_filter_narrows_a_query(repo: Repository) -> None:
    assert subjects(repo.root, "retry requests until:2024-01-02") == ["Retry requests"]
    assert subjects(repo.root, "retry requests author:grace") == []


def test_kind_commit_works_in_the_query(repo: Repository) -> None:
    with Index.open(repo.root) as index:
        assert [h.symbol for h in index.search("kind:commit answers").hits] == ["Cache answers"]


@pytest.mark.parametrize("query", ["x since:yesterday", "x lang:python", "x kind:function"])
def test_what_cannot_be_asked_of_commits_is_refused(repo: Repository, query: str) -> None:
    with Index.open(repo.root) as index, pytest.raises(UsageError):
        index.search(query, kinds=["commit"])


def test_several_workspaces_are_one_corpus(repo: Repository, tmp_path: Path) -> None:
    from spelunk import search_many

    other = Repository(tmp_path / "other")
    other.commit("Drop the connection pool", {"pool.py": "x = 1\n"})
    with Index.open(repo.root) as a, Index.open(other.root) as b:
        found = search_many([a, b], "connection", kinds=["commit"]).hits

    assert {hit.path.split("/")[0] for hit in found} == {"repo", "other"}
    assert {hit.symbol for hit in found} == {
        "Drop the connection pool",
        "Raise the limit of attempts to five",
    }


def test_only_new_commits_are_indexed(repo: Repository) -> None:
    first = updated(repo.root)
    again = updated(repo.root)
    repo.commit("Log each attempt", {"net/log.py": "x = 1\n"})
    third = updated(repo.root)

    assert first is not None and (first.commits, first.added) == (3, 3)
    assert again is None
    assert third is not None and (third.commits, third.added, third.removed) == (4, 1, 0)


def test_an_unmoved_head_starts_no_git(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    updated(repo.root)
    monkeypatch.setenv("PATH", str(tmp_path))  # no git there

    assert subjects(repo.root, "answers") == ["Cache answers"]


def test_a_search_reads_a_new_commit(repo: Repository) -> None:
    updated(repo.root)
    repo.commit("Log each attempt", {"net/log.py": "x = 1\n"})

    assert subjects(repo.root, "log attempt")[0] == "Log each attempt"


def test_rewritten_history_is_forgotten(repo: Repository) -> None:
    updated(repo.root)
    git(repo.root, "commit", "-q", "--amend", "-m", "Try five times")
    report = updated(repo.root)

    assert report is not None and (report.added, report.removed, report.commits) == (1, 1, 3)
    assert "Raise the limit of attempts to five" not in subjects(repo.root, "limit attempts five times")


def test_another_branch_has_its_own_history(repo: Repository) -> None:
    git(repo.root, "branch", "old", "HEAD~2")
    updated(repo.root)
    git(repo.root, "checkout", "-q", "old")

    assert subjects(repo.root, "answers limit attempts retry") == ["Retry requests"]
    git(repo.root, "checkout", "-q", "main")
    found = subjects(repo.root, "answers limit attempts retry")
    with Index.open(repo.root) as index:
        assert len(found) == 3, index.status().history


def test_updates_one_by_one_equal_one_update_of_all(repo: Repository, tmp_path: Path) -> None:
    def content(directory: Path) -> list[object]:
        with closing(sqlite3.connect(directory / "history" / "commits.sqlite")) as db:
            return [
                db.execute("SELECT id, position, author, message, files FROM commits ORDER BY id").fetchall(),
                db.execute(
                    "SELECT m.id, p.path, c.status, t.path, t.commits, t.last FROM changes c JOIN commits m USING"
                    " (number) JOIN paths p ON p.number = c.path JOIN paths t ON t.number = p.now ORDER BY 1, 2"
                ).fetchall(),
            ]

    slow, fast = tmp_path / "slow", tmp_path / "fast"
    updated(repo.root, index_dir=str(slow))
    repo.commit("Move", {"net/retry.py": None, "net/attempts.py": (repo.root / "net/retry.py").read_text()})
    updated(repo.root, index_dir=str(slow))
    git(repo.root, "checkout", "-q", "-b", "side", "HEAD~2")
    repo.commit("Side", {"net/side.py": "y = 1\n"})
    git(repo.root, "checkout", "-q", "main")
    git(repo.root, "merge", "-q", "--no-ff", "-m", "Merge branch 'side'", "side")
    updated(repo.root, index_dir=str(slow))
    updated(repo.root, index_dir=str(fast))

    assert content(slow) == content(fast)


def test_a_shallow_clone_has_the_commits_it_has_and_no_files_of_its_edge(
    repo: Repository, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{repo.root}", "shallow")
    updated(tmp_path / "shallow")
    with Index.open(tmp_path / "shallow") as index, index.commits() as history:
        assert history is not None
        known = {c.message.split("\n")[0]: c.files for c in history.commits.newest(10)}
        files = history.files(["net/retry.py", "net/cache.py"])

    assert known == {"Raise the limit of attempts to five": 2}
    assert files["net/retry.py"].commits == 1 and "net/cache.py" not in files


def test_a_shallow_clone_that_is_deepened_is_read_again(repo: Repository, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo.root}", "shallow")
    updated(tmp_path / "shallow")
    git(tmp_path / "shallow", "fetch", "-q", "--unshallow")

    assert len(subjects(tmp_path / "shallow", "answers limit attempts retry")) == 3


def test_a_linked_working_tree_has_the_history_of_its_own_head(repo: Repository, tmp_path: Path) -> None:
    git(repo.root, "worktree", "add", "-q", str(tmp_path / "linked"), "HEAD~1")

    assert sorted(subjects(tmp_path / "linked", "retry answers limit")) == ["Cache answers", "Retry requests"]


def test_a_submodule_has_its_own_history(repo: Repository, tmp_path: Path) -> None:
    outer = Repository(tmp_path / "outer")
    outer.commit("Outer", {"a.txt": "a\n"})
    git(outer.root, "submodule", "add", "-q", f"file://{repo.root}", "inner")
    outer.commit("Take the inner one in", {})

    assert len(subjects(outer.root / "inner", "answers limit attempts retry")) == 3
    with Index.open(outer.root / "inner") as index:
        assert [c.subject for c in index.history("net/cache.py").commits] == ["Cache answers"]


def test_a_folder_of_a_repository_has_the_commits_that_touch_it(repo: Repository) -> None:
    with Index.open(repo.root / "docs") as index:
        hits = index.search("retry answers limit", kinds=["commit"]).hits
        places = index.history("retry.md", 1)

    assert [h.commit.files for h in hits if h.commit] == [("retry.md",)]
    assert [c.subject for c in places.commits] == ["Raise the limit of attempts to five"]
    assert places.commits[0].files == ("retry.md",)


def test_an_unborn_head_and_no_repository_have_no_commits(tmp_path: Path) -> None:
    unborn = Repository(tmp_path / "unborn")
    (unborn.root / "a.txt").write_text("alpha\n")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_text("alpha\n")

    report = updated(unborn.root)
    assert report is not None and (report.commits, report.error) == (0, "")
    assert updated(tmp_path / "plain") is None
    for root in (unborn.root, tmp_path / "plain"):
        with Index.open(root) as index:
            assert index.search("alpha", kinds=["commit"]).hits == ()
            assert [h.path for h in index.search("alpha").hits] == ["a.txt"]
            assert index.history("a.txt").notice
    with Index.open(tmp_path / "plain") as index:
        assert "in no git repository" in (index.search("alpha", kinds=["commit"]).degraded or "")


def test_without_git_the_files_are_indexed_and_the_status_says_why(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(tmp_path))
    report = updated(repo.root)
    with Index.open(repo.root) as index:
        assert index.search("retry").hits
        status = read_status(index.root, index.directory, index.options)
        assert index.history("a.txt").notice == "git is not installed"

    assert report is not None and "git: not found" in report.error
    assert status.history is not None and "git: not found" in status.history.error
    monkeypatch.setenv("PATH", path)
    report = updated(repo.root)
    assert report is not None and (report.commits, report.error) == (3, "")


def test_the_setting_bounds_the_commits_and_turns_them_off(repo: Repository) -> None:
    bounded = updated(repo.root, history=2)
    assert bounded is not None and bounded.commits == 2
    with Index.open(repo.root, history="off") as index:
        assert index.update().history is None
        assert not os.path.exists(os.path.join(index.directory, "history"))


def test_an_index_without_commits_gets_the_newest_by_a_search_and_all_by_an_update(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spelunk.history.update.READ_IN_SEARCH", 1)
    updated(repo.root, history=0)

    assert subjects(repo.root, "retry answers limit") == ["Raise the limit of attempts to five"]
    with Index.open(repo.root) as index:
        status = index.status()
        assert status.history is not None and (status.history.commits, status.history.left) == (1, 2)
    report = updated(repo.root)
    assert report is not None and (report.added, report.left) == (2, 0)


def test_a_hostile_configuration_starts_nothing(repo: Repository, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    program = tmp_path / "evil"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {trace}\ncat\n')
    program.chmod(0o755)
    (repo.root / ".gitattributes").write_text("* diff=evil filter=evil\n")
    for key in ("core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean",
                "filter.evil.smudge", "gpg.program", "core.pager", "core.sshCommand"):  # fmt: skip
        git(repo.root, "config", key, str(program))
    git(repo.root, "config", "core.hooksPath", str(tmp_path))
    git(repo.root, "config", "log.showSignature", "true")
    with Index.open(repo.root) as index:
        assert index.search("answers", kinds=["commit"]).hits
        assert index.history("net/retry.py").commits and index.history("net/retry.py", 1, 3).commits
        assert index.search("retry", changes=True).hits[0].changed is not None

    assert not trace.exists()


def test_variables_of_git_do_not_lead_to_another_repository(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other")
    other.commit("Elsewhere", {"b.txt": "b\n"})
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))

    with Index.open(repo.root) as index:
        assert [h.symbol for h in index.search("answers elsewhere", kinds=["commit"]).hits] == [
            "Cache answers"
        ]


def test_a_repository_that_git_refuses_does_not_fail_the_update(repo: Repository) -> None:
    (repo.root / ".git" / "config").write_text("[core\nbroken")
    with Index.open(repo.root) as index:
        report = index.update()

        assert report.files.failed == 0 and report.history is not None and "git" in report.history.error
        assert index.search("retry").hits


def test_a_damaged_index_of_commits_is_built_again(repo: Repository) -> None:
    updated(repo.root)
    with Index.open(repo.root) as index:
        place = Path(index.directory, "history", "commits.sqlite")
        for suffix in ("-wal", "-shm"):
            Path(f"{place}{suffix}").unlink(missing_ok=True)
        place.write_bytes(b"no database" * 1000)
        assert index.search("retry").hits  # the files are not concerned
        assert not index.check().ok or subjects(repo.root, "answers")
        index.check(repair=True)
        index.update()

    assert subjects(repo.root, "answers") == ["Cache answers"]


def test_clear_deletes_the_commits_too(repo: Repository) -> None:
    with Index.open(repo.root) as index:
        index.update()
        assert os.path.exists(os.path.join(index.directory, "history"))
        index.clear()
        assert not os.path.exists(index.directory)


def test_a_commit_of_many_files_is_bounded(repo: Repository) -> None:
    repo.commit("Import everything", {f"many/{n}.txt": f"{n}\n" for n in range(MAX_CHANGES + 50)})
    with Index.open(repo.root) as index:
        hit = index.search("import everything", kinds=["commit"]).hits[0]

    assert hit.commit is not None
    assert (len(hit.commit.files), hit.commit.file_count) == (MAX_CHANGES, MAX_CHANGES + 50)


def test_what_commits_say_of_files_follows_renames(repo: Repository) -> None:
    repo.commit("Move", {"net/retry.py": None, "net/attempts.py": (repo.root / "net/retry.py").read_text()})
    repo.commit("Both", {"net/attempts.py": "LIMIT = 7\n", "docs/retry.md": "# Seven\n"})
    updated(repo.root)
    with Index.open(repo.root) as index, index.commits() as history:
        assert history is not None
        files = history.files(["net/attempts.py", "net/retry.py", "docs/retry.md", "net/cache.py"])
        together = history.together(["net/attempts.py"])["net/attempts.py"]
        match = history.matches({"attempts": 1.0, "five": 1.0}, 1)[0]
        companions = history.companions(["net/attempts.py", "net/cache.py", "net/gone.py"])

    assert companions == {"docs/retry.md": pytest.approx(2.0 / (4 + 3))}
    assert {path: (f.commits, f.last) for path, f in files.items()} == {
        "net/attempts.py": (4, 0), "docs/retry.md": (2, 0), "net/cache.py": (1, 3)}  # fmt: skip
    assert list(together) == ["docs/retry.md"] and together["docs/retry.md"] == pytest.approx(2.0)
    assert match.paths == ("docs/retry.md", "net/attempts.py") and match.position == 2


def test_a_path_that_is_used_again_is_another_file(repo: Repository) -> None:
    repo.commit("Move", {"net/retry.py": None, "net/attempts.py": (repo.root / "net/retry.py").read_text()})
    repo.commit("New", {"net/retry.py": "entirely = 'another file'\n"})
    updated(repo.root)
    with Index.open(repo.root) as index, index.commits() as history:
        assert history is not None
        assert set(history.files(["net/attempts.py", "net/retry.py"])) == {"net/attempts.py", "net/retry.py"}


def test_odd_messages_and_paths_are_read(repo: Repository) -> None:
    (repo.root / "a\nb.txt").write_text("x\n")
    os.close(os.open(os.fsencode(repo.root) + b"/odd\xff.txt", os.O_CREAT | os.O_WRONLY))
    repo.commit("Über\x01 — \u202e odd\n\n\x1b[31mred\n\nM\nA\n", {"ü ä.txt": "1\n"})
    with Index.open(repo.root) as index:
        hit = index.search("über odd", kinds=["commit"]).hits[0]

    assert hit.commit is not None and set(hit.commit.files) == {"a\nb.txt", "odd\udcff.txt", "ü ä.txt"}


def test_a_log_without_commits_is_empty() -> None:
    assert list(parse_log(b"")) == [] and list(parse_log(b"\0\n\0")) == []


# --- places -----------------------------------------------------------------------------------


def test_the_history_of_a_file_follows_renames(repo: Repository) -> None:
    repo.commit("Move", {"net/retry.py": None, "net/attempts.py": (repo.root / "net/retry.py").read_text()})
    with Index.open(repo.root) as index:
        told = index.history("net/attempts.py")

    assert [c.subject for c in told.commits] == [
        "Move",
        "Raise the limit of attempts to five",
        "Retry requests",
    ]
    assert told.notice == ""


def test_the_history_of_a_line_is_that_of_the_line(repo: Repository) -> None:
    with Index.open(repo.root) as index:
        assert len(index.history("net/retry.py", 1).commits) == 2
        assert [c.subject for c in index.history("net/retry.py", 3).commits] == ["Retry requests"]


def test_lines_are_those_of_the_file_as_it_is_now(repo: Repository) -> None:
    (repo.root / "net/retry.py").write_text("# new\n# new\nLIMIT = 5\n\ndef retry():\n    return LIMIT\n")
    with Index.open(repo.root) as index:
        assert len(index.history("net/retry.py", 3).commits) == 2
        assert index.history("net/retry.py", 1).notice == "these lines are not committed yet"
        assert index.history("net/retry.py", 2, 3).notice == "some of these lines are not committed yet"
        with pytest.raises(UsageError, match="6 lines"):
            index.history("net/retry.py", 7)


def test_a_deleted_file_and_a_folder_have_a_history(repo: Repository) -> None:
    repo.commit("Drop the cache", {"net/cache.py": None})
    with Index.open(repo.root) as index:
        assert [c.subject for c in index.history("net/cache.py").commits] == [
            "Drop the cache",
            "Cache answers",
        ]
        assert len(index.history("net").commits) == 4
        assert index.history("nothing.py").notice == "no commit has changed it"


def test_branchwork_documents_about_a_place_are_named(repo: Repository) -> None:
    folder = repo.root / ".agents/logs/branchwork"
    folder.mkdir(parents=True)
    head = "---\nslug: branchwork-{0}\nstatus: approved\nbranch:\n  name: {0}\n---\n# {0}\n\n"
    entry = "### 2024-01-03 12:00 UTC: [@ada] Five attempts\n\n- `retry.py` - three were too few\n"
    (folder / "CURRENT-fix.md").write_text(head.format("fix") + entry)
    (folder / "CURRENT-side.md").write_text(head.format("side") + "Nothing of it\n")
    git(repo.root, "checkout", "-q", "-b", "side")
    repo.commit("Side", {"net/retry.py": "LIMIT = 6\n"})
    git(repo.root, "checkout", "-q", "main")
    git(repo.root, "merge", "-q", "--no-ff", "-m", "Merge branch 'side'", "side")
    with Index.open(repo.root) as index:
        named = index.history("net/retry.py").worklogs
        merged = index.history(".").worklogs

    assert [(n.branch, n.status, n.text) for n in named] == [
        ("fix", "approved", "- `retry.py` - three were too few"),
        ("side", "approved", ""),
    ]
    assert named[0].heading.endswith("Five attempts") and named[0].line == 11
    assert [n.branch for n in merged if not n.text] == ["side"]


def test_hits_carry_the_last_change_of_their_lines(repo: Repository) -> None:
    with Index.open(repo.root) as index:
        by_path = {h.path: h for h in index.search("retry cache limit", changes=True).hits}
        assert all(h.changed is None for h in index.search("retry cache limit").hits)

    changed = by_path["net/cache.py"].changed
    assert changed is not None and (changed.subject, changed.author) == ("Cache answers", "Grace Hopper")
    assert by_path["net/retry.py"].changed is not None
    assert by_path["net/retry.py"].changed.subject == "Raise the limit of attempts to five"


def test_reformats_that_a_repository_names_are_passed_over(repo: Repository) -> None:
    reformat = repo.commit("Reformat", {"net/cache.py": "CACHE  =  {}\n"})
    span = Span("net/cache.py", 1, 1)
    assert last_changes(str(repo.root), [span])[span].subject == "Reformat"
    (repo.root / ".git-blame-ignore-revs").write_text(f"# style\n{reformat}\n{'0' * 40}\n")

    assert last_changes(str(repo.root), [span])[span].subject == "Cache answers"


def test_a_workspace_that_vanished_from_its_repository_loses_its_commits(repo: Repository) -> None:
    updated(repo.root)
    shutil.rmtree(repo.root / ".git")
    with Index.open(repo.root) as index:
        index.search("retry")
        assert not os.path.exists(os.path.join(index.directory, "history"))


# --- dates ------------------------------------------------------------------------------------


def test_dates_are_read_in_utc() -> None:
    day = 86_400
    assert moment("1970", 0) == 0 and moment("1970-01-02", 0) == day
    assert moment("1970", 0, end=True) == 365 * day and moment("1970-02", 0, end=True) == 59 * day
    assert moment("1970-12-31", 0, end=True) == 365 * day and moment("1970-12", 0, end=True) == 365 * day
    assert moment("1970-01-01T01:00", 0, end=True) == 3600
    assert moment("2 weeks ago", 30 * day) == 16 * day and moment("3d", 30 * day) == 27 * day


@pytest.mark.parametrize("text", ["", "soon", "2024-13", "2024-02-30", "99999", "-1", "2024-1-1-1"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="date"):
        moment(text, 0)

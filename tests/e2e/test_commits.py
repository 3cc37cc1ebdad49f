"""Commits by the real command: search, history, changes, status."""

from __future__ import annotations

import json
import re

import pytest

from tests.test_commits import Repository


@pytest.fixture
def repository(tree):
    made = Repository(tree)
    made.commit("Queue batches", {})
    made.commit(
        "Flush batches twice\n\nThe disk loses the first write.",
        {"src/queue.py": (tree / "src/queue.py").read_text() + "        self.disk.write(batch)\n"},
        author="Grace",
    )
    return made


def test_commits_are_searched(cli, repository):
    text = cli.ok("search", "--kind", "commit", "why is a batch flushed twice", "-k", "1")
    found = cli.json("search", "kind:commit author:grace")["hits"]

    assert re.match(r"[0-9a-f]{10}  2024-01-02  Grace  Flush batches twice  ", text)
    assert "  files: src/queue.py\n" in text and "The disk loses the first write." in text
    assert [hit["commit"]["subject"] for hit in found] == ["Flush batches twice"]
    assert found[0]["path"] == found[0]["commit"]["id"] and found[0]["commit"]["files"] == ["src/queue.py"]
    assert "Flush batches twice" in cli.ok("search", "--kind", "commit", "flush", "--markdown")


def test_a_bad_date_is_refused_in_one_line(cli, repository):
    cli.ok("index")

    assert "no date" in cli.refused("search", "--kind", "commit", "flush since:soon")


def test_the_history_of_a_place_is_told(cli, repository):
    text = cli.ok("history", "src/queue.py:7")
    told = cli.json("history", "src/queue.py:1-2", "-k", "5")

    assert "Grace  Flush batches twice\n    The disk loses the first write.\n" in text
    assert (told["path"], told["start_line"], told["end_line"]) == ("src/queue.py", 1, 2)
    assert [c["subject"] for c in told["commits"]] == ["Queue batches"]
    assert "lines from 1" in cli.refused("history", "src/queue.py:0")
    assert "the file has 7 lines" in cli.refused("history", "src/queue.py:99")
    assert cli("history", "src/none.py").returncode == 1


def test_hits_carry_their_last_change(cli, repository):
    text = cli.ok("search", "flush a batch to disk", "--changes", "-k", "1")
    hit = cli.json("search", "flush a batch to disk", "--changes", "-k", "1")["hits"][0]

    assert "  last changed by Grace on 2024-01-02 (" in text
    assert hit["changed"]["subject"] == "Flush batches twice" and "commit" not in hit


def test_reports_and_status_count_the_commits(cli, repository):
    report = json.loads(cli.ok("index", "--json"))

    assert (report["history"]["added"], report["history"]["error"]) == (2, None)
    assert cli.json("index")["history"] is None
    assert cli.json("status")["history"] == {"commits": 2, "left": 0, "error": None}
    assert "history      2 commits" in cli.ok("status")

"""What the real command says of copies, missing words and empty answers."""

import json

import pytest

PAGE = (
    "# Otters\n\n"
    + "".join(f"The otter number {n} holds the hand of otter {n + 1}. " for n in range(12))
    + "\n"
)


@pytest.fixture
def pages(tree):
    for folder in ("docs", "docs/versions/v1.0", "docs/versions/v2.0"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        (tree / folder / "otters.md").write_text(PAGE)
    return tree


def test_copies_are_one_hit_and_all_are_hits_on_request(cli, pages):
    shown = cli.ok("search", "otters")
    found = cli.json("search", "otters")["hits"]

    assert shown.startswith("docs/otters.md:1-3") or "\ndocs/otters.md:1-3" in shown
    assert (
        "  +2 copies: docs/versions/v2.0/otters.md:1-3, docs/versions/v1.0/otters.md:1-3"
        in shown.splitlines()
    )
    copies = [hit["copies"] for hit in found if hit["path"] == "docs/otters.md"]
    assert copies == [
        [{"path": f"docs/versions/v{n}.0/otters.md", "start_line": 1, "end_line": 3} for n in (2, 1)]
    ]
    every = cli.json("search", "otters", "--copies")["hits"]
    assert len({hit["path"] for hit in every}) == len(found) + 2
    assert not any("copies" in hit for hit in every)
    assert len(cli.ok("search", "-m", "regex", "otter number 3", "--jsonl").splitlines()) == 3


def test_a_misspelt_word_is_named_with_the_nearest_one(cli, pages):
    done = cli("search", "oter number")

    assert done.returncode == 0
    assert "spelunk: not found: `oter` (did you mean `otter`?)" in done.stderr.splitlines()
    assert cli.json("search", "oter number")["missing"] == [
        {"word": "oter", "nearest": "otter", "parts": False}
    ]
    assert cli("search", "oter number", "-q").stderr == ""


def test_an_empty_answer_says_why_and_what_was_searched(cli, pages):
    done = cli("search", "otters", "--kind", "zzz", "--json")

    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["hits"] == [] and found["confident"] is False
    assert found["notes"][0].startswith("no chunk passes `kind:zzz`; there are ")
    assert found["index"]["files"] == cli.json("status")["files"]
    lines = done.stderr.splitlines()
    assert f"spelunk: {found['notes'][0]}" in lines
    assert lines[-1].startswith(f"spelunk: nothing found in {found['index']['files']} files (")


def test_hits_far_from_the_query_are_said_to_be(cli, pages):
    done = cli("search", "sonata violin orchestra tulip number")

    assert "spelunk: no confident hit: the best ones share little with the query" in done.stderr.splitlines()
    assert cli.json("search", "which otter holds the hand")["confident"] is True

"""A first search of a large tree with the real command: it answers early, and the index is completed behind it."""

import json
import time

import pytest

from tests.corpus import write_large_tree

FILES = 1_100
"""Above what is indexed whole."""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return write_large_tree(tmp_path_factory.mktemp("large"), FILES, functions=130)


def status(cli, root):
    return cli.json("status", root)


def wait_until_current(cli, root):
    until = time.monotonic() + 300
    while time.monotonic() < until:
        seen = status(cli, root)
        if seen["state"] == "current" and seen["writer"] is None and seen["background"] is None:
            return seen
        time.sleep(0.2)
    raise AssertionError(status(cli, root))


def test_the_first_search_answers_early_and_the_index_is_completed(cli, large):
    done = cli("search", "where is an otter admitted to the pool", large, "--json")

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["hits"][0]["path"] == "part7/otter_pool.py"
    assert 0 < answer["index"]["coverage"] < 1
    assert "indexing goes on in the background" in done.stderr

    seen = wait_until_current(cli, large)

    assert seen["files"] == FILES + 1
    again = cli.json("search", "where is an otter admitted to the pool", large)
    assert again["index"]["coverage"] == 1
    assert again["hits"][0]["path"] == "part7/otter_pool.py"


def test_wait_builds_the_whole_index_first(cli, large):
    answer = cli.json("search", "otter", large, "--wait")

    assert answer["index"]["coverage"] == 1
    assert status(cli, large)["state"] == "current"


def test_a_search_waits_where_the_setting_says_so(cli, large):
    answer = cli.json("search", "otter", large, env={"SPELUNK_FIRST_ANSWER": "wait"})

    assert answer["index"]["coverage"] == 1

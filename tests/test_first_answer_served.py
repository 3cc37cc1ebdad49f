"""First answers of the servers: a tree that was never indexed is answered from a part, and completed behind it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from spelunk.adapters.indexes import OpenIndexes
from spelunk.adapters.scope import Scope
from spelunk.adapters.tools import Tools
from spelunk.pipeline.child import UpdateProcesses
from tests.corpus import write_large_tree
from tests.http_process import GENEROUS, serving, wait_for

FILES = 1_100
"""Above what is indexed whole."""
QUERY = "where is an otter admitted to the pool"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large_tree(tmp_path_factory.mktemp("large"), FILES, functions=190)


def test_the_first_search_over_http_is_answered_from_a_part_and_the_rest_follows(
    large: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "home", str(large), "--rate", "0") as server:
        first = server.search(QUERY)
        assert first["hits"][0]["path"] == "part7/otter_pool.py"
        assert 0 < first["index"]["coverage"] < 1 and first["index"]["stale"]
        assert any("indexed so far" in notice for notice in first["notices"])

        def again() -> object:
            answer = server.search(QUERY)
            assert answer["hits"][0]["path"] == "part7/otter_pool.py"
            return answer["index"]["coverage"] == 1 and not answer["index"]["stale"]

        wait_for(again, 4 * GENEROUS)
        # The last generation is seen a moment before its update has ended.
        status = wait_for(lambda: (s := server.get("/api/status").json["indexes"][0])["last_update"] and s)
        assert status["files"] == FILES + 1 and status["last_update"]["outcome"] == "done"


def test_a_search_over_http_waits_where_the_setting_says_so(large: Path, tmp_path: Path) -> None:
    with serving(
        tmp_path / "home", str(large), "--rate", "0", env={"SPELUNK_FIRST_ANSWER": "wait"}
    ) as server:
        reply = server.get("/api/search", q=QUERY, wait=0)
        assert reply.status == 503 and reply.code == "indexing"
        wait_for(lambda: server.get("/api/search", q=QUERY, wait=60).status == 200, 4 * GENEROUS)
        wait_for(lambda: server.search(QUERY)["index"]["coverage"] == 1, 4 * GENEROUS)


def test_a_server_that_ends_meanwhile_goes_on_from_there(large: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(home, str(large), "--rate", "0") as server:
        assert server.search(QUERY)["index"]["coverage"] < 1
        server.process.kill()
        server.process.wait()
    with serving(home, str(large), "--rate", "0") as server:
        assert server.search(QUERY)["hits"]
        wait_for(lambda: server.search(QUERY)["index"]["coverage"] == 1, 4 * GENEROUS)


def test_the_first_search_of_an_agent_is_completed_by_its_server(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPELUNK_HOME", str(tmp_path / "home"))
    processes = UpdateProcesses()
    indexes = OpenIndexes(updater=processes.update)
    try:
        scope = Scope(str(large), (str(large),))
        answer = Tools(indexes).call("search", {"query": QUERY}, scope)
        assert answer.values["hits"][0]["path"] == "part7/otter_pool.py"
        assert 0 < answer.values["index"]["coverage"] < 1
        assert "indexed so far" in answer.text
        index = next(iter(indexes._open.values()))[0]
        until = time.monotonic() + 4 * GENEROUS
        while index.status(look=False).files < FILES + 1:  # without another call
            assert time.monotonic() < until
            time.sleep(0.2)
        wait_for(lambda: index.status().state == "current")
    finally:
        indexes.close()
        processes.close()
        shutil.rmtree(tmp_path / "home", ignore_errors=True)

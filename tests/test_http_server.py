"""The HTTP server as a process of its own: answers, errors, limits, freshness and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.forked import forks
from tests.http_process import GENEROUS, ServerProcess, environment, serving, wait_for

FILES = {
    "src/writer.py": "import os\n\n\nclass Writer:\n    def flush_batches(self, now: int) -> None:\n"
    '        """Flush all batches."""\n        for batch in self.batches:\n            batch.flush(now)\n',
    "src/reader.py": "def read_batches(path):\n    return open(path).read()\n",
    "tests/test_writer.py": "def test_flush():\n    assert Writer().flush_batches(1) is None\n",
    "docs/guide.md": "# Guide\n\nHow batches are flushed: `flush_batches` <b>does</b> it & more.\n",
    "app.ts": "export function flushAll(a: string): void { console.log(`${a}`); }\n",
}
SECRET = "TOP-SECRET-OUTSIDE"
TOKEN = "0123456789abcdef0123456789abcdef"


def make_tree(root: Path) -> Path:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def project(base: Path) -> Path:
    root = make_tree(base / "project")
    (base / "secret.txt").write_text(SECRET)
    (root / "link.txt").symlink_to(base / "secret.txt")
    return root


@pytest.fixture(scope="module")
def server(base: Path, project: Path) -> Iterator[ServerProcess]:
    with serving(base / "home", str(project), "--rate", "0", "--connections", "50") as made:
        made.search("flush")
        yield made


# Answers


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "semantic", "symbol", "regex"])
def test_command_line_python_http_and_mcp_give_the_same_answer(
    server: ServerProcess, base: Path, project: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"symbol": "flush_batches", "regex": "flush_\\w+"}.get(mode, "where are batches flushed")
    home = base / "home"
    monkeypatch.setenv("SPELUNK_HOME", str(home))
    over_http = server.search(query, mode=mode, limit=20, related=2)["hits"]

    flags = ["-m", mode, "-k", "20", "--related", "2", "--json"]
    env = environment(home)
    printed = forks(env).run(["search", query, str(project), *flags], str(base), env)
    by_command = json.loads(printed.stdout)["hits"]
    from spelunk import Index
    from spelunk.present.objects import to_json

    with Index.open(project) as index:
        by_python = to_json(index.search(query, mode=mode, limit=20, related=2))["hits"]
    from spelunk.adapters.indexes import OpenIndexes
    from spelunk.adapters.scope import Scope
    from spelunk.adapters.tools import Tools

    indexes = OpenIndexes()
    arguments = {"query": query, "mode": mode, "limit": 20, "related": 2, "max_tokens": 25_000}
    by_mcp = Tools(indexes).call("search", arguments, Scope(str(project), (str(project),))).values["hits"]
    indexes.close()

    assert over_http and any(hit["related"]["callers"] for hit in over_http)
    assert [{k: hit[k] for k in by_command[0]} for hit in over_http] == by_command == by_python == by_mcp


SYMBOL_QUESTIONS = {
    "callers": ["callers", "flush_batches"],
    "references": ["refs", "flush_batches"],
    "callees": ["callees", "Writer.flush_batches"],
    "definition": ["def", "Writer"],
    "implementations": ["impl", "Writer"],
}


@pytest.mark.parametrize("question", SYMBOL_QUESTIONS)
def test_command_line_python_http_and_mcp_say_the_same_of_a_symbol(
    server: ServerProcess, base: Path, project: Path, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, symbol = SYMBOL_QUESTIONS[question]
    monkeypatch.setenv("SPELUNK_HOME", str(base / "home"))
    from spelunk import Index
    from spelunk.adapters.indexes import OpenIndexes
    from spelunk.adapters.scope import Scope
    from spelunk.adapters.tools import Tools
    from spelunk.present.graph import graph_object

    over_http = server.get("/api/symbol", question=question, symbol=symbol, limit=30).json
    env = environment(base / "home")
    printed = forks(env).run([command, symbol, str(project), "-k", "30", "--json"], str(base), env)
    with Index.open(project) as index:
        by_python = graph_object(getattr(index, question)(symbol, limit=30))
    indexes = OpenIndexes()
    arguments = {"question": question, "symbol": symbol, "limit": 30, "max_tokens": 25_000}
    by_mcp = Tools(indexes).call("symbol", arguments, Scope(str(project), (str(project),))).values
    indexes.close()

    keys = ("question", "asked", "index", "targets", "edges", "total", "left_out")
    answers = [
        {k: found[k] for k in keys} for found in (over_http, json.loads(printed.stdout), by_python, by_mcp)
    ]
    assert answers[0]["targets"] and (answers[0]["edges"] or question == "implementations")
    assert answers[0] == answers[1] == answers[2] == answers[3]


def test_the_impact_of_a_change_and_the_repository_on_a_page(server: ServerProcess) -> None:
    impact = server.get("/api/impact", changed="src/writer.py").json
    assert [edge["path"] for edge in impact["tests"]] == ["tests/test_writer.py"]
    assert impact["repo"] == "project"
    found = server.get("/api/repo-map").json
    assert found["files"] == 3 and {p["path"] for p in found["packages"]} >= {"src"}
    path = server.get("/api/symbol", symbol="test_flush", question="path", to="flush_batches").json
    assert (path["question"], path["edges"][0]["symbol"]["name"]) == ("route", "flush_batches")
    missing = server.get("/api/symbol", symbol="flush_batchs").json
    assert missing["targets"] == missing["edges"] == [] and "flush_batches" in missing["nearest"]


def test_symbols_of_several_workspaces_and_of_a_part(base: Path, project: Path) -> None:
    other = make_tree(base / "symbols")
    (other / "only.py").write_text("def zebra():\n    pass\n\n\ndef ride():\n    zebra()\n")
    with serving(base / "home5", str(project / "src"), str(other)) as two:
        two.search("flush")
        answer = two.get("/api/symbol", symbol="zebra", question="callers").json
        assert (answer["repo"], answer["edges"][0]["path"]) == ("symbols", "symbols/only.py")
        assert two.get("/api/symbol", symbol="symbols/only.py:1").json["targets"][0]["name"] == "zebra"
        to = two.get("/api/symbol", symbol="ride", question="path", to="symbols/only.py:1").json
        assert to["edges"][0]["symbol"]["path"] == "symbols/only.py"
        reply = two.get("/api/symbol", symbol="flush_batches")
        assert reply.code == "bad_request" and "src, symbols" in reply.json["error"]["message"]
        part = two.get("/api/symbol", symbol="flush_batches", question="callers", repo="src").json
        assert {symbol["path"] for symbol in part["targets"]} == {"src/writer.py"} and not part["edges"]
        assert (
            two.get("/api/impact", changed="symbols/only.py").json["targets"][0]["path"] == "symbols/only.py"
        )
        assert two.get("/api/impact", changed="symbols/src").json["tests"]
        for path in ("/api/repo-map", "/api/impact?diff=HEAD"):
            assert "repo" in two.get(path).json["error"]["hint"]
        assert two.get("/api/repo-map", repo="symbols").json["packages"][0]["path"].startswith("symbols")


def test_a_changed_file_is_in_no_answer_about_symbols(base: Path) -> None:
    root = make_tree(base / "stormy")
    with serving(base / "home6", str(root)) as server:
        edges = server.get("/api/symbol", symbol="flush_batches", question="callers", wait=60).json["edges"]
        assert [edge["path"] for edge in edges] == ["tests/test_writer.py"]
        (root / "tests/test_writer.py").write_text("\n\ndef test_flush():\n    Writer().flush_batches(1)\n")
        answer = server.get("/api/symbol", symbol="flush_batches", question="callers", wait=60).json
        assert [edge["line"] for edge in answer["edges"]] == [4] and not answer["index"]["stale"]


def test_get_and_post_give_the_same_answer(server: ServerProcess) -> None:
    body = {"q": "flush", "lang": ["python"], "limit": 3, "facets": True, "highlight": True}
    posted = server.request("/api/search", method="POST", body=body).json
    got = server.get("/api/search", q="flush", lang="python", limit=3, facets=1, highlight=1).json

    assert posted.pop("took_ms") >= 0 and got.pop("took_ms") >= 0
    assert posted == got
    assert {hit["language"] for hit in got["hits"]} == {"python"}


def test_a_hit_has_its_place_its_lines_and_its_marks(server: ServerProcess) -> None:
    hit = server.search("flush_batches", mode="symbol", highlight=1)["hits"][0]

    assert (hit["file"], hit["symbol"], hit["scope"], hit["kind"]) == (
        "src/writer.py",
        "flush_batches",
        "Writer",
        "method",
    )
    line = next(row for row in hit["lines"] if "def flush_batches" in row["text"])
    source = (FILES["src/writer.py"]).split("\n")
    assert line["text"] == source[line["n"] - 1]
    assert [line["text"][a:b] for a, b in line["marks"]] == ["flush_batches"]
    assert '<span class="k">def</span>' in line["html"] and 'class="d m">flush_batches<' in line["html"]


def test_facets_count_the_candidates(server: ServerProcess) -> None:
    facets = server.search("flush_batches", facets=1)["facets"]

    assert facets["complete"]
    assert {row["value"] for row in facets["language"]} >= {"python", "markdown"}
    assert {row["value"]: row["files"] for row in facets["flag"]}["test"] == 1
    assert {row["value"] for row in facets["folder"]} >= {"src/", "tests/", "docs/"}
    assert sum(row["hits"] for row in facets["language"]) == facets["hits"]


def test_facets_change_no_answer(server: ServerProcess) -> None:
    assert server.search("flush", facets=1)["hits"] == server.search("flush")["hits"]


def test_html_is_escaped_and_holds_nothing_but_spans(server: ServerProcess) -> None:
    values = server.get("/api/file", path="docs/guide.md", highlight=1, q="batches").json

    text = "".join(values["html"])
    assert "&lt;b&gt;does&lt;/b&gt;" in text and "&amp; more" in text
    assert text.replace("</span>", "").count("<") == text.count('<span class="')
    assert values["marked"] == [3]


def test_of_a_single_name_the_name_alone_is_marked() -> None:
    from spelunk.adapters.http.views import _matched_in
    from spelunk.present.snippet import finder

    text = "def flush_batches():\n    flush()\n    batches = 1\n"
    whole, parts = (finder(_matched_in(t, "flush_batches", "hybrid")) for t in (text, "flush()\n"))

    assert [len(whole.spans(line)) for line in text.splitlines()] == [1, 0, 0]
    assert len(parts.spans("flush()")) == 1


def test_a_file_is_given_in_ranges(server: ServerProcess) -> None:
    whole = server.get("/api/file", path="src/writer.py").json
    part = server.get("/api/file", path="src/writer.py", start=4, end=5).json

    lines = FILES["src/writer.py"].rstrip("\n").split("\n")
    assert whole["text"] == lines and whole["lines"] == len(lines) and whole["next_line"] is None
    assert part["text"] == lines[3:5] and (part["start_line"], part["end_line"], part["next_line"]) == (
        4,
        5,
        None,
    )
    beyond = server.get("/api/file", path="src/writer.py", start=1000).json
    assert beyond["text"] == [] and beyond["next_line"] is None


def test_the_outline_and_what_is_related(server: ServerProcess) -> None:
    outline = server.get("/api/outline", path="src/writer.py").json["definitions"]
    related = server.get("/api/related", path="src/writer.py", line=5).json

    assert [(d["name"], d["depth"]) for d in outline] == [("Writer", 0), ("flush_batches", 1)]
    assert related["hits"] and all(hit["file"] for hit in related["hits"])


def test_the_map_sums_up_files_and_matches(server: ServerProcess) -> None:
    values = server.get("/api/map", q="flush_batches", depth=2).json

    tree = values["tree"]
    assert tree["files"] == len(FILES)
    assert tree["bytes"] == sum(child["bytes"] for child in tree["children"])
    assert tree["matches"] == values["candidates"] == sum(child["matches"] for child in tree["children"])
    source = next(child for child in tree["children"] if child["name"] == "src")
    assert {child["path"] for child in source["children"]} == {"src/writer.py", "src/reader.py"}
    few = server.get("/api/map", nodes=3).json["tree"]
    assert few["rest"]["files"] + sum(child["files"] for child in few["children"]) == len(FILES)


def test_the_state_of_the_server(server: ServerProcess, project: Path) -> None:
    def current() -> Any:
        server.search("flush", freshness="strict")
        values = server.get("/api/status", look=1).json
        return values["indexes"][0]["state"] == "current" and values

    values = wait_for(current)
    (index,) = values["indexes"]
    assert (index["repo"], index["root"]) == ("project", str(project))
    assert index["files"] == len(FILES) and index["coverage"] == 1.0
    assert values["memory"]["total"] >= values["memory"]["server"] > 0
    metrics = server.get("/metrics").body.decode()
    assert "spelunk_search_seconds_count" in metrics and "spelunk_index_runs_total" in metrics
    assert server.get("/healthz").json == {"status": "ok"} and server.get("/readyz").status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_a_served_workspace_is_watched(base: Path) -> None:
    root = make_tree(base / "watched")
    with serving(base / "home9", str(root), "--rate", "0") as server:
        server.search("flush")

        def state() -> dict[str, Any]:
            (index,) = server.get("/api/status").json["indexes"]
            return dict(index)

        wait_for(lambda: (server.search("flush"), state()["watched"])[1])
        before = wait_for(lambda: (s := state()) and s["update"] is None and s)["generation"]
        (root / "src" / "writer.py").write_text("def flush_nothing_at_all(): pass\n")
        wait_for(lambda: state()["generation"] > before)  # no search asked for it
        for n in range(5):
            (root / "app.ts").write_text(f"export function flushNumber{n}(): void {{}}\n")
            answer = server.search(f"flushNumber{n}", mode="symbol")
            assert [hit["symbol"] for hit in answer["hits"]] == [f"flushNumber{n}"], answer["index"]
    with serving(base / "home9", str(root), "--rate", "0", "--no-watch") as server:
        server.search("flush")
        server.search("flush")
        assert server.get("/api/status").json["indexes"][0]["watched"] is False


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_clients_that_never_ask_for_a_comparison_see_changes_too(base: Path) -> None:
    root = make_tree(base / "relaxed")
    with serving(base / "home11", str(root), "--rate", "0") as server:
        server.search("flush")
    with serving(base / "home11", str(root), "--rate", "0") as server:
        server.search("flush", freshness="relaxed")
        assert server.get("/api/status").json["indexes"][0]["watched"]
        (root / "src" / "later.py").write_text("def found_by_the_watcher():\n    pass\n")
        wait_for(lambda: server.search("found_by_the_watcher", mode="symbol", freshness="relaxed")["hits"])


def test_an_update_is_started_and_followed(server: ServerProcess) -> None:
    reply = server.request("/api/index", method="POST", body={}, headers={"Accept": "text/event-stream"})

    events = [
        (
            block.split("\n")[0].removeprefix("event: "),
            json.loads(block.split("\n")[1].removeprefix("data: ")),
        )
        for block in reply.body.decode().split("\n\n")
        if block.startswith("event")
    ]
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert events[0][0] == "state" and events[0][1]["state"] == "running"
    assert events[-1][0] == "done" and events[-1][1]["report"]["files"]["seen"] >= len(FILES)
    # an update of the watcher's may have begun meanwhile, and ends
    wait_for(lambda: server.get("/api/index").json["updates"][0]["outcome"] == "done")


def test_several_workspaces_are_one_corpus(base: Path, project: Path) -> None:
    other = make_tree(base / "other")
    (other / "only.py").write_text("def zebra_crossing():\n    pass\n")
    with serving(base / "home2", str(project), str(other)) as two:
        hits = two.search("flush_batches", limit=50)["hits"]
        assert {hit["repo"] for hit in hits} == {"project", "other"}
        assert all(hit["path"] == f"{hit['repo']}/{hit['file']}" for hit in hits)
        (hit,) = two.search("zebra_crossing", repo="other", mode="symbol")["hits"]
        assert hit["path"] == "other/only.py"
        assert two.get("/api/file", path="other/only.py").json["repo"] == "other"
        assert two.get("/api/file", path="only.py", repo="other").json["path"] == "other/only.py"
        assert two.get("/api/file", path="only.py").code == "not_indexed"
        assert two.get("/api/search", q="x", repo="nowhere").code == "unknown_repo"
        tree = two.get("/api/map").json["tree"]
        assert {child["path"] for child in tree["children"]} == {"project", "other"}


# Bad input


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/search", 400, "bad_request"),
        ("/api/search?q=", 400, "bad_request"),
        ("/api/search?q=a&q=b", 400, "bad_request"),
        ("/api/search?q=a&limit=0", 400, "bad_request"),
        ("/api/search?q=a&limit=99999999999999999999999", 400, "bad_request"),
        ("/api/search?q=a&mode=best", 400, "bad_request"),
        ("/api/search?q=a&limti=3", 400, "bad_request"),
        ("/api/search?q=a&facets=maybe", 400, "bad_request"),
        ("/api/search?q=a&freshness=always", 400, "bad_request"),
        ("/api/search?q=a&wait=nan", 400, "bad_request"),
        ("/api/search?q=%ff", 400, "bad_request"),
        ("/api/search?q=%22open", 400, "query_syntax"),
        ("/api/search?q=%28&mode=regex", 400, "query_syntax"),
        ("/api/search?q=" + "a" * 10_001, 400, "bad_request"),
        ("/api/file?path=nowhere.py", 404, "not_indexed"),
        ("/api/file?path=src/writer.py&start=9&end=3", 400, "bad_request"),
        ("/api/related?path=src/writer.py", 400, "bad_request"),
        ("/api/map?path=nowhere", 404, "not_indexed"),
        ("/api/symbol", 400, "bad_request"),
        ("/api/symbol?symbol=%20", 400, "bad_request"),
        ("/api/symbol?symbol=a&question=why", 400, "bad_request"),
        ("/api/symbol?symbol=a&question=path", 400, "bad_request"),
        ("/api/symbol?symbol=a&to=b", 400, "bad_request"),
        ("/api/symbol?symbol=a&depth=2", 400, "bad_request"),
        ("/api/symbol?symbol=a&question=callers&depth=11", 400, "bad_request"),
        ("/api/symbol?symbol=a&question=references&role=x", 400, "bad_request"),
        ("/api/symbol?symbol=...", 400, "bad_request"),
        ("/api/symbol?symbol=nowhere.py:3", 404, "not_indexed"),
        ("/api/symbol?symbol=src/writer.py:999", 400, "bad_request"),
        ("/api/symbol?symbol=../secret.txt:1", 404, "not_indexed"),
        ("/api/impact", 400, "bad_request"),
        ("/api/impact?changed=a&diff=HEAD", 400, "bad_request"),
        ("/api/impact?diff=--output=x", 400, "bad_request"),
        ("/api/repo-map?limit=0", 400, "bad_request"),
        ("/api/nothing", 404, "not_found"),
        ("/api/index?rebuild=1", 400, "bad_request"),
    ],
)
def test_a_bad_request_gets_a_clear_error(server: ServerProcess, path: str, status: int, code: str) -> None:
    reply = server.request(path)

    assert (reply.status, reply.code) == (status, code)
    assert reply.json["error"]["message"] and "hint" in reply.json["error"]
    assert "Traceback" not in reply.body.decode()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"[" * 30_000, 400, "bad_request"),
        (b'{"q": 3}', 400, "bad_request"),
        (b'{"q": "\\ud800"}', 400, "bad_request"),
        (b'{"q": "a", "limit": 1e400}', 400, "bad_request"),
        (b'{"q": "a", "nothing": 1}', 400, "bad_request"),
        (b'{"q": "a", "limit": null}', 400, "bad_request"),
        (b'{"q": "' + b"a" * 1_000_000 + b'"}', 413, "too_large"),
    ],
)
def test_a_bad_body_gets_a_clear_error(server: ServerProcess, body: bytes, status: int, code: str) -> None:
    reply = server.request("/api/search", method="POST", body=body)

    assert (reply.status, reply.code) == (status, code)


def test_other_methods_and_types(server: ServerProcess) -> None:
    assert server.request("/api/file", method="POST", body={}).code == "method_not_allowed"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.request("/api/index", method="POST", body=b"rebuild=1", headers=form).status == 415


def test_nothing_is_written_to_the_log_by_bad_requests(server: ServerProcess) -> None:
    assert "Traceback" not in server.log.read_text() and " error " not in server.log.read_text()


# Guards


def test_another_host_or_page_gets_nothing(server: ServerProcess) -> None:
    assert server.get("/api/status", headers={"Host": "evil.example"}).code == "forbidden_host"
    assert server.get("/api/status", headers={"Host": f"evil.example:{server.port}"}).code == "forbidden_host"
    assert server.get("/api/status", headers={"Host": f"localhost:{server.port}"}).status == 200
    own = f"http://127.0.0.1:{server.port}"
    assert server.get("/api/status", headers={"Origin": own}).status == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"{own}.evil.example"):
        assert server.get("/api/status", headers={"Origin": origin}).code == "forbidden_origin"
    assert server.get("/api/status", headers={"Sec-Fetch-Site": "cross-site"}).code == "forbidden_origin"


def test_every_answer_has_the_headers_that_protect_it(server: ServerProcess) -> None:
    for path in ("/api/status", "/healthz", "/nothing", "/api/search"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "access-control-allow-origin" not in headers


def test_a_token_is_needed_where_there_is_one(base: Path, project: Path) -> None:
    file = base / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    with serving(base / "home", str(project), "--token-file", str(file), "--host", "127.0.0.1") as guarded:
        right = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("/api/status", "/api/search?q=a", "/metrics", "/api/openapi.json"):
            assert guarded.request(path).status == 401
            assert (
                guarded.request(path, headers={"Authorization": "Bearer " + TOKEN[:-1] + "x"}).status == 401
            )
            assert guarded.request(path, headers=right).status == 200
        assert guarded.get("/healthz").status == 200
        assert guarded.get("/api/session").json == {"required": True, "ok": False}
        assert guarded.request("/api/session", method="POST", body={"token": "wrong"}).status == 401
        cookie = guarded.request("/api/session", method="POST", body={"token": TOKEN}).headers["set-cookie"]
        assert "httponly" in cookie.lower() and "samesite=strict" in cookie.lower() and TOKEN not in cookie
        assert guarded.get("/api/status", headers={"Cookie": cookie.split(";")[0]}).status == 200
        assert guarded.get("/api/status", headers={"Cookie": "spelunk_session=x"}).status == 401
        assert TOKEN not in guarded.log.read_text()
        command = Path(f"/proc/{guarded.process.pid}/cmdline").read_bytes()
        assert TOKEN.encode() not in command


def run_serve(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "spelunk", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=GENEROUS,
        env=environment(home),
    )


def test_what_cannot_be_served_is_one_line_and_status_2(
    base: Path, project: Path, server: ServerProcess
) -> None:
    home = base / "home"
    weak, open_ = base / "weak", base / "open"
    weak.write_text("short")
    weak.chmod(0o600)
    open_.write_text(TOKEN)
    open_.chmod(0o644)
    for arguments, said in [
        (("--host", "0.0.0.0"), "token"),
        (("--port", str(server.port)), "in use"),
        (("--port", "70000"), "65535"),
        (("--freshness", "never"), "strict"),
        (("--token-file", str(weak)), "16"),
        (("--token-file", str(open_)), "chmod"),
        (("--token-file", str(base / "none")), "No such file"),
        (("--memory-limit", "lots"), "memory_limit"),
    ]:
        done = run_serve(home, str(project), *arguments)
        assert done.returncode == 2 and said in done.stderr, (arguments, done.stderr)
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    gone = run_serve(home, str(base / "nowhere"))
    assert gone.returncode == 2 and "no such file" in gone.stderr


PIECES = st.sampled_from(
    [
        "..", ".", "", "/", "//", "secret.txt", "link.txt", "src", "writer.py", "src/writer.py", "etc/passwd", "%2e%2e",
        "%2f", "..%2f", "\0", "%00", "\\", "..\\", "~", "SRC/WRITER.PY", "src/writer.py.", "src/writer.py/", "\udcff",
        "proc/self/environ", "file:///etc/passwd", "project", "．．", " ", "src/./writer.py", "src//writer.py", "C:",
    ]
)  # fmt: skip


@examples(120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, min_size=1, max_size=6), st.sampled_from(["/", ""]), st.booleans(), st.booleans())
def test_no_path_outside_can_be_read(
    server: ServerProcess, project: Path, pieces: list[str], between: str, absolute: bool, encoded: bool
) -> None:
    page = server.get("/").body
    path = ("/" if absolute else "") + between.join(pieces)
    quoted = "".join(f"%{b:02X}" for b in os.fsencode(path)) if encoded else _quoted(path)

    for where in (
        f"/api/file?path={quoted}",
        f"/api/outline?path={quoted}",
        f"/{quoted}",
        f"/static/{quoted}",
    ):
        head = f"GET {where} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
        answer = server.raw(head.encode("latin-1", "replace"))
        assert SECRET.encode() not in answer and b"root:" not in answer
        if b" 200 " in answer.split(b"\r\n")[0]:
            if where.startswith("/api/"):
                values = json.loads(answer.partition(b"\r\n\r\n")[2])
            else:  # a path of the page's own
                assert answer.partition(b"\r\n\r\n")[2] == page
                continue
            assert values["file"] in FILES and path == values["file"]


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(path), safe="/.~%\\")


# Hostile connections


def test_a_slow_request_is_ended(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), GENEROUS) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert b"408" in slow.recv(65_536)
    with socket.create_connection(("127.0.0.1", server.port), GENEROUS) as silent:
        answer = silent.recv(65_536)
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert silent.recv(65_536) == b""


def test_a_slow_body_is_ended(server: ServerProcess) -> None:
    head = f"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), GENEROUS) as slow:
        slow.sendall(head.encode() + b"Content-Length: 100\r\n\r\n{")
        assert b"408" in slow.recv(65_536)
    assert server.get("/healthz").status == 200


def test_large_heads_are_refused(server: ServerProcess) -> None:
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    for head in (
        f"GET /api/search?q={'a' * 1_000_000} HTTP/1.1\r\n{host}\r\n",
        f"GET /healthz HTTP/1.1\r\n{host}X: {'a' * 1_000_000}\r\n\r\n",
        f"GET /healthz HTTP/1.1\r\n{host}" + "X-Y: z\r\n" * 5_000 + "\r\n",
    ):
        assert b" 431 " in server.raw(head.encode()).split(b"\r\n")[0]
    assert b" 400 " in server.raw(b"\x16\x03\x01 hello\r\n\r\n").split(b"\r\n")[0]
    assert server.get("/healthz").status == 200


def test_too_many_connections_are_refused_politely(server: ServerProcess) -> None:
    wait_for(lambda: server.get("/api/status").json["requests"]["connections"] <= 2)
    open_ = []
    refused = 0
    try:
        for _ in range(300):
            sock = socket.create_connection(("127.0.0.1", server.port), GENEROUS)
            open_.append(sock)
        for sock in open_[50:]:
            answer = sock.recv(65_536)
            assert b" 503 " in answer and b"retry-after" in answer
            refused += 1
    finally:
        for sock in open_:
            sock.close()
    assert refused == 250
    wait_for(lambda: server.get("/healthz").status == 200)


def test_the_rate_of_a_client_is_limited(base: Path, project: Path) -> None:
    with serving(base / "home", str(project), "--rate", "1") as limited:
        statuses = {limited.get("/api/index").status for _ in range(60)}
        assert statuses == {200, 429}
        last = wait_for(lambda: (r := limited.get("/api/index")).status == 429 and r)
        assert last.code == "rate_limited" and int(last.headers["retry-after"]) >= 1
        assert limited.get("/healthz").status == 200


# Freshness


def test_a_changed_file_is_found_and_a_deleted_one_is_not(base: Path) -> None:
    root = make_tree(base / "fresh")
    with serving(base / "home3", str(root)) as fresh:
        assert fresh.search("unheard_of_name", mode="symbol")["hits"] == []
        (root / "src/new.py").write_text("def unheard_of_name():\n    pass\n")
        assert fresh.search("unheard_of_name", mode="symbol")["hits"][0]["file"] == "src/new.py"
        (root / "src/new.py").unlink()
        answer = fresh.search("unheard_of_name", mode="symbol", freshness="relaxed")
        assert [hit["file"] for hit in answer["hits"]] == ["src/new.py"]
        assert fresh.search("unheard_of_name", mode="symbol", freshness="bounded:3600")["hits"]
        assert fresh.search("unheard_of_name", mode="symbol", freshness="strict")["hits"] == []
        assert fresh.get("/api/file", path="src/new.py").code == "not_indexed"


def test_strict_requests_at_the_same_time_are_all_answered(base: Path, project: Path) -> None:
    """A request that found a comparison of files just ended took the event loop for itself, for ever."""
    from concurrent.futures import ThreadPoolExecutor

    with serving(base / "home", str(project), "--rate", "0") as busy, ThreadPoolExecutor(8) as clients:
        replies = clients.map(lambda _: busy.search("flush", freshness="strict")["hits"], range(400))
        assert all(replies)


def test_under_strict_no_changed_or_deleted_file_is_returned_in_a_storm(base: Path) -> None:
    """Edits, deletions, renames and branch switches go on while searches are answered.

    A marker names the version of a file. What an answer shows must have been on disk at some
    moment between the request and the answer.
    """
    import random
    import threading

    root = base / "storm"
    root.mkdir()

    def git(*words: str) -> None:
        made = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(
            ["git", *words], cwd=root, check=True, capture_output=True, env=os.environ | made | names
        )

    def text(name: str, version: str) -> str:
        return f"def storm_{name}():\n    return 'version {version}'\n"

    git("init", "-q", "-b", "main")
    for branch in ("main", "other"):
        git(
            "checkout",
            "-q",
            *(["-b", "other"] if branch == "other" else []),
            *([] if branch == "other" else ["--orphan", "m"]),
        )
        for i in range(30):
            (root / f"git_{i}.py").write_text(text(f"git_{i}", f"{branch}{i}"))
        git("add", ".")
        git("commit", "-q", "-m", branch)
    lock = threading.Lock()
    seen: dict[str, list[tuple[float, float, str | None]]] = {}
    stop = threading.Event()

    def write(name: str, version: str | None) -> None:
        path = root / f"{name}.py"
        with lock:
            began = time.monotonic()
            if version is None:
                path.unlink(missing_ok=True)
            else:
                temporary = root / f".{name}.tmp"
                temporary.write_text(text(name, version))
                os.replace(temporary, path)
            seen.setdefault(name, [(0.0, 0.0, None)]).append((began, time.monotonic(), version))

    def storm() -> None:
        chance = random.Random(7)
        n = 0
        while not stop.is_set():
            n += 1
            name = f"edit_{chance.randrange(12)}"
            write(name, None if chance.random() < 0.3 else str(n))
            if n % 25 == 0:
                git("checkout", "-q", "-f", chance.choice(["m", "other"]))
            time.sleep(0.01)

    def held_between(name: str, begin: float, end: float) -> set[str | None]:
        with lock:
            versions = list(seen.get(name, [(0.0, 0.0, None)]))
        out = set()
        for n, (since, _, version) in enumerate(versions):
            until = versions[n + 1][1] if n + 1 < len(versions) else float("inf")
            if since <= end and until >= begin:
                out.add(version)
        return out

    with serving(base / "home4", str(root), "--freshness", "strict", "--rate", "0") as strict:
        strict.search("storm")
        thread = threading.Thread(target=storm)
        thread.start()
        shown = 0
        try:
            for _ in range(60):
                begin = time.monotonic()
                reply = strict.get("/api/search", q="storm version", limit=100, wait=5)
                end = time.monotonic()
                assert reply.status == 200, reply.body
                for hit in reply.json["hits"]:
                    name = hit["file"].removesuffix(".py")
                    version = hit["content"].split("version ")[1].split("'")[0]
                    if name.startswith("edit_"):
                        shown += 1
                        assert version in held_between(name, begin, end), (hit["file"], version)
        finally:
            stop.set()
            thread.join()
        assert shown
        # A file that was written a moment ago has no stamp yet: the update after that is the last one.
        settled = wait_for(
            lambda: (got := strict.search("storm version", limit=200)) and not got["index"]["stale"] and got
        )
        on_disk = {p.name: p.read_text().rstrip("\n") for p in root.glob("*.py")}
        assert {hit["file"]: hit["content"] for hit in settled["hits"]} == on_disk


# What goes wrong while it serves


def test_a_root_that_vanishes_and_returns(base: Path) -> None:
    root = make_tree(base / "gone")
    with serving(base / "home5", str(root), "--rate", "0") as server:
        server.search("flush")
        shutil.move(root, base / "away")
        reply = wait_for(lambda: (r := server.get("/api/search", q="flush")).status == 503 and r)
        assert reply.code == "workspace_gone" and reply.json["error"]["hint"]
        assert server.get("/healthz").status == 200
        wait_for(lambda: server.get("/api/status").json["indexes"][0]["state"] == "error")
        shutil.move(base / "away", root)
        wait_for(lambda: server.get("/api/search", q="flush", wait=30).status == 200)


def test_an_index_that_another_process_writes_to(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk import Index
    from spelunk.store.writer_lock import WriterLock

    root = make_tree(base / "locked")
    home = base / "home6"
    monkeypatch.setenv("SPELUNK_HOME", str(home))
    with serving(home, str(root), "--rate", "0") as server:
        server.search("flush")
        writer = WriterLock(Index.open(root).directory)
        writer.acquire("index")
        try:
            (root / "src/late.py").write_text("def late_name():\n    pass\n")
            answer = server.search("late_name flush_batches")
            assert answer["index"]["stale"] and answer["hits"] and answer["notices"]
            assert server.request("/api/index", method="POST", body={}).status == 202
            state = wait_for(
                lambda: (u := server.get("/api/index").json["updates"][0])["state"] == "idle" and u
            )
            assert state["outcome"] == "busy" and state["error"]["code"] == "index_busy"
        finally:
            writer.release()
        wait_for(lambda: server.search("late_name", mode="symbol")["hits"])


def git(root: Path, *words: str) -> str:
    flags = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *flags, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_commits_are_found_and_a_file_is_compared_with_one(base: Path) -> None:
    root = make_tree(base / "committed")
    git(root, "init", "-qb", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Flush marmalade twice")
    first = git(root, "rev-parse", "HEAD")
    with serving(base / "home9", str(root), "--rate", "0") as server:
        server.search("flush")
        found = server.search("marmalade", kind="commit")["hits"]
        assert [hit["kind"] for hit in found] == ["commit"] and "marmalade" in found[0]["content"]
        assert server.search("kind:commit marmalade")["hits"][0]["path"] == found[0]["path"]
        assert server.get("/api/search", q="kind:commit kind:function x").status == 400

        def revision(rev: str) -> Any:
            return server.get("/api/file", path="src/writer.py", rev=rev, end=1, wait=60).json["revision"]

        assert server.get("/api/file", path="src/writer.py").json["revision"] is None
        assert revision("HEAD") == revision(first) == {"commit": first, "same": True}
        assert revision(first[:12])["commit"] == first
        (root / "src/writer.py").write_text("def other():\n    pass\n")
        server.search("other", mode="symbol")
        assert revision("HEAD") == {"commit": first, "same": False}
        git(root, "commit", "-qam", "Another writer")
        assert revision("HEAD")["same"] and not revision(first)["same"]
        assert revision("f" * 40) == {"commit": "", "same": False}
        for bad in ("--output=/tmp/x", "main", "HEAD~1", "zzzzzzz"):
            assert server.get("/api/file", path="src/writer.py", rev=bad).status == 400


def test_a_damaged_index_is_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spelunk import Index

    root = make_tree(base / "damaged")
    home = base / "home7"
    monkeypatch.setenv("SPELUNK_HOME", str(home))
    with serving(home, str(root), "--rate", "0") as server:
        server.search("flush")
        (Path(Index.open(root).directory) / "manifest.sqlite").write_bytes(b"no database " * 1_000)
        reply = wait_for(lambda: (r := server.get("/api/search", q="other")).status == 503 and r)
        assert reply.code == "index_corrupt" and "spelunk" in reply.json["error"]["hint"]
        assert server.get("/healthz").status == 200 and server.get("/readyz").status == 503


def test_the_end_waits_for_running_requests(base: Path, project: Path) -> None:
    with serving(base / "home", str(project), "--rate", "0") as server:
        server.search("flush")
        with socket.create_connection(("127.0.0.1", server.port), GENEROUS) as stream:
            stream.sendall(
                f"GET /api/index HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept: text/event-stream\r\n\r\n".encode()
            )
            assert b"200" in stream.recv(65_536)
            server.process.send_signal(signal.SIGTERM)
            data = b""
            while part := stream.recv(65_536):
                data += part
            assert data.endswith(b"0\r\n\r\n")  # the stream was ended, not cut
        assert server.process.wait(GENEROUS) == 0
        assert "Traceback" not in server.log.read_text()


def test_no_update_outlives_the_server(base: Path, project: Path) -> None:
    with serving(base / "home", str(project), "--rate", "0") as server:
        (project / "src/more.py").write_text("def more():\n    pass\n")
        server.search("more")
        children = _children(server.process.pid)
        assert children
        server.process.kill()
        server.process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and _alive(pid) for pid in children))
    (project / "src/more.py").unlink()


def _children(pid: int) -> list[int]:
    out: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        out += map(int, (task / "children").read_text().split())
    return out


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def requests_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path, method) for path, methods in document["paths"].items() for method in methods]


def test_the_openapi_document_names_every_endpoint(server: ServerProcess) -> None:
    document = server.get("/api/openapi.json").json

    assert document["openapi"].startswith("3.1")
    text = (Path(__file__).parent.parent / "docs/http-api.md").read_text()
    assert {path for path, _ in requests_of(document)} >= {
        "/api/search", "/api/related", "/api/file", "/api/outline", "/api/map", "/api/status", "/api/index",
        "/api/symbol", "/api/impact", "/api/repo-map",
    }  # fmt: skip
    for path, methods in document["paths"].items():
        assert path.rpartition("/")[2].removesuffix(".json") in text
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                assert f"`{parameter['name']}`" in text, (path, parameter["name"])

"""Resources that run out under the HTTP server: the disk of its indexes, and connections by the thousand."""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http_process import GENEROUS, ServerProcess, serving, wait_for

SOURCE = "def flush_batches(batches):\n    for batch in batches:\n        batch.flush()\n"
CONNECTIONS = 10_000
ROOM = "8m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of :data:`ROOM`."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, left: int = 0) -> Path:
    """A file that takes all room of a disk but some bytes."""
    place = disk / "filling"
    with place.open("wb") as file:
        while os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize > left:
            try:
                os.write(file.fileno(), b"x" * 4096)
            except OSError:
                break
    return place


def varied(lines: int) -> str:
    """Source that neither compresses well nor repeats its names."""
    return "".join(f"def name_{os.urandom(12).hex()}(a_{os.urandom(8).hex()}): pass\n" for _ in range(lines))


def test_a_full_disk_is_told_and_searches_go_on(tmp_path: Path, small_disk: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "writer.py").write_text(SOURCE)
    with serving(small_disk / "home", str(root), "--rate", "0") as server:
        assert server.search("flush_batches")["hits"][0]["path"] == "writer.py"
        filling = fill(small_disk, 64 * 1024)
        (root / "large.py").write_text(varied(5_000))
        (root / "writer.py").write_text(SOURCE + "\n\ndef later_name():\n    pass\n")

        reply = server.request("/api/index", method="POST", body={})
        assert reply.status == 202
        state = wait_for(lambda: (u := server.get("/api/index").json["updates"][0])["outcome"] and u)
        assert state["outcome"] == "failed", state
        assert state["error"]["code"] == "storage" and state["error"]["hint"]
        assert "\n" not in state["error"]["message"]
        old = server.get("/api/search", q="flush_batches", freshness="relaxed").json
        assert old["hits"][0]["path"] == "writer.py"
        strict = server.search("flush_batches")
        assert strict["index"]["stale"] and not strict["hits"]  # the file is another now
        assert any("could not be brought up to date" in notice for notice in strict["notices"])
        assert server.get("/healthz").status == 200 and server.get("/readyz").status == 200

        filling.unlink()
        wait_for(lambda: server.search("later_name", mode="symbol")["hits"])
        assert server.process.poll() is None and "Traceback" not in server.log.read_text()


def test_a_disk_that_is_full_before_the_first_index(tmp_path: Path, small_disk: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "writer.py").write_text(SOURCE)
    home = small_disk / "home"
    with serving(home, str(root), "--rate", "0") as server:
        filling = fill(small_disk)
        reply = server.get("/api/search", q="flush", wait=60)
        assert (reply.status, reply.code) == (503, "storage"), reply.body
        assert reply.json["error"]["hint"] and "retry-after" in reply.headers
        assert server.get("/healthz").status == 200

        filling.unlink()
        wait_for(lambda: server.get("/api/search", q="flush", wait=60).status == 200)


@pytest.mark.slow
def test_ten_thousand_connections_are_refused_politely_and_the_server_stays(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"a process may open {hard} files; this needs {wanted} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    root = tmp_path / "project"
    root.mkdir()
    (root / "writer.py").write_text(SOURCE)
    try:
        with serving(tmp_path / "home", str(root), "--rate", "0") as server:
            server.search("flush_batches")
            answers = open_many(server)
            assert answers["cut"] == 0, answers
            # A thousand at a time are waited for; those that stay silent make room for others.
            assert answers[503] > CONNECTIONS / 2 and answers.total() == CONNECTIONS, answers
            assert set(answers) <= {503, 408, "open", "cut"}
            wait_for(lambda: server.get("/healthz").status == 200)
            assert server.search("flush_batches")["hits"]
            wait_for(lambda: server.get("/api/status").json["requests"]["connections"] < 10)
            assert "Traceback" not in server.log.read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_many(server: ServerProcess) -> Counter[object]:
    """Open :data:`CONNECTIONS` connections that are silent, all at a time; what each is told.

    Statuses of answers; ``open`` for those still open when all others were answered; ``cut`` for
    those that ended without an answer.
    """
    selector = selectors.DefaultSelector()
    got: dict[socket.socket, bytes] = {}
    told: Counter[object] = Counter()
    try:
        for _ in range(CONNECTIONS):
            sock = socket.create_connection(("127.0.0.1", server.port), GENEROUS)
            got[sock] = b""
            selector.register(sock, selectors.EVENT_READ)
        left = set(got)
        while left:
            ready = selector.select(2.0)
            if not ready:
                break  # those that the server has accepted and waits for
            for key, _ in ready:
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    part = sock.recv(65_536)
                except ConnectionError:
                    part = b""
                got[sock] += part
                if not part:
                    selector.unregister(sock)
                    left.discard(sock)
                    told[_status(got[sock])] += 1
        told["open"] += len(left)
    finally:
        for sock in got:
            sock.close()
    return told


def _status(answer: bytes) -> object:
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return "cut"
    assert json.loads(body)["error"]["message"]
    return int(head.split()[1])


def test_a_query_of_a_megabyte_is_refused_and_the_server_stays(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "writer.py").write_text(SOURCE)
    large = "flush " * 175_000
    with serving(tmp_path / "home", str(root), "--rate", "0") as server:
        posted = server.request("/api/search", method="POST", body={"q": large})
        assert (posted.status, posted.code) == (413, "too_large")
        assert posted.json["error"]["hint"]
        head = (
            b"GET /api/search?q=" + large.replace(" ", "+").encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        )
        assert b" 431 " in server.raw(head).partition(b"\r\n")[0]
        assert server.search("flush_batches")["hits"]

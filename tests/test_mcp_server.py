"""``spelunk mcp``: the thin process, the shared server behind it, and HTTP, with raw and with real clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra [mcp] is not installed")

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from spelunk import Index
from tests.mcp_process import INITIALIZE, LIMIT, RawClient, call, runtime_folder, servers, wait_for

FILES = {
    "src/writer.py": "class Writer:\n    def flush_batches(self):\n"
    '        """Write every batch that is full."""\n        self.write()\n',
    "src/retry.py": "def retry(policy):\n    return policy.settings\n",
    "README.md": "# Project\n\nThe writer flushes batches.\n",
}

Start = Callable[..., RawClient]


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with runtime_folder() as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with Index.open(root) as index:
        index.update()
    return root


@pytest.fixture
def start(runtime: str, project: Path) -> Iterator[Start]:
    """Start a raw client in the project; all are ended."""
    clients: list[RawClient] = []

    def begin(*args: str, cwd: Path = project, reads: bool = True, **env: str) -> RawClient:
        clients.append(RawClient(*args, cwd=cwd, env=env, reads=reads))
        return clients[-1]

    yield begin
    for client in clients:
        client.dispose()


class World:
    """A project with an index and a running server, for the tests that leave both as they are."""

    def __init__(self, project: Path, env: dict[str, str]) -> None:
        self.project = project
        self.env = env
        self.clients: list[RawClient] = []

    def start(self, *args: str, reads: bool = True) -> RawClient:
        self.clients.append(RawClient(*args, cwd=self.project, env=self.env, reads=reads))
        return self.clients[-1]

    def real(self, *args: str, mode: Any = "auto") -> Client:
        return real_client(self.project, *args, mode=mode, env=self.env)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("world") / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    with runtime_folder() as path:
        names = {
            "SPELUNK_HOME": f"{path}/home",
            "HOME": path,
            "XDG_RUNTIME_DIR": path,
            "XDG_CONFIG_HOME": path,
        }
        yield World(root, names)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    yield shared_world
    for client in shared_world.clients:
        client.dispose()
    shared_world.clients.clear()


def hits(answer: dict[str, Any]) -> list[str]:
    return [hit["path"] for hit in answer["result"]["structuredContent"]["hits"]]


def real_client(project: Path, *args: str, mode: Any = "auto", env: dict[str, str] | None = None) -> Client:
    env = env or {n: value for n, value in os.environ.items() if n.startswith(("SPELUNK", "XDG", "HOME"))}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "spelunk", "mcp", *args], cwd=project, env=env
    )
    return Client(command, mode=mode)


# The library's own client


@pytest.mark.parametrize("args", [(), ("--no-server",)], ids=["shared", "in-process"])
@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
def test_the_real_client_is_served(args: tuple[str, ...], mode: str, version: str, world: World) -> None:
    async def talk() -> None:
        async with world.real(*args, mode=mode) as client:
            assert client.protocol_version == version
            tools = (await client.list_tools()).tools
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            found = await client.call_tool("search", {"query": "flush batches", "limit": 2})
            assert not found.is_error and found.structured_content
            assert found.structured_content["hits"][0]["path"] in ("src/writer.py", "README.md")
            assert "flush" in found.content[0].text
            with pytest.raises(MCPError, match="there are search"):
                await client.call_tool("grep", {})

    asyncio.run(talk())


def test_the_real_client_is_served_over_http(runtime: str, project: Path) -> None:
    with http_server(project) as url:

        async def talk(mode: Any) -> Any:
            async with Client(url, mode=mode) as client:
                found = await client.call_tool("search", {"query": "flush batches"})
                return found.structured_content["hits"][0]["path"]

        assert asyncio.run(talk("legacy")) == asyncio.run(talk("auto"))
    assert servers(runtime) == []


def test_a_resource_link_gives_the_whole_file(runtime: str, project: Path) -> None:
    long = "".join(f"line {n} of a long document\n" for n in range(2_000))
    (project / "long.md").write_text(long)
    with Index.open(project) as index:  # a file that is not indexed yet is not read
        index.update()

    async def talk() -> tuple[Any, str]:
        async with real_client(project) as client:
            part = await client.call_tool("read", {"path": "long.md", "max_tokens": 500})
            assert len(part.content) == 2, part
            link = part.content[1]
            whole = await client.read_resource(link.uri)
            return part, whole.contents[0].text

    part, whole = asyncio.run(talk())

    assert whole == long
    assert len(part.structured_content["text"]) < len(long) / 5
    assert part.structured_content["next_line"] == part.structured_content["end_line"] + 1


@pytest.mark.slow
def test_progress_is_told_while_an_index_is_built(runtime: str, tmp_path: Path) -> None:
    root = tmp_path / "new"
    root.mkdir()
    for n in range(400):
        lines = "".join(f"def function_{n}_{i}(argument):\n    return argument + {i}\n\n" for i in range(40))
        (root / f"module_{n}.py").write_text(lines)
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def talk() -> str:
        async with real_client(root) as client:
            for _ in range(20):  # a slow machine answers from what is published so far
                found = await client.call_tool(
                    "search", {"query": "function_7_3", "limit": 1}, progress_callback=note
                )
                if not found.is_error and found.structured_content["hits"]:
                    return str(found.structured_content["hits"][0]["path"])
            return ""

    assert asyncio.run(talk()) == "module_7.py"
    assert told and all("indexing" in (message or "") for _, _, message in told)
    assert told[0][0] <= told[-1][0]


# The shared server


def test_clients_share_one_server_and_it_ends_after_the_last(start: Start, runtime: str) -> None:
    first = start(SPELUNK_MCP_GRACE="0.2")
    second = start(SPELUNK_MCP_GRACE="0.2")
    for client in (first, second):
        assert client.handshake()["result"]["serverInfo"]["name"] == "spelunk"
    assert len(servers(runtime)) == 1

    assert first.end() == 0
    assert hits(second.call("search", query="flush batches"))
    assert second.end() == 0

    wait_for(lambda: not servers(runtime), "the end of the server")
    assert [name for name in os.listdir(f"{runtime}/spelunk") if name != "mcp.lock"] == []


def test_many_clients_at_once_start_one_server(start: Start, runtime: str) -> None:
    clients = [start() for _ in range(12)]

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda client: client.handshake(), clients))
        answers = list(pool.map(lambda c: c.call("search", query="flush batches"), clients))

    assert len(servers(runtime)) == 1
    assert len({tuple(hits(answer)) for answer in answers}) == 1


def test_the_socket_is_private(start: Start, runtime: str) -> None:
    start().handshake()

    (name,) = [n for n in os.listdir(f"{runtime}/spelunk") if n.endswith(".sock")]
    assert stat.S_IMODE(os.stat(f"{runtime}/spelunk").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{runtime}/spelunk/{name}").st_mode) == 0o600


def test_a_folder_that_is_a_link_is_refused(start: Start, runtime: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", f"{runtime}/spelunk")

    client = start()
    client.send(INITIALIZE)

    assert "not this user's own folder" in client.read()["error"]["message"]
    assert client.end() == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_other_settings_get_another_server(start: Start, runtime: str, tmp_path: Path) -> None:
    start().handshake()
    other = start(SPELUNK_HOME=str(tmp_path / "other"), SPELUNK_FRESHNESS="relaxed")
    other.handshake()

    assert len(servers(runtime)) == 2
    assert not (tmp_path / "other").exists()
    assert hits(other.call("search", query="flush batches"))
    assert (tmp_path / "other").exists()


def test_a_killed_server_is_replaced_and_the_session_goes_on(start: Start, runtime: str) -> None:
    client = start()
    client.handshake()
    before = hits(client.call("search", 1, query="flush batches"))
    (pid,) = servers(runtime)

    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not servers(runtime), "the end of the server")
    after = hits(client.call("search", 2, query="flush batches"))

    assert after == before
    assert servers(runtime) and servers(runtime) != [pid]


def test_a_request_under_way_is_sent_again_to_the_next_server(start: Start, runtime: str) -> None:
    client = start()
    client.handshake()
    (pid,) = servers(runtime)
    os.kill(pid, signal.SIGSTOP)
    client.send(call("search", 5, query="flush batches"))
    wait_for(lambda: queued(client) == 0, "the request to be read")

    os.kill(pid, signal.SIGKILL)
    answer = client.read()

    assert answer["id"] == 5
    assert hits(answer)


def queued(client: RawClient) -> int:
    """Bytes that the client has written and the process has not read."""
    import fcntl
    import struct
    import termios

    assert client.process.stdin is not None
    raw = fcntl.ioctl(client.process.stdin, termios.FIONREAD, b"\0\0\0\0")
    return int(struct.unpack("i", raw)[0])


def test_a_stale_socket_is_replaced(start: Start, runtime: str) -> None:
    first = start()
    first.handshake()
    (pid,) = servers(runtime)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not servers(runtime), "the end of the server")
    assert [n for n in os.listdir(f"{runtime}/spelunk") if n.endswith(".sock")]

    assert "result" in start().handshake()


def test_a_server_that_cannot_start_is_an_error_with_the_reason(start: Start, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mcp_types.py").write_text("raise RuntimeError('this library is broken')\n")
    client = start(PYTHONPATH=str(tmp_path / "lib"))
    client.send(INITIALIZE)

    answer = client.read()

    assert answer["id"] == "first"
    assert "the server ended" in answer["error"]["message"]
    assert "this library is broken" in answer["error"]["message"]


@pytest.mark.slow
def test_an_upgrade_replaces_the_server(start: Start, runtime: str, tmp_path: Path) -> None:
    """A copy of the package is 'upgraded' while a client is connected."""
    import shutil

    import spelunk

    copy = tmp_path / "lib"
    shutil.copytree(Path(spelunk.__file__).parent, copy / "spelunk")
    client = start(PYTHONPATH=str(copy))
    client.handshake()
    before = hits(client.call("search", 1, query="flush batches"))
    old = servers(runtime)

    os.utime(copy / "spelunk" / "__init__.py", ns=(1, 1))
    wait_for(lambda: not servers(runtime), "the end of the old server")

    assert hits(client.call("search", 2, query="flush batches")) == before
    assert len(servers(runtime)) == 1
    assert servers(runtime) != old


@pytest.mark.slow
def test_an_idle_server_ends_and_comes_back_with_the_next_request(start: Start, runtime: str) -> None:
    client = start(SPELUNK_MCP_IDLE="0.2")
    client.handshake()
    before = hits(client.call("search", 1, query="flush batches"))
    wait_for(lambda: not servers(runtime), "the end of the idle server")

    assert hits(client.call("search", 2, query="flush batches")) == before


def test_who_is_no_client_of_ours_is_shown_out(start: Start, runtime: str) -> None:
    client = start()
    client.handshake()
    (name,) = [n for n in os.listdir(f"{runtime}/spelunk") if n.endswith(".sock")]
    for junk in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"spelunk":{"folder":1}}\n',
        b"[" * 9_000,
    ):
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(LIMIT)
            other.connect(f"{runtime}/spelunk/{name}")
            other.sendall(junk)
            other.shutdown(socket.SHUT_WR)
            assert other.recv(100) == b""

    assert hits(client.call("search", query="flush batches"))


# The thin process


def test_the_thin_process_imports_neither_the_library_nor_the_engine(world: World) -> None:
    client = world.start()
    client.handshake()
    mapped = Path(f"/proc/{client.process.pid}/maps").read_text()

    assert not re.search(r"numpy|pydantic|tantivy|re2|_ssl|libcrypto|zstandard", mapped)


def test_nothing_but_the_protocol_is_written_to_standard_output(world: World) -> None:
    client = world.start("--no-server")
    client.send(
        INITIALIZE, call("search", 1, query="flush batches"), {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    )

    lines = client.rest()

    assert {line.get("id") for line in lines} == {"first", 1, 2}
    assert all(line["jsonrpc"] == "2.0" for line in lines)


def test_piped_requests_are_all_answered_before_the_end(world: World) -> None:
    client = world.start()
    client.send(INITIALIZE, *(call("search", n, query=f"batches {n}") for n in range(20)))

    answers = client.rest()

    assert {answer["id"] for answer in answers} == {"first", *range(20)}
    assert client.process.wait(LIMIT) == 0


def test_a_client_that_vanishes_leaves_nothing_behind(start: Start, runtime: str) -> None:
    client = start(SPELUNK_MCP_GRACE="0.2")
    client.handshake()
    client.send(*(call("search", n, query=f"batches {n}") for n in range(50)))

    client.process.kill()

    wait_for(lambda: not servers(runtime), "the end of the server")


def test_without_the_library_the_error_says_what_to_install(project: Path) -> None:
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from spelunk.adapters.mcp.launch import require_library\nrequire_library()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project)

    assert "pip install 'spelunk[mcp]'" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["/no/such/folder"], "no such folder"),
        (["--http", "0.0.0.0:80"], "not a loopback address"),
        (["--http", "example.org:80"], "not a loopback address"),
        (["--http", "x"], "give [HOST:]PORT"),
        (["--http", "127.0.0.1:99999"], "give [HOST:]PORT"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(args: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spelunk", "mcp", *args],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1


# Hostile clients


GARBAGE: list[tuple[str, bytes, Any]] = [
    ("not JSON", b"hello\n", -32700),
    ("bytes that are not UTF-8", b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\xff"}}\n', -32700),
    ("NUL bytes", b"\0\0\0\n", -32700),
    ("nested too deeply", b"[" * 100_000 + b"]" * 100_000 + b"\n", -32700),
    (
        "nested too deeply in a request",
        b'{"jsonrpc":"2.0","id":3,"method":"ping","params":'
        + b'{"a":' * 50_000
        + b"1"
        + b"}" * 50_000
        + b"}\n",
        -32700,
    ),
    ("a line of 9 MB", b"x" * 9_000_000 + b"\n", -32600),
    ("a batch", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', -32600),
    ("no object", b"42\n", -32600),
    ("no method", b'{"jsonrpc":"2.0","id":7}\n', -32600),
    ("another version", b'{"jsonrpc":"1.0","id":7,"method":"ping"}\n', -32600),
    ("a method that is a number", b'{"jsonrpc":"2.0","id":7,"method":5}\n', -32600),
    ("an id that is an object", b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}\n', -32600),
    ("half a surrogate pair", b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":"\\ud800"}}\n', -32600),
    ("an unknown method", b'{"jsonrpc":"2.0","id":7,"method":"no/such"}\n', -32601),
    ("a huge number", b'{"jsonrpc":"2.0","id":' + b"9" * 6_000 + b',"method":"ping"}\n', -32700),
]


@pytest.mark.parametrize("args", [(), ("--no-server",)], ids=["shared", "in-process"])
def test_garbage_is_answered_with_errors_and_the_server_stays(args: tuple[str, ...], world: World) -> None:
    client = world.start(*args)
    client.handshake()
    for what, data, code in GARBAGE:
        client.write(data)
        if code is not None:
            answer = client.read()
            assert answer["error"]["code"] == code, (what, answer)
            assert len(json.dumps(answer)) < 500, what
    client.send({"jsonrpc": "2.0", "id": "end", "method": "ping"})
    while client.read()["id"] != "end":
        pass

    assert hits(client.call("search", query="flush batches"))


BAD_CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("search", {}, "needs query"),
    ("search", {"query": 5}, "not a text"),
    ("search", {"query": "x", "limt": 5}, "did you mean limit"),
    ("search", {"query": "x", "limit": 0}, "give 1 to 100"),
    ("search", {"query": "x", "limit": "many"}, "not a whole number"),
    ("search", {"query": "x", "max_tokens": 10**30}, "give 200 to 25,000"),
    ("search", {"query": "x", "mode": "fuzzy"}, "use one of hybrid"),
    ("search", {"query": "x " * 600_000}, "give at most"),
    ("search", {"query": "x", "workspace": ["/etc"]}, "not served"),
    ("search", {"query": "x", "workspace": {"a": 1}}, "not a list of folders"),
    ("search", {"query": "(", "mode": "regex"}, "not a valid regex"),
    ("read", {"path": "../../../../../../etc/passwd"}, "outside the workspace"),
    ("read", {"path": "/etc/passwd"}, "outside the workspace"),
    ("read", {"path": "src"}, "a folder"),
    ("read", {"path": "src/none.py"}, "no such file"),
    ("read", {"path": "src/writer.py", "start_line": 9, "end_line": 2}, "before start_line"),
    ("read", {"path": "a\0b"}, "empty path"),
    ("outline", {"path": ""}, "empty path"),
    ("related", {"place": "src/writer.py"}, "path:line"),
    ("related", {"place": "src/writer.py:999"}, "no such line"),
    ("index_status", {"verbose": True}, "has no argument"),
]


def test_bad_calls_are_errors_that_say_what_to_do(world: World) -> None:
    client = world.start()
    client.handshake()
    for n, (tool, arguments, message) in enumerate(BAD_CALLS):
        answer = client.call(tool, n, **arguments)
        result = answer["result"]
        assert result["isError"], (tool, arguments)
        assert message in result["content"][0]["text"], (message, result)
        assert len(result["content"][0]["text"]) < 1_000

    assert hits(client.call("search", query="flush batches"))


def test_half_a_frame_and_the_end(start: Start, runtime: str) -> None:
    client = start()
    client.handshake()
    client.write(b'{"jsonrpc":"2.0","id":9,"meth')

    assert client.rest() == []
    assert client.process.wait(LIMIT) == 0
    assert "result" in start().handshake()
    assert len(servers(runtime)) == 1


def test_a_client_that_does_not_read_disturbs_no_other(world: World) -> None:
    lazy = world.start(reads=False)
    lazy.send(INITIALIZE, *(call("search", n, query="flush batches") for n in range(500)))
    other = world.start()
    other.handshake()

    assert hits(other.call("search", query="flush batches"))


def test_a_root_that_is_deleted_while_it_is_served(start: Start, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "gone"
    root.mkdir()
    (root / "a.py").write_text("def lost():\n    pass\n")
    client = start(str(root))
    client.handshake()
    assert hits(client.call("search", query="lost")) == ["a.py"]

    shutil.rmtree(root)
    answer = client.call("search", 2, query="lost")
    assert answer["result"]["isError"]
    assert "no such f" in answer["result"]["content"][0]["text"]

    root.mkdir()
    (root / "b.py").write_text("def found():\n    pass\n")
    assert hits(client.call("search", 3, query="found")) == ["b.py"]


# HTTP


class http_server:
    """``spelunk mcp --http`` on a free port, as a context manager that gives its address."""

    def __init__(self, project: Path, *args: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spelunk", "mcp", "--http", "0", *args],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=project,
            text=True,
        )

    def __enter__(self) -> str:
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        found = re.search(r"http://\S+/mcp", line)
        assert found, line + self._process.stderr.read()
        return found[0]

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(LIMIT)
        assert self._process.stderr is not None
        self._process.stderr.close()


def post(url: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    import http.client
    import urllib.parse

    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=LIMIT)
    try:
        every = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection.request("POST", parts.path, body, every)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_http_refuses_other_hosts_and_origins_and_garbage(runtime: str, project: Path) -> None:
    good = json.dumps(INITIALIZE).encode()
    with http_server(project) as url:
        assert post(url, good)[0] == 200
        assert post(url, good, host="evil.example")[0] == 421
        assert post(url, good, origin="http://evil.example")[0] == 403
        assert post(url, b"hello")[0] == 400
        assert post(url, b"x" * 5_000_000)[0] == 413
        assert post(url, b"[" * 100_000)[0] == 400
        assert post(url, good)[0] == 200


@pytest.mark.slow
def test_http_serves_the_folders_of_the_command_line_alone(
    runtime: str, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "secret.py").write_text("def secret():\n    pass\n")
    with Index.open(other) as index:
        index.update()

    async def talk(url: str) -> Any:
        async with Client(url) as client:
            return await client.call_tool("search", {"query": "secret", "workspace": [str(other)]})

    with http_server(project) as url:
        refused = asyncio.run(talk(url))

    assert refused.is_error
    assert "not served" in refused.content[0].text


def test_a_port_in_use_is_one_line_and_exit_2(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "spelunk", "mcp", "--http", str(port)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=project,
        )

    assert done.returncode == 2
    assert "in use" in done.stderr and done.stderr.count("\n") == 1


# Same answers


def test_mcp_gives_the_hits_of_the_command_line_and_of_python(start: Start, project: Path) -> None:
    client = start()
    client.handshake()
    query = "flush batches"
    by_mcp = client.call("search", query=query, max_tokens=25_000)["result"]["structuredContent"]["hits"]
    done = subprocess.run(
        [sys.executable, "-m", "spelunk", "search", query, "--json"], capture_output=True, cwd=project
    )
    by_command = json.loads(done.stdout)["hits"]
    with Index.open(project) as index:
        by_python = index.search(query).hits

    assert by_mcp == by_command
    assert [(h["path"], h["start_line"], h["content"]) for h in by_mcp] == [
        (h.path, h.start_line, h.content) for h in by_python
    ]


def test_threads_of_one_client_may_ask_at_once(start: Start) -> None:
    client = start()
    client.handshake()
    lock = threading.Lock()
    wanted = set(range(40))

    def ask(n: int) -> None:
        with lock:
            client.send(call("search", n, query=f"batches writer {n % 5}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, sorted(wanted)))
    while wanted:
        answer = client.read()
        assert hits(answer)
        wanted.remove(answer["id"])

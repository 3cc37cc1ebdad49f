"""Other clients of the MCP server: an older library, the inspector, and the conformance suite.

`make test-long` installs them (scripts/mcp-clients); what cannot be had is skipped with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mcp_process import runtime_folder
from tests.test_mcp_server import http_server

INTO = Path(os.environ.get("MCP_CLIENTS", Path(sys.prefix) / "mcp-clients"))
OLD = INTO / "mcp1/bin/python"
BIN = INTO / "node_modules/.bin"
LIMIT = 180

pytestmark = pytest.mark.slow

OLD_CLIENT = """
import asyncio, json, os, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    keep = {n: v for n, v in os.environ.items() if n.startswith(("SPELUNK", "XDG", "HOME"))}
    server = StdioServerParameters(command=sys.argv[1], args=["-m", "spelunk", "mcp"], env=keep)
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        version = (await session.initialize()).protocolVersion
        tools = [tool.name for tool in (await session.list_tools()).tools]
        found = await session.call_tool("search", {"query": "flush batches"})
        print(json.dumps([version, tools, found.structuredContent["hits"][0]["path"]]))

asyncio.run(main())
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "writer.py").write_text("def flush_batches():\n    pass\n")
    with runtime_folder() as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield tmp_path


def node() -> dict[str, str]:
    if not (BIN / "mcp-inspector").exists():
        pytest.skip("the inspector and the conformance suite are not installed (scripts/mcp-clients)")
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


def test_a_client_of_the_library_below_2(project: Path) -> None:
    if not OLD.exists():
        pytest.skip("mcp below 2 is not installed (scripts/mcp-clients)")

    done = subprocess.run(
        [OLD, "-c", OLD_CLIENT, sys.executable], cwd=project, capture_output=True, text=True, timeout=LIMIT
    )

    assert done.returncode == 0, done.stderr
    version, tools, path = json.loads(done.stdout)
    assert (version, path) == ("2025-11-25", "writer.py")
    assert "search" in tools


def test_the_inspector_lists_and_calls_tools(project: Path) -> None:
    env = node()
    command = [BIN / "mcp-inspector", "--cli", sys.executable, "-m", "spelunk", "mcp", "--method"]

    def inspect(*args: str) -> dict[str, object]:
        done = subprocess.run(
            [*command, *args], cwd=project, env=env, capture_output=True, text=True, timeout=LIMIT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        value: dict[str, object] = json.loads(done.stdout)
        return value

    assert "outputSchema" in inspect("tools/list")["tools"][0]  # type: ignore[index]
    found = inspect("tools/call", "--tool-name", "search", "--tool-arg", "query=flush batches")
    assert found["structuredContent"]["hits"][0]["path"] == "writer.py"  # type: ignore[index]


@pytest.mark.parametrize(
    "scenario",
    [
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "dns-rebinding-protection",
        "server-sse-multiple-streams",
    ],
)
def test_the_conformance_suite_passes_where_it_needs_no_tools_of_its_own(
    scenario: str, project: Path
) -> None:
    env = node()
    with http_server(project) as url:
        done = subprocess.run(
            [BIN / "conformance", "server", "--url", url, "--scenario", scenario],
            cwd=project,
            env=env,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 failed" in done.stdout + done.stderr

"""`spelunk mcp` measured: start to first answer, a search through the thin process, and memory.

python -m benchmarks.mcp FOLDER
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

QUERIES = (
    "where are batches published",
    "memory limit of workers",
    "class Index",
    "merge vector segments",
    "regex",
)
ROUNDS, STARTS, CLIENTS = 8, 11, 20
FIRST = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


class Client:
    """A client's process, from its creation to the answer to ``initialize``."""

    def __init__(self, folder: str, *flags: str) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "spelunk", "mcp", *flags]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self.ask("initialize", FIRST)
        self.first_ms = (time.perf_counter() - began) * 1000

    def ask(self, method: str, params: dict[str, Any]) -> float:
        """Milliseconds to the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        began = time.perf_counter()
        message = {"jsonrpc": "2.0", "id": str(began), "method": method, "params": params}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        while json.loads(self.process.stdout.readline()).get("id") != str(began):
            pass
        return (time.perf_counter() - began) * 1000

    def search(self, query: str) -> float:
        return self.ask("tools/call", {"name": "search", "arguments": {"query": query}})

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def resident(process: int) -> float:
    """MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024, 1)


def shared_server(run: str) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if run.encode() in command and b"daemon" in command:
                return int(entry.name)
    raise SystemExit("the shared server does not run")


def spread(values: list[float]) -> dict[str, float]:
    return {"min": round(min(values)), "p50": round(statistics.median(values)), "max": round(max(values))}


def main(folder: str) -> None:
    from spelunk import Index

    with tempfile.TemporaryDirectory(prefix="spk") as run:
        os.environ.update(XDG_RUNTIME_DIR=run, SPELUNK_HOME=f"{run}/home", SPELUNK_MCP_GRACE="30")
        subprocess.run([sys.executable, "-m", "spelunk", "index", folder, "-q"], check=True)
        first = Client(folder)
        figures: dict[str, Any] = {"load": os.getloadavg()[0], "first_start_ms": round(first.first_ms)}
        starts, bare = [], []
        for _ in range(STARTS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            bare.append((time.perf_counter() - began) * 1000)
            client = Client(folder)
            starts.append(client.first_ms)
            client.close()
        index = Index.open(folder)
        for query in QUERIES:
            first.search(query), index.search(query)
        through, direct = [], []
        for query in QUERIES * ROUNDS:
            through.append(first.search(query))
            began = time.perf_counter()
            index.search(query)
            direct.append((time.perf_counter() - began) * 1000)
        server = shared_server(run)
        figures |= {
            "start_ms": spread(starts),
            "bare_python_ms": spread(bare),
            "search_through_ms": spread(through),
            "search_in_process_ms": spread(direct),
            "thin_process_mib": resident(first.process.pid),
            "server_mib": resident(server),
        }
        clients = [Client(folder) for _ in range(CLIENTS)]
        figures[f"server_with_{CLIENTS}_more_clients_mib"] = resident(server)
        alone = Client(folder, "--no-server")
        alone.search(QUERIES[0])
        figures |= {"no_server_start_ms": round(alone.first_ms), "no_server_mib": resident(alone.process.pid)}
        for client in (alone, first, *clients):
            client.close()
        os.kill(server, 15)
        while Path(f"/proc/{server}").exists():
            time.sleep(0.1)
        print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])

"""`spelunk serve` measured on loopback: start, requests with wrk, and memory over minutes of searches and edits.

python -m benchmarks.serve load FOLDER [SECONDS]     needs wrk
python -m benchmarks.serve memory COPY [MINUTES]     edits files of COPY
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.mcp import resident

REQUESTS = (
    "healthz",
    "api/search?q=open+file&limit=10&freshness=relaxed",
    "api/search?q=open+file&limit=10&freshness=strict",
    "api/search?q=parse_args&mode=symbol&freshness=relaxed",
    "api/search?q=open+file&limit=10&freshness=relaxed&highlight=1&facets=1&content=0",
    "api/file?path=argparse.py&highlight=1&freshness=relaxed&end=400",
    "api/file?path=argparse.py&highlight=1&freshness=relaxed",
)
CLIENTS = (1, 8)
EDIT_EVERY, PAUSE = 5.0, 0.2


class Server:
    """The command in a process of its own, on any free port."""

    def __init__(self, folder: str, *flags: str) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "spelunk", "serve", folder, "--port", "0", "--rate", "0", *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        while not (found := re.search(r"http://[\d.:]+", self.process.stderr.readline())):
            pass
        self.url = found[0]
        self.get("healthz")
        self.first_ms = round((time.perf_counter() - began) * 1000)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=120) as answer:
            return answer.read()

    def processes(self) -> list[int]:
        """The server and its children: the process that updates."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def close(self) -> int:
        self.process.terminate()
        return self.process.wait()


def load(folder: str, seconds: int) -> dict[str, Any]:
    subprocess.run([sys.executable, "-m", "spelunk", "index", folder, "-q"], check=True)
    server = Server(folder)
    began = time.perf_counter()
    server.get(REQUESTS[1])
    figures: dict[str, Any] = {
        "load": os.getloadavg(),
        "start_ms": server.first_ms,
        "first_search_ms": round((time.perf_counter() - began) * 1000),
    }
    for path in REQUESTS:
        for clients in CLIENTS:
            wrk = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", f"{server.url}/{path}"]
            text = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
            kept = re.findall(r"(?:(50|99)%\s+(\S+)|(Requests/sec|Non-2xx[^:]*|Socket errors):\s+(.+))", text)
            figures[f"{path} {clients}"] = {a or c: b or d for a, b, c, d in kept}
    figures["resident_mib"] = resident(server.process.pid)
    figures["exit"] = server.close()
    return figures


def memory(folder: str, minutes: float) -> None:
    """A different query each time, every fifth one strict, and an edited file every 5 s."""
    subprocess.run([sys.executable, "-m", "spelunk", "index", folder, "-q"], check=True)
    files = sorted(path for path in Path(folder).rglob("*.py") if path.is_file())
    words = sorted(
        {
            word
            for path in files[::20]
            for word in re.findall(r"[a-z]{4,}", path.read_text("utf-8", "replace"))
        }
    )
    chance = random.Random(5)
    server = Server(folder, "--memory-limit", "400MiB")
    began = told = edited = time.monotonic()
    done = 0
    while time.monotonic() - began < minutes * 60:
        query = " ".join(chance.sample(words, 3))
        server.get(f"api/search?q={quote(query)}&freshness={'strict' if done % 5 == 0 else 'relaxed'}")
        done += 1
        now = time.monotonic()
        if now - edited > EDIT_EVERY:
            edited = now
            with open(chance.choice(files), "a") as file:
                file.write(f"# {chance.choice(words)}\n")
        if now - told > 30:
            told = now
            held = [resident(process) for process in server.processes()]
            print(
                f"{now - began:5.0f} s  {done:6,} searches  server {held[0]} MiB  updates {sum(held[1:]):.1f} MiB",
                flush=True,
            )
        time.sleep(PAUSE)
    print("exit", server.close())


def main(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as base:
        os.environ.setdefault("SPELUNK_HOME", f"{base}/home")
        if words[0] == "load":
            print(json.dumps(load(words[1], int((words[2:] or ["6"])[0])), indent=1))
        else:
            memory(words[1], float((words[2:] or ["10"])[0]))


if __name__ == "__main__":
    main(sys.argv[1:])

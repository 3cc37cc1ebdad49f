"""A Ray cluster of several nodes on this machine, in a process of its own.

Ray starts threads in a process that uses it, and a process with threads cannot
fork workers: the tests talk to ``python -m tests.ray_cluster`` over pipes. It
starts a head and more nodes of one core each, prints their address, and does
one command a line: ``add`` (another node), ``kill`` (a node that
is not the head, by SIGKILL). At the end of its input it ends every process that it started.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Self

STORE_BYTES = 100_000_000


class RayCluster:
    """The cluster, as the tests see it.

    Attributes:
        address: HOST:PORT of its head.
    """

    def __init__(self, nodes: int = 2) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster", str(nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.address = self._answer()

    @property
    def session(self) -> int:
        """The session of all its processes."""
        return self._process.pid

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("= "):
                return line[2:].strip()
        raise RuntimeError("the Ray cluster did not start")

    def ask(self, command: str) -> str:
        """Do one command, and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def tasks_at_work(self) -> list[int]:
        """Process ids of the Ray workers that do a task now; waits for the first."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = []
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                try:
                    title = (entry / "cmdline").read_bytes()
                    session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
                except (OSError, ValueError, IndexError):
                    continue
                if session == self._process.pid and title.startswith(b"ray::run"):
                    found.append(int(entry.name))
            if found:
                return found
        return []

    def stop(self) -> None:
        """End every process of the cluster; may be called twice."""
        if self._process.returncode is not None:
            return
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.read()
        self._process.stdout.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def main() -> None:
    from ray.cluster_utils import Cluster

    def answer(text: object) -> None:
        print(f"= {text}", flush=True)

    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(int(sys.argv[1]) - 1):
            cluster.add_node(**node)
        answer(cluster.address)
        for line in sys.stdin:
            if line.strip() == "add":
                cluster.add_node(**node)
            elif line.strip() == "kill":
                cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            answer("done")
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()

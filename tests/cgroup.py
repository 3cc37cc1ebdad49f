"""Run a command in a memory cgroup of its own, v1 or v2, where one can be made."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BASE = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Run:
    """What a command in a cgroup did.

    Attributes:
        code: Its exit status.
        peak_anonymous: The most memory seen that is not page cache, in bytes, sampled.
        peak: The most the kernel counted, page cache included.
        oom_kills: Processes that the kernel killed for want of memory.
    """

    code: int
    stdout: str
    stderr: str
    peak_anonymous: int
    peak: int
    oom_kills: int


def parent() -> Path | None:
    """The cgroup below which one can be made; None where memory is not controlled here, or not by us."""
    v2 = (BASE / "cgroup.controllers").exists()
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not v2 and "memory" in controllers.split(","):
            found = BASE / "memory" / path.lstrip("/")
        elif v2 and not controllers:
            found = BASE / path.lstrip("/")
            if "memory" not in (found / "cgroup.subtree_control").read_text().split():
                continue
        else:
            continue
        if found.is_dir() and os.access(found, os.W_OK):
            return found
    return None


def run(above: Path, argv: Sequence[str], limit: int, env: dict[str, str] | None = None) -> Run:
    """Run a command that may use ``limit`` bytes, its children included; no swap.

    Raises:
        OSError: The cgroup cannot be made.
    """
    group = above / f"capped-{os.getpid()}"
    group.mkdir()
    v1 = (group / "memory.limit_in_bytes").exists()
    try:
        if v1:
            (group / "memory.limit_in_bytes").write_text(str(limit))
            swap = group / "memory.memsw.limit_in_bytes"
            if swap.exists():
                swap.write_text(str(limit))
        else:
            (group / "memory.max").write_text(str(limit))
            (group / "memory.swap.max").write_text("0")
        process = subprocess.Popen(
            # The shell joins the cgroup before it becomes the command: no page is counted elsewhere.
            ["sh", "-c", f'echo $$ > "{group}/cgroup.procs" && exec "$@"', "sh", *argv],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        anonymous = peak = 0
        while process.poll() is None:
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            anonymous = max(anonymous, int(stat["total_rss"] if v1 else stat["anon"]))
            peak = max(peak, _number(group / ("memory.max_usage_in_bytes" if v1 else "memory.peak")))
            time.sleep(0.05)
        out, err = process.communicate()
        events = group / ("memory.oom_control" if v1 else "memory.events")
        counts = dict(line.split() for line in events.read_text().splitlines())
        return Run(process.returncode, out, err, anonymous, peak, int(counts.get("oom_kill", 0)))
    finally:
        _remove(group)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except OSError:
        return 0


def _remove(group: Path) -> None:
    for _ in range(100):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.05)  # its last process is about to be gone

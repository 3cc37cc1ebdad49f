"""Peak memory of an index run over its whole process tree: `python benchmarks/memory.py FOLDER [flags]`.

Samples, ten times a second, the proportional set size (each shared page counted
once) and the resident size (counted in every process) of the command and its
children. Further arguments go to `spelunk index`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    out = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    out += tree(int(child))
    except OSError:
        pass  # it ended meanwhile
    return out


def sizes(pid: int) -> tuple[int, int, int]:
    """PSS, anonymous PSS and RSS of a process in bytes."""
    found = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                key, _, rest = line.partition(":")
                if key in ("Pss", "Pss_Anon", "Rss"):
                    found[key] = int(rest.split()[0]) * 1024
    except OSError:
        return 0, 0, 0
    return found.get("Pss", 0), found.get("Pss_Anon", 0), found.get("Rss", 0)


def main() -> None:
    folder, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        command = [
            sys.executable,
            "-m",
            "spelunk",
            "index",
            folder,
            "--index-dir",
            f"{place}/ix",
            "--json",
            *flags,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak = [0, 0, 0]
        while process.poll() is None:
            now = [sum(column) for column in zip(*map(sizes, tree(process.pid)), strict=True)]
            peak = [max(a, b) for a, b in zip(peak, now, strict=True)]
            time.sleep(0.1)
        out = process.stdout.read() if process.stdout else ""
    report = json.loads(out)
    mib = [round(p / 2**20) for p in peak]
    print(
        json.dumps(
            {
                "folder": os.path.basename(os.path.realpath(folder)),
                "flags": flags,
                "files": report["files"],
                "chunks": report["chunks"],
                "seconds": round(report["seconds"], 1),
                "workers": report["workers"],
                "pss_mib": mib[0],
                "pss_anonymous_mib": mib[1],
                "rss_mib": mib[2],
                "reported_mib": round(report["peak_rss_bytes"] / 2**20),
                "failed": len(report["failures"]),
            }
        )
    )


if __name__ == "__main__":
    main()

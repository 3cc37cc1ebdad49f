"""Processor time of a repository's first index against that of a second worktree's, and of a branch switch.

    python -m benchmarks.worktrees REPOSITORY [BRANCH [ROUNDS]]

Each round has a home of its own. BRANCH is switched to and back in the second worktree, twice.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 3


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def index(root: Path, home: Path) -> tuple[float, str]:
    """Index by the real command: seconds of processor time over all processes, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "spelunk", "index", str(root)],
        env={**os.environ, "SPELUNK_HOME": str(home)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stdout.splitlines()[0].partition(": ")[2]


def main() -> None:
    repository, branch = Path(sys.argv[1]).resolve(), (sys.argv[2:] or [""])[0]
    rows: dict[str, list[float]] = {}
    for turn in range(int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            home, tree = Path(folder, "home"), Path(folder, "tree")
            git(repository, "worktree", "add", "-f", "--detach", str(tree), "HEAD")
            try:
                steps = [("first", repository, ""), ("second worktree", tree, ""), ("nothing new", tree, "")]
                if branch:
                    steps += [("to the branch", tree, branch), ("and back", tree, "-")]
                    steps += [("there again", tree, branch), ("back again", tree, "-")]
                for name, root, to in steps:
                    if to:
                        git(tree, "checkout", "--detach" if to != "-" else "-q", to)
                    seconds, said = index(root, home)
                    rows.setdefault(name, []).append(seconds)
                    print(f"{turn + 1}  {name:16} {seconds:7.2f} s  {said}", flush=True)
            finally:
                git(repository, "worktree", "remove", "--force", str(tree))
    first = rows["first"]
    for name, seconds in rows.items():
        share = statistics.median(s / f for s, f in zip(seconds, first, strict=True))
        print(f"median {name:16} {statistics.median(seconds):7.2f} s  {share:6.1%} of the first")


if __name__ == "__main__":
    main()

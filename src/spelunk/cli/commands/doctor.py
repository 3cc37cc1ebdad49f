"""``spelunk doctor``: check this machine, this installation and the known indexes; one line for each finding."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from spelunk.config import GIB, format_size
from spelunk.present.phrases import short

DISTRIBUTIONS: Final = {
    "google-re2": ("re2", "regular expressions"),
    "numpy": ("numpy", "vectors"),
    "prometheus-client": ("prometheus_client", "metrics"),
    "tantivy": ("tantivy", "full text"),
    "tree-sitter": ("tree_sitter", "parsing"),
    "tree-sitter-language-pack": ("tree_sitter_language_pack", "grammars"),
    "xxhash": ("xxhash", "digests"),
    "zstandard": ("zstandard", "stored texts"),
}
"""Required distributions: the module of each, and its purpose."""
EXTRAS: Final = {
    "fastembed": ("embedder fastembed:MODEL", ("fastembed",)),
    "onnx": ("embedder onnx:DIR", ("onnxruntime", "tokenizers")),
    "ray": ("executor ray", ("ray", "msgpack")),
    "remote": ("embedder api:MODEL", ("urllib3", "tenacity")),
}
"""The purpose of each extra, and its distributions, which are named as their modules are."""
LOW_DISK: Final = 2 * GIB
MARKS: Final = {"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[1;31m"}
NETWORK: Final = (
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "drvfs", "afs", "ceph", "glusterfs",
)  # fmt: skip
"""File systems whose locks or times are unreliable, or whose stat is slow."""


class Finding(NamedTuple):
    """The result of one check.

    Attributes:
        level: ``ok``, ``warn`` or ``fail``.
        what: What was checked.
        detail: What was seen.
        advice: What to do; empty if nothing.
    """

    level: str
    what: str
    detail: str
    advice: str = ""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--json", action="store_true", help="print one object")


def run(args: argparse.Namespace) -> int:
    """Check everything and print the findings; 1 where one of them is ``fail``."""
    from spelunk.cli.output import colored, put, put_json
    from spelunk.io.printable import printable, printable_name, styled
    from spelunk.present.objects import SCHEMA_VERSION

    findings = examine()
    ok = all(f.level != "fail" for f in findings)
    if args.json:
        rows = [f._asdict() for f in findings]
        put_json({"schema_version": SCHEMA_VERSION, "ok": ok, "findings": rows})
        return 0 if ok else 1
    color = colored(args)
    for f in findings:
        if args.quiet and f.level == "ok":
            continue
        mark = styled(f"{f.level:<4}", MARKS[f.level], color)
        advice = f": {printable(f.advice)}" if f.advice else ""
        put(f"{mark}  {printable_name(f.what)}: {printable(f.detail)}{advice}\n")
    return 0 if ok else 1


def examine() -> list[Finding]:
    """Run every check; one that itself fails is a warning."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _versions, _dependencies, _extras, _sqlite, _index_folder, _git, _indexes,
    )  # fmt: skip
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:
            findings.append(Finding("warn", check.__name__.strip("_"), f"could not be checked: {error}"))
    return findings


def _versions() -> Iterator[Finding]:
    from spelunk import __version__

    yield Finding("ok", "spelunk", __version__)
    yield Finding("ok", "python", f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.platform}")


def _dependencies() -> Iterator[Finding]:
    from importlib import import_module, metadata

    for name, (module, purpose) in DISTRIBUTIONS.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = "unknown version"
        try:
            import_module(module)
        except Exception as error:
            advice = "reinstall Spelunk, e.g. `pip install --force-reinstall spelunk`"
            yield Finding("fail", name, f"{purpose}: {error}", advice)
            continue
        if name == "tree-sitter-language-pack" and version.partition(".")[0] not in ("0", "unknown version"):
            advice = "this major version downloads its grammars at run time: install one below 1"
            yield Finding("fail", name, f"{version} ({purpose})", advice)
        else:
            yield Finding("ok", name, f"{version} ({purpose})")


def _extras() -> Iterator[Finding]:
    """Check the optional parts; one that is not installed is ``ok``, one that is installed and broken is not."""
    from importlib import import_module, metadata
    from importlib.util import find_spec

    for extra, (purpose, modules) in EXTRAS.items():
        name = f"extra {extra}"
        install = f"pip install 'spelunk[{extra}]'"
        missing = [m for m in modules if find_spec(m) is None]
        if missing:
            lacks = "" if len(missing) == len(modules) else f", it lacks {', '.join(missing)}"
            yield Finding("ok", name, f"not installed{lacks} ({purpose}; `{install}`)")
            continue
        try:
            for module in modules:
                import_module(module)
        except Exception as error:
            yield Finding("warn", name, f"{purpose}: {error}", f"reinstall it: `{install}`")
            continue
        versions = ", ".join(f"{m} {metadata.version(m)}" for m in modules)
        yield Finding("ok", name, f"{versions} ({purpose})")


def _sqlite() -> Iterator[Finding]:
    import sqlite3

    old = sqlite3.sqlite_version_info < (3, 22)
    advice = "3.22 reads an index on a read-only disk; use a newer Python build" if old else ""
    yield Finding("warn" if old else "ok", "sqlite", sqlite3.sqlite_version, advice)


def _index_folder() -> Iterator[Finding]:
    from spelunk.io.cache_dir import index_home

    folder = index_home()
    existing = folder
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    reason = _refusal(existing)
    if reason:
        detail = f"{short(folder)} cannot be written ({reason})"
        yield Finding("fail", "index folder", detail, "set SPELUNK_HOME to another folder")
        return
    state = f"mode {os.stat(existing).st_mode & 0o777:o}" if existing == folder else "not created yet"
    yield Finding("ok", "index folder", f"{short(folder)}, {state}")
    usage = os.statvfs(existing)
    free = usage.f_bavail * usage.f_frsize
    advice = "an index takes about as much as the text it holds; free some space or set SPELUNK_HOME"
    low = free < LOW_DISK
    yield Finding("warn" if low else "ok", "disk space", f"{format_size(free)} free", advice if low else "")
    kind = file_system(existing)
    if kind in NETWORK:
        advice = "locks and times are unreliable there; set SPELUNK_HOME to a local disk"
        yield Finding("warn", "file system", f"{kind} (network)", advice)
    elif kind:
        yield Finding("ok", "file system", kind)


def _refusal(folder: str) -> str:
    """Why no folder can be created in a folder, found by trying; empty if one can."""
    probe = os.path.join(folder, f".spelunk-doctor-{os.getpid()}")
    try:
        os.mkdir(probe, 0o700)
        os.rmdir(probe)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def file_system(path: str) -> str:
    """The type of the file system that holds a path; empty where it cannot be found out (not Linux)."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
            rows = [line.split() for line in f]
    except OSError:
        return ""
    path = os.path.realpath(path)
    best, kind = "", ""
    for row in rows:
        mount = row[4].encode().decode("unicode_escape", "replace")
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, row[row.index("-") + 1]
    return kind


def _git() -> Iterator[Finding]:
    import shutil
    import subprocess

    git = shutil.which("git")
    if git is None:
        advice = "only `spelunk branchwork` needs it; ignore files are read without it"
        yield Finding("warn", "git", "not found", advice)
        return
    done = subprocess.run([git, "--version"], capture_output=True, text=True, check=False)
    yield Finding("ok", "git", done.stdout.strip().removeprefix("git version ") or git)


def _indexes() -> Iterator[Finding]:
    from spelunk.workspace import background
    from spelunk.workspace.catalogue import LOCKED, VANISHED, catalogue
    from spelunk.workspace.state import ACTIONS, CORRUPT, TOO_NEW

    entries = catalogue().workspaces
    if not entries:
        yield Finding("ok", "indexes", "none yet")
    for entry in entries:
        name = f"index of {short(entry.root)}"
        run = background.read(entry.directory)
        if run is not None and run.state != background.STARTED:
            yield Finding("warn", name, f"its background run {run.state}", run.describe())
        if entry.state == VANISHED:
            advice = f"`spelunk clear {entry.root}` deletes the index"
            yield Finding("warn", name, "the folder no longer exists", advice)
        elif entry.state == LOCKED:
            yield Finding("warn", name, entry.detail)
        elif entry.state in (CORRUPT, TOO_NEW):
            advice = "" if entry.detail else ACTIONS[entry.state]
            yield Finding("fail", name, f"{entry.state}: {entry.detail}", advice)
        else:
            detail = f"{entry.state}, {entry.files:,} files, {format_size(entry.bytes)}"
            yield Finding("ok", name, detail)

"""What ``spelunk doctor`` looks at."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from spelunk.cli.output import short
from spelunk.config import GIB, format_size

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
EXTRAS: Final = {
    "onnx": ("embedder onnx:DIR", ("onnxruntime", "tokenizers")),
    "remote": ("embedder api:MODEL", ("urllib3", "tenacity")),
}
"""What each extra of the package is for, and its distributions, named as their modules are."""
SAMPLE: Final = ("python", "javascript", "typescript", "go", "rust", "java", "c", "cpp")
LOW_DISK: Final = 2 * GIB
FEW_WATCHES: Final = 65_536
NETWORK: Final = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "fuse.sshfs",
    "9p",
    "drvfs",
    "afs",
    "ceph",
    "glusterfs",
)
"""File systems whose locks or times cannot be relied on, or that are slow to stat."""


class Finding(NamedTuple):
    """``level`` is ``ok``, ``warn`` or ``fail``; ``advice`` says what to do."""

    level: str
    what: str
    detail: str
    advice: str = ""


def look() -> list[Finding]:
    """Every finding; a look that itself breaks is a warning."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _dependencies, _extras, _grammars, _sqlite, _home, _watches, _git, _locale, _indexes,
    )  # fmt: skip
    found: list[Finding] = []
    for one in looks:
        try:
            found += one()
        except Exception as error:
            found.append(Finding("warn", one.__name__.strip("_"), f"could not be checked: {error}"))
    return found


def _python() -> Iterator[Finding]:
    from spelunk import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "spelunk", __version__)
    yield Finding("ok", "python", f"{version}, {sys.platform}")


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
            advice = "this major version fetches its grammars at run time: install one below 1"
            yield Finding("fail", name, f"{version} ({purpose})", advice)
        else:
            yield Finding("ok", name, f"{version} ({purpose})")


def _extras() -> Iterator[Finding]:
    """Optional parts; one that is not installed is no fault, one that is there and broken is."""
    from importlib import import_module, metadata
    from importlib.util import find_spec

    for extra, (purpose, modules) in EXTRAS.items():
        what = f"extra {extra}"
        install = f"pip install 'spelunk[{extra}]'"
        missing = [m for m in modules if find_spec(m) is None]
        if missing:
            lacks = "" if len(missing) == len(modules) else f", it lacks {', '.join(missing)}"
            yield Finding("ok", what, f"not installed{lacks} ({purpose}; `{install}`)")
            continue
        try:
            for module in modules:
                import_module(module)
        except Exception as error:
            yield Finding("warn", what, f"{purpose}: {error}", f"reinstall it: `{install}`")
            continue
        versions = ", ".join(f"{m} {metadata.version(m)}" for m in modules)
        yield Finding("ok", what, f"{versions} ({purpose})")


def _grammars() -> Iterator[Finding]:
    from tree_sitter_language_pack import get_parser

    bad = []
    for language in SAMPLE:
        try:
            get_parser(language).parse(b"x")
        except Exception as error:
            bad.append(f"{language} ({error})")
    if bad:
        yield Finding("fail", "grammars", ", ".join(bad), "reinstall tree-sitter-language-pack")
    else:
        yield Finding("ok", "grammars", f"{', '.join(SAMPLE)} load")


def _sqlite() -> Iterator[Finding]:
    import sqlite3

    if sqlite3.sqlite_version_info < (3, 22):
        advice = "3.22 reads an index on a read-only disk; use a newer Python build"
        yield Finding("warn", "sqlite", sqlite3.sqlite_version, advice)
    else:
        yield Finding("ok", "sqlite", sqlite3.sqlite_version)


def _home() -> Iterator[Finding]:
    from spelunk.io.cache_dir import index_home

    base = index_home()
    there = base
    while not os.path.exists(there):
        there = os.path.dirname(there)
    name = short(base)
    reason = _refuses(there)
    if reason:
        advice = "set SPELUNK_HOME to another folder"
        yield Finding("fail", "index folder", f"{name} cannot be written ({reason})", advice)
        return
    mode = f"{os.stat(there).st_mode & 0o777:o}" if there == base else ""
    yield Finding("ok", "index folder", f"{name}{f', mode {mode}' if mode else ', not made yet'}")
    usage = os.statvfs(there)
    free = usage.f_bavail * usage.f_frsize
    advice = "an index takes about as much as the text it holds; free some space or set SPELUNK_HOME"
    low = free < LOW_DISK
    yield Finding("warn" if low else "ok", "disk space", f"{format_size(free)} free", advice if low else "")
    kind = file_system(there)
    if kind in NETWORK:
        advice = "locks and times may not hold there; set SPELUNK_HOME to a local disk"
        yield Finding("warn", "file system", f"{kind} (network)", advice)
    elif kind:
        yield Finding("ok", "file system", kind)


def _refuses(folder: str) -> str:
    """Why nothing can be made in a folder, found out by trying; empty if it can."""
    probe = os.path.join(folder, f".spelunk-doctor-{os.getpid()}")
    try:
        os.mkdir(probe, 0o700)
        os.rmdir(probe)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def file_system(path: str) -> str:
    """The type of the file system that holds a path; empty where this is not known."""
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


def _watches() -> Iterator[Finding]:
    try:
        with open("/proc/sys/fs/inotify/max_user_watches", encoding="ascii") as f:
            watches = int(f.read())
    except (OSError, ValueError):
        return
    few = watches < FEW_WATCHES
    advice = (
        "watching a large tree needs one a folder: sysctl fs.inotify.max_user_watches=524288" if few else ""
    )
    yield Finding("warn" if few else "ok", "inotify", f"{watches:,} watches a user", advice)


def _git() -> Iterator[Finding]:
    import shutil
    import subprocess

    git = shutil.which("git")
    if git is None:
        advice = "only `spelunk branchwork` needs it; ignore files are read without it"
        yield Finding("warn", "git", "not found", advice)
        return
    asked = subprocess.run([git, "--version"], capture_output=True, text=True, check=False)
    yield Finding("ok", "git", asked.stdout.strip().removeprefix("git version ") or git)


def _locale() -> Iterator[Finding]:
    encoding = sys.stdout.encoding if sys.stdout is not None else "none"
    names = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") == "utf8" == names.lower().replace("-", ""):
        yield Finding("ok", "locale", "UTF-8")
    else:
        advice = "other characters are printed as escapes; set LC_ALL=C.UTF-8 or PYTHONUTF8=1"
        yield Finding("warn", "locale", f"output {encoding}, file names {names}", advice)


def _indexes() -> Iterator[Finding]:
    from spelunk.cli.commands.list import workspaces
    from spelunk.cli.commands.status import ACTIONS

    rows = workspaces()
    if not rows:
        yield Finding("ok", "indexes", "none yet")
    for row in rows:
        state, name = row["state"], f"index of {short(row['root'])}"
        if state == "vanished":
            yield Finding(
                "warn", name, "the folder is gone", f"`spelunk clear {row['root']}` deletes the index"
            )
        elif state in ("corrupt", "format-too-new"):
            yield Finding("fail", name, f"{state}: {row['detail']}", "" if row["detail"] else ACTIONS[state])
        else:
            yield Finding("ok", name, f"{state}, {row['files']:,} files, {format_size(row['bytes'])}")

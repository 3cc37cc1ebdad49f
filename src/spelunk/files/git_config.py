"""Find ``core.excludesFile`` in git's configuration files, without running git.

git itself is not run: in a repository of unknown origin it would follow every
include of ``.git/config``, a FIFO or a device among them. Here each file is
read through :mod:`spelunk.io.regular` and their number and depth are bounded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from spelunk.errors import ConfigError
from spelunk.files.git_dir import Repository, head
from spelunk.files.glob import MalformedError, compiled, translate
from spelunk.io.cache_dir import expand_user
from spelunk.io.regular import read_regular

MAX_CONFIG_BYTES: Final = 1024 * 1024
MAX_CONFIG_FILES: Final = 32
"""Files read for one repository, includes counted."""
MAX_INCLUDE_DEPTH: Final = 10
"""git's own limit (``MAX_INCLUDE_DEPTH`` in config.c)."""

_HEADER: Final = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:\\.|[^"\\])*)")?\s*\](.*)')
_VARIABLE: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*=(.*)")


def config_files(repository: Repository | None) -> list[str]:
    """git's configuration files, weakest first; those that an include names are not among them."""
    xdg = os.environ.get("XDG_CONFIG_HOME") or _home(".config")
    files = []
    if not os.environ.get("GIT_CONFIG_NOSYSTEM"):
        files.append(os.environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig")
    single = os.environ.get("GIT_CONFIG_GLOBAL")
    files += [os.path.join(xdg, "git", "config"), _home(".gitconfig")] if single is None else [single]
    if repository is not None:
        files.append(os.path.join(repository.common, "config"))
    return [path for path in files if os.path.isabs(path)]


def excludes_file(repository: Repository | None) -> tuple[str, list[str]]:
    """The path of the user's excludes file, and every configuration file that took part or could.

    Without ``core.excludesFile`` the path is git's default. It is empty where
    the setting is, or where no home folder is known.
    """
    read = _Reader(repository)
    for path in config_files(repository):
        read.file(path, 0)
    if read.value is None:
        xdg = os.environ.get("XDG_CONFIG_HOME") or _home(".config")
        return (os.path.join(xdg, "git", "ignore") if os.path.isabs(xdg) else ""), read.seen
    value = _expanded(read.value)
    top = repository.top if repository else _home("")
    return (os.path.join(top, value) if value else ""), read.seen


def _home(below: str) -> str:
    """A path below the home folder; empty where none is known."""
    try:
        return os.path.join(expand_user("~"), below)
    except ConfigError:
        return ""


def _expanded(path: str) -> str:
    try:
        return expand_user(path)
    except ConfigError:
        return ""


class _Reader:
    """Reads configuration files in order; the last value counts."""

    def __init__(self, repository: Repository | None) -> None:
        self.repository = repository
        self.value: str | None = None
        self.seen: list[str] = []

    def file(self, path: str, depth: int) -> None:
        """Read one file and what it includes, at the place of the include."""
        if len(self.seen) >= MAX_CONFIG_FILES or depth > MAX_INCLUDE_DEPTH:
            return
        self.seen.append(path)
        try:
            data = read_regular(path, MAX_CONFIG_BYTES)
        except (OSError, ValueError):
            return
        lowered = data.lower()
        if b"excludesfile" not in lowered and b"include" not in lowered:
            return
        for section, subsection, key, value in _variables(os.fsdecode(data)):
            if (section, key) == ("core", "excludesfile"):
                self.value = value
            elif key == "path" and value and (section == "include" or self._holds(section, subsection, path)):
                self.file(os.path.join(os.path.dirname(path), _expanded(value)), depth + 1)

    def _holds(self, section: str, condition: str, path: str) -> bool:
        """Whether an ``includeIf`` counts; the conditions are gitdir, gitdir/i and onbranch."""
        if section != "includeif" or self.repository is None:
            return False
        kind, _, pattern = condition.partition(":")
        if kind == "onbranch":
            return _matches(pattern + "**" if pattern.endswith("/") else pattern, head(self.repository))
        if kind not in ("gitdir", "gitdir/i"):
            return False
        if pattern.startswith("./"):
            pattern = os.path.dirname(os.path.realpath(path)) + pattern[1:]
        pattern = _expanded(pattern)
        pattern = pattern if pattern.startswith("/") else "**/" + pattern
        pattern += "**" if pattern.endswith("/") else ""
        directories = {self.repository.git_dir, os.path.realpath(self.repository.git_dir)}
        if kind == "gitdir/i":
            pattern, directories = pattern.lower(), {d.lower() for d in directories}
        return any(_matches(pattern, directory) for directory in directories)


def _matches(pattern: str, text: str) -> bool:
    as_view = [os.fsencode(x).decode("latin-1") for x in (pattern, text)]
    try:
        return compiled(*translate(as_view[0], pathname=True))(as_view[1]) is not None
    except MalformedError:
        return False


def _variables(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(section, subsection, key, value) in order; section and key in lower case."""
    section = subsection = ""
    for line in _logical_lines(text):
        header = _HEADER.match(line)
        if header:
            section, subsection = header[1].lower(), re.sub(r"\\(.)", r"\1", header[2] or "")
            line = header[3]
        variable = _VARIABLE.match(line)
        if variable:
            yield section, subsection, variable[1].lower(), _value(variable[2].strip())


def _logical_lines(text: str) -> Iterator[str]:
    """Lines, with those joined that end in a backslash; comments left out."""
    held: list[str] = []
    for line in text.splitlines():
        if not held and line.lstrip()[:1] in ("#", ";"):
            continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            held.append(line[:-1])
            continue
        yield "".join([*held, line])
        held.clear()
    if held:
        yield "".join(held)


def _value(raw: str) -> str:
    """A configuration value: quotes, escapes, comments."""
    out: list[str] = []
    quoted = False
    kept = i = 0
    while i < len(raw):
        c = raw[i]
        if c == "\\" and i + 1 < len(raw):
            i += 1
            out.append({"n": "\n", "t": "\t", "b": "\b"}.get(raw[i], raw[i]))
            kept = len(out)
        elif c == '"':
            quoted = not quoted
            kept = len(out)
        elif c in "#;" and not quoted:
            break
        else:
            out.append(c)
            if quoted or not c.isspace():
                kept = len(out)
        i += 1
    return "".join(out[:kept])

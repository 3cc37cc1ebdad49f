"""Which ignore files take part: git's own places above and beside the workspace."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spelunk.files.glob import Rule
from spelunk.files.ignore import GLOBAL, IGNORE_FILES, REPOSITORY, Scope, empty_scope, from_setting, parse
from spelunk.files.stamp import Signature

_MAX_IGNORE_FILE: Final = 16 * 1024 * 1024

_SLACK_NS: Final = 20_000_000
"""Two ticks of the slowest kernel clock in use (100 Hz): a later change within it may keep the time stamp."""

_COARSE_SLACK_NS: Final = 2_000_000_000
"""The same for file systems that keep whole seconds (FAT keeps two)."""


def trusted_mtime(mtime_ns: int, ctime_ns: int, now_ns: int) -> int:
    """A modification time, or -1 if a change right after ``now_ns`` could leave it the same.

    Judged by the change time, which nobody can set: a file stamped in the
    future is trusted once its change time is old.
    """
    age = now_ns - ctime_ns
    if age > _COARSE_SLACK_NS or (age > _SLACK_NS and ctime_ns % 1_000_000_000):
        return mtime_ns
    return -1


def signature(path: str, now_ns: int) -> Signature:
    """The signature of a file as it is now."""
    try:
        st = os.stat(path)
    except OSError:
        return (path, -1, -1, -1)
    return (path, trusted_mtime(st.st_mtime_ns, st.st_ctime_ns, now_ns), st.st_size, st.st_ino)


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository.

    Attributes:
        top: Absolute path of its working tree.
        common: Absolute path of its (common) git directory.
    """

    top: str
    common: str


def repository_at(directory: str) -> Repository | None:
    """The repository whose working tree starts at a directory, or None."""
    dot_git = os.path.join(directory, ".git")
    try:
        mode = os.stat(dot_git).st_mode
    except OSError:
        return None
    git_dir = dot_git
    if stat.S_ISREG(mode):
        content = read_small(dot_git) or b""
        if not content.startswith(b"gitdir:"):
            return None
        git_dir = os.path.join(directory, os.fsdecode(content[7:].strip()))
        common = read_small(os.path.join(git_dir, "commondir"))
        return Repository(
            directory, os.path.normpath(os.path.join(git_dir, os.fsdecode((common or b".").strip())))
        )
    if not os.path.lexists(os.path.join(git_dir, "HEAD")):
        return None
    return Repository(directory, git_dir)


def repository_of(root: str) -> Repository | None:
    """The repository that holds a directory, looking upwards."""
    directory = root
    while True:
        found = repository_at(directory)
        if found is not None:
            return found
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def read_small(path: str, *, follow: bool = True) -> bytes | None:
    """The contents of a regular file of reasonable size, or None."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except OSError:
        return None
    try:
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode) or st.st_size > _MAX_IGNORE_FILE:
            return None
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(fd)


def git_config_files(repository: Repository | None) -> list[str]:
    """git's configuration files, weakest first."""
    home = os.environ.get("HOME") or os.path.expanduser("~")
    xdg = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    files = (
        []
        if os.environ.get("GIT_CONFIG_NOSYSTEM")
        else [os.environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig"]
    )
    single = os.environ.get("GIT_CONFIG_GLOBAL")
    files += (
        [single]
        if single is not None
        else [os.path.join(xdg, "git", "config"), os.path.join(home, ".gitconfig")]
    )
    if repository is not None:
        files.append(os.path.join(repository.common, "config"))
    return files


def global_excludes(repository: Repository | None, configs: Iterable[bytes]) -> str:
    """The path of the user's excludes file: ``core.excludesFile`` or git's default place.

    Args:
        repository: Whose configuration counts.
        configs: Contents of :func:`git_config_files`, in their order. git
            itself is asked only where one of them includes another.
    """
    home = os.environ.get("HOME") or os.path.expanduser("~")
    value: str | None = None
    for data in configs:
        lowered = data.lower()
        if b"[include" in lowered:
            asked = _ask_git(repository)
            if asked is not None:
                value = asked
                break
        if b"excludesfile" in lowered:
            found = _core_excludes_file(data.decode("utf-8", "surrogateescape"))
            value = found if found is not None else value
    if value is None:
        return os.path.join(
            os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git", "ignore"
        )
    if value == "~" or value.startswith("~/"):
        value = home + value[1:]
    elif value.startswith("~"):
        value = os.path.expanduser(value)
    return os.path.join(repository.top if repository else home, value) if value else ""


_CORE: Final = re.compile(r"^\s*\[core\]", re.IGNORECASE)
_EXCLUDES: Final = re.compile(r"^\s*(?:\[core\]\s*)?excludesfile\s*=\s*(.*)$", re.IGNORECASE)


def _core_excludes_file(text: str) -> str | None:
    inside = False
    value: str | None = None
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = _CORE.match(line) is not None
        match = _EXCLUDES.match(line) if inside else None
        if match:
            value = _config_value(match[1])
    return value


def _config_value(raw: str) -> str:
    """A git configuration value: quotes, escapes, comments."""
    out: list[str] = []
    quoted = False
    kept = 0
    i = 0
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


def _ask_git(repository: Repository | None) -> str | None:
    import subprocess  # only where a configuration includes another

    command = ["git", "config", "--path", "--get", "core.excludesFile"]
    try:
        done = subprocess.run(
            command, cwd=repository.top if repository else None, capture_output=True, check=False
        )
    except OSError:
        return None
    return os.fsdecode(done.stdout).rstrip("\n") if done.returncode == 0 else None


@dataclass(frozen=True, slots=True)
class Outer:
    """The rules that hold at a root before its own ignore files are read.

    Attributes:
        scope: The scope at the root.
        repository: The repository the root lies in.
        depth: Directories from the repository's top to the root.
        signatures: Every file that took part or would, were it there.
    """

    scope: Scope
    repository: Repository | None
    depth: int
    signatures: tuple[Signature, ...]


def outer_rules(root: str, exclude: tuple[str, ...], now_ns: int) -> Outer:
    """Rules from git's global and repository excludes, from the directories above ``root`` and from the setting."""
    repository = repository_of(root)
    configs = git_config_files(repository)
    seen = [signature(path, now_ns) for path in configs]
    contents = [read_small(found[0]) or b"" for found in seen if found[2] >= 0]
    scope = empty_scope()
    excludes = global_excludes(repository, contents)
    places = [(excludes, GLOBAL)] if excludes else []
    if repository is not None:
        places.append((os.path.join(repository.common, "info", "exclude"), REPOSITORY))
    top: list[Rule] = []
    for path, group in places:
        seen.append(signature(path, now_ns))
        top += _parsed(path, _shown(path, root), group, 0)
    depth = 0
    if repository is not None and repository.top != root:
        directory = repository.top
        for name in os.path.relpath(root, repository.top).split(os.sep):
            rules = top
            top = []
            for file, group in IGNORE_FILES:
                path = os.path.join(directory, file)
                seen.append(signature(path, now_ns))
                rules = rules + _parsed(path, _shown(path, root), group, depth, follow=False)
            scope = scope.extend(rules).enter(name) if rules else scope.enter(name)
            directory = os.path.join(directory, name)
            depth += 1
    scope = scope.extend([*top, *from_setting(exclude, "exclude")])
    return Outer(scope, repository, depth, tuple(seen))


def _shown(path: str, root: str) -> str:
    return path[len(root) + 1 :] if path.startswith(root.rstrip("/") + "/") else path


def _parsed(path: str, source: str, group: int, depth: int, *, follow: bool = True) -> list[Rule]:
    data = read_small(path, follow=follow)
    return parse(data, source, group, depth) if data else []


def directory_rules(
    directory: str, relative: str, names: Iterable[str], depth: int, now_ns: int
) -> tuple[list[Rule], list[Signature]]:
    """The rules of the ignore files in a directory, and the signatures of those files.

    Args:
        directory: Absolute path, with a trailing slash.
        relative: The same relative to the root, ``""`` or with a trailing slash.
        names: Which of the ignore files are there.
        depth: Directories from the top of the repository, or from the root where there is none.
        now_ns: A moment before the look.
    """
    rules: list[Rule] = []
    signatures: list[Signature] = []
    groups = dict(IGNORE_FILES)
    for name in names:
        signatures.append(signature(directory + name, now_ns))
        rules += _parsed(directory + name, relative + name, groups[name], depth, follow=False)
    return rules, signatures


def repository_rules(
    repository: Repository, relative: str, now_ns: int
) -> tuple[list[Rule], list[Signature]]:
    """The rules of a repository's own ``info/exclude``, for one found below a root that is in none."""
    path = os.path.join(repository.common, "info", "exclude")
    return _parsed(path, f"{relative}.git/info/exclude", REPOSITORY, 0), [signature(path, now_ns)]

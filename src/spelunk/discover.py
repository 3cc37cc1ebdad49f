"""Discovery: walk a root under its ignore rules and offer the files worth indexing.

What is left out without a trace, because it is not "seen": what an ignore file
or the ``exclude`` setting leaves out (tracked by git or not, as ripgrep does),
hidden names unless asked for, and ``.git``. What is recognised and reported as
skipped: dependency and cache folders, lock files, minified files, binary
extensions, oversized files, symbolic links (never followed: a target inside
the root is found by its own name), special files, and repositories nested in
the workspace's own. Below a root that is in no repository, repositories are
entered as usual.

``.spelunkignore`` and ``exclude`` outrank all other rules. Their ``!`` patterns
re-include what another rule, the hidden-name default or the tables of skipped
names leave out, even below an ignored directory when the pattern names the way
(``!build/docs/*.md`` does, ``!*.md`` does not).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from spelunk.config import DEFAULTS, Options, format_size
from spelunk.errors import WorkspaceError
from spelunk.globs import Rule
from spelunk.ignore import IGNORE_FILES, SPELUNK, Scope, empty_scope, from_setting
from spelunk.ignorefiles import (
    Repository,
    Signature,
    directory_rules,
    outer_rules,
    repository_at,
    repository_rules,
    trusted_mtime,
)
from spelunk.pathflags import FLAGS, SKIPPED_DIRECTORIES, describe, directory_bits
from spelunk.types import Candidate, Failed, Flag, Skipped

Row = tuple[str, int, int, int, int, str, Flag]
"""A candidate as a plain tuple, its fields in the order of :class:`~spelunk.types.Candidate`."""

CACHE_TAG: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""First line of a ``CACHEDIR.TAG`` (https://bford.info/cachedir/)."""

_IGNORE_NAMES: Final = tuple(name for name, _ in IGNORE_FILES)
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(slots=True)
class Walk:
    """What a walk found.

    Attributes:
        rows: Every file offered, by path.
        skipped: Files and folders recognised and left out, by path.
        failed: What could not be looked at, by path.
        dirs: Every directory visited (``""`` is the root), with its mtime in
            ns, or -1 where a change could hide behind it.
        rule_files: Signatures of the ignore and configuration files that took
            part, or would if they were there.
    """

    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    dirs: list[tuple[str, int]] = field(default_factory=list)
    rule_files: list[Signature] = field(default_factory=list)

    @property
    def candidates(self) -> list[Candidate]:
        """The rows as objects, built anew on each access."""
        return [Candidate(*row) for row in self.rows]


@dataclass(slots=True)
class Place:
    """A directory on its way through a walk, with all that it inherits.

    Attributes:
        path: Absolute, with a trailing slash.
        relative: ``""`` or with a trailing slash.
        scope: The rules, before the directory's own files.
        bits: Flags of the directories above.
        held: Why it is left out itself, and entered only for what is re-included below; or None.
        forced: Whether a rule of Spelunk's own re-included it by name.
        include: The ``include`` setting's rules here; None without the setting.
        kept: Whether the ``include`` setting takes in everything here.
        repository: Whether it lies in a repository.
        depth: Directories below the repository's top.
    """

    path: str
    relative: str
    scope: Scope
    bits: int = 0
    held: Skipped | Rule | str | None = None
    forced: bool = False
    include: Scope | None = None
    kept: bool = True
    repository: bool = False
    depth: int = 0


def start(root: str, options: Options, now_ns: int) -> tuple[Place, list[Signature]]:
    """The root as a place, and the signatures of the rule files above and beside it."""
    outer = outer_rules(root, options.exclude, now_ns)
    include = empty_scope().extend(from_setting(options.include, "include")) if options.include else None
    place = Place(
        path=root.rstrip("/") + "/",
        relative="",
        scope=outer.scope,
        include=include,
        kept=include is None,
        repository=outer.repository is not None,
        depth=outer.depth,
    )
    return place, list(outer.signatures)


def is_forced(rule: Rule | None) -> bool:
    """Whether a deciding rule is a re-inclusion of Spelunk's own."""
    return rule is not None and rule.negated and rule.group >= SPELUNK


def settle(place: Place, names: Iterable[str], now_ns: int) -> tuple[Skipped | None, list[Signature]]:
    """Take a directory's own rule files into its scope.

    Args:
        place: The directory; changed in place.
        names: The names in it.
        now_ns: A moment before the look.

    Returns:
        Why the whole directory is skipped, or None; and signatures of its rule files.
    """
    signatures: list[Signature] = []
    if place.relative:
        if ".git" in names:
            repository = repository_at(place.path.rstrip("/"))
            if repository is not None:
                reason = _enter_repository(place, repository, signatures, now_ns)
                if reason is not None:
                    return reason, signatures
        if not place.forced:
            here = place.relative[:-1]
            if "CACHEDIR.TAG" in names and _is_cache(place.path):
                return Skipped(here, "cache", "tagged by CACHEDIR.TAG"), signatures
            if "pyvenv.cfg" in names:
                return Skipped(here, "dependencies", "a Python virtual environment"), signatures
    present = [name for name in _IGNORE_NAMES if name in names]
    if present and place.held is None:
        rules, own = directory_rules(place.path, place.relative, present, place.depth, now_ns)
        signatures += own
        if rules:
            place.scope = place.scope.extend(rules)
    return None, signatures


def _enter_repository(
    place: Place, repository: Repository, signatures: list[Signature], now_ns: int
) -> Skipped | None:
    if place.repository and not place.forced:
        return Skipped(
            place.relative[:-1], "nested-repository", "a repository of its own: index it separately"
        )
    rules, own = repository_rules(repository, place.relative, now_ns)
    signatures += own
    place.scope = place.scope.extend(rules)
    place.repository = True
    return None


def _is_cache(directory: str) -> bool:
    try:
        with open(directory + "CACHEDIR.TAG", "rb") as f:
            return f.read(len(CACHE_TAG)) == CACHE_TAG
    except OSError:
        return False


def child(place: Place, name: str, options: Options) -> Place | Skipped | Rule | str:
    """What becomes of a sub-directory.

    Returns:
        The place to visit; or why not: ``Skipped``, the rule that leaves it
        out, ``"hidden"``, ``"include"`` or ``"git"``.
    """
    if name == ".git":
        return "git"
    scope = place.scope
    rule = scope.directory(name)
    forced = is_forced(rule)
    out: Skipped | Rule | str | None = None
    if not forced:
        if rule is not None and not rule.negated:
            out = rule
        elif name[0] == "." and not options.hidden:
            out = "hidden"
        elif name in SKIPPED_DIRECTORIES:
            out = Skipped(place.relative + name, SKIPPED_DIRECTORIES[name], "by its name")
        if out is not None and not scope.reaches_below(name):
            return out
    include, kept = place.include, place.kept
    if include is not None:
        chosen = include.directory(name)
        kept = kept if chosen is None else not chosen.negated
        if not kept and not include.could_match_below(name):
            return "include"
        include = include.enter(name)
    return Place(
        path=f"{place.path}{name}/",
        relative=f"{place.relative}{name}/",
        scope=scope.enter(name),
        bits=place.bits | directory_bits(name),
        held=None if forced else out or place.held,
        forced=forced,
        include=include,
        kept=kept,
        repository=place.repository,
        depth=place.depth + 1,
    )


def walk(root: str, options: Options = DEFAULTS) -> Walk:
    """Find every file of a workspace that is worth indexing.

    Args:
        root: The workspace's folder.
        options: ``hidden``, ``include``, ``exclude`` and ``max_file_size`` count here.

    Raises:
        WorkspaceError: The root is missing, not a folder, or unreadable.
    """
    root = os.path.realpath(root)
    now = time.time_ns()
    try:
        os.close(os.open(root, _OPEN))
    except OSError as error:
        raise WorkspaceError(f"{root}: cannot be indexed: {error.strerror}") from None
    found = Walk()
    first, found.rule_files = start(root, options, now)
    pending = [first]
    while pending:
        place = pending.pop()
        try:
            fd = os.open(place.path, _OPEN)
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone since its parent was listed
        except OSError as error:
            found.failed.append(Failed(place.relative[:-1], "discover", error.strerror or str(error)))
            continue
        try:
            st = os.fstat(fd)
            found.dirs.append((place.relative[:-1], trusted_mtime(st.st_mtime_ns, st.st_ctime_ns, now)))
            with os.scandir(fd) as entries:
                names = {entry.name: entry for entry in entries}
            _visit(place, names, options, found, pending, now)
        except OSError as error:
            found.failed.append(Failed(place.relative[:-1], "discover", error.strerror or str(error)))
        finally:
            os.close(fd)
    found.rows.sort(key=itemgetter(0))
    found.skipped.sort(key=lambda skipped: skipped.path)
    found.failed.sort(key=lambda failed: failed.path)
    found.dirs.sort()
    return found


def _visit(
    place: Place,
    names: dict[str, os.DirEntry[str]],
    options: Options,
    found: Walk,
    pending: list[Place],
    now: int,
) -> None:
    """Sort the entries of one open directory into the walk. Its descriptor stays open: entries stat through it."""
    reason, signatures = settle(place, names, now)
    found.rule_files += signatures
    if reason is not None:
        if place.held is None:
            found.skipped.append(reason)
        return
    rows, skipped, relative = found.rows, found.skipped, place.relative
    scope, bits, limit, trusted_before = place.scope, place.bits, options.max_file_size, now - 2_000_000_000
    show_hidden = options.hidden or scope.reincludes
    rule_of = scope.file
    plain = place.held is None and place.include is None and not scope.reincludes
    for name, entry in names.items():
        if name[0] == "." and not show_hidden:
            continue
        if entry.is_file(follow_symlinks=False):
            rule = rule_of(name)
            if plain:
                if rule is not None and not rule.negated:
                    continue
                forced = False
            else:
                forced = is_forced(rule)
                if not forced and (place.held is not None or (rule is not None and not rule.negated)):
                    continue
                if name[0] == "." and not options.hidden and not forced:
                    continue
                if not chosen(place, name):
                    continue
            language, own, skip = describe(name)
            if skip is not None and not forced:
                skipped.append(Skipped(relative + name, skip[0], skip[1]))
                continue
            try:
                st = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                found.failed.append(Failed(relative + name, "discover", error.strerror or str(error)))
                continue
            size, ctime, mtime = st.st_size, st.st_ctime_ns, st.st_mtime_ns
            if size > limit:
                detail = f"{format_size(size)}, more than {format_size(limit)}"
                skipped.append(Skipped(relative + name, "too-large", detail))
                continue
            if ctime > trusted_before:
                mtime = trusted_mtime(mtime, ctime, now)
            rows.append((relative + name, size, mtime, ctime, st.st_ino, language, FLAGS[bits | own]))
        elif entry.is_dir(follow_symlinks=False):
            below = child(place, name, options)
            if isinstance(below, Place):
                pending.append(below)
            elif isinstance(below, Skipped) and place.held is None:
                skipped.append(below)
        elif _is_seen(place, name, options):
            skipped.append(odd(relative + name, entry.stat(follow_symlinks=False).st_mode))


def chosen(place: Place, name: str) -> bool:
    """Whether the ``include`` setting takes in a file."""
    if place.include is None:
        return True
    rule = place.include.file(name)
    return place.kept if rule is None else not rule.negated


def _is_seen(place: Place, name: str, options: Options) -> bool:
    rule = place.scope.file(name)
    if not is_forced(rule) and (
        place.held is not None
        or (rule is not None and not rule.negated)
        or (name[0] == "." and not options.hidden)
    ):
        return False
    return chosen(place, name)


def odd(path: str, mode: int) -> Skipped:
    """A name that is neither a regular file nor a directory, as skipped."""
    if stat.S_ISLNK(mode):
        return Skipped(path, "symlink", "not followed; a target inside the root is found by its own name")
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a character device"))
    return Skipped(path, "special", next((word for test, word in kinds if test(mode)), "a device"))


def unchanged(root: str, dirs: Iterable[tuple[str, int]], rule_files: Iterable[Signature]) -> bool:
    """Whether the set of files below a root is what a walk found.

    Additions, removals and renames show in the directories' times, new rules
    in the signatures. Changes *inside* files do not: those are for the caller
    to look for, file by file.

    Args:
        root: The root that was walked.
        dirs: :attr:`Walk.dirs` of that walk.
        rule_files: :attr:`Walk.rule_files` of that walk.
    """
    look = os.stat
    try:
        for path, mtime, size, inode in rule_files:
            try:
                st = look(path)
            except OSError:
                if size != -1:
                    return False
            else:
                if st.st_mtime_ns != mtime or st.st_size != size or st.st_ino != inode:
                    return False
        fd = os.open(os.path.realpath(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for path, mtime in dirs:
                if look(path or ".", dir_fd=fd).st_mtime_ns != mtime:
                    return False
        finally:
            os.close(fd)
    except OSError:
        return False
    return True

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
re-include what another rule, the hidden-name default, the tables of skipped
names or the rule about nested repositories leave out, even below an ignored directory when the pattern names the way
(``!build/docs/*.md`` does, ``!*.md`` does not).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from spelunk.config import DEFAULTS, Options, format_size
from spelunk.errors import WorkspaceError
from spelunk.files.directory import INDEX_DETAIL, Place, child, chosen, is_forced, odd, settle, start
from spelunk.files.ignore_sources import trusted_mtime
from spelunk.files.path_rules import FLAGS, describe
from spelunk.files.stamp import Signature, unchanged
from spelunk.types import Candidate, Failed, Flag, Skipped

__all__ = ["Row", "Walk", "unchanged", "walk"]

Row = tuple[str, int, int, int, int, str, Flag]
"""A candidate as a plain tuple, its fields in the order of :class:`~spelunk.types.Candidate`."""

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
    _walk(first, options, found, now)
    found.rows.sort(key=itemgetter(0))
    found.skipped.sort(key=lambda skipped: skipped.path)
    found.failed.sort(key=lambda failed: failed.path)
    found.dirs.sort()
    return found


def _walk(first: Place, options: Options, found: Walk, now: int) -> None:
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
        if reason.detail == INDEX_DETAIL:
            found.dirs.pop()  # what an update writes there is no change of the workspace
        if place.held is None:
            found.skipped.append(reason)
        return
    rows, skipped, relative = found.rows, found.skipped, place.relative
    scope, bits, limit, trusted_before = place.scope, place.bits, options.max_file_size, now - 2_000_000_000
    show_hidden = options.hidden or scope.reincludes
    find = scope.file_finder()
    plain = place.held is None and place.include is None and not scope.reincludes
    for name, entry in names.items():
        if name[0] == "." and not show_hidden:
            continue
        if entry.is_file(follow_symlinks=False):
            if name.isascii():
                decided = find(name)
                rule = None if decided is None else decided[1]
            else:
                rule = scope.file(name)
            forced = False
            if plain:
                if rule is not None and not rule.negated:
                    continue
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
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:
                continue  # gone, or about to be
            skipped.append(odd(relative + name, mode))


def _is_seen(place: Place, name: str, options: Options) -> bool:
    rule = place.scope.file(name)
    if not is_forced(rule) and (
        place.held is not None
        or (rule is not None and not rule.negated)
        or (name[0] == "." and not options.hidden)
    ):
        return False
    return chosen(place, name)

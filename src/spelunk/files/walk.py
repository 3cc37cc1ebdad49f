"""Walk a folder under its ignore rules and list the files worth indexing.

Left out without a trace: what an ignore file or the ``exclude`` setting leaves
out (tracked by git or not, as ripgrep does), hidden names unless the settings
ask for them, and ``.git``. Reported as skipped: dependency and cache folders, lock
files, minified files, binary extensions, oversized files, symbolic links (never
followed: a target inside the root is listed under its own name), special files,
and repositories nested in the workspace's own. Below a root that is in no
repository, repositories are entered as usual.

``.spelunkignore`` and ``exclude`` outrank all other rules. Their ``!`` patterns
re-include what another rule, the hidden-name default, the tables of skipped
names or the rule about nested repositories leave out, even below an ignored
directory when the pattern names the way (``!build/docs/*.md`` does, ``!*.md``
does not).
"""

from __future__ import annotations

import os
import struct
import time
from operator import itemgetter
from typing import Final

from spelunk.config import DEFAULTS, Options, format_size
from spelunk.errors import WorkspaceError
from spelunk.files import fence
from spelunk.files.directory import (
    INDEX_DETAIL,
    Directory,
    decide_file,
    decide_folder,
    is_forced,
    load_rules,
    skip_special_file,
    start,
)
from spelunk.files.fence import Seen
from spelunk.files.path_rules import describe
from spelunk.files.source import Walk
from spelunk.files.stamp import COARSE_SLACK_NS, file_stamp, folder_stamp, pack_file, settled
from spelunk.types import Failed, Skipped

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Gathered:
    """What a walk has found so far."""

    __slots__ = ("device", "failed", "folders", "now", "options", "pending", "rows", "rule_files", "skipped")

    def __init__(self, options: Options, first: Directory, rule_files: list[Seen], now: int) -> None:
        walk = Walk()
        self.rows, self.skipped, self.failed = walk.rows, walk.skipped, walk.failed
        self.folders: list[Seen] = []
        self.rule_files = rule_files
        self.pending = [first]
        self.options, self.now = options, now
        self.device = 0


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
    gathered = Gathered(options, *start(root, options, now), now)
    while gathered.pending:
        list_directory(gathered.pending.pop(), gathered)
    gathered.rows.sort(key=itemgetter(0))
    gathered.skipped.sort(key=lambda skipped: skipped.path)
    gathered.failed.sort(key=lambda failed: failed.path)
    fenced = fence.build(gathered.folders, gathered.rule_files)
    return Walk(gathered.rows, gathered.skipped, gathered.failed, fenced)


def list_directory(directory: Directory, gathered: Gathered) -> None:
    """Gather the entries of a directory; those to visit are pending then."""
    try:
        fd = open_directory(directory, gathered)
    except (FileNotFoundError, NotADirectoryError):
        return  # gone since its parent was listed
    except OSError as error:
        gathered.failed.append(_failed(directory.relative[:-1], error))
        return
    try:
        st = os.fstat(fd)
        gathered.folders.append((directory.relative[:-1], settled(folder_stamp(st), st, gathered.now)))
        with os.scandir(fd) as entries:
            names = {entry.name: entry for entry in entries}
        _visit(directory, names, gathered)
    except OSError as error:
        gathered.failed.append(_failed(directory.relative[:-1], error))
    finally:
        os.close(fd)


def open_directory(directory: Directory, gathered: Gathered) -> int:
    """Open a directory; a link that took its place, or that of a directory above it, is not followed.

    The directory that the parent's listing named is in the workspace wherever it
    was reached. Any other (a mount, a replaced one) is opened again, one name at a time.

    Raises:
        OSError: It cannot be opened; NotADirectoryError if a link is in the way.
    """
    fd = os.open(directory.path, _OPEN)
    if not directory.relative:
        gathered.device = os.fstat(fd).st_dev
        return fd
    st = os.fstat(fd)
    if st.st_ino == directory.inode and st.st_dev == gathered.device:
        return fd
    os.close(fd)
    here = os.open(directory.path[: -len(directory.relative)], _OPEN)
    for name in directory.relative[:-1].split("/"):
        try:
            below = os.open(name, _OPEN, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def _failed(path: str, error: OSError) -> Failed:
    return Failed(path, "discover", error.strerror or str(error))


def _visit(directory: Directory, names: dict[str, os.DirEntry[str]], gathered: Gathered) -> None:
    """Sort the entries of one open directory. Its descriptor stays open: entries stat through it."""
    options, now = gathered.options, gathered.now
    reason, seen = load_rules(directory, names, now)
    gathered.rule_files += seen
    if reason is not None:
        if reason.detail == INDEX_DETAIL:
            gathered.folders.pop()  # what an update writes there is no change of the workspace
        if directory.held is None:
            gathered.skipped.append(reason)
        return
    rows, skipped, relative = gathered.rows, gathered.skipped, directory.relative
    rules, bits, limit, surely_settled = (
        directory.rules,
        directory.bits,
        options.max_file_size,
        now - COARSE_SLACK_NS,
    )
    show_hidden = options.hidden or rules.reincludes
    find = rules.file_finder()
    stamp_of = pack_file
    plain = directory.held is None and directory.include is None
    hidden = options.hidden
    for name, entry in names.items():
        dotted = name[0] == "."
        if dotted and not show_hidden:
            continue
        if entry.is_file(follow_symlinks=False):
            if name.isascii():
                match = find(name)
                rule = None if match is None else match[1]
            else:
                rule = rules.file(name)
            # decide_file says None where nothing applies; most files are spared the call.
            if rule is not None or not plain or (dotted and not hidden):
                if decide_file(directory, name, rule, options) is not None:
                    continue
                forced = is_forced(rule)
            else:
                forced = False
            language, own, skip = describe(name)
            if skip is not None and not forced:
                skipped.append(Skipped(relative + name, skip[0], skip[1]))
                continue
            try:
                st = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                gathered.failed.append(_failed(relative + name, error))
                continue
            size, ctime = st.st_size, st.st_ctime_ns
            if size > limit:
                skipped.append(too_large(relative + name, size, limit))
                continue
            try:
                stamp = stamp_of(size, st.st_mtime_ns, ctime, st.st_ino)
            except struct.error:
                stamp = file_stamp(st)
            if ctime > surely_settled:
                stamp = settled(stamp, st, now)
            rows.append((relative + name, size, stamp, language, bits | own))
        elif entry.is_dir(follow_symlinks=False):
            below = decide_folder(directory, name, options)
            if isinstance(below, Directory):
                below.inode = entry.inode()
                gathered.pending.append(below)
            elif isinstance(below, Skipped) and directory.held is None:
                skipped.append(below)
        elif decide_file(directory, name, rules.file(name), options) is None:
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:
                continue  # gone, or about to be
            skipped.append(skip_special_file(relative + name, mode))


def too_large(path: str, size: int, limit: int) -> Skipped:
    """The report of a file above the size limit; sizes in bytes."""
    return Skipped(path, "too-large", f"{format_size(size)}, more than {format_size(limit)}")

"""Explain why a path is indexed or not: the walk's decisions for one path, with the rule that decides."""

from __future__ import annotations

import os
import stat
import time

from msgspec import Struct
from msgspec.structs import replace

from spelunk.config import DEFAULTS, Options
from spelunk.files.content import BINARY_PROBE, looks_binary
from spelunk.files.directory import (
    Directory,
    Reason,
    decide_file,
    decide_folder,
    is_forced,
    load_rules,
    skip_special_file,
    start,
)
from spelunk.files.glob import Rule
from spelunk.files.languages import refine
from spelunk.files.path_rules import FLAGS, describe
from spelunk.files.walk import too_large
from spelunk.io.regular import read_head
from spelunk.types import Flag, Skipped


class IndexedFile(Struct, frozen=True):
    """How a file is stored in the index.

    Attributes:
        language: Canonical language name.
        encoding: Of the file, as read.
        lines: Its lines.
        chunks: Its chunks.
        kinds: Number of chunks by kind, most frequent first.
        generation: The generation that stored it.
    """

    language: str
    encoding: str
    lines: int
    chunks: int
    kinds: tuple[tuple[str, int], ...]
    generation: int


class Explanation(Struct, frozen=True):
    """Whether a path is indexed, and the rule that decides.

    Attributes:
        path: Relative to the root; as given if it is outside.
        verdict: ``indexed``, ``ignored``, ``skipped``, ``missing`` or ``outside``; with the
            index's own knowledge also ``pending`` (the next update indexes it) or ``failed``.
            For a folder ``indexed`` means that its files are looked at.
        rule: The deciding pattern as written, or the reason's stable word; ``""`` if none.
        source: The file or setting that holds the rule; ``""`` if none.
        line: Its 1-based line, or position in the setting; 0 if none.
        detail: One sentence for people.
        language: The file's language, where it is a file.
        flags: Its flags.
        index: How it is stored in the index; None if it is not, or the index was not read.
    """

    path: str
    verdict: str
    rule: str = ""
    source: str = ""
    line: int = 0
    detail: str = ""
    language: str = ""
    flags: Flag = Flag.NONE
    index: IndexedFile | None = None


def why(root: str, path: str, options: Options = DEFAULTS) -> Explanation:
    """Why a path is indexed, or which rule leaves it or a folder above it out.

    What only the whole content shows (a minified file, for example) is left to the
    reader; a binary file is recognised by its first bytes here too.

    Args:
        root: The workspace's folder.
        path: Absolute, or relative to the root. It need not exist.
        options: The settings of the index.
    """
    root = os.path.realpath(root)
    absolute = os.path.normpath(os.path.join(root, path))
    absolute = os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))
    if absolute == root or root.startswith(absolute + "/"):
        verdict = "indexed" if absolute == root else "outside"
        return Explanation(
            "." if absolute == root else path,
            verdict,
            detail="the root" if absolute == root else "above the root",
        )
    base = root.rstrip("/") + "/"
    if not absolute.startswith(base):
        return Explanation(path, "outside", detail=f"not below {root}")
    relative = absolute[len(base) :]
    now = time.time_ns()
    directory, _ = start(root, options, now)
    *above, name = relative.split("/")
    for folder in above:
        left_out = _visited(directory, now)
        if left_out is not None:
            return _about(left_out, relative)
        below = decide_folder(directory, folder, options)
        if not isinstance(below, Directory):
            return _left_out(relative, below, directory.relative + folder)
        directory = below
    left_out = _visited(directory, now)
    if left_out is not None:
        return _about(left_out, relative)
    return _last(directory, name, relative, options, now)


def _visited(directory: Directory, now: int) -> Explanation | None:
    """Read a directory's rule files; an explanation if that leaves it out or it is not there."""
    try:
        names = os.listdir(directory.path)
    except FileNotFoundError:
        return Explanation("", "missing", detail=f"there is no {directory.relative[:-1]}")
    except OSError as error:
        return Explanation(
            "", "skipped", "unreadable", detail=f"{directory.relative[:-1] or '.'}: {error.strerror}"
        )
    reason, _ = load_rules(directory, names, now)
    return None if reason is None else _skipped("", reason)


def _about(reason: Explanation, path: str) -> Explanation:
    return replace(reason, path=path)


def _skipped(path: str, reason: Skipped, language: str = "", flags: Flag = Flag.NONE) -> Explanation:
    where = f"{reason.path}: " if reason.path != path else ""
    return Explanation(
        path, "skipped", reason.reason, detail=where + reason.detail, language=language, flags=flags
    )


def _left_out(path: str, reason: Reason, at: str) -> Explanation:
    """The explanation of a reason that holds for a path, for a named folder above it, or (``""``) for one of them."""
    through = "" if at == path else f"the folder {at} " if at else "it or a folder above "
    if isinstance(reason, Skipped):
        return _skipped(path, reason)
    if isinstance(reason, Rule):
        text = reason.text.encode("latin-1").decode("utf-8", "surrogateescape")
        detail = f"{through}matches {text!r} in {reason.source}, line {reason.line}"
        return Explanation(path, "ignored", text, reason.source, reason.line, detail)
    details = {
        "hidden": f"{through}has a name that starts with a dot (setting hidden)",
        "include": f"{through}is not among the patterns of the setting include",
        "git": f"{through}is git's own",
    }
    return Explanation(path, "ignored", reason, "include" if reason == "include" else "", 0, details[reason])


def _last(directory: Directory, name: str, path: str, options: Options, now: int) -> Explanation:
    """What becomes of the last name of a path, in a directory that is visited."""
    try:
        st = os.lstat(directory.path + name)
    except FileNotFoundError:
        return Explanation(path, "missing", detail="there is no such file")
    except OSError as error:
        return Explanation(path, "skipped", "unreadable", detail=error.strerror or str(error))
    if stat.S_ISDIR(st.st_mode):
        return _folder(directory, name, path, options, now)
    rule = directory.rules.file(name)
    language, bits, skip = describe(name)
    flags = FLAGS[bits | directory.bits]
    reason = decide_file(directory, name, rule, options)
    if reason is not None:
        return _left_out(path, reason, "" if reason is directory.held else path)
    if not stat.S_ISREG(st.st_mode):
        return _skipped(path, skip_special_file(path, st.st_mode))
    if skip is not None and not is_forced(rule):
        return _skipped(path, Skipped(path, *skip), language, flags)
    if st.st_size > options.max_file_size:
        return _skipped(path, too_large(path, st.st_size, options.max_file_size), language, flags)
    try:
        first = read_head(directory.path + name, BINARY_PROBE, follow=False)
    except OSError as error:
        return Explanation(path, "skipped", "unreadable", detail=error.strerror or str(error))
    if looks_binary(first):
        return _skipped(path, Skipped(path, "binary", "by its first bytes"), language, flags)
    language = refine(path, first.decode("utf-8", "replace"))
    if rule is not None:
        again = _left_out(path, rule, path)
        detail = f"re-included by {again.rule!r} in {rule.source}, line {rule.line}"
        return Explanation(path, "indexed", again.rule, rule.source, rule.line, detail, language, flags)
    return Explanation(path, "indexed", detail="no rule leaves it out", language=language, flags=flags)


def _folder(directory: Directory, name: str, path: str, options: Options, now: int) -> Explanation:
    below = decide_folder(directory, name, options)
    if not isinstance(below, Directory):
        return _left_out(path, below, path)
    if below.held is not None:
        return _left_out(path, below.held, "")
    left_out = _visited(below, now)
    if left_out is not None:
        return _about(left_out, path)
    return Explanation(
        path, "indexed", detail="a folder: each of its files is looked at", flags=FLAGS[below.bits]
    )

"""Why a path is indexed or not: discovery's own decisions, taken for one path and kept with their reason."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass

from spelunk.config import DEFAULTS, Options, format_size
from spelunk.files.content import BINARY_PROBE, looks_binary
from spelunk.files.directory import Place, child, chosen, is_forced, odd, settle, start
from spelunk.files.glob import Rule
from spelunk.files.languages import refine
from spelunk.files.path_rules import FLAGS, describe
from spelunk.io.regular import read_head
from spelunk.types import Flag, Skipped


@dataclass(frozen=True, slots=True)
class IndexedFile:
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


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a path, and the rule that decided.

    Attributes:
        path: Relative to the root; as given where it lies outside.
        verdict: ``indexed``, ``ignored``, ``skipped``, ``missing`` or ``outside``; with the
            index's own knowledge also ``pending`` (the next update indexes it) or ``failed``.
            For a folder ``indexed`` means that its files are looked at.
        rule: The deciding pattern as written, or the reason's stable word; ``""`` if none.
        source: The file or setting that holds the rule; ``""`` if none.
        line: Its 1-based line, or position in the setting; 0 if none.
        detail: One sentence for people.
        language: The file's language, where it is a file.
        flags: Its flags.
        index: How it is stored in the index; None where it is not, or the index was not asked.
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

    What only the whole content tells (a minified file, for one) is left to the
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
    place, _ = start(root, options, now)
    *above, name = relative.split("/")
    for directory in above:
        settled = _settled(place, now)
        if isinstance(settled, Explanation):
            return _about(settled, relative)
        below = child(place, directory, options)
        if not isinstance(below, Place):
            return _left_out(relative, below, place.relative + directory)
        place = below
    settled = _settled(place, now)
    if isinstance(settled, Explanation):
        return _about(settled, relative)
    return _last(place, name, relative, options, now)


def _settled(place: Place, now: int) -> Explanation | None:
    """Read a directory's rule files; an explanation if that leaves it out or it is not there."""
    try:
        names = os.listdir(place.path)
    except FileNotFoundError:
        return Explanation("", "missing", detail=f"there is no {place.relative[:-1]}")
    except OSError as error:
        return Explanation(
            "", "skipped", "unreadable", detail=f"{place.relative[:-1] or '.'}: {error.strerror}"
        )
    reason, _ = settle(place, names, now)
    return None if reason is None else _skipped("", reason)


def _about(found: Explanation, path: str) -> Explanation:
    return Explanation(path, found.verdict, found.rule, found.source, found.line, found.detail)


def _skipped(path: str, reason: Skipped, language: str = "", flags: Flag = Flag.NONE) -> Explanation:
    where = f"{reason.path}: " if reason.path != path else ""
    return Explanation(
        path, "skipped", reason.reason, detail=where + reason.detail, language=language, flags=flags
    )


def _left_out(path: str, reason: Skipped | Rule | str, at: str) -> Explanation:
    """The explanation of a reason found at a path, at a named folder above it, or (``""``) at one of them."""
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


def _last(place: Place, name: str, path: str, options: Options, now: int) -> Explanation:
    """What becomes of the last name of a path, in a directory that is visited."""
    try:
        st = os.lstat(place.path + name)
    except FileNotFoundError:
        return Explanation(path, "missing", detail="there is no such file")
    except OSError as error:
        return Explanation(path, "skipped", "unreadable", detail=error.strerror or str(error))
    if stat.S_ISDIR(st.st_mode):
        below = child(place, name, options)
        if not isinstance(below, Place):
            return _left_out(path, below, path)
        if below.held is not None:
            return _left_out(path, below.held, "")
        settled = _settled(below, now)
        if settled is not None:
            return _about(settled, path)
        return Explanation(
            path, "indexed", detail="a folder: each of its files is looked at", flags=FLAGS[below.bits]
        )
    rule = place.scope.file(name)
    forced = is_forced(rule)
    language, bits, skip = describe(name)
    flags = FLAGS[bits | place.bits]
    if not forced:
        if rule is not None and not rule.negated:
            return _left_out(path, rule, path)
        if place.held is not None:
            return _left_out(path, place.held, "")
        if name[0] == "." and not options.hidden:
            return _left_out(path, "hidden", path)
    if not chosen(place, name):
        return _left_out(path, "include", path)
    if not stat.S_ISREG(st.st_mode):
        return _skipped(path, odd(path, st.st_mode))
    if skip is not None and not forced:
        return _skipped(path, Skipped(path, *skip), language, flags)
    if st.st_size > options.max_file_size:
        detail = f"{format_size(st.st_size)}, more than {format_size(options.max_file_size)}"
        return _skipped(path, Skipped(path, "too-large", detail), language, flags)
    try:
        head = read_head(place.path + name, BINARY_PROBE, follow=False)
    except OSError as error:
        return Explanation(path, "skipped", "unreadable", detail=error.strerror or str(error))
    if looks_binary(head):
        return _skipped(path, Skipped(path, "binary", "by its first bytes"), language, flags)
    language = refine(path, head.decode("utf-8", "replace"))
    if rule is not None:
        again = _left_out(path, rule, path)
        detail = f"re-included by {again.rule!r} in {rule.source}, line {rule.line}"
        return Explanation(path, "indexed", again.rule, rule.source, rule.line, detail, language, flags)
    return Explanation(path, "indexed", detail="no rule leaves it out", language=language, flags=flags)

"""Tests of paths for ``path:`` values and globs, in time linear in the path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from spelunk.store.protocols import Filter

MAX_GLOB: Final = 4_096
"""Characters of a glob; a longer one is taken as a part of a path, which none has."""


def path_test(wanted: Filter) -> Callable[[str], bool]:
    """The test of a path for ``only``, ``within``, ``paths`` and ``not_paths`` of a filter."""
    within, beneath = frozenset(wanted.within), tuple(place + "/" for place in wanted.within)
    only = None if wanted.only is None else frozenset(wanted.only)
    include = [path_predicate(p) for p in wanted.paths]
    exclude = [path_predicate(p) for p in wanted.not_paths]

    def passes(path: str) -> bool:
        if only is not None and path not in only:
            return False
        if within and path not in within and not path.startswith(beneath):
            return False
        shown = wanted.prefix + path
        return (not include or any(t(shown) for t in include)) and not any(t(shown) for t in exclude)

    return passes


def path_predicate(pattern: str) -> Callable[[str], bool]:
    """The test of one ``path:`` value.

    Without ``*``, ``?`` and ``[`` it is a part of the path in any case. A glob
    matches a whole run of path components in any case, files beneath a
    matching folder included: ``*`` and ``?`` stay within a component, ``**``
    does not, ``[a-z]`` and ``[!a-z]`` are one character, a leading ``/``
    anchors at the root. A path that has a pattern with brackets literally
    passes too, since folders are named so (``app/[slug]``).
    """
    pattern = pattern.removeprefix("./")
    if not any(c in pattern for c in "*?[") or len(pattern) > MAX_GLOB:
        part = pattern.casefold()
        return lambda path: part in path.casefold()
    import re2  # linear time, whatever the pattern; 10 ms that only a glob pays

    options = re2.Options()
    options.log_errors = False
    literal = re2.escape(_utf8(pattern))
    anchor = b"^" if pattern.startswith("/") else b"(?:^|/)"
    glob = b"(?is)" + anchor + _utf8(_translated(pattern.strip("/"))) + b"(?:/|$)"
    try:
        search = re2.compile(glob + b"|" + literal if "[" in pattern else glob, options).search
    except re2.error:  # a range such as [z-a]
        search = re2.compile(b"(?i)" + literal, options).search
    return lambda path: search(_utf8(path)) is not None


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a name that is not UTF-8 has "?" in its place


def _translated(glob: str) -> str:
    out: list[str] = []
    i, last = 0, glob.rfind("]")
    while i < len(glob):
        c = glob[i]
        close = glob.find("]", i + 2) if c == "[" and i + 2 <= last else -1
        if glob.startswith("**/", i):
            out.append("(?:.*/)?")
            i += 2
        elif c == "*":
            double = glob.startswith("**", i)
            out.append(".*" if double else "[^/]*")
            i += double
        elif c == "?":
            out.append("[^/]")
        elif close > 0:
            inner = glob[i + 1 : close].replace("\\", "\\\\").replace("[", "\\[")
            out.append("[" + ("^/" + inner[1:] if inner[0] in "!^" else inner) + "]")
            i = close
        else:
            out.append("\\" + c if not c.isalnum() and c.isascii() and c.isprintable() and c != "_" else c)
        i += 1
    return "".join(out)

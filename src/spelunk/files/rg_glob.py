"""Globs of ripgrep's ``-g``: those of an ignore file, with ``!`` and braces, as globs of ``path:``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from spelunk.errors import UsageError

MAX_GLOBS: Final = 200
"""Globs that one with braces may stand for."""

_BRACES: Final = re.compile(r"\{([^{}]*)\}")


class PathGlobs(NamedTuple):
    """Globs of ``path:``: of paths that may be in an answer (any, where there are none), and of those that may not."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]


def path_globs(globs: Sequence[str]) -> PathGlobs:
    """The globs that were given with ``-g``.

    Raises:
        UsageError: One is empty, or its braces stand for more than :data:`MAX_GLOBS` globs.
    """
    sides: tuple[list[str], list[str]] = ([], [])
    for glob in globs:
        negated = glob.startswith("!")
        bare = glob.removeprefix("!").removeprefix("\\")
        if not bare.strip("/"):
            raise UsageError(f"glob {glob!r}: give a pattern such as '*.py', 'src/**' or '!*_test.go'")
        sides[negated].extend(map(_anchored, _expanded(bare)))
    return PathGlobs(tuple(sides[0]), tuple(sides[1]))


def _expanded(glob: str) -> list[str]:
    """A glob with each choice of its braces: ``*.{ts,tsx}`` is two."""
    done: list[str] = []
    waiting = [glob]
    while waiting:
        some = waiting.pop()
        braces = _BRACES.search(some)
        if braces is None:
            done.append(some)
            continue
        head, tail = some[: braces.start()], some[braces.end() :]
        waiting += [head + choice + tail for choice in reversed(braces[1].split(","))]
        if len(waiting) + len(done) > MAX_GLOBS:
            raise UsageError(f"glob {glob!r}: its braces stand for more than {MAX_GLOBS} globs")
    return done


def _anchored(glob: str) -> str:
    """As ``path:`` reads it: a slash inside anchors at the root, a name alone is a whole component."""
    inner = glob.strip("/")
    if ("/" in inner and not inner.startswith("**/")) or glob.startswith("/"):
        inner = "/" + inner
    if not any(c in inner for c in "*?["):  # or it would be a part of a path
        at = inner.rfind("/") + 1
        inner = f"{inner[:at]}[{inner[at]}]{inner[at + 1 :]}"
    return inner

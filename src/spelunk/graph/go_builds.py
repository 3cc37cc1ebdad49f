"""Go: whether a file belongs to the usual build, that for Linux on amd64.

The variants of a function for several systems are one symbol; the one that most
readers mean comes first. Constraints are in the name of the file (``_windows.go``)
and above its package clause (``//go:build !windows``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

MOST_LINES: Final = 60
"""Lines above the package clause that are read."""
MOST_TOKENS: Final = 200

_HAVE: Final = frozenset({"linux", "amd64", "unix", "gc", "cgo"})
_SYSTEMS: Final = frozenset(
    [
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "hurd",
        "illumos",
        "ios",
        "js",
        "linux",
        "nacl",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "wasip1",
        "windows",
        "zos",
    ]
)
_MACHINES: Final = frozenset(
    [
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
        "sparc64",
        "wasm",
    ]
)
_CONSTRAINT: Final = re.compile(r"//go:build\s+(.+)")
_TOKEN: Final = re.compile(r"&&|\|\||[!()]|[\w.]+")
_VERSION: Final = re.compile(r"go1\.\d+")


def is_usual(path: str, lines: Sequence[str]) -> bool:
    """Whether a file is compiled for Linux on amd64 without further tags."""
    words = path.rpartition("/")[2].removesuffix(".go").removesuffix("_test").split("_")[1:]
    named = [w for w in words[-2:] if w in _SYSTEMS or w in _MACHINES]
    if any(w not in _HAVE for w in named):
        return False
    for line in lines[:MOST_LINES]:
        if line.startswith("package "):
            break
        found = _CONSTRAINT.match(line)
        if found is not None:
            return _holds(_TOKEN.findall(found.group(1))[:MOST_TOKENS])
    return True


def _holds(tokens: list[str]) -> bool:
    """Whether an expression of tags holds; tags with operators in the order of their strength."""
    at = 0

    def term() -> bool:
        nonlocal at
        token = tokens[at] if at < len(tokens) else ""
        at += 1
        if token == "!":
            return not term()
        if token == "(":
            value = either()
            at += 1
            return value
        return token in _HAVE or bool(_VERSION.fullmatch(token))

    def joined(operator: str, operand: Callable[[], bool]) -> list[bool]:
        nonlocal at
        values = [operand()]
        while at < len(tokens) and tokens[at] == operator:
            at += 1
            values.append(operand())
        return values

    def both() -> bool:
        return all(joined("&&", term))

    def either() -> bool:
        return any(joined("||", both))

    return either()

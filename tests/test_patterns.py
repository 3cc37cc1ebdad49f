"""The source's patterns mean the same in every Python that Spelunk runs on."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterator
from functools import reduce
from operator import or_
from pathlib import Path
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import spelunk
from spelunk.pasted.frames import Format

OTHER_PROGRAMS = ("ray", "__main__", "qdrant", "fastembed")
"""Parts of names of modules that import a package of an extra, or run a program."""


def at_risk(pattern: Any, flags: int) -> Iterator[str]:
    """Possessive repeats and atomic groups that hold a group, or may match in part and then fail.

    Python before 3.11.5 goes on behind that part, and loses groups in them (python/cpython#101955, #106052).
    """
    for operation, value in pattern:
        if operation is code.POSSESSIVE_REPEAT:
            body = value[2]
            if not whole_or_nothing(body, flags):
                yield str(body)
            yield from at_risk(body, flags)
        elif operation is code.ATOMIC_GROUP:
            yield str(value)
        elif operation in (code.MAX_REPEAT, code.MIN_REPEAT):
            yield from at_risk(value[2], flags)
        elif operation is code.SUBPATTERN:
            yield from at_risk(value[3], flags)
        elif operation is code.BRANCH:
            for branch in value[1]:
                yield from at_risk(branch, flags)
        elif operation in (code.ASSERT, code.ASSERT_NOT):
            yield from at_risk(value[1], flags)


def whole_or_nothing(body: Any, flags: int) -> bool:
    """Whether what follows the first item of a body, or of each of its branches, cannot fail in a text of one line."""
    for operation, value in body:
        if operation is code.BRANCH:
            return len(body) == 1 and all(whole_or_nothing(branch, flags) for branch in value[1])
        if operation is code.SUBPATTERN:
            return value[0] is None and len(body) == 1 and whole_or_nothing(value[3], flags)
    return all(
        (operation in (code.POSSESSIVE_REPEAT, code.MAX_REPEAT) and value[0] == 0)
        or (operation is code.ANY and flags & re.DOTALL)  # fails at the end alone, where all else does
        for operation, value in [*body][1:]
    )


def test_no_pattern_depends_on_the_patch_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: dict[tuple[str | bytes, int], Any] = {}
    parse = _parser.parse

    def remembered(text: str | bytes, flags: int = 0, *more: Any) -> Any:
        found = compiled[text, flags] = parse(text, flags, *more)
        return found

    monkeypatch.setattr(_parser, "parse", remembered)
    re.purge()
    for module in pkgutil.walk_packages(spelunk.__path__, "spelunk."):
        if not any(part in module.name for part in OTHER_PROGRAMS):
            path = importlib.import_module(module.name).__file__
            for pattern in patterns_in(str(path)):
                re.compile(*pattern)

    wrong = {text: [*at_risk(found, flags)] for (text, flags), found in compiled.items()}
    assert len(compiled) > 300
    assert {text: bodies for text, bodies in wrong.items() if bodies} == {}


def patterns_in(path: str) -> Iterator[tuple[str | bytes, int]]:
    """The patterns that a module holds or names in a call; those of an import before this test are compiled already."""
    name = path.removesuffix(".py").removesuffix("/__init__").rpartition("/src/")[2].replace("/", ".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = [*vars(importlib.import_module(name)).values()]
    for value in values:
        inside = value if isinstance(value, tuple | list) else [value]
        for one in inside:
            if isinstance(one, re.Pattern):
                yield one.pattern, one.flags & ~re.UNICODE
            elif isinstance(one, Format):  # compiled at its first use
                yield from ((text, 0) for text in (one.pattern, one.before, one.after))
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
            text = node.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str | bytes):
                names = re.findall(
                    r"\bre\.([A-Z]+)\b", " ".join(map(ast.unparse, [*node.args[1:], *node.keywords]))
                )
                yield text.value, reduce(or_, (getattr(re, name) for name in names), re.NOFLAG)


@pytest.mark.parametrize("pattern", ["(?:ab)++", "(?:-a+)*+", "(?:(a))?+", "(?>ab|a)c", "x(?:a|bc)*+"])
def test_one_that_does_is_seen(pattern: str) -> None:
    assert [*at_risk(_parser.parse(pattern), 0)]


@pytest.mark.parametrize("pattern", [r"\w++", "[a-z]*+x", "(?:> ?)++", r"(?:[^a]++|b)*+", "(?:ab)*"])
def test_one_that_does_not_is_none(pattern: str) -> None:
    assert not [*at_risk(_parser.parse(pattern), 0)]

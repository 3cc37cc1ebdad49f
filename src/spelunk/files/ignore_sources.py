"""Read the ignore files that take part in a walk: git's own places, those above the root, and each directory's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from spelunk.files.fence import Seen, rule_file
from spelunk.files.git_config import excludes_file
from spelunk.files.git_dir import Repository, repository_of
from spelunk.files.glob import Rule
from spelunk.files.ignore import (
    GLOBAL,
    IGNORE_FILES,
    REPOSITORY,
    IgnoreRules,
    from_setting,
    no_rules,
    parse,
)
from spelunk.io.regular import read_regular

MAX_IGNORE_BYTES: Final = 1024 * 1024
"""A larger ignore file is left out as if it were not there; real ones are a hundredth of it."""


class OuterRules(Struct, frozen=True):
    """The rules that hold at a root before its own ignore files are read.

    Attributes:
        rules: The rules at the root.
        repository: The repository that holds the root.
        depth: Directories from the repository's top to the root.
        seen: Every file that took part or would, were it there.
    """

    rules: IgnoreRules
    repository: Repository | None
    depth: int
    seen: tuple[Seen, ...]


def outer_rules(root: str, exclude: tuple[str, ...], now_ns: int) -> OuterRules:
    """Rules from git's excludes files, from the directories above ``root`` and from the setting."""
    repository = repository_of(root)
    excludes, configs = excludes_file(repository)
    seen = [rule_file(path, now_ns) for path in configs]
    places = [(excludes, GLOBAL)] if excludes else []
    if repository is not None:
        places.append((os.path.join(repository.common, "info", "exclude"), REPOSITORY))
    rules = no_rules()
    top: list[Rule] = []
    for path, group in places:
        seen.append(rule_file(path, now_ns))
        top += _parsed(path, _shown(path, root), group, 0)
    depth = 0
    if repository is not None and repository.top != root:
        directory = repository.top
        for name in os.path.relpath(root, repository.top).split(os.sep):
            here = top
            top = []
            for file, group in IGNORE_FILES:
                path = os.path.join(directory, file)
                seen.append(rule_file(path, now_ns))
                here = here + _parsed(path, _shown(path, root), group, depth, follow=False)
            rules = rules.extend(here).enter(name) if here else rules.enter(name)
            directory = os.path.join(directory, name)
            depth += 1
    rules = rules.extend([*top, *from_setting(exclude, "exclude")])
    return OuterRules(rules, repository, depth, tuple(seen))


def _shown(path: str, root: str) -> str:
    return path[len(root) + 1 :] if path.startswith(root.rstrip("/") + "/") else path


def _parsed(path: str, source: str, group: int, depth: int, *, follow: bool = True) -> list[Rule]:
    try:
        data = read_regular(path, MAX_IGNORE_BYTES, follow=follow)
    except (OSError, ValueError):  # ValueError: a NUL in a path from a configuration
        return []
    return parse(data, source, group, depth)


def directory_rules(
    directory: str, relative: str, names: Iterable[str], depth: int, now_ns: int
) -> tuple[list[Rule], list[Seen]]:
    """The rules of the ignore files in a directory, and the stamps of those files.

    Args:
        directory: Absolute path, with a trailing slash.
        relative: The same relative to the root, ``""`` or with a trailing slash.
        names: Which of the ignore files are there.
        depth: Directories from the top of the repository, or from the root where there is none.
        now_ns: A moment before the look.
    """
    rules: list[Rule] = []
    seen: list[Seen] = []
    groups = dict(IGNORE_FILES)
    for name in names:
        seen.append(rule_file(directory + name, now_ns))
        rules += _parsed(directory + name, relative + name, groups[name], depth, follow=False)
    return rules, seen


def repository_rules(repository: Repository, relative: str, now_ns: int) -> tuple[list[Rule], list[Seen]]:
    """The rules of a repository's own ``info/exclude``, for one found below a root that is in none."""
    path = os.path.join(repository.common, "info", "exclude")
    return _parsed(path, f"{relative}.git/info/exclude", REPOSITORY, 0), [rule_file(path, now_ns)]

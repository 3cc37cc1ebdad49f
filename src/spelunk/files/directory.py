"""A directory on its way through discovery: the rules and flags it inherits, and what becomes of its entries.

The walk and the explanation of one path take every decision through these
functions, so they cannot disagree.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spelunk.config import Options
from spelunk.files.glob import Rule
from spelunk.files.ignore import IGNORE_FILES, SPELUNK, Scope, empty_scope, from_setting
from spelunk.files.ignore_sources import (
    Repository,
    directory_rules,
    outer_rules,
    repository_at,
    repository_rules,
    signature,
)
from spelunk.files.path_rules import SKIPPED_DIRECTORIES, directory_bits
from spelunk.files.stamp import Signature
from spelunk.io.regular import read_head
from spelunk.types import Skipped

CACHE_TAG: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""First line of a ``CACHEDIR.TAG`` (https://bford.info/cachedir/)."""

INDEX_FILES: Final = ("workspace.json", "writer.lock")
"""Files by which an index directory is recognised; it is never indexed itself."""
INDEX_DETAIL: Final = "an index directory of Spelunk"

_IGNORE_NAMES: Final = tuple(name for name, _ in IGNORE_FILES)


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
        if all(name in names for name in INDEX_FILES):
            # The folder changes with every update: whether it is still an index is read off one file.
            signatures.append(signature(place.path + INDEX_FILES[0], now_ns))
            return Skipped(place.relative[:-1], "cache", INDEX_DETAIL), signatures
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
        return read_head(directory + "CACHEDIR.TAG", len(CACHE_TAG)) == CACHE_TAG
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


def chosen(place: Place, name: str) -> bool:
    """Whether the ``include`` setting takes in a file."""
    if place.include is None:
        return True
    rule = place.include.file(name)
    return place.kept if rule is None else not rule.negated


def odd(path: str, mode: int) -> Skipped:
    """A name that is neither a regular file nor a directory, as skipped."""
    if stat.S_ISLNK(mode):
        return Skipped(path, "symlink", "not followed; a target inside the root is found by its own name")
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a character device"))
    return Skipped(path, "special", next((word for test, word in kinds if test(mode)), "a device"))

"""One directory of a walk: the rules and flags it inherits, and the decision about each of its entries.

The walk and the explanation of one path take every decision through these
functions, so they cannot disagree.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from spelunk.config import Options
from spelunk.files.fence import Seen, rule_file
from spelunk.files.git_dir import Repository, repository_at
from spelunk.files.glob import Rule
from spelunk.files.ignore import IGNORE_FILES, SPELUNK, IgnoreRules, from_setting, no_rules
from spelunk.files.ignore_sources import directory_rules, outer_rules, repository_rules
from spelunk.files.path_rules import SKIPPED_DIRECTORIES, directory_bits
from spelunk.io.regular import read_head
from spelunk.types import Skipped

CACHE_TAG: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""First line of a ``CACHEDIR.TAG`` (https://bford.info/cachedir/)."""

INDEX_FILES: Final = ("workspace.json", "writer.lock")
"""Files by which an index directory is recognised; it is never indexed itself."""
INDEX_DETAIL: Final = "an index directory of Spelunk"

_IGNORE_NAMES: Final = tuple(name for name, _ in IGNORE_FILES)

Reason = Skipped | Rule | str
"""Why an entry is left out: reported as skipped; the rule that ignores it; or one
of ``hidden`` (its name), ``include`` (the setting) and ``git``."""


class Directory(Struct):
    """A directory that a walk visits, with all that it inherits.

    Attributes:
        path: Absolute, with a trailing slash.
        relative: ``""`` or with a trailing slash.
        rules: The ignore rules, before the directory's own files.
        bits: Flags of the directories above.
        held: Why it is left out itself, and entered only for what is re-included below; or None.
        forced: Whether a rule of Spelunk's own re-included it by name.
        include: The ``include`` setting's rules here; None without the setting.
        kept: Whether the ``include`` setting takes in everything here.
        repository: Whether it is in a repository.
        depth: Directories below the repository's top.
        inode: What the listing of the directory above named; 0 for the root.
    """

    path: str
    relative: str
    rules: IgnoreRules
    bits: int = 0
    held: Reason | None = None
    forced: bool = False
    include: IgnoreRules | None = None
    kept: bool = True
    repository: bool = False
    depth: int = 0
    inode: int = 0


def start(root: str, options: Options, now_ns: int) -> tuple[Directory, list[Seen]]:
    """The root as a directory, and the stamps of the rule files above and beside it."""
    outer = outer_rules(root, options.exclude, now_ns)
    include = no_rules().extend(from_setting(options.include, "include")) if options.include else None
    directory = Directory(
        path=root.rstrip("/") + "/",
        relative="",
        rules=outer.rules,
        include=include,
        kept=include is None,
        repository=outer.repository is not None,
        depth=outer.depth,
    )
    return directory, list(outer.seen)


def is_forced(rule: Rule | None) -> bool:
    """Whether a deciding rule is a re-inclusion of Spelunk's own."""
    return rule is not None and rule.negated and rule.group >= SPELUNK


def _is_kept_back(rule: Rule | None, name: str, options: Options) -> bool:
    """Whether a hidden name stays out although ``.spelunkignore`` re-includes it.

    A repository brings that file along. With an embedder that sends texts to a
    provider, only the settings take hidden names in (docs/trust.md).
    """
    return (
        name[0] == "."
        and rule is not None
        and rule.group == SPELUNK
        and not options.hidden
        and options.embedder.startswith("api:")
    )


def load_rules(directory: Directory, names: Iterable[str], now_ns: int) -> tuple[Skipped | None, list[Seen]]:
    """Add a directory's own rule files to its rules.

    Args:
        directory: Changed in place.
        names: The names in it.
        now_ns: A moment before the look.

    Returns:
        Why the whole directory is skipped, or None; and stamps of its rule files.
    """
    seen: list[Seen] = []
    if directory.relative:
        if all(name in names for name in INDEX_FILES):
            # The folder changes with every update: whether it is still an index is read off one file.
            seen.append(rule_file(directory.path + INDEX_FILES[0], now_ns))
            return Skipped(directory.relative[:-1], "cache", INDEX_DETAIL), seen
        if ".git" in names:
            repository = repository_at(directory.path.rstrip("/"))
            if repository is not None:
                reason = _enter_repository(directory, repository, seen, now_ns)
                if reason is not None:
                    return reason, seen
        if not directory.forced:
            here = directory.relative[:-1]
            if "CACHEDIR.TAG" in names and _is_cache(directory.path):
                return Skipped(here, "cache", "tagged by CACHEDIR.TAG"), seen
            if "pyvenv.cfg" in names:
                return Skipped(here, "dependencies", "a Python virtual environment"), seen
    present = [name for name in _IGNORE_NAMES if name in names]
    if present and directory.held is None:
        rules, own = directory_rules(directory.path, directory.relative, present, directory.depth, now_ns)
        seen += own
        if rules:
            directory.rules = directory.rules.extend(rules)
    return None, seen


def _enter_repository(
    directory: Directory, repository: Repository, seen: list[Seen], now_ns: int
) -> Skipped | None:
    if directory.repository and not directory.forced:
        return Skipped(
            directory.relative[:-1], "nested-repository", "a repository of its own: index it separately"
        )
    rules, own = repository_rules(repository, directory.relative, now_ns)
    seen += own
    directory.rules = directory.rules.extend(rules)
    directory.repository = True
    return None


def _is_cache(directory: str) -> bool:
    try:
        return read_head(directory + "CACHEDIR.TAG", len(CACHE_TAG)) == CACHE_TAG
    except OSError:
        return False


def decide_folder(directory: Directory, name: str, options: Options) -> Directory | Reason:
    """What becomes of a sub-directory: the directory to visit, or why it is left out."""
    if name == ".git":
        return "git"
    rules = directory.rules
    rule = rules.directory(name)
    if _is_kept_back(rule, name, options):
        return "hidden"
    forced = is_forced(rule)
    out: Reason | None = None
    if not forced:
        if rule is not None and not rule.negated:
            out = rule
        elif name[0] == "." and not options.hidden:
            out = "hidden"
        elif name in SKIPPED_DIRECTORIES:
            out = Skipped(directory.relative + name, SKIPPED_DIRECTORIES[name], "by its name")
        if out is not None and not rules.reaches_below(name):
            return out
    include, kept = directory.include, directory.kept
    if include is not None:
        chosen = include.directory(name)
        kept = kept if chosen is None else not chosen.negated
        if not kept and not include.could_match_below(name):
            return "include"
        include = include.enter(name)
    return Directory(
        path=f"{directory.path}{name}/",
        relative=f"{directory.relative}{name}/",
        rules=rules.enter(name),
        bits=directory.bits | directory_bits(name),
        held=None if forced else out or directory.held,
        forced=forced,
        include=include,
        kept=kept,
        repository=directory.repository,
        depth=directory.depth + 1,
    )


def decide_file(directory: Directory, name: str, rule: Rule | None, options: Options) -> Reason | None:
    """Why a file is left out before its name, kind and size are looked at; None if it is not.

    Args:
        directory: The directory that holds it.
        name: Its name.
        rule: What ``directory.rules`` say of it.
        options: The settings.
    """
    if _is_kept_back(rule, name, options):
        return "hidden"
    if not is_forced(rule):
        if rule is not None and not rule.negated:
            return rule
        if directory.held is not None:
            return directory.held
        if name[0] == "." and not options.hidden:
            return "hidden"
    if directory.include is not None:
        chosen = directory.include.file(name)
        if not (directory.kept if chosen is None else not chosen.negated):
            return "include"
    return None


def skip_special_file(path: str, mode: int) -> Skipped:
    """The report of a name that is neither a regular file nor a directory."""
    if stat.S_ISLNK(mode):
        return Skipped(path, "symlink", "not followed; a target inside the root is found by its own name")
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a character device"))
    return Skipped(path, "special", next((word for test, word in kinds if test(mode)), "a device"))

"""Explain a path: the rule that decides on it, and what the index holds of it.

The rules alone (:mod:`spelunk.files.explain`) do not cover what only reading the
whole file shows, nor whether the last update has seen the file. The manifest adds
the verdicts ``pending`` and ``failed``, the reader's reasons for ``skipped``, and
how an indexed file is stored.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

from msgspec.structs import replace

from spelunk.config import Options
from spelunk.errors import IndexMissingError
from spelunk.files.explain import Explanation, IndexedFile, why
from spelunk.store.manifest import Manifest
from spelunk.store.path_ranges import PathRanges
from spelunk.types import Failed, Skipped
from spelunk.workspace.repositories import place_of

NO_INDEX: Final = "there is no index yet: run `spelunk index --repos`"
NOT_COMMITTED: Final = (
    "no listed repository has committed it, or a rule of its commit leaves it out; "
    "paths are NAME/PATH, and NAME@BRANCH/PATH for what a further branch has otherwise"
)
PENDING: Final = "no rule leaves it out: the next `spelunk index` indexes it"


def explain(root: str, directory: str, path: str, options: Options) -> Explanation:
    """Explain why a path is or is not in the index.

    Args:
        root: The workspace.
        directory: The index directory; it need not hold an index.
        path: Absolute, or relative to the root. It need not exist.
        options: The settings of the index.

    Raises:
        IndexCorruptError: The manifest is damaged.
        IndexFormatError: The index was written by a newer Spelunk.
        IndexBusyError: The manifest is locked by another process.
    """
    if place_of(directory) is not None:
        return _committed(root, directory, path)
    rules = why(root, path, options)
    if rules.verdict not in ("indexed", "skipped"):
        return rules
    try:
        manifest = Manifest(directory)
    except IndexMissingError:
        return _pending(rules)
    try:
        return _with_index(manifest, rules, root)
    finally:
        manifest.close()


def _committed(root: str, directory: str, path: str) -> Explanation:
    """The explanation of a path in an index of repositories: what is stored of it."""
    relative = os.path.relpath(os.path.join(root, path), root)
    rules = Explanation(relative, "missing", detail=NOT_COMMITTED)
    try:
        manifest = Manifest(directory)
    except IndexMissingError:
        return replace(rules, verdict="pending", detail=NO_INDEX)
    try:
        found = _with_index(manifest, replace(rules, verdict="indexed", detail=""), root)
        if found.index is not None or found.verdict in ("skipped", "failed"):
            return found
        below = PathRanges((), () if relative == "." else (relative,))
        if relative == "." or manifest.known(below):
            return replace(rules, verdict="indexed", detail="holds files of the index")
        return rules
    finally:
        manifest.close()


def _with_index(manifest: Manifest, rules: Explanation, root: str) -> Explanation:
    other = manifest.unindexed_file(rules.path)
    if isinstance(other, Skipped):
        return replace(rules, verdict="skipped", rule=other.reason, detail=other.detail)
    if isinstance(other, Failed):
        return replace(rules, verdict="failed", rule=other.stage, detail=other.error)
    file = manifest.file(rules.path)
    if file is None:
        return rules if os.path.isdir(os.path.join(root, rules.path)) else _pending(rules)
    kinds = Counter(chunk.kind for chunk in manifest.chunks_of(file))
    stored = IndexedFile(
        file.language, file.encoding, file.lines, file.chunks, tuple(kinds.most_common()), file.generation
    )
    return replace(rules, language=file.language, flags=file.flags, index=stored)


def _pending(rules: Explanation) -> Explanation:
    """The explanation of a path that the index does not hold."""
    return replace(rules, verdict="pending", detail=PENDING) if rules.verdict == "indexed" else rules

"""What the commits say of files: commits that match words, how often files change, and what changes together.

Opened beside a snapshot of the files' index for one search, and as cheap: a few
milliseconds, without numpy. The statistics of the files' index are not touched.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from spelunk import embed
from spelunk.config import BUILT_IN, DEFAULTS
from spelunk.errors import IndexMissingError, SpelunkError
from spelunk.store.commits import MAX_SEED_COMMITS, CommitStore, FileHistory, StoredCommit
from spelunk.store.paths import HISTORY
from spelunk.store.protocols import Filter, TextField
from spelunk.store.schema import SqlError
from spelunk.store.snapshot import Snapshot

if TYPE_CHECKING:
    from spelunk.embed import Embedder

FIELDS: Final[Mapping[TextField, float]] = {"body": 1.0, "name": 0.5, "path": 0.5}
"""Weight of a message's words, of its subject's, and of the paths that the commit changed."""


class CommitMatch(NamedTuple):
    """A commit that matches words.

    Attributes:
        id: Its full id.
        score: Higher is better; comparable within one call.
        paths: Files that it changed, under today's paths, at most 200.
        files: How many it changed.
        position: 0 for the newest commit of the workspace.
        merge: Whether it has several parents: its paths are those of a whole branch.
    """

    id: str
    score: float
    paths: tuple[str, ...]
    files: int
    position: int
    merge: bool


class History:
    """The commits of a workspace, as of the last update. Usable from one thread at a time; close it."""

    def __init__(self, directory: str) -> None:
        """Open the commits in an index directory.

        Raises:
            IndexMissingError: There are none, or they cannot be read.
        """
        self.directory = os.path.join(directory, HISTORY)
        try:
            self.commits = CommitStore(self.directory)
            try:
                self.snapshot = Snapshot(self.directory)
            except BaseException:
                self.commits.close()
                raise
        except (SpelunkError, SqlError, OSError) as error:
            raise IndexMissingError(f"{self.directory}: no commits are indexed ({error})") from None

    def rest(self) -> None:
        """Release the generation and keep what is open, for :meth:`resume`."""
        self.snapshot.rest()

    def resume(self) -> bool:
        """Hold the generation again; False if another one is published by now."""
        return self.snapshot.resume()

    def close(self) -> None:
        """Release everything."""
        self.snapshot.close()
        self.commits.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """Commits whose messages are searched, as chunks."""
        return self.snapshot.documents

    def embedder(self) -> Embedder:
        """The embedder of the messages' vectors, one of the package."""
        named = (replace(DEFAULTS, embedder=name) for name in BUILT_IN)
        mine = next((o for o in named if embed.identify(o) == self.snapshot.embedder), DEFAULTS)
        return embed.get(mine)

    def frequencies(self, terms: Collection[str], field: TextField = "body") -> dict[str, int]:
        """How many messages have each term."""
        return self.snapshot.frequencies(terms, field)

    def matches(
        self,
        terms: Mapping[str, float],
        limit: int,
        fields: Mapping[TextField, float] = FIELDS,
    ) -> list[CommitMatch]:
        """The commits that match terms best.

        Args:
            terms: Weight by term, without inverse document frequency: that of the commits is applied.
            limit: How many commits.
            fields: Weight by field.

        Returns:
            Best first.
        """
        total = max(1, self.snapshot.documents)
        common: dict[str, int] = {}
        for field in fields:
            for term, count in self.snapshot.frequencies(terms, field).items():
                common[term] = max(count, common.get(term, 0))
        weighed = {
            term: terms[term] * math.log(1 + (total - n + 0.5) / (n + 0.5)) for term, n in common.items()
        }
        if not weighed:
            return []
        scored = self.snapshot.lexical(weighed, fields, Filter(), limit)
        chunks = self.snapshot.chunks([s.id for s in scored])
        files = self.snapshot.files(list({c.file for c in chunks.values()}))
        best: dict[str, float] = {}
        for s in scored:
            if s.id in chunks:  # a long message has several chunks: the best counts
                best.setdefault(files[chunks[s.id].file].path, s.score)
        known = self.commits.commits(best)
        return [
            CommitMatch(i, score, c.paths, c.files, c.position, c.merge)
            for i, score in list(best.items())[:limit]
            if (c := known.get(i)) is not None
        ]

    def files(self, paths: Collection[str]) -> dict[str, FileHistory]:
        """How often files were changed, and the position of the newest change; others are left out."""
        return self.commits.files(paths)

    def together(self, paths: Iterable[str], limit: int = 20) -> dict[str, dict[str, float]]:
        """For each file those changed in the same commits, with a weight, most often first.

        A common commit of n files counts 1 / (n - 1); see :meth:`CommitStore.together`.
        """
        return {path: self.commits.together(path, limit) for path in paths}

    def companions(self, paths: Sequence[str], limit: int = 200) -> dict[str, float]:
        """How much files belong to the changes of one of some files, by their common commits.

        A common commit counts 1 divided by the number of its other files; the sum is divided by the
        commits of the file looked at, and three more, so that one commit alone says little.

        Args:
            paths: The files.
            limit: Files of each, those with the most common commits.

        Returns:
            By path, from 0 to 1; the greatest of several.
        """
        commits = self.files(paths)
        found: dict[str, float] = {}
        for path, own in self.together(paths, limit).items():
            known = min(MAX_SEED_COMMITS, commits[path].commits if path in commits else 0) + 3
            for other, worth in own.items():
                found[other] = max(found.get(other, 0.0), min(1.0, worth / known))
        return found

    def stored(self, ids: Sequence[str]) -> dict[str, StoredCommit]:
        """Commits by full id; ids that are not stored are left out."""
        return self.commits.commits(ids)

"""Backfill: make the vectors of pending chunks from the stored texts.

It runs after the texts are published, and after a change of the embedder. No
file is read and nothing is parsed. Vectors are published group by group, so
that the run after a crash repeats at most one group. What cannot be made now stays
pending for the next run.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from spelunk.errors import ProviderDownError, ProviderError, RefusedError
from spelunk.observe import Observer, null_observer
from spelunk.observe.events import BackfillProgress
from spelunk.pipeline.report import BackfillResult
from spelunk.pipeline.worker import one_line
from spelunk.store.manifest import VARIABLES
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.paths import MAX_KINDS
from spelunk.store.segment import quantise
from spelunk.store.texts import Text, unpack
from spelunk.store.vectors import SegmentVectors, VectorStore
from spelunk.text.tokens import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spelunk.embed import Embedder, Matrix

    _Result = tuple[list[str], Matrix | Exception]

GROUP_ROUNDS: Final = 4
"""Rounds of calls that make a group: a publish waits for the slowest call of its group."""
MAX_FAILURES: Final = 8
"""Failed calls in a row, each after its retries, that end the backfill; the rest stays pending."""
PROBE: Final = "def add(a, b): return a + b"
"""A text that no provider has a reason to refuse: it separates a refused text from a provider that refuses all."""
ERROR: Final = "embedder_error"
"""Key of the manifest's ``meta`` table: why the last backfill left chunks pending."""


def backfill(
    manifest: ManifestWriter,
    embedder: Embedder,
    *,
    vectors: VectorStore | None = None,
    limit: int | None = None,
    observer: Observer = null_observer,
) -> BackfillResult:
    """Make the vectors that are pending, and publish them. The writer's lock is held.

    Args:
        manifest: Open for writing, no transaction under way.
        embedder: Makes the vectors.
        vectors: Where they go; by default the segments of the index directory.
        limit: Chunks at most; those beyond stay pending.
        observer: Receives the progress after each group.

    Raises:
        StorageError: The disk refuses; what was published stays.
        IndexCorruptError: A stored text is damaged.
    """
    waiting, _ = manifest.pending()
    if not waiting:
        return _ended(manifest, 0, "")
    total = min(waiting, limit) if limit is not None else waiting
    size = embedder.batch * embedder.concurrency * GROUP_ROUNDS
    codes = {name: min(code, MAX_KINDS) for code, name in enumerate(manifest.kinds())}
    vectors = vectors or SegmentVectors(manifest)
    calls = _Calls(embedder, vectors.dimensions())
    made = done = after = 0
    while done < total and not calls.down:
        group = _group(manifest, after, min(size, total - done))
        if not group:
            break
        calls.embed(group)
        made += _publish(vectors, group, codes)
        done += len(group)
        after = group[-1].id
        observer(BackfillProgress(done, total))
    vectors.compact(end=True)
    return _ended(manifest, made, calls.error)


def _ended(manifest: ManifestWriter, made: int, error: str) -> BackfillResult:
    waiting, refused = manifest.pending()
    if not waiting:
        error = ""
    elif not error:
        error = "left for the next `spelunk index`"
    if manifest.meta(ERROR, "") != error:
        manifest.set_meta(ERROR, error)
    return BackfillResult(made, waiting, refused, error)


class _PendingChunk(Struct):
    id: int
    kind: str
    text: str
    vector: NDArray[np.float32] | None = None
    refused: str = ""


def _group(manifest: ManifestWriter, after: int, size: int) -> list[_PendingChunk]:
    """Return the next pending chunks by id, with their texts."""
    ids = manifest.pending_chunks(after, size)
    out: list[_PendingChunk] = []
    file, text = 0, Text("")
    for start in range(0, len(ids), VARIABLES):
        rows = manifest.chunks(ids[start : start + VARIABLES])
        for i in sorted(rows):
            if rows[i].file != file:
                file = rows[i].file
                text = unpack(*manifest.content(file)[:2])
            out.append(_PendingChunk(i, rows[i].kind, text.of(rows[i])))
    return out


def _publish(vectors: VectorStore, group: Sequence[_PendingChunk], codes: dict[str, int]) -> int:
    ready = [c for c in group if c.vector is not None]
    refused = [(c.id, c.refused) for c in group if c.refused]
    if not ready and not refused:
        return 0
    ids = np.asarray([c.id for c in ready], np.int64)
    kinds = np.asarray([codes.get(c.kind, 0) for c in ready], np.uint8)
    rows = [quantise(np.stack([c.vector for c in ready if c.vector is not None]))] if ready else []
    vectors.add(ids, kinds, rows, refused)
    vectors.compact(end=False)
    return len(ready)


class _Calls(Struct):
    """Calls of the embedder, a bounded number at a time; the failure of one does not end the others."""

    embedder: Embedder
    dimensions: int
    error: str = ""
    down: bool = False
    answered: bool = False
    failures: int = 0

    def _start(self, batch: list[str], results: SimpleQueue[_Result]) -> None:
        """Call the embedder, in a daemon thread where several calls are made at a time.

        A call is bounded in time, and an interrupted run does not wait for it.
        """
        batch_words = [words(t) if self.embedder.in_workers else [] for t in batch]

        def run() -> None:
            try:
                results.put((batch, self.embedder.embed(batch, batch_words)))
            except Exception as error:
                results.put((batch, error))

        if self.embedder.concurrency == 1:
            run()
        else:
            threading.Thread(target=run, name="spelunk-embed", daemon=True).start()

    def embed(self, group: Sequence[_PendingChunk]) -> None:
        """Set the vector, or the refusal, of every chunk that can be done now."""
        same: dict[str, list[_PendingChunk]] = {}
        for chunk in group:
            same.setdefault(chunk.text, []).append(chunk)
        texts = list(same)
        step = self.embedder.batch
        todo = deque(texts[n : n + step] for n in range(0, len(texts), step))
        results: SimpleQueue[_Result] = SimpleQueue()
        running = 0
        while running or (todo and not self.down):
            # Alone until it answers once: a provider that was down is tried by one call, not by many.
            room = self.embedder.concurrency if self.answered else 1
            while todo and running < room and not self.down:
                self._start(todo.popleft(), results)
                running += 1
            batch, result = results.get()
            running -= 1
            if isinstance(result, RefusedError):
                self._split(batch, result, todo, same)
                continue
            if not isinstance(result, Exception):
                result = self._checked(result)
            if isinstance(result, Exception):  # it leaves chunks pending, not the run undone
                self._failed(result, down=isinstance(result, ProviderDownError))
                continue
            self.answered, self.failures = True, 0
            for text, row in zip(batch, result, strict=True):
                for chunk in same[text]:
                    chunk.vector = row

    def _checked(self, matrix: Matrix) -> Matrix | ProviderDownError:
        """The matrix, if its dimensions are those of the vectors in the index."""
        if self.dimensions not in (0, matrix.shape[1]):
            return ProviderDownError(
                f"the embedder makes vectors of {matrix.shape[1]} dimensions, the index has {self.dimensions}; "
                "run `spelunk index --rebuild`, or set the embedder's dimensions back"
            )
        self.dimensions = matrix.shape[1]
        return matrix

    def _failed(self, error: BaseException, *, down: bool = False) -> None:
        self.error = str(error) if isinstance(error, ProviderError) else one_line(error)
        self.failures += 1
        self.down = self.down or down or self.failures >= MAX_FAILURES

    def _split(
        self,
        batch: list[str],
        error: RefusedError,
        todo: deque[list[str]],
        same: dict[str, list[_PendingChunk]],
    ) -> None:
        """Halve a refused batch until the refused text stands alone; its chunks are marked as refused."""
        if len(batch) > 1:
            half = len(batch) // 2
            todo.extendleft((batch[half:], batch[:half]))
        elif self._provider_works(error):
            for chunk in same[batch[0]]:
                chunk.refused = str(error)

    def _provider_works(self, error: RefusedError) -> bool:
        """Whether the provider accepts other texts, so that the refusal is about this one."""
        if not self.answered:
            try:
                self.embedder.embed([PROBE], [words(PROBE)])
            except (RefusedError, ProviderError):
                self._failed(error, down=True)
                return False
            self.answered = True
        return True

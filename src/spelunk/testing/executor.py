"""Phase 1 in this process, without pipes, limits and processes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from spelunk.config import DEFAULTS, Options
from spelunk.embed import Embedder
from spelunk.files.source import Source
from spelunk.pipeline.executor import Batches, Executor, Result, pieces
from spelunk.pipeline.worker import Worker
from spelunk.store.packet import Item, Packet


class MemoryExecutor:
    """Implements :class:`spelunk.pipeline.executor.Executor`.

    Attributes:
        workers: Always 1.
    """

    workers = 1

    def __init__(
        self,
        source: Source,
        options: Options = DEFAULTS,
        *,
        embedder: Embedder | None = None,
        deadly: Collection[str] = (),
    ) -> None:
        """Make an executor.

        Args:
            source: Where the bytes come from.
            options: The settings; ``embedder`` does not count.
            embedder: Makes the vectors; None makes none.
            deadly: Paths of files that are answered as if they had killed their worker.
        """
        self._worker = Worker(lambda entry: source.read(entry, options.max_file_size), options, embedder)
        self._deadly = frozenset(deadly)
        self._closed = False

    def run(self, batches: Batches, suspects: Sequence[Item] = ()) -> Iterator[Result]:
        """See :meth:`Executor.run`; the order is that of the batches."""
        for item in suspects:
            if self._closed:
                return
            yield [item], self._process([item], 0)
        while batches.left:
            items = batches.take()
            for cut in pieces(items):
                if self._closed:
                    return
                yield items, self._process(items[cut.start : cut.stop], cut.start)

    def _process(self, items: Sequence[Item], first: int) -> Packet:
        alive = [n for n, item in enumerate(items) if item.candidate.path not in self._deadly]
        packet = self._worker.process([items[n] for n in alive])
        killed = [(first + n, "worker", "worker killed") for n in range(len(items)) if n not in alive]

        def place(number: int) -> int:
            return first + alive[number]

        return packet._replace(
            files=[file._replace(item=place(file.item)) for file in packet.files],
            same=[*map(place, packet.same)],
            skipped=[(place(n), reason, detail) for n, reason, detail in packet.skipped],
            failed=[*((place(n), stage, error) for n, stage, error in packet.failed), *killed],
        )

    def close(self, *, kill: bool = False) -> None:
        """See :meth:`Executor.close`."""
        self._closed = True


_: type[Executor] = MemoryExecutor

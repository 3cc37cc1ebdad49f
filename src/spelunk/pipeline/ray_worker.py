"""Phase 1 in a worker of a Ray cluster: the task that is sent there, by reference to this module.

Every node needs the same version of Spelunk. Arguments and results are bytes,
so that nothing depends on how Ray serialises objects: pickles in, whose format
is that of every Python, and packets as MessagePack out.
"""

from __future__ import annotations

import faulthandler
import pickle
import resource
import sys
from typing import Final, NamedTuple

import xxhash

from spelunk import embed
from spelunk.config import Options
from spelunk.files.source import Source
from spelunk.pipeline.executor import pieces
from spelunk.pipeline.worker import Worker, WorkerConfig, make_worker
from spelunk.store.packet import Item
from spelunk.store.packet_portable import dump_portable
from spelunk.types import Entry, Failed, Skipped
from spelunk.workspace.state import fingerprint

Content = bytes | Skipped | Failed

KEPT_WORKERS: Final = 2
"""Workers kept for the next task of the same run; one, and one more while settings change."""


class RemoteConfig(NamedTuple):
    """What the tasks of one run share.

    Attributes:
        options: The settings.
        source: Where a worker reads the files itself; None where their contents are sent.
        fingerprint: Of the settings and versions, as the sender has it.
        hang_seconds: After so many over one piece, a worker ends itself.
        memory: Bytes that a worker may allocate above what it holds at its first task; None for no limit.
    """

    options: Options
    source: Source | None
    fingerprint: str
    hang_seconds: float
    memory: int | None


class VersionMismatchError(Exception):
    """A worker has another version of Spelunk than the sender."""


class _Prepared(NamedTuple):
    """A worker of this process, with the contents that were sent for the task in hand, by path."""

    worker: Worker
    contents: dict[str, Content]
    config: RemoteConfig


_prepared: dict[bytes, _Prepared] = {}


def run(config: bytes, task: bytes, contents: bytes | None) -> list[bytes]:
    """Do the files of one task.

    Args:
        config: A pickled :class:`RemoteConfig`.
        task: Pickled items.
        contents: Pickled contents of the items, in their order; None where this worker reads them.

    Returns:
        A packet for every piece of the items.

    Raises:
        VersionMismatchError: This node has another version of Spelunk.
    """
    prepared = _prepare(config)
    items: list[Item] = pickle.loads(task)
    prepared.contents.clear()
    if contents is not None:
        sent: list[Content] = pickle.loads(contents)
        prepared.contents.update(zip((i.candidate.path for i in items), sent, strict=True))
    cuts = list(pieces(items))
    out = []
    for n, cut in enumerate(cuts):
        if n + 1 < len(cuts):
            prepared.worker.prefetch(items[cuts[n + 1].start : cuts[n + 1].stop])
        # By a thread in C: a parser that does not return holds the interpreter's lock.
        faulthandler.dump_traceback_later(prepared.config.hang_seconds, exit=True, file=sys.__stderr__ or 2)
        try:
            packet = prepared.worker.process(items[cut.start : cut.stop], cut.start)
        finally:
            faulthandler.cancel_dump_traceback_later()
        out.append(dump_portable(packet))
    return out


def _prepare(config: bytes) -> _Prepared:
    key = xxhash.xxh3_128_digest(config)
    if key in _prepared:
        return _prepared[key]
    remote: RemoteConfig = pickle.loads(config)
    if fingerprint(remote.options) != remote.fingerprint:
        raise VersionMismatchError("another version of Spelunk")
    while len(_prepared) >= KEPT_WORKERS:
        _prepared.pop(next(iter(_prepared)))
    if remote.memory is not None:
        _limit_memory(remote.memory)
    made = _prepared[key] = _make(remote)
    return made


def _make(config: RemoteConfig) -> _Prepared:
    contents: dict[str, Content] = {}
    if config.source is not None:
        return _Prepared(make_worker(WorkerConfig(config.source, config.options)), contents, config)

    def read(entry: Entry) -> bytes | Skipped | Failed:
        return contents[entry.path]

    embedder = embed.get(config.options) if embed.in_workers(config.options) else None
    return _Prepared(Worker(read, config.options, embedder), contents, config)


def _limit_memory(limit: int) -> None:
    """Make an allocation fail that takes this process ``limit`` bytes above what it holds now."""
    try:
        with open("/proc/self/statm", "rb") as f:
            held = int(f.read().split()[5]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (held + limit, hard))
    except (OSError, ValueError, IndexError):
        pass  # a lower limit is in force, or the system has none

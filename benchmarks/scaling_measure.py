"""Points of the scaling model: synthetic chunks through the real stores, and updates on Ray clusters."""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

RARE = 6
"""Terms with so many characters and more may be renamed; shorter ones are mostly words of the language."""
NOISE = 12
"""Largest change of a vector's codes, of 127: neighbours stay neighbours, and no two vectors are equal."""
QUERIES = (
    "parse the response headers",
    "open file descriptor",
    "lock timeout",
    "encode string",
    "sort by key",
)
ROUNDS = 5


def packets(corpus: str) -> list[tuple[list[Any], Any]]:
    """The items and packets of phase 1 over a corpus."""
    from spelunk.config import Options
    from spelunk.files.folder import FolderSource
    from spelunk.pipeline.executor import pieces
    from spelunk.pipeline.worker import WorkerConfig, make_worker
    from spelunk.store.packet import Item

    options = Options()
    source = FolderSource(corpus)
    items = [Item(entry, None) for entry in source.walk(options).entries]
    worker = make_worker(WorkerConfig(source, options))
    return [(items[p.start : p.stop], worker.process(items[p.start : p.stop])) for p in pieces(items)]


def renamed(text: str, copy: int) -> str:
    """Encoded terms, half of the long ones with another name in each copy."""
    out = []
    for form in text.split(" "):  # the last character is the level (spelunk.store.impact)
        term, level = form[:-1], form[-1:]
        out.append(f"{term}{copy}{level}" if _renames(term) else form)
    return " ".join(out)


def _renames(term: str) -> bool:
    return len(term) >= RARE and sum(term.encode("utf-8", "surrogatepass")) % 2 == 0


def copies(made: Sequence[tuple[list[Any], Any]], chunks: int) -> Iterator[tuple[list[Any], Any]]:
    """Packets with so many chunks in all, at least."""
    import numpy as np
    import xxhash

    from spelunk.store.segment import Rows, quantise

    chance, total, copy = np.random.default_rng(1), 0, 0
    while True:
        for items, packet in made:
            files = [
                f._replace(
                    digest=xxhash.xxh3_128_digest(f.digest + b"%d" % copy),
                    cut_digest=xxhash.xxh3_128_digest(f.cut_digest + b"%d" % copy),
                    bodies=[renamed(b, copy) for b in f.bodies] if copy else f.bodies,
                    names=[renamed(b, copy) for b in f.names] if copy else f.names,
                )
                for f in packet.files
            ]
            rows = Rows.of_bytes(packet.planes, packet.scales, packet.codes)
            if rows is not None and copy:
                codes = rows.codes.astype(np.float32) + chance.integers(-NOISE, NOISE, rows.codes.shape)
                rows = quantise(codes * rows.scales[:, None])
            moved = [i._replace(candidate=_moved(i.candidate, copy)) for i in items]
            made_again = packet._replace(files=files)
            if rows is not None:
                made_again = made_again._replace(
                    planes=rows.planes.tobytes(), scales=rows.scales.tobytes(), codes=rows.codes.tobytes()
                )
            yield moved, made_again
            total += packet.chunks
            if total >= chunks:
                return
        copy += 1


def _moved(entry: Any, copy: int) -> Any:
    from msgspec.structs import replace

    return replace(entry, path=f"copy{copy}/{entry.path}")


def cpu_of(pids: Sequence[int]) -> float:
    """User and system seconds that processes have used."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory_of(pids: Sequence[int]) -> tuple[int, int]:
    """Resident bytes of processes that no file backs, and all resident bytes."""
    total = {"RssAnon": 0, "VmRSS": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in total:
                total[name] += int(value.split()[0]) * 1024
    return total["RssAnon"], total["VmRSS"]


def bytes_below(folder: str) -> int:
    return sum(f.stat().st_blocks * 512 for f in Path(folder).rglob("*") if f.is_file())


def measure_store(
    corpus: str,
    store: str,
    counts: Sequence[int],
    pids: Sequence[int],
    data: Sequence[str],
    grow: bool = False,
    patience: float = 900.0,
) -> None:
    """Print a point for each count.

    Args:
        corpus: The folder whose packets are multiplied.
        store: ``local``, or an address without a collection.
        counts: Chunks.
        pids: The servers.
        data: Their storage folders.
        grow: One store that grows from count to count, instead of one for each.
        patience: Seconds, at most, to wait for the servers to rest before a point is taken.
    """
    made = packets(corpus)
    for group in [sorted(counts)] if grow else [[count] for count in counts]:
        _measure_group(made, store, group, pids, data, patience)


def _measure_group(
    made: Sequence[tuple[list[Any], Any]],
    store: str,
    counts: Sequence[int],
    pids: Sequence[int],
    data: Sequence[str],
    patience: float,
) -> None:
    from spelunk import Index, embed
    from spelunk.config import resolve
    from spelunk.observe import null_observer
    from spelunk.pipeline.memory import MAX_LEXICAL
    from spelunk.store.manifest_writer import ManifestWriter
    from spelunk.store.opening import open_writer
    from spelunk.workspace import locate
    from spelunk.workspace.state import fingerprint, walk_fingerprint

    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as place:
        address = store if store == "local" else f"{store}/scaling-{counts[-1]}-{os.getpid()}"
        options = resolve(root, {"store": address, "store_shards": 3 if store != "local" else 0})
        directory = os.path.join(place, "index")
        locate.claim(directory, root)
        data_before = sum(map(bytes_below, data))
        source = copies(made, counts[-1])
        total, wall, used, prepared, server, rested = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        meta = {
            "fingerprint": fingerprint(options), "embedder": embed.identify(options), "complete": 1,
            "walk": walk_fingerprint(options), "planned": 0,
        }  # fmt: skip
        for count in counts:
            began, cpu, of_server = time.monotonic(), time.process_time(), cpu_of(pids)
            making = 0.0
            with closing(ManifestWriter(directory)) as manifest:
                writer = open_writer(directory, manifest, options, null_observer, heap=MAX_LEXICAL, threads=1)
                while total < count:
                    at = time.process_time()
                    items, packet = next(source)
                    making += time.process_time() - at
                    writer.apply(items, packet)
                    total += packet.chunks
                    if writer.is_full(options.max_chunks_in_memory):
                        writer.publish(**meta)
                writer.publish(**meta)
                writer.compact()
                writer.close()
                chunks = manifest.counts()[1]
            wall += time.monotonic() - began
            used += time.process_time() - cpu - making
            prepared += making
            server += cpu_of(pids) - of_server
            waited, at_rest = settle(pids, patience)
            rested += waited
            anonymous, resident = memory_of(pids)
            point: dict[str, Any] = {
                "what": "store", "store": "qdrant" if store != "local" else "local", "chunks": chunks,
                "wall_s": round(wall, 2), "client_cpu_s": round(used, 2), "server_cpu_s": round(server, 2),
                "server_cpu_after_s": round(rested, 2), "server_at_rest": at_rest, "prepare_cpu_s": round(prepared, 2),
                "server_memory": anonymous, "server_resident": resident, "server_disk": sum(map(bytes_below, data)) - data_before,
                "disk": {
                    name: bytes_below(os.path.join(directory, name)) if os.path.isdir(os.path.join(directory, name))
                    else os.stat(os.path.join(directory, name)).st_blocks * 512
                    for name in os.listdir(directory)
                },
            }  # fmt: skip
            with Index.open(root, index_dir=directory, store=address) as index:
                for mode in ("lexical", "semantic", "hybrid"):
                    point[f"search_{mode}_ms"], point[f"search_{mode}_cpu_ms"] = search_ms(index, mode)
            point["client_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            print(json.dumps(point), flush=True)
        if store != "local":
            forget(address)


def forget(address: str) -> None:
    """Delete a collection."""
    from spelunk.store.qdrant.address import parse
    from spelunk.store.qdrant.connection import new_client

    place = parse(address)
    key = os.environ.get("QDRANT_API_KEY")
    with closing(new_client(place.hosts[0], tls=place.tls, key=key, timeout=60)) as client:
        client.delete_collection(place.collection)


def settle(pids: Sequence[int], patience: float) -> tuple[float, bool]:
    """Wait until the servers rest (their optimisers build indexes).

    Returns:
        The CPU that this took, and whether they rest; if not, ``patience`` seconds were not enough.
    """
    first = last = cpu_of(pids)
    calm, deadline = 0, time.monotonic() + patience
    while pids and calm < 5 and time.monotonic() < deadline:
        time.sleep(1)
        now = cpu_of(pids)
        calm = calm + 1 if now - last < 0.2 else 0
        last = now
    return last - first, not pids or calm >= 5


def search_ms(index: Any, mode: str) -> tuple[float, float]:
    """The median time of a search, and the mean of the CPU that this process uses for it, in milliseconds.

    The first round is not counted.
    """
    took: list[float] = []
    cpu = 0.0
    for n in range(ROUNDS + 1):
        if n == 1:
            cpu = time.process_time()
        for query in QUERIES:
            began = time.perf_counter()
            index.search(query, mode=mode, refresh=False)
            if n:
                took.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took), 2), round(1000 * (time.process_time() - cpu) / len(took), 2)


class RoleClock:
    """CPU seconds of the processes of a Ray cluster and of those that this process starts, by what they are.

    A thread looks four times a second, so the last part of a process that ended is missed.
    """

    def __init__(self, session: int) -> None:
        """Begin to look.

        Args:
            session: The cluster's session id; 0 for none.
        """
        self._session = session
        self._seen: dict[tuple[int, str], tuple[str, float]] = {}
        self.own = 0.0
        """CPU seconds of the looks themselves."""
        self._first = dict(self._look())
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._often, daemon=True)
        self._thread.start()

    def _look(self) -> Iterator[tuple[tuple[int, str], float]]:
        tick = os.sysconf("SC_CLK_TCK")
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            mine = int(fields[1]) == os.getpid()
            if not mine and (not self._session or int(fields[3]) != self._session):
                continue
            key = int(entry.name), fields[19]  # with its start, because numbers are used again
            line = b" ".join(words)
            role = (
                "driver" if b"ray_driver" in line
                else "worker" if line.startswith(b"ray::") or b"default_worker" in line
                else "cluster" if not mine
                else "own"
            )  # fmt: skip
            seconds = (int(fields[11]) + int(fields[12])) / tick
            if key in self._seen and not line:
                role = self._seen[key][0]  # it has ended, and has no command line any more
            self._seen[key] = role, seconds
            yield key, seconds

    def _often(self) -> None:
        while not self._end.wait(0.25):
            for _ in self._look():
                pass
        self.own = time.thread_time()

    def stop(self) -> dict[str, float]:
        """CPU seconds since the beginning, by role."""
        self._end.set()
        self._thread.join()
        for _ in self._look():
            pass
        total: dict[str, float] = {}
        for key, (role, seconds) in self._seen.items():
            total[role] = total.get(role, 0.0) + seconds - self._first.get(key, 0.0)
        return {role: round(seconds, 2) for role, seconds in sorted(total.items()) if role != "own"}


def measure_ray(corpus: str, nodes: Sequence[int], processes: int) -> None:
    """Whole updates on clusters of one-core nodes, and by the local executor in one process.

    Every cluster is used twice: the workers of the second run are there already.
    """
    sys.path.insert(0, str(Path(__file__).parent.parent))
    import xxhash
    from tests.ray_cluster import RayCluster

    from spelunk import Index
    from spelunk.observe.events import PieceTaken, WorkerStarted
    from spelunk.testing import logical_content

    def run(what: str, count: int, session: int = 0, warm: bool = False, **settings: Any) -> None:
        seconds: list[float] = []
        times: dict[str, float] = {}

        def observer(event: Any) -> None:
            now = time.monotonic() - began
            if isinstance(event, PieceTaken):
                seconds.append(sum(event.seconds))
                times.setdefault("first_piece_s", round(now, 2))
                times["last_piece_s"] = round(now, 2)
            elif isinstance(event, WorkerStarted):
                times.setdefault("connecting_s", round(now, 2))

        with tempfile.TemporaryDirectory() as place:
            roles = RoleClock(session)
            began, cpu = time.monotonic(), time.process_time()
            with Index.open(corpus, index_dir=place + "/index", observer=observer, **settings) as index:
                report = index.update()
            wall, used = time.monotonic() - began, time.process_time() - cpu
            by_role = roles.stop()
            used -= roles.own
            content = xxhash.xxh3_64_hexdigest(
                repr(sorted(logical_content(place + "/index").items())).encode("utf-8", "surrogatepass")
            )
            print(
                json.dumps(
                    {
                        "what": "run", "name": os.path.basename(corpus.rstrip("/")), "executor": what, "workers": count,
                        "warm": warm, "cores": min(count, os.cpu_count() or 1), "wall_s": round(wall, 2),
                        "writer_cpu_s": round(used, 2), "worker_s": round(sum(seconds), 2), "cpu_s": by_role, **times,
                        "chunks": report.chunks, "bytes": report.bytes, "files": report.files.indexed, "content": content,
                    }
                ),
                flush=True,
            )  # fmt: skip

    run("sequential", 1, mode="sequential")
    if processes:
        run("processes", processes, mode="parallel", workers=processes)
    for count in nodes:
        with RayCluster(count) as cluster:
            for warm in (False, True):
                run(
                    "ray",
                    count,
                    cluster.session,
                    warm,
                    mode="parallel",
                    executor="ray",
                    ray_address=cluster.address,
                )

"""Kill running updates at random moments, and count what each kill cost.

Only a signal that met a process at work counts: it had begun to read files,
was alive, and died of the signal.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import xxhash

from spelunk import Index
from spelunk.store.check import check
from spelunk.store.manifest import Manifest
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree
from tests.faultcases import FILES_PER_BATCH, MAX_CHUNKS, begun, finish, open_index, spelunk

FILES = 120
CHANGED = 40
"""Files rewritten once a run has ended, so that there is work again."""
WORKERS = 2
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Kill:
    """One signal that hit a run at work.

    Attributes:
        signal: Its name.
        mode: How the run worked.
        begun: Files that the run had begun to read.
        todo: Files that it had to read.
        repeated_files: Files begun and not published: the next run reads them again.
        repeated_chunks: Chunks of those.
        window: Chunks that may be repeated: one publish, and what was in flight.
    """

    signal: str
    mode: str
    begun: int
    todo: int
    repeated_files: int
    repeated_chunks: int
    window: int


def digests(place: Path) -> dict[str, bytes]:
    """Published files with the digest of their content."""
    manifest = Manifest(str(place))
    try:
        return {f.path: f.digest for f in manifest.all_files()}
    finally:
        manifest.close()


def series(folder: Path, seed: int, kills: int) -> list[Kill]:
    """Kill one index's updates ``kills`` times; afterwards it holds what a fresh one holds.

    After each kill the stores agree, every file is there whole in a version
    that was written, and a search shows no other text.
    """
    r = random.Random(seed)
    root, place, note = folder / "tree", folder / "ix", folder / "begun"
    root.mkdir(parents=True)
    write_tree(root, FILES, seed)
    versions: dict[str, set[bytes]] = {}
    chunks = _chunks(root, folder / "measure")
    out: list[Kill] = []
    length = 0.5
    turn = 0
    while len(out) < kills:
        now = _remember(root, versions)
        known = digests(place) if (place / "manifest.sqlite").exists() and _published(place) else {}
        todo = {path for path, digest in now.items() if known.get(path) != digest}
        if not todo:
            length = max(0.1, length)
            for n in r.sample(range(FILES), CHANGED):
                turn += 1
                (root / f"pkg{n // 10}" / f"mod_{n}.py").write_text(python_file(10_000 * (seed + 1) + turn))
            continue
        note.unlink(missing_ok=True)
        mode = r.choice(["parallel", "sequential"])
        process = spelunk(
            "index", root, place, f"worker.file=note:{note}", "--mode", mode, "--workers", str(WORKERS)
        )
        while process.poll() is None and not note.exists():
            time.sleep(0.002)
        began = time.monotonic()
        time.sleep(r.uniform(0, length))
        number = r.choice(SIGNALS)
        if process.poll() is None:
            process.send_signal(number)
        code, _, err = finish(process)
        if code == 0:  # it had ended, or its work was done
            length = (length + time.monotonic() - began) / 2
            continue
        assert code in (-signal.SIGKILL, 130, 143), (code, err)
        first = begun(note)
        after = digests(place) if _published(place) else {}
        _assert_whole(root, place, versions, after)
        lost = {p for p in first if after.get(p) != now[p]}
        flight = FILES_PER_BATCH if mode == "sequential" else 2 * WORKERS * FILES_PER_BATCH
        most = max(chunks.values(), default=1) + 2
        out.append(
            Kill(
                signal=number.name,
                mode=mode,
                begun=len(first),
                todo=len(todo),
                repeated_files=len(lost),
                repeated_chunks=sum(chunks.get(p, most) for p in lost),
                window=MAX_CHUNKS + flight * most,
            )
        )
    _assert_finishes(root, place, folder)
    return out


def _published(place: Path) -> bool:
    try:
        manifest = Manifest(str(place))
    except Exception:
        return False
    try:
        return manifest.generation > 0
    finally:
        manifest.close()


def _remember(root: Path, versions: dict[str, set[bytes]]) -> dict[str, bytes]:
    now = {}
    for path in _files(root):
        name = str(path.relative_to(root))
        now[name] = xxhash.xxh3_128_digest(path.read_bytes())
        versions.setdefault(name, set()).add(now[name])
    return now


def _files(root: Path) -> Iterator[Path]:
    return (p for p in root.rglob("*") if p.is_file())


def _chunks(root: Path, place: Path) -> dict[str, int]:
    with Index.open(root, index_dir=str(place)) as index:
        index.update()
    return {path: len(found) for path, found in logical_content(str(place)).items()}


def _assert_whole(root: Path, place: Path, versions: dict[str, set[bytes]], after: dict[str, bytes]) -> None:
    for path, digest in after.items():
        assert digest in versions[path], path
    if not after:
        return
    report = check(str(place))
    assert report.ok, report.problems
    seen = logical_content(str(place))
    assert set(seen) == set(after)
    texts = {(path, chunk["text"]) for path, found in seen.items() for chunk in found}
    assert all(chunk["vector"] is not None for found in seen.values() for chunk in found)
    with open_index(root, place) as index:
        hits = index.search("flush queue batch", refresh=False, limit=30).hits
    assert {(h.path, h.content) for h in hits} <= texts


def _assert_finishes(root: Path, place: Path, folder: Path) -> None:
    code, _, err = finish(spelunk("index", root, place))
    assert code == 0, err
    with Index.open(root, index_dir=str(folder / "fresh")) as fresh:
        fresh.update()
        assert logical_content(str(place)) == logical_content(fresh.directory)
    assert check(str(place)).ok

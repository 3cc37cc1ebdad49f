"""What is fuzzed: each target takes a random generator, makes one input and holds the answer to its contract."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from spelunk import Index
from spelunk.chunk import chunk
from spelunk.chunk import parse as parse_document
from spelunk.chunk.grammar import FAMILY_OF
from spelunk.chunk.rows import MAX_CHARS
from spelunk.config import Options, resolve
from spelunk.errors import QuerySyntaxError, SpelunkError, UsageError
from spelunk.files.explain import why
from spelunk.files.folder import FolderSource
from spelunk.files.languages import LANGUAGES, refine
from spelunk.files.notebook import unwrap
from spelunk.files.read import read
from spelunk.files.walk import walk
from spelunk.io.printable import printable
from spelunk.pasted import read_pasted
from spelunk.pipeline.processes import read_frame, write_frame
from spelunk.search.corpus import SearchTarget
from spelunk.search.engine import search
from spelunk.search.query import parse
from spelunk.search.reading import read as read_query
from spelunk.search.request import SearchRequest
from spelunk.store.full_text import LexicalReader
from spelunk.store.manifest import Manifest
from spelunk.store.manifest_writer import ManifestWriter
from spelunk.store.packet import FilePacket, Packet, dump, load
from spelunk.store.records import ChunkRecord
from spelunk.store.scan import nearest
from spelunk.store.segment import Segment
from spelunk.store.snapshot import Snapshot
from spelunk.store.tantivy_checksums import damaged_files
from spelunk.store.texts import unpack
from spelunk.store.writer_lock import describe, holder
from spelunk.text.regex import compile as compile_regex
from spelunk.text.required import required
from spelunk.text.tokens import MAX_WORD, words
from spelunk.types import Definition, Document, Entry, Failed, Flag, Skipped
from spelunk.workspace.locate import owner_of
from tests.corpus import write_tree
from tests.fuzz import generators as g
from tests.requirements import satisfied

OPTIONS = Options()
Target = Callable[[random.Random], None]


@cache
def folder() -> Path:
    """A folder of this process, in memory where there is one."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    return Path(os.path.realpath(tempfile.mkdtemp(prefix="fuzz-", dir=base)))


def discovery(r: random.Random) -> None:
    root = folder() / "tree"
    root.mkdir()
    try:
        g.tree(r, root)
        found = walk(str(root), OPTIONS)
        paths = [c.path for c in found.entries]
        assert len(paths) == len(set(paths))
        for path in paths:
            full = os.path.join(str(root), path)
            assert not path.startswith("/") and ".." not in path.split("/")
            assert not os.path.islink(full) and os.path.isfile(full)
            # No part of the way to it is a link: it lies in the root.
            assert os.path.realpath(full) == full
        for path in r.sample(paths, min(2, len(paths))):
            why(str(root), path)
    finally:
        shutil.rmtree(root)


def reading(r: random.Random) -> None:
    root = str(folder())
    name = r.choice(["a.py", "b.ipynb", "c.md", "d.m", "e", "f.json", "g.pl", "h.min.js"])
    Path(root, name).unlink(missing_ok=True)
    g.put(Path(root, name), g.data(r))
    got = read(FolderSource(root), Entry(name, 1, b"", "text", Flag.NONE), OPTIONS)
    assert isinstance(got, (Document, Skipped, Failed))
    if isinstance(got, Document):
        assert got.text and not got.text.isspace()
        got.text.encode("utf-8", "surrogatepass")
        if got.lines is not None:
            assert len(got.lines) >= got.text.count("\n")
        _partition(got)


def _partition(document: Document) -> None:
    """Chunks are ordered, disjoint and complete."""
    at = 0
    for c in chunk(parse_document(document, OPTIONS)):
        assert at <= c.start < c.end <= len(document.text)
        assert not document.text[at : c.start].strip()
        assert c.end - c.start <= MAX_CHARS
        assert 1 <= c.start_line <= c.end_line
        at = c.end
    assert not document.text[at:].strip()


def chunker(language: str) -> Target:
    def fuzz(r: random.Random) -> None:
        text = g.text(r).encode("utf-8", "replace").decode("utf-8")
        if r.random() < 0.4:
            text = g.balanced(r, text)
        _partition(Document("a", text, b"", language))

    return fuzz


def other_grammars(r: random.Random) -> None:
    chunker(r.choice(sorted(LANGUAGES - set(CHUNKERS))))(r)


def notebooks(r: random.Random) -> None:
    text = g.notebook(r)
    found = unwrap(text)
    if found is not None and found[0].strip():
        _partition(Document("a.ipynb", found[0], b"", "notebook", lines=found[1]))


def languages(r: random.Random) -> None:
    refine(r.choice(["a.h", "a.m", "a.pl", "a.ts", "a.v", "a", "a.in", "a.inc", "a.b"]), g.text(r))


def queries(r: random.Random) -> None:
    text = g.query(r)
    mode = r.choice(["hybrid", "hybrid", "regex", "symbol", "semantic"])
    try:
        found = parse(text, mode=mode)
    except QuerySyntaxError as error:
        assert len(str(error).splitlines()) <= 1
        return
    if mode == "hybrid":
        assert parse(str(found)) == found, text


def pasted(r: random.Random) -> None:
    """Any text is read, as text or as a query, and what it says is bounded and well formed."""
    text = g.pasted(r)
    read = read_pasted(text)
    assert all(0 < p.weight <= 1 and p.path and not p.path.startswith("/") for p in read.places), text
    assert all(w > 0 for w in (*read.words.values(), *read.names.values())), text
    assert {w for w in words(text) if len(w) <= MAX_WORD} == set(read.words), text
    assert len(read.describe().splitlines()) == 1
    if text.strip():
        query = read_query(text)
        assert query.reading == "query" or query.text.split() == text.split(), text


def regexes(r: random.Random) -> None:
    pattern = g.regex(r)
    needed = required(pattern)
    try:
        compiled = compile_regex(pattern)
    except UsageError as error:
        assert len(str(error).splitlines()) <= 1
        return
    text = "".join(r.choices(["abc", "foo_bar", "x", " ", "\n", "S", "k", "2", "é", ".", "A"], k=30))
    if compiled.search(text):
        assert satisfied(needed, text), (pattern, text)


def settings(r: random.Random) -> None:
    root = folder() / "set"
    root.mkdir(exist_ok=True)
    keys = [
        "workers",
        "exclude",
        "memory_limit",
        "max_file_size",
        "embedder",
        "x",
        "hidden",
        "mode",
        "include",
    ]
    values = [
        "1",
        '"auto"',
        "-1",
        "[1]",
        '["*"]',
        "{}",
        "1e400",
        "true",
        '"\\u0000"',
        '"9EiB"',
        "99999999999999999999",
    ]
    lines = [f"{r.choice(keys)} = {r.choice(values)}" for _ in range(r.randrange(5))]
    raw = "\n".join(lines).encode()
    (root / "spelunk.toml").write_bytes(g.mutated(r, raw) if r.random() < 0.5 else raw)
    with contextlib.suppress(UsageError):
        resolve(str(root), {})


def terminal(r: random.Random) -> None:
    shown = printable(g.text(r) + "".join(r.choices(g.CONTROL, k=5)))
    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in shown)


def registry(r: random.Random) -> None:
    """JSON files beside the stores, damaged."""
    place = folder() / "registry"
    place.mkdir(exist_ok=True)
    import json

    raw = json.dumps(g.json_value(r)).encode()
    for name in ("writer.json", "workspace.json"):
        (place / name).write_bytes(g.mutated(r, raw) if r.random() < 0.6 else raw)
    (place / "writer.lock").touch()
    holder(str(place))
    owner_of(str(place))
    describe(str(place))


def packets(r: random.Random) -> None:
    """What a worker sends comes back equal; a frame that ends too soon is an end, not an error."""
    defined = (Definition(g.text(r, 9), "k", 1, g.text(r, 9), 2),)
    rows = [
        ChunkRecord(n, 0, 1, 2, 0, r.randrange(2**40), "k", g.text(r, 20), "", defined)
        for n in range(r.randrange(4))
    ]
    file = FilePacket(
        r.randrange(99), b"d", b"l", "x", 0, "utf-8", 1, 2, g.data(r), None, "p", rows, ["b"], ["n"], [], None, b"s"
    )  # fmt: skip
    packet = Packet([file], [1], [(2, "a", "b")], [], 7, b"", g.data(r), b"")
    data = dump(packet)
    assert load(data) == packet
    read_fd, write_fd = os.pipe()
    try:
        write_frame(write_fd, data[:30_000])
        cut = r.choice([0, 3, 8, 20])
        whole = os.read(read_fd, 65_536)
        os.write(write_fd, whole[: len(whole) - cut])
        os.close(write_fd)
        got = read_frame(read_fd)
        assert got == (data[:30_000] if not cut else None)
    finally:
        os.close(read_fd)


@cache
def pristine() -> Path:
    """A small index, to be damaged in copies."""
    root, place = folder() / "source", folder() / "ix"
    root.mkdir()
    write_tree(root, 3, functions=2)
    (root / "note.md").write_text("---\nstatus: open\n---\n\n# Note\n\nAbout queues.\n")
    with Index.open(root, index_dir=str(place)) as index:
        index.update()
        (root / "core.c").unlink()
        index.update()
    manifest = ManifestWriter(str(place))
    manifest.fold_log()
    manifest.close()
    return place


@cache
def _raw(path: Path) -> bytes:
    return path.read_bytes()


@contextlib.contextmanager
def _damaged(r: random.Random, path: Path) -> Iterator[None]:
    """The file with some bytes changed or its end missing; restored afterwards."""
    raw = _raw(path)
    if r.random() < 0.15:
        bad = raw[: r.randrange(len(raw))]
    elif r.random() < 0.2:
        bad = g.mutated(r, raw)
    else:
        changed = bytearray(raw)
        for _ in range(r.randrange(1, 6)):
            at = r.randrange(len(raw)) if r.random() < 0.8 else r.randrange(min(len(raw), 200))
            changed[at] = r.choice([0, 0xFF, r.randrange(256), changed[at] ^ (1 << r.randrange(8))])
        bad = bytes(changed)
    path.unlink()
    path.write_bytes(bad)
    try:
        yield
    finally:
        path.unlink()
        path.write_bytes(raw)


def manifests(r: random.Random) -> None:
    """Whatever is in the database: an answer, or an error that says what to do."""
    place = pristine()
    with _damaged(r, place / "manifest.sqlite"), contextlib.suppress(SpelunkError):
        manifest = Manifest(str(place))
        try:
            manifest.begin()
            manifest.known(), manifest.unindexed(), manifest.segments(), manifest.fence()
            list(manifest.stamps())
            for file in manifest.all_files():
                for row in manifest.chunks_of(file):
                    _ = row.definitions
                unpack(*manifest.content(file.id)[:2])
        finally:
            manifest.end()
            manifest.close()
    for name in ("manifest.sqlite-wal", "manifest.sqlite-shm"):
        (place / name).unlink(missing_ok=True)


def segments(r: random.Random) -> None:
    place = pristine()
    path = min((place / "vectors").iterdir())
    query = np.random.default_rng(1).standard_normal(256).astype(np.float32)
    query /= np.linalg.norm(query)
    with _damaged(r, path), contextlib.suppress(SpelunkError):
        segment = Segment(str(path))
        segment.intact()
        nearest([segment], query, 5)
        segment.select(np.arange(min(3, segment.rows)))
        segment.lookup(np.arange(5))


def full_texts(r: random.Random) -> None:
    """Of the files that are read in place; each has a checksum that `check` looks at."""
    place = pristine()
    path = r.choice(sorted(p for p in place.glob("lexical-*/*") if p.stat().st_size and p.suffix != ".lock"))
    with _damaged(r, path), contextlib.suppress(SpelunkError):
        if damaged_files(str(path.parent)):
            return  # `check` goes no further; what has no checksum is opened
        reader = LexicalReader(str(path.parent))
        reader.all_ids()
        reader.top({"queue": 1.0, "total": 1.0}, 5, fields={"body": 1.0})
        reader.frequencies(["queue"])


def searches(r: random.Random) -> None:
    """A whole search over an index of which one file is damaged."""
    place = pristine()
    files = [place / "manifest.sqlite", *(place / "vectors").iterdir()]
    with _damaged(r, r.choice(files)), contextlib.suppress(SpelunkError), Snapshot(str(place)) as snapshot:
        for mode in ("hybrid", "semantic"):
            found = search(
                [SearchTarget(snapshot, _embedder)],
                parse("total queue"),
                SearchRequest("total queue", mode=mode),
            )
            for hit in found.hits:
                printable(hit.content)
    for name in ("manifest.sqlite-wal", "manifest.sqlite-shm"):
        (place / name).unlink(missing_ok=True)


def _embedder() -> object:
    from spelunk import embed

    return embed.get(OPTIONS)


PROSE_AND_DATA = (
    "markdown", "rst", "text", "asciidoc", "org", "latex", "toml", "yaml", "json", "ini", "properties", "html", "vue",
    "no-such-language",
)  # fmt: skip
CHUNKERS = tuple(sorted({*FAMILY_OF, *PROSE_AND_DATA}))
TARGETS: dict[str, Target] = {
    "discovery": discovery,
    "reading": reading,
    "notebooks": notebooks,
    "languages": languages,
    "queries": queries,
    "pasted": pasted,
    "regexes": regexes,
    "settings": settings,
    "terminal": terminal,
    "registry": registry,
    "packets": packets,
    "manifests": manifests,
    "segments": segments,
    "full texts": full_texts,
    "searches": searches,
    **{f"chunks {language}": chunker(language) for language in CHUNKERS},
    "chunks others": other_grammars,
}

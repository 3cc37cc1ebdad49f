"""The manifest as a store: formats, checksums, locks, and what may touch it."""

from __future__ import annotations

import ast
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import spelunk
from spelunk import Index
from spelunk.errors import IndexBusyError, IndexMissingError
from spelunk.store import schema
from spelunk.store.manifest import Manifest
from spelunk.store.packet import FileFacts, FilePacket, Packet, dump, load, row_checksum
from spelunk.store.records import ChunkRecord, FieldRecord
from spelunk.store.snapshot import Snapshot
from spelunk.store.writer_lock import HOLDER, WriterLock, describe, holder
from spelunk.types import Definition
from spelunk.workspace.catalogue import catalogue
from tests.corpus import python_file, write_tree

SOURCE = Path(spelunk.__file__).parent
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|BEGIN|COMMIT|ROLLBACK|PRAGMA|ALTER|VACUUM)\b")


def build(folder: Path, files: int = 6) -> tuple[Path, Path]:
    """A workspace and its index."""
    root, place = folder / "tree", folder / "ix"
    root.mkdir()
    write_tree(root, files)
    with Index.open(root, index_dir=str(place)) as index:
        index.update()
    return root, place


# What may touch the stores


def statements(path: Path) -> list[str]:
    """SQL given to a call of a connection or a manifest in a module."""
    out = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if not isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                continue
            text = ast.unparse(node.args[0]).lstrip("f").strip("'\"")
            if SQL.match(text):
                out.append(f"{path.relative_to(SOURCE)}:{node.lineno}: {text[:60]}")
    return out


def test_only_the_manifest_speaks_sql() -> None:
    allowed = {
        SOURCE / "store" / f"{name}.py"
        for name in (
            *("manifest", "manifest_writer", "manifest_references", "manifest_retained", "relation_queries"),
            *("schema", "where", "holding", "commits", "commit_writer", "remote_rows"),
        )
    }

    found = [line for path in SOURCE.rglob("*.py") if path not in allowed for line in statements(path)]

    assert not found, found


def test_sql_is_noticed(tmp_path: Path) -> None:
    assert len(statements(SOURCE / "store" / "manifest.py")) > 20


def test_tantivy_and_sqlite_are_imported_in_the_store_alone() -> None:
    engines = {"tantivy", "sqlite3"}
    found = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.parent != SOURCE / "store" and "doctor" not in path.name  # reports their versions
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and engines & {a.name.split(".")[0] for a in node.names})
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in engines)
    ]

    assert not found, found


# Chunks and definitions as rows


RECORD = ChunkRecord(
    0, 0, 1, 9, 0, 90, "function", "run \U0001fae8", "Server",
    (Definition("run \U0001fae8", "function", 1, "Server", 9), Definition("x\udc80", "variable", 2, "", 2)),
)  # fmt: skip
FACTS = FileFacts("a\udcff/\U0001fae8.py", b"d" * 16, "python", 3, "utf-8", 9)


def test_the_checksum_of_rows_is_the_same_in_every_python() -> None:
    """A golden digest; U+1FAE8 is printable since Unicode 15, so Python 3.11 and 3.12 quote it differently."""
    made = row_checksum(FACTS, [RECORD], [FieldRecord(0, "status", "open \U0001fae8")], b"text", None)

    assert made.hex() == "1b9782a94fdb06f2"


@pytest.mark.parametrize(
    "other",
    [
        RECORD._replace(symbol="run", scope=" \U0001fae8Server"),
        RECORD._replace(start_line=2),
        RECORD._replace(definitions=RECORD.definitions[::-1]),
        RECORD._replace(definitions=(RECORD.definitions[0]._replace(end_line=8), RECORD.definitions[1])),
        RECORD._replace(id=1),
    ],
)
def test_the_checksum_covers_every_column(other: ChunkRecord) -> None:
    assert row_checksum(FACTS, [other], [], b"", None) != row_checksum(FACTS, [RECORD], [], b"", None)
    assert row_checksum(FACTS, [RECORD], [], b"", b"") != row_checksum(FACTS, [RECORD], [], b"", None)


def test_a_packet_is_read_as_it_was_written() -> None:
    file = FilePacket(
        item=3, digest=b"d", cut_digest=b"c", language="python", flags=1, encoding="utf-8", size=5, lines=9,
        text=b"t", line_map=None, path_terms="a b", chunks=[RECORD], bodies=["x"], names=["y"],
        fields=[FieldRecord(0, "k", "v")], donor=(7, 1), checksum=b"s",
    )  # fmt: skip
    packet = Packet([file], [1], [(2, "binary", "")], [(4, "read", "x")], 5, b"p", b"s", b"c")

    assert load(dump(packet)) == packet
    assert packet.chunks == 1


def test_definitions_are_rows_that_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.h").write_text("".join(f"#define NAME_{n} {n}\n" for n in range(500)))
    with Index.open(tmp_path / "tree", index_dir=str(tmp_path / "ix")) as index:
        index.update()
    manifest = Manifest(str(tmp_path / "ix"))

    (chunk,) = manifest.defining("NAME_321")

    names = [d.name for d in manifest.chunks([chunk])[chunk].definitions]
    assert "NAME_321" in names and len(names) > 1
    assert manifest.defining("NAME_32") == [chunk] or manifest.defining("NAME_32")
    assert not manifest.defining("name_321")
    plan = manifest.all("EXPLAIN QUERY PLAN SELECT chunk FROM definitions WHERE name = 'x' ORDER BY 1")
    assert "definitions_name" in str(plan)
    manifest.close()


# Formats


def to_format(place: Path, number: int) -> None:
    with closing(sqlite3.connect(place / "manifest.sqlite")) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))
        db.execute("DROP TABLE definitions")


@pytest.mark.parametrize("number", range(1, schema.FORMAT))
def test_an_index_of_an_older_format_is_missing_and_never_damaged(tmp_path: Path, number: int) -> None:
    root, place = build(tmp_path)
    to_format(place, number)

    with Index.open(root, index_dir=str(place)) as index:
        assert index.status().state == "missing"
        with pytest.raises(IndexMissingError, match="older format"):
            index.check()
        with pytest.raises(IndexMissingError, match="older format"):
            index.search("flush", refresh=False)
        index.update()

        assert index.check().ok and index.search("flush", refresh=False).hits
    assert not (place / "manifest.sqlite").exists()


# Readers beside a writer


def test_a_reader_that_meets_a_manifest_before_its_tables_sees_them_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look finds an empty file; its writer makes the tables before the second look."""
    _, place = build(tmp_path)
    name = schema.manifest_name(str(place))
    assert name is not None
    path = place / name
    for left in (path.with_name(name + "-wal"), path.with_name(name + "-shm"), path):
        left.unlink(missing_ok=True)
    path.touch()
    real = schema._is_empty

    def late(where: str) -> bool:
        schema.connect_writer(str(place))[0].close()
        return real(where)

    monkeypatch.setattr(schema, "_is_empty", late)
    db, found = schema.connect_reader(str(place))
    with closing(db):
        assert found == name and db.execute("SELECT count(*) FROM generations").fetchone() == (0,)


def test_a_view_opened_before_a_merge_has_its_vectors_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "spelunk.pipeline.restoring.RETAIN_FROM", 1_000
    )  # what is retained is not merged away
    root, place = build(tmp_path, 30)
    with Index.open(root, index_dir=str(place)) as index:
        snapshot = Snapshot(str(place))
        with closing(Manifest(str(place))) as manifest:
            before = {s.name for s in manifest.segments()}
        for n in range(20):
            (root / f"pkg{n // 10}" / f"mod_{n}.py").unlink()
        index.update()
        gone = before - set(os.listdir(place / "vectors"))

        assert gone and sum(s.rows for s in snapshot.segments) == snapshot.documents
        assert snapshot.dimensions == snapshot.segments[0].dimensions
        snapshot.close()


READER = """
import json, sys
from pathlib import Path
from spelunk import Index
root, place, stop = sys.argv[1:]
searches, wrong = 0, []
with Index.open(root, index_dir=place) as index:
    while not Path(stop).exists() or searches < 5:
        for mode in ("semantic", "hybrid"):
            answer = index.search("flush the queue of workers", mode=mode, refresh=False)
            searches += 1
            if answer.degraded or not answer.hits:
                wrong.append(str(answer.degraded))
        index.close()
print(json.dumps([searches, wrong]))
"""


def test_no_search_beside_a_writer_that_merges_is_degraded(tmp_path: Path) -> None:
    root, place = build(tmp_path, 60)
    stop = tmp_path / "stop"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(root), str(place), str(stop)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    with Index.open(root, index_dir=str(place), mode="sequential") as index:
        for n in range(12):  # some small generations are merged, and then a large segment that is half dead
            (root / f"pkg{n % 3}" / f"mod_{n}.py").write_text(python_file(900 + n))
            index.update()
        for n in range(10, 45):
            (root / f"pkg{n // 10}" / f"mod_{n}.py").unlink(missing_ok=True)
        index.update()
        index.update(rebuild=True)
    stop.touch()

    results = [json.loads(reader.communicate()[0]) for reader in readers]

    assert all(searches >= 5 for searches, _ in results)
    assert [wrong for _, wrong in results] == [[], []]


# Locks


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode = EXCLUSIVE")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE meta SET value = value")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_manifest_that_another_program_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, place = build(tmp_path)
    monkeypatch.setattr(schema, "READER_WAIT_SECONDS", 0.1)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place / "manifest.sqlite")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"

        with Index.open(root, index_dir=str(place)) as index, pytest.raises(IndexBusyError, match="locked"):
            index.search("flush")
        argv = [sys.executable, "-m", "spelunk", "search", "flush", str(root), "--index-dir", str(place)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and done.stdout == ""
        assert "locked by another program" in done.stderr and len(done.stderr.splitlines()) == 1
        assert [entry.state for entry in catalogue().workspaces] == ["locked"]
    finally:
        other.communicate("")


REGISTRY = {
    "text for a time": b'{"pid": 7, "host": "h", "command": "index", "since": "x"}',
    "endless time": b'{"pid": 7, "host": "h", "command": "index", "since": 1e999}',
    "huge time": b'{"pid": 7, "host": "h", "command": "index", "since": 1e300}',
    "other types": b'{"pid": [], "host": {}, "command": 3, "since": null}',
    "booleans": b'{"pid": true, "since": false}',
    "nesting": b'{"pid":' + b"[" * 60_000,
    "zero bytes": b"\0" * 500,
    "list": b"[]",
    "empty": b"",
}


@pytest.mark.parametrize("name", REGISTRY)
def test_garbage_in_the_holders_record_is_ignored(tmp_path: Path, name: str) -> None:
    lock = WriterLock(str(tmp_path))
    lock.acquire("index")
    (tmp_path / HOLDER).write_bytes(REGISTRY[name])

    try:
        known = holder(str(tmp_path))
        assert known is not None and set(known) <= {"pid", "host", "command"}
        assert "writing" in describe(str(tmp_path)) and "--wait" in describe(str(tmp_path))
        with pytest.raises(IndexBusyError):
            WriterLock(str(tmp_path)).acquire("another")
    finally:
        lock.release()


def test_a_holder_is_described(tmp_path: Path) -> None:
    lock = WriterLock(str(tmp_path))
    lock.acquire("spelunk index")

    assert re.search(
        rf"`spelunk index` \(pid {os.getpid()} on .*\) has been writing for \d+ s", describe(str(tmp_path))
    )
    lock.release()
    assert holder(str(tmp_path)) is None

"""Reference segments: what is written is read back, merged, bounded, and independent of a search."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from spelunk import Index
from spelunk.chunk.relation import Import, Reference, Relations, Role
from spelunk.errors import IndexCorruptError
from spelunk.store import reference_segment, writer
from spelunk.store.manifest import Manifest
from spelunk.store.reference_segment import ReferenceSegment, reference_path
from spelunk.store.reference_writer import ReferenceCollector, count_uses
from spelunk.store.relation_pack import (
    MAX_LINE,
    MODULE,
    ROLE_SHIFT,
    Packer,
    module_names,
    name_hash,
    row_count,
    unpack_imports,
    unpack_rows,
)
from spelunk.store.snapshot import Snapshot
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree
from tests.examples import examples

NAMES = st.text(st.characters(codec=None), max_size=6) | st.sampled_from(["get", "init", "x\udc80"])
REFERENCES = st.lists(
    st.builds(
        Reference,
        NAMES,
        st.sampled_from([*Role]),
        st.integers(1, 2**25),
        st.sampled_from(["", "self", "a.b"]) | NAMES,
    ),
    max_size=30,
).map(lambda found: sorted(found, key=lambda r: r.line))
IMPORTS = st.lists(st.builds(Import, NAMES, NAMES, NAMES, st.integers(1, 2**20), st.booleans()), max_size=5)
FILES = st.dictionaries(st.integers(1, 2**31), st.builds(Relations, REFERENCES, IMPORTS), max_size=8)

Row = tuple[int, int, int, str]
"""Name hash, file, place, receiver."""


def expected(files: dict[int, Relations]) -> list[Row]:
    """The rows of files, by name hash, file and place in the file."""
    rows = []
    for file, (references, imports) in sorted(files.items()):
        rows += [
            (name_hash(r.name), file, r.role << ROLE_SHIFT | min(r.line, MAX_LINE), r.receiver)
            for r in references
        ]
        modules = {(name, i.line) for i in imports for name in module_names(i.module)}
        rows += [
            (name_hash(name), file, MODULE << ROLE_SHIFT | min(line, MAX_LINE), "")
            for name, line in sorted(modules)
        ]
    return sorted(rows, key=lambda row: row[0])


def write(place: Path, name: str, files: dict[int, Relations]) -> ReferenceSegment | None:
    packer, collected = Packer(), ReferenceCollector()
    for file, found in sorted(files.items()):
        collected.add(file, packer.references(found))
    rows = collected.write(str(place), name)
    return ReferenceSegment(reference_path(str(place), name), rows[0].rows) if rows else None


def rows_of(segment: ReferenceSegment) -> list[Row]:
    return [
        (value, file, row, segment.receiver(receiver))
        for value, part in segment.runs()
        for file, row, receiver in zip(*part, strict=True)
    ]


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES)
def test_a_segment_is_read_as_it_was_written(tmp_path: Path, files: dict[int, Relations]) -> None:
    rows = expected(files)

    segment = write(tmp_path, "a.ref", files)

    if segment is None:
        assert rows == []
        return
    assert segment.intact() and rows_of(segment) == rows
    assert segment.counts == dict(sorted(Counter(row[1] for row in rows).items()))
    for value in {row[0] for row in rows}:
        found = [
            (value, file, row, segment.receiver(receiver))
            for part in segment.find(value)
            for file, row, receiver in zip(*part, strict=True)
        ]
        assert found == [row for row in rows if row[0] == value]
    assert segment.find(name_hash("never written")) == []


@examples(100)
@given(st.builds(Relations, REFERENCES, IMPORTS))
def test_the_relations_of_a_file_are_packed(found: Relations) -> None:
    packer = Packer()

    assert unpack_imports(packer.imports(found.imports)) == found.imports
    packed = packer.references(found)
    rows = unpack_rows(packed)
    assert row_count(packed) == len(rows.hashes) == len(rows.places) == len(rows.receivers)
    assert [rows.strings[r] for r in rows.receivers][: len(found.references)] == [
        r.receiver for r in found.references
    ]
    assert packed == Packer().references(found)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("a.b.c", {"c"}), ("..pkg.x", {"x", "pkg"}), ("..x", {"x"}), (".", set()), ("..", set()), ("", set()),
        ("./util", {"util"}), ("./util.js", {"util", "util.js"}), ("../..", set()), ("net/http", {"http"}),
        ("<stdio.h>", {"stdio.h", "stdio"}), ("<sys/stat.h>", {"stat.h", "stat"}), ("util.h", {"util", "h"}),
        ("crate::io", {"io"}), ("App\\Models\\User", {"User"}), ("react", {"react"}), ("@scope/pkg/", {"pkg"}),
    ],
)  # fmt: skip
def test_the_names_of_a_module(module: str, names: set[str]) -> None:
    assert module_names(module) == names


def many(files: int, each: int) -> dict[int, Relations]:
    """Files that refer to ``get`` again and again, and each to a name of its own."""
    return {
        n: Relations([Reference("get", Role.CALL, i + 1, f"r{i % 7}") for i in range(each)] + [Reference(f"f{n}", Role.TYPE, each + 1)], [])
        for n in range(1, files + 1)
    }  # fmt: skip


def test_a_name_that_fills_many_blocks(tmp_path: Path) -> None:
    segment = write(tmp_path, "a.ref", many(40, 1_000))

    assert segment is not None and segment.blocks > 9
    parts = segment.find(name_hash("get"))
    files = [file for part in parts for file in part.files]
    assert len(parts) > 9 and len(files) == 40_000 and files == sorted(files)
    uses: Counter[tuple[int, int]] = Counter()
    for hashes, of, counts in count_uses(segment, {3}, [Role.CALL]):
        for key in zip(hashes, of, strict=True):
            assert key not in uses
        uses.update(dict(zip(zip(hashes, of, strict=True), counts, strict=True)))
    assert uses == {(name_hash("get"), n): 1_000 for n in range(1, 41) if n != 3}


def test_a_look_up_reads_few_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        n: Relations([Reference(f"name{n}_{i}", Role.CALL, i + 1) for i in range(500)], [])
        for n in range(1, 101)
    }
    segment = write(tmp_path, "a.ref", files)
    assert segment is not None and segment.blocks > 10
    read: list[int] = []
    real = ReferenceSegment.block_data
    monkeypatch.setattr(ReferenceSegment, "block_data", lambda self, n: (read.append(n), real(self, n))[1])

    for n in range(1, 101):
        assert sum(len(part.files) for part in segment.find(name_hash(f"name{n}_7"))) == 1

    assert len(read) <= 200


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, st.randoms(use_true_random=False))
def test_a_merge_keeps_what_is_live(tmp_path: Path, files: dict[int, Relations], r: random.Random) -> None:
    part = {file: r.randrange(3) for file in files}
    dead = {file for file in files if r.random() < 0.3}
    collected = ReferenceCollector()
    for n in r.sample(range(3), 3):
        segment = write(tmp_path, f"{n}.ref", {f: found for f, found in files.items() if part[f] == n})
        if segment is not None:
            collected.add_segment(segment, dead)

    rows = collected.write(str(tmp_path), "merged.ref")

    wanted = expected({f: found for f, found in files.items() if f not in dead})
    assert sum(row.rows for row in rows) == len(wanted)
    if rows:
        assert rows_of(ReferenceSegment(reference_path(str(tmp_path), "merged.ref"))) == wanted


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_segment_is_found_and_ends_nothing(tmp_path: Path, seed: int) -> None:
    segment = write(tmp_path, "a.ref", many(5, 40))
    assert segment is not None
    path = Path(segment.path)
    data = bytearray(path.read_bytes())
    r = random.Random(seed)
    at = r.randrange(len(data))
    data[at] ^= 1 << r.randrange(8)
    del data[len(data) - r.choice([0, 0, 1]) * r.randrange(len(data)) :]
    path.write_bytes(data)

    try:
        damaged = ReferenceSegment(str(path), segment.rows)
    except IndexCorruptError:
        return
    assert not damaged.intact() or at in range(56, 72)  # reserved bytes of the header
    for call in (
        lambda: damaged.find(name_hash("get")),
        lambda: rows_of(damaged),
        lambda: [*damaged.string_blocks()],
        lambda: [*count_uses(damaged, (), [Role.CALL])],
    ):
        try:
            call()
        except IndexCorruptError:
            pass


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 12)
    return root


def test_a_search_does_not_need_the_references(tree: Path, tmp_path: Path) -> None:
    with Index.open(tree, index_dir=str(tmp_path / "ix")) as index:
        index.update()
        before = index.search("flush queue", refresh=False)
        for path in (tmp_path / "ix" / "graph").iterdir():
            path.write_bytes(b"no segment")

        after = index.search("flush queue", refresh=False)

        assert after.hits == before.hits and not after.degraded
        with Snapshot(index.directory) as snapshot, pytest.raises(IndexCorruptError, match="check --repair"):
            snapshot.relations.references_to("flush")
        assert index.check(repair=True).ok
        with Snapshot(index.directory) as snapshot:
            assert snapshot.relations.references_to("flush_0").total


def test_a_reader_keeps_its_references_through_merges(tree: Path, tmp_path: Path) -> None:
    with Index.open(tree, index_dir=str(tmp_path / "ix")) as index:
        index.update()
        with Snapshot(index.directory) as snapshot:
            names = [path.name for path in (tmp_path / "ix" / "graph").iterdir()]
            for n in range(12):
                (tree / f"pkg{n // 10}" / f"mod_{n}.py").write_text(python_file(500 + n))
                index.update()
            assert not {path.name for path in (tmp_path / "ix" / "graph").iterdir()} & set(names)

            assert snapshot.relations.references_to("flush_0").total

        manifest = Manifest(index.directory)
        assert len(manifest.reference_segments()) <= 9
        manifest.close()
        assert index.check().ok
    with Index.open(tree, index_dir=str(tmp_path / "fresh")) as fresh:
        fresh.update()
        assert logical_content(str(tmp_path / "ix")) == logical_content(fresh.directory)


def test_many_references_are_published_before_many_chunks(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_MERGED_ROWS", 50)
    with Index.open(tree, index_dir=str(tmp_path / "ix"), mode="sequential", files_per_batch=1) as index:
        index.update()
        manifest = Manifest(index.directory)
        generations = manifest.generation
        manifest.close()

    assert generations > 3
    assert index.check().ok


def test_a_look_up_imports_no_numpy(tree: Path, tmp_path: Path) -> None:
    with Index.open(tree, index_dir=str(tmp_path / "ix")) as index:
        index.update()
    code = (
        "import sys; from spelunk.store.snapshot import Snapshot;"
        f"r = Snapshot({str(tmp_path / 'ix')!r}).relations;"
        "print(r.references_to('flush_0').total > 0, r.definitions_named(['x']), 'numpy' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "[]", "False"]


def test_no_block_is_longer_than_its_counts_can_say() -> None:
    assert reference_segment.ROWS_PER_BLOCK < 2**16

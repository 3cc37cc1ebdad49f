"""`check` finds each of a list of seeded corruptions, and `check --repair` mends it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.embed.static import StaticEmbedder
from spelunk.errors import IndexCorruptError
from spelunk.store.document import ChunkTerms
from spelunk.store.full_text import LexicalWriter
from spelunk.store.segment import Segment
from spelunk.store.segment_file import file_layout
from spelunk.store.texts import unpack
from spelunk.testing import logical_content
from tests.corpus import write_tree


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 0xFF
    path.write_bytes(data)


def one(place: Path, pattern: str) -> Path:
    return sorted(place.glob(pattern))[0]


def sql(place: Path, statement: str) -> None:
    db = sqlite3.connect(place / "manifest.sqlite")
    db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize("text", [None, 1, "text", b"no zstandard"])
def test_a_stored_text_of_another_type_is_damage(text: object) -> None:
    with pytest.raises(IndexCorruptError, match="damaged"):
        unpack(text, None)  # type: ignore[arg-type]


def orphan(place: Path) -> None:
    writer = LexicalWriter(str(one(place, "lexical-*")), heap=1 << 24)
    writer.add(ChunkTerms(999_999, 5_555, "stray", "stray", "stray", "python", "block"))
    writer.commit()
    writer.close()


def truncate_manifest(place: Path) -> None:
    for side in place.glob("manifest.sqlite-*"):
        side.unlink()
    os.truncate(place / "manifest.sqlite", 20_000)


def drop_manifest(place: Path) -> None:
    for side in place.glob("manifest.sqlite*"):
        side.unlink()


def swap_segments(place: Path) -> None:
    a, b = sorted(place.glob("vectors/*"))[:2]
    aside = place / "aside"
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def flip_column(place: Path, number: int) -> None:
    """A byte in the middle of one column: ids, planes, scales, kinds, codes."""
    path = one(place, "vectors/*")
    segment = Segment(str(path))
    offset, width = file_layout(segment.rows, segment.dimensions)[0][number]
    flip(path, offset + width // 2)


def flip_graph(place: Path, share: float) -> None:
    """A byte of a reference segment, behind this share of it."""
    path = one(place, "graph/*")
    flip(path, int(path.stat().st_size * share))


def swap_graph(place: Path) -> None:
    a, b = sorted(place.glob("graph/*"))[:2]
    aside = place / "aside"
    a.rename(aside)
    b.rename(a)
    aside.rename(b)


def statement(text: str) -> Callable[[Path], object]:
    return lambda place: sql(place, text)


FIRST = "(SELECT min(id) FROM files WHERE chunks > 1)"
CORRUPTIONS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "missing segment": ("vectors", lambda p: one(p, "vectors/*").unlink()),
    "empty segment": ("vectors", lambda p: os.truncate(one(p, "vectors/*"), 0)),
    "truncated segment": ("vectors", lambda p: os.truncate(one(p, "vectors/*"), 1_000)),
    "flipped header of a segment": ("vectors", lambda p: flip(one(p, "vectors/*"), 3)),
    "flipped id of a vector": ("vectors", lambda p: flip_column(p, 0)),
    "flipped sign bits": ("vectors", lambda p: flip_column(p, 1)),
    "flipped scale": ("vectors", lambda p: flip_column(p, 2)),
    "flipped kind": ("vectors", lambda p: flip_column(p, 3)),
    "flipped vector code": ("vectors", lambda p: flip_column(p, 4)),
    "swapped segments": ("vectors", swap_segments),
    "wrong count of dead rows": ("vectors", statement("UPDATE segments SET dead = 7")),
    "wrong count of rows": ("vectors", statement("UPDATE segments SET rows = rows + 1")),
    "forgotten segment": (
        "leftover vectors",
        statement("DELETE FROM segments WHERE name = (SELECT max(name) FROM segments)"),
    ),
    "other kinds": ("vectors", statement("UPDATE meta SET value = '[\"x\"]' WHERE key = 'kinds'")),
    "missing full text": ("full-text", lambda p: shutil.rmtree(one(p, "lexical-*"))),
    "missing full-text terms": ("full-text", lambda p: one(p, "lexical-*/*.term").unlink()),
    "missing full-text list": ("full-text", lambda p: one(p, "lexical-*/meta.json").unlink()),
    "truncated full-text list": ("full-text", lambda p: os.truncate(one(p, "lexical-*/meta.json"), 40)),
    **{
        f"flipped full-text byte in {kind}": (
            "full-text",
            lambda p, kind=kind: flip(one(p, f"lexical-*/*.{kind}"), 300),
        )
        for kind in ("idx", "term", "fast", "fieldnorm", "store")
    },
    "orphan document": ("full-text", orphan),
    "missing references": ("references", lambda p: one(p, "graph/*").unlink()),
    "all references missing": ("references", lambda p: shutil.rmtree(p / "graph")),
    "empty references": ("references", lambda p: os.truncate(one(p, "graph/*"), 0)),
    "truncated references": ("references", lambda p: os.truncate(one(p, "graph/*"), 100)),
    "flipped magic of references": ("references", lambda p: flip(one(p, "graph/*"), 3)),
    "flipped digest of references": ("references", lambda p: flip(one(p, "graph/*"), 50)),
    **{
        f"flipped byte at {share} of the references": (
            "references",
            lambda p, share=share: flip_graph(p, share),
        )
        for share in (0.08, 0.3, 0.5, 0.7, 0.9, 0.999)
    },
    "swapped references": ("references", swap_graph),
    "wrong count of dead references": ("references", statement("UPDATE reference_segments SET dead = 7")),
    "wrong count of references": ("references", statement("UPDATE reference_segments SET rows = rows + 1")),
    "forgotten references": (
        "leftover references",
        statement("DELETE FROM reference_segments WHERE name = (SELECT max(name) FROM reference_segments)"),
    ),
    "live file dead in references": (
        "references",
        statement("INSERT INTO dead_references SELECT name, x'02000000' FROM reference_segments LIMIT 1"),
    ),
    "damaged list of dead files": (
        "references",
        statement("INSERT INTO dead_references SELECT name, x'0200' FROM reference_segments LIMIT 1"),
    ),
    "other imports": (
        "text",
        statement(
            "UPDATE contents SET imports = NULL WHERE file = (SELECT min(file) FROM contents WHERE imports IS NOT NULL)"
        ),
    ),
    "other count of references of a file": (
        "text references",
        statement(f"UPDATE contents SET reference_rows = reference_rows + 1 WHERE file = {FIRST}"),
    ),
    "stray references": ("leftover", lambda p: (p / "graph" / "stray.ref").write_bytes(b"x")),
    "stray file": ("leftover", lambda p: (p / "vectors" / "stray.vec").write_bytes(b"x")),
    "stray full text": ("leftover", lambda p: (p / "lexical-77").mkdir()),
    "damaged text": ("text", statement(f"UPDATE contents SET text = x'0011' WHERE file = {FIRST}")),
    "other text": (
        "text",
        statement(
            f"UPDATE contents SET text = (SELECT text FROM contents WHERE file > {FIRST}) WHERE file = {FIRST}"
        ),
    ),
    "missing text": ("text", statement(f"DELETE FROM contents WHERE file = {FIRST}")),
    "damaged checksum": ("text", statement(f"UPDATE contents SET checksum = x'00' WHERE file = {FIRST}")),
    "other symbol": ("text", statement(f"UPDATE chunks SET symbol = 'x' WHERE file = {FIRST}")),
    "other lines": ("text", statement(f"UPDATE chunks SET end_line = end_line + 1 WHERE file = {FIRST}")),
    "other definition": (
        "text",
        statement("UPDATE definitions SET name = 'x' WHERE chunk = (SELECT min(chunk) FROM definitions)"),
    ),
    "lost definition": (
        "text",
        statement("DELETE FROM definitions WHERE chunk = (SELECT min(chunk) FROM definitions)"),
    ),
    "orphan definition": (
        "orphans",
        statement("INSERT INTO definitions VALUES (-5, 0, 'x', 'function', 1, '', 1)"),
    ),
    "chunk of another file": (
        "text orphans vectors full-text",
        statement(
            f"UPDATE chunks SET file = 9999 WHERE id = (SELECT first_chunk FROM files WHERE id = {FIRST})"
        ),
    ),
    "other dead rows": (
        "vectors",
        statement("INSERT INTO tombstones SELECT name, x'01' FROM segments WHERE dead = 0 LIMIT 1"),
    ),
    "damaged field": ("text", statement("UPDATE fields SET value = value || 'x'")),
    "other language": ("text", statement(f"UPDATE files SET language = 'go' WHERE id = {FIRST}")),
    "other path": ("text", statement(f"UPDATE files SET path = 'a/b.py' WHERE id = {FIRST}")),
    "wrong count of chunks": ("text", statement(f"UPDATE files SET chunks = chunks + 1 WHERE id = {FIRST}")),
    "orphan chunk": (
        "orphans",
        statement("INSERT INTO chunks VALUES (-5, 9999, 1, 1, 0, 1, 'k', '', '')"),
    ),
    "orphan text": ("orphans", statement("INSERT INTO contents VALUES (9999, x'00', NULL, NULL, 5, x'00')")),
    "orphan field": ("orphans", statement("INSERT INTO fields VALUES (9999, 9999, 'a', 'b')")),
    "ids given twice": ("manifest", statement("UPDATE meta SET value = 2 WHERE key = 'next_chunk'")),
    "truncated manifest": ("manifest", truncate_manifest),
    "deleted manifest": ("manifest", drop_manifest),
    "flipped manifest header": ("manifest", lambda p: flip(settled(p), 20)),
    "flipped manifest page": ("manifest", lambda p: flip(settled(p), 4096 + 3)),
}


def settled(place: Path) -> Path:
    """The manifest with its log folded in."""
    sql(place, "PRAGMA wal_checkpoint(TRUNCATE)")
    return place / "manifest.sqlite"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A workspace, and its index in two segments."""
    folder = tmp_path_factory.mktemp("built")
    root, place = folder / "tree", folder / "ix"
    root.mkdir()
    write_tree(root, 12)
    (root / "note.md").write_text("---\nstatus: open\n---\n\n# Note\n\nAbout queues.\n")
    with Index.open(root, index_dir=str(place)) as index:
        index.update()
        (root / "late.py").write_text(
            "import os\n\n\ndef late():\n    return os.getpid()\n\n\nclass Later:\n    pass\n"
        )
        index.update()
        assert len(list((place / "vectors").iterdir())) == 2
    return root, place


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_found_and_mended(built: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    root, place = built[0], tmp_path / "ix"
    shutil.copytree(built[1], place)
    index = Index.open(root, index_dir=str(place))
    before = logical_content(str(place))
    assert index.check().ok
    kind, corrupt = CORRUPTIONS[name]
    index.close()

    corrupt(place)

    found = index.check()
    assert not found.ok and {p.what for p in found.problems} == set(kind.split())
    mended = index.check(repair=True)
    assert mended.ok and all(p.repaired for p in mended.problems)
    assert index.check().ok
    assert logical_content(str(place)) == before


def test_intact_vectors_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, place = tmp_path / "tree", tmp_path / "ix"
    root.mkdir()
    write_tree(root, 20)
    index = Index.open(root, index_dir=str(place))
    index.update()
    (root / "pkg0" / "mod_1.py").write_text("def only_this():\n    return 1\n")
    index.update()
    made: list[int] = []
    real = StaticEmbedder.embed

    def counting(self: StaticEmbedder, texts: list, words: list) -> object:
        made.append(len(words))
        return real(self, texts, words)

    monkeypatch.setattr(StaticEmbedder, "embed", counting)
    newest = sorted((place / "vectors").iterdir())[-1]
    newest.unlink()

    assert index.check(repair=True).ok

    assert sum(made) == 1


def files_of(place: Path) -> list[Path]:
    """What the stores consist of; the lock and the registry hold nothing that is indexed."""
    folders = [place / "vectors", place / "graph", *place.glob("lexical-*")]
    return [place / "manifest.sqlite", *(p for f in folders for p in sorted(f.iterdir()) if p.stat().st_size)]


ALL = 500
"""More than there are chunks: ranks change where texts are read again, since what they replace still counts
in the frequencies of words until segments are merged; what is found does not."""


def answers(index: Index) -> list[list[tuple[str, int, str]]]:
    found = [
        index.search(query, mode=mode, refresh=False, limit=ALL).hits
        for query in ("late queue", "flush worker", "total")
        for mode in ("hybrid", "semantic", "regex")
    ]
    return [[(h.path, h.start_line, h.content) for h in hits] for hits in found]


@pytest.mark.parametrize(
    "seed", [*range(12), *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, 120))]
)
def test_a_flipped_byte_anywhere_is_found_or_harmless(
    built: tuple[Path, Path], tmp_path: Path, seed: int
) -> None:
    """What `check` passes answers as before; what it finds it mends."""
    root, place = built[0], tmp_path / "ix"
    shutil.copytree(built[1], place)
    settled(place)
    index = Index.open(root, index_dir=str(place))
    before, said = logical_content(str(place)), answers(index)
    index.close()
    r = random.Random(seed)
    # Every file is as likely as another, so that small ones that matter are met.
    path = r.choice(files_of(place))
    at = r.randrange(path.stat().st_size)

    flip(path, at)

    damaged = not index.check().ok
    if damaged:
        assert index.check(repair=True).ok, (path, at)
    assert index.check().ok
    assert logical_content(str(place)) == before, (path, at)
    now = answers(index)
    assert [*map(sorted, now)] == [*map(sorted, said)], (path, at)
    assert damaged or now == said, (path, at)
    index.close()

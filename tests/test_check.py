"""`check` finds each of a list of seeded corruptions, and `check --repair` mends it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.embed.hashed import HashedEmbedder
from spelunk.store.lexical import LexicalWriter
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


def orphan(place: Path) -> None:
    writer = LexicalWriter(str(one(place, "lexical-*")), heap=1 << 24)
    writer.add(999_999, 5_555, "stray", "stray", "stray", "python", "block")
    writer.commit()
    writer.close()


def truncate_manifest(place: Path) -> None:
    for side in place.glob("manifest.sqlite-*"):
        side.unlink()
    os.truncate(place / "manifest.sqlite", 20_000)


def drop_manifest(place: Path) -> None:
    for side in place.glob("manifest.sqlite*"):
        side.unlink()


CORRUPTIONS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "missing segment": ("vectors", lambda p: one(p, "vectors/*").unlink()),
    "flipped vector byte": ("vectors", lambda p: flip(one(p, "vectors/*"), 5_000)),
    "truncated segment": ("vectors", lambda p: os.truncate(one(p, "vectors/*"), 1_000)),
    "wrong count of dead rows": ("vectors", lambda p: sql(p, "UPDATE segments SET dead = 7")),
    "missing full-text file": ("full-text", lambda p: one(p, "lexical-*/*.term").unlink()),
    "flipped full-text byte": ("full-text", lambda p: flip(one(p, "lexical-*/*.idx"), 300)),
    "orphan row": ("full-text", orphan),
    "stray file": ("leftover", lambda p: (p / "vectors" / "stray.vec").write_bytes(b"x")),
    "damaged text": (
        "text",
        lambda p: sql(p, "UPDATE contents SET text = x'0011' WHERE file = (SELECT min(id) FROM files)"),
    ),
    "wrong count of chunks": (
        "manifest",
        lambda p: sql(p, "UPDATE files SET chunks = chunks + 1 WHERE id = 3"),
    ),
    "truncated manifest": ("manifest", truncate_manifest),
    "deleted manifest": ("manifest", drop_manifest),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_found_and_mended(tmp_path: Path, name: str) -> None:
    root, place = tmp_path / "tree", tmp_path / "ix"
    root.mkdir()
    write_tree(root, 20)
    index = Index.open(root, index_dir=str(place))
    index.update()
    before = logical_content(str(place))
    assert index.check().ok
    kind, corrupt = CORRUPTIONS[name]
    index.close()

    corrupt(place)

    found = index.check()
    assert not found.ok and {p.what for p in found.problems} == {kind}
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
    real = HashedEmbedder.embed

    def counting(self: HashedEmbedder, texts: list, words: list) -> object:
        made.append(len(words))
        return real(self, texts, words)

    monkeypatch.setattr(HashedEmbedder, "embed", counting)
    newest = sorted((place / "vectors").iterdir())[-1]
    newest.unlink()

    assert index.check(repair=True).ok

    assert sum(made) == 1

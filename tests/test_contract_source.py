"""The contract of a source, held by a folder and by the double."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from spelunk.config import DEFAULTS, Options
from spelunk.files.folder import FolderSource
from spelunk.files.read import read
from spelunk.files.source import Source
from spelunk.testing import MemorySource
from spelunk.types import Document, Entry, Failed, Flag, Skipped

FILES = {
    "a.py": "def one():\n    return 1\n",
    "pkg/b.c": "int two(void);\n",
    "tests/test_a.py": "def test_one():\n    pass\n",
    "docs/guide.md": "# Guide\n",
    "pkg/Makefile": "all:\n\ttrue\n",
    "ä.txt": "Umlaut\n",
    "empty.txt": "",
    "odd\udcff.py": "x = 1\n",
    "poetry.lock": "[[package]]\n",
    "picture.png": "no text",
    "large.txt": "word " * 400,
}
OPTIONS = Options(max_file_size=1_000)
OFFERED = sorted(set(FILES) - {"poetry.lock", "picture.png", "large.txt"})


class Folder:
    """A folder with the files, and how to change it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source: Source = FolderSource(str(root))

    def write(self, path: str, content: str) -> None:
        place = os.path.join(os.fsencode(self.root), os.fsencode(path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as f:
            f.write(content.encode())

    def delete(self, path: str) -> None:
        (self.root / path).unlink()


class Memory:
    """The double with the files, and how to change it."""

    def __init__(self) -> None:
        self.double = MemorySource({})
        self.source: Source = self.double

    def write(self, path: str, content: str) -> None:
        self.double.files[path] = content.encode()

    def delete(self, path: str) -> None:
        del self.double.files[path]


Place = Folder | Memory


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made: Place = Folder(tmp_path) if request.param == "folder" else Memory()
    for path, content in FILES.items():
        made.write(path, content)
    yield made


def entries(source: Source, options: Options = OPTIONS) -> Mapping[str, Entry]:
    walk = source.walk(options)
    assert [e.path for e in walk.entries] == sorted(e.path for e in walk.entries)
    assert [s.path for s in walk.skipped] == sorted(s.path for s in walk.skipped)
    return {e.path: e for e in walk.entries}


def test_a_walk_offers_files_by_path_with_size_language_and_flags(place: Place) -> None:
    found = entries(place.source)

    assert list(found) == OFFERED
    assert {p: e.size for p, e in found.items()} == {p: len(FILES[p].encode()) for p in OFFERED}
    assert found["a.py"].language == "python" and found["pkg/b.c"].language == "c"
    assert found["tests/test_a.py"].flags & Flag.TEST and found["docs/guide.md"].flags & Flag.DOCS
    assert not found["a.py"].flags


def test_what_is_left_out_is_told_with_its_reason(place: Place) -> None:
    walk = place.source.walk(OPTIONS)

    assert [(s.path, s.reason) for s in walk.skipped] == [
        ("large.txt", "too-large"),
        ("picture.png", "binary"),
        ("poetry.lock", "lock-file"),
    ]
    assert walk.failed == []
    assert "large.txt" in entries(place.source, DEFAULTS)


def test_two_sources_of_the_same_files_offer_the_same(tmp_path: Path) -> None:
    folder, memory = Folder(tmp_path), Memory()
    for path, content in FILES.items():
        folder.write(path, content)
        memory.write(path, content)

    one, two = (entries(p.source) for p in (folder, memory))
    walks = [p.source.walk(OPTIONS) for p in (folder, memory)]

    def facts(found: Mapping[str, Entry]) -> list[object]:
        return [(e.path, e.size, e.language, e.flags) for e in found.values()]

    assert facts(one) == facts(two)
    assert walks[0].skipped == walks[1].skipped


def test_bytes_are_read_as_they_are(place: Place) -> None:
    for path, entry in entries(place.source).items():
        assert place.source.read(entry, 10_000) == FILES[path].encode()
        document = read(place.source, entry, OPTIONS)
        if FILES[path]:
            assert isinstance(document, Document) and document.text == FILES[path]
        else:
            assert isinstance(document, Skipped) and document.reason == "empty"


def test_a_file_that_grew_beyond_the_limit_is_skipped(place: Place) -> None:
    entry = entries(place.source)["a.py"]

    answer = place.source.read(entry, 5)

    assert isinstance(answer, Skipped) and (answer.path, answer.reason) == ("a.py", "too-large")


def test_a_file_that_vanished_fails_and_has_no_stamp(place: Place) -> None:
    entry = entries(place.source)["a.py"]
    place.delete("a.py")

    answer = place.source.read(entry, 10_000)

    assert isinstance(answer, Failed) and (answer.path, answer.stage) == ("a.py", "read")
    assert place.source.stamp("a.py") is None
    assert place.source.stamp("never/was.py") is None
    place.source.prefetch([entry])


def test_a_file_that_changed_since_the_walk_is_read_as_it_is_now(place: Place) -> None:
    entry = entries(place.source)["a.py"]
    place.write("a.py", "changed = True\n")

    assert place.source.read(entry, 10_000) == b"changed = True\n"


def test_a_stamp_stays_while_the_file_does_and_changes_with_it(place: Place) -> None:
    before = {path: place.source.stamp(path) for path in OFFERED}

    assert all(before.values())
    assert {path: place.source.stamp(path) for path in OFFERED} == before
    # The walk gives an empty stamp to a file that may still be changing.
    assert all(e.stamp in (b"", before[path]) for path, e in entries(place.source).items())

    place.write("a.py", "something of another length = 1\n")

    after = {path: place.source.stamp(path) for path in OFFERED}
    assert {path for path in OFFERED if after[path] != before[path]} == {"a.py"}


def test_an_empty_fence_and_an_empty_stamp_never_hold(place: Place) -> None:
    fence = place.source.walk(OPTIONS).fence

    assert fence
    assert not place.source.unchanged(b"")
    assert not place.source.unchanged(fence, [("a.py", b"")])


@pytest.mark.parametrize(
    "source", [FolderSource(str(Path(__file__).parent / "fixtures")), MemorySource(FILES)]
)
def test_a_fence_holds_while_nothing_changes(source: Source) -> None:
    """Over a folder that nobody writes to: what was changed a moment ago is never trusted."""
    walk = source.walk(OPTIONS)

    assert walk.rows
    assert source.unchanged(walk.fence, [(e.path, e.stamp) for e in walk.entries])
    assert source.walk(OPTIONS).fence == walk.fence


def test_an_addition_or_removal_does_not_go_unnoticed(place: Place) -> None:
    fence = place.source.walk(OPTIONS).fence

    place.write("pkg/new.py", "new = 1\n")
    assert not place.source.unchanged(fence)

    second = place.source.walk(OPTIONS).fence
    place.delete("pkg/new.py")
    assert not place.source.unchanged(second)


def test_a_changed_file_does_not_go_unnoticed_among_those_named(place: Place) -> None:
    fence = place.source.walk(OPTIONS).fence
    stamps = [(path, place.source.stamp(path) or b"") for path in OFFERED]
    place.write("pkg/b.c", "int two(void), three(void);\n")

    assert not place.source.unchanged(fence, stamps)


def test_a_source_travels_to_another_process(place: Place) -> None:
    copy = pickle.loads(pickle.dumps(place.source))

    assert copy.id == place.source.id
    assert list(entries(copy)) == OFFERED
    assert copy.read(entries(copy)["a.py"], 10_000) == FILES["a.py"].encode()


def test_ids_tell_sources_apart(tmp_path: Path) -> None:
    ids = {
        FolderSource(str(tmp_path / "a")).id,
        FolderSource(str(tmp_path / "b")).id,
        MemorySource({}, "a").id,
        MemorySource({}, "b").id,
    }

    assert len(ids) == 4
    assert FolderSource(str(tmp_path / "a")).id == FolderSource(str(tmp_path / "a") + "/").id

"""What a pasted text says of files and chunks besides its words: places, messages, commits."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.pasted import FileMention, read_pasted
from spelunk.search.evidence import Evidence
from spelunk.search.messages import collect as collect_messages
from spelunk.search.places import collect as collect_places
from spelunk.store.protocols import Filter
from spelunk.testing import MemoryReader

SHOP = {
    "shop/cart.py": "class Cart:\n    def add(self, item):\n        self.items.append(item)\n\n    def clear(self):\n        self.items = []\n",
    "shop/__init__.py": "def create_app(name):\n    return name\n",
    "shop/money/convert.py": "def convert(amount, rate):\n    if rate <= 0:\n        raise ValueError(f'no rate for {amount} today')\n    return amount * rate\n",
    "shop/utils.py": "def helper():\n    return 1\n",
    "admin/utils.py": "def helper():\n    return 2\n",
    "docs/convert.md": "# Conversion\n\nThe rate is of today.\n",
    "lib/index.js": "function main() {\n  return 1\n}\n",
}


@pytest.fixture(scope="module")
def reader() -> MemoryReader:
    return MemoryReader.of_files(SHOP)


def named(reader: MemoryReader, *places: FileMention) -> dict[str, dict[str, float]]:
    """Path of each file that the places name -> its signals."""
    evidence = Evidence()
    collect_places(reader, 0, places, evidence)
    rows = reader.files([file for _, file in evidence.files])
    return {rows[file].path: signals for (_, file), signals in evidence.files.items()}


def chunks(reader: MemoryReader, *places: FileMention) -> list[str]:
    """The symbols of the chunks that the places name."""
    evidence = Evidence()
    collect_places(reader, 0, places, evidence)
    return sorted(reader.chunks([i])[i].symbol for _, i in evidence.chunks)


# Places


def test_a_frame_leads_to_the_definition_that_encloses_it(reader: MemoryReader) -> None:
    frame = FileMention("home/me/shop/cart.py", 3, "add", 1.0, "frame")

    assert named(reader, frame) == {"shop/cart.py": {"frame": 1.0}}
    assert "Cart" in chunks(reader, frame)[0] or "add" in chunks(reader, frame)


def test_the_function_counts_more_than_a_line_of_another_version(reader: MemoryReader) -> None:
    assert chunks(reader, FileMention("shop/money/convert.py", 999, "convert", 1.0, "frame")) == ["convert"]


def test_a_message_of_a_tool_leads_to_the_chunk_at_its_line(reader: MemoryReader) -> None:
    place = FileMention("convert.py", 3, "", 0.9, "message")

    assert named(reader, place) == {"shop/money/convert.py": {"mention": 0.9}}
    assert chunks(reader, place) == ["convert"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("shop/money/convert", ["shop/money/convert.py"]),
        ("shop/money/convert/convert", ["shop/money/convert.py"]),
        ("SHOP/Cart/add", ["shop/cart.py"]),
        ("self/items", []),
        ("convert", []),
    ],
)
def test_a_module_is_found_by_its_longest_beginning_of_two_components(
    reader: MemoryReader, path: str, found: Sequence[str]
) -> None:
    assert list(named(reader, FileMention(path, source="module"))) == found


def test_a_package_is_called_by_its_folder(reader: MemoryReader) -> None:
    assert [f.path for f in reader.files_named({"shop"})] == ["shop/__init__.py"]


def test_a_name_of_several_files_is_shared_among_them(reader: MemoryReader) -> None:
    assert named(reader, FileMention("utils.py", weight=0.8)) == {
        "admin/utils.py": {"mention": 0.4},
        "shop/utils.py": {"mention": 0.4},
    }
    assert named(reader, FileMention("admin/utils.py", weight=0.8)) == {"admin/utils.py": {"mention": 0.8}}


def test_a_file_of_an_installed_package_is_no_file_of_the_same_name(reader: MemoryReader) -> None:
    assert named(reader, FileMention("pandas/core/cart.py", 3, "add", 1.0, "frame", least=3)) == {}


@pytest.mark.parametrize("path", ["", "/", "..", "../..", "a\0b.py", "x" * 10_000, "/".join("ab" * 3_000)])
def test_any_path_is_looked_up_without_an_error(reader: MemoryReader, path: str) -> None:
    assert named(reader, FileMention(path), FileMention(path, source="module")) == {}


# Messages


def test_the_place_that_raises_a_message_is_found_word_for_word(reader: MemoryReader) -> None:
    pasted = read_pasted("It fails\n\n```\nValueError: no rate for 17 today\n```\n")
    evidence = Evidence()

    candidates = collect_messages(reader, 0, pasted, Filter(), evidence)

    having = {reader.chunks([i])[i].symbol for _, i in evidence.chunks}
    assert having == {"convert"}
    assert candidates == {i for _, i in evidence.chunks}


def test_messages_stay_inside_the_filters(reader: MemoryReader) -> None:
    pasted = read_pasted("ValueError: no rate for 17 today")
    evidence = Evidence()

    assert not collect_messages(reader, 0, pasted, Filter(languages=("javascript",)), evidence)
    assert not evidence.chunks


# A whole search


TRACE = """Saving fails

```
Traceback (most recent call last):
  File "/srv/app/store/writer.py", line 4, in flush_rows
    raise StoreError("no room left for rows")
StoreError: no room left for rows
```
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "store").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "store" / "writer.py").write_text(
        "from .errors import StoreError\n\n\ndef flush_rows(rows):\n    raise StoreError('no room left for rows')\n\n\n"
        "def open_rows(path):\n    return path\n"
    )
    (root / "store" / "errors.py").write_text(
        "class StoreError(Exception):\n    '''Saving fails: no room.'''\n"
    )
    for n in range(12):
        (root / "tests" / f"test_saving_{n}.py").write_text(
            "def test_saving_fails_without_room():\n"
            "    # Saving fails: StoreError, no room left for rows; flush_rows saving fails\n    assert flush_rows([]) is None\n"
        )
    return root


def test_the_code_to_change_comes_before_tests_that_use_the_words_of_a_trace(shop: Path) -> None:
    with Index.open(shop) as index:
        answer = index.search(TRACE, explain=True)

    assert answer.hits[0].path == "store/writer.py"
    assert answer.hits[0].symbol == "flush_rows"
    assert answer.hits[0].signals["frame"] > 0
    assert answer.hits[0].signals["message"] > 0
    assert sum(answer.hits[0].signals.values()) == pytest.approx(answer.hits[0].score)
    assert "stack trace" in answer.reading


def test_a_named_place_does_not_pass_the_filters(shop: Path) -> None:
    with Index.open(shop) as index:
        answer = index.search(TRACE, include=["tests/"])

    assert answer.hits
    assert {hit.path.split("/")[0] for hit in answer.hits} == {"tests"}


def git(root: Path, *args: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *args],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip


def test_files_of_similar_commits_come_first(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for name in ("alpha", "beta", "gamma", "delta"):
        (root / f"{name}.py").write_text(f"def {name}_value():\n    return 0\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "First version")
    for n in range(3):
        (root / "gamma.py").write_text(f"def gamma_value():\n    return {n + 1}\n")
        git(root, "commit", "-qam", f"Reconnect after a broken socket, part {n}")
    text = "The client must reconnect after a broken socket and return its value again, see the report of last week"

    with Index.open(root) as index:
        index.update()
        answer = index.search(text, explain=True)
        assert answer.hits[0].path == "gamma.py"
        assert answer.hits[0].signals["history"] > 0

    (root / ".git").rename(tmp_path / "aside")
    with Index.open(root, index_dir=str(tmp_path / "without")) as index:
        index.update()
        answer = index.search(text, explain=True)
        assert {hit.path for hit in answer.hits} == {"alpha.py", "beta.py", "gamma.py", "delta.py"}
        assert not any("history" in hit.signals for hit in answer.hits)

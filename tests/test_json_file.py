"""A small JSON object in an index directory: read whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spelunk.io.json_file import read_object

REFUSED = {
    "empty": b"",
    "list": b"[1]",
    "number": b"7",
    "truncated": b'{"a": 1',
    "infinite": b'{"a": 1e999}',
    "infinity by name": b'{"a": Infinity}',
    "not a number": b'{"a": [NaN]}',
    "zero bytes": b"\0" * 40,
    "zero byte in a name": b'{"a\0": 1}',
    "too deep": b'{"a":' * 100_000,
    "deep lists": b'{"a": ' + b"[" * 100_000,
    "a number of many digits": b'{"a": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_small_object_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(REFUSED[name])

    assert read_object(str(path), limit=10_000_000) is None


def test_an_object_is_read_with_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"root": "/tmp/\xff", "since": 1.5}')

    assert read_object(str(path)) == {"root": "/tmp/\udcff", "since": 1.5}


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": "' + b"x" * 100 + b'"}')

    assert read_object(str(path), limit=100) is None
    assert read_object(str(path), limit=109) == {"a": "x" * 100}


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    assert read_object(str(tmp_path / "fifo")) is None
    assert read_object(str(tmp_path)) is None
    assert read_object(str(tmp_path / "missing")) is None

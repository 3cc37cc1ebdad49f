"""Places as the command line takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spelunk import Index
from spelunk.cli.commands.history import parse_lines
from spelunk.cli.symbols import symbol_in


@pytest.mark.parametrize(
    ("symbol", "inside"),
    [
        ("a.py:3", "sub/a.py:3"),
        ("a.py:3-9", "sub/a.py:3-9"),
        ("a.py:3:7", "sub/a.py:3:7"),
        ("../b.py:3:7", "b.py:3:7"),
        ("gone.py:3:7", "gone.py:3:7"),
        ("Writer.flush", "Writer.flush"),
    ],
)
def test_the_path_of_a_place_becomes_relative_to_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, symbol: str, inside: str
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.chdir(tmp_path / "sub")

    with Index.open(tmp_path, index_dir=str(tmp_path / "index")) as index:
        assert symbol_in(index, symbol) == inside


@pytest.mark.parametrize(
    ("place", "lines"),
    [("a.py:3:7", ("a.py", 3, 3)), ("a.py:3-7", ("a.py", 3, 7)), ("a.py", ("a.py", None, None))],
)
def test_a_column_behind_the_line_of_a_history(place: str, lines: tuple[str, int | None, int | None]) -> None:
    assert parse_lines(place) == lines

"""Results become JSON in one place, for every adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spelunk import Index
from spelunk.observe.check_report import CheckReport, Problem
from spelunk.present.objects import SCHEMA_VERSION, catalogue_text, check_text, status_text, to_json
from spelunk.workspace.catalogue import Catalogue, CatalogueEntry, catalogue
from spelunk.workspace.status import Status


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of one file."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.py").write_text("def walrus():\n    return 1\n")
    index = Index.open(tmp_path / "project")
    index.update()
    return index


def test_every_result_becomes_json(index: Index) -> None:
    results: list[Any] = [
        index.update(), index.search("walrus"), index.status(), index.why("a.py"), index.check(), catalogue()
    ]  # fmt: skip

    for result in results:
        value = to_json(result, root=index.root)
        assert value["schema_version"] == SCHEMA_VERSION
        assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json("walrus")  # type: ignore[arg-type]


def test_names_from_disk_cannot_steer_the_terminal() -> None:
    evil = "a\x1b]0;x\x07\nb"
    texts = [
        status_text(Status(evil, evil, "corrupt", detail=evil)),
        check_text(CheckReport(False, (Problem("text", evil, evil),), 0, 0, 0)),
        catalogue_text(Catalogue("/", (CatalogueEntry(evil, evil, "current"),))),
    ]

    for text in texts:
        assert "\x1b" not in text and "\x07" not in text
        assert not any(line.startswith("b") for line in text.splitlines())


def test_a_check_advises_to_repair_only_what_is_left() -> None:
    detail = "/ix/manifest.sqlite: damaged; run `spelunk check --repair`"

    report = CheckReport(False, (Problem("manifest", "manifest.sqlite", detail),), 1, 1, 1)
    left, repaired = check_text(report), check_text(report.mended())

    assert "--repair" not in repaired and "repaired: manifest" in repaired
    assert left.count("--repair") == 1

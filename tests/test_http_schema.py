"""Requests made from the server's OpenAPI document; each answer has to be as the document says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http_process import ServerProcess, environment, serving
from tests.test_http_server import make_tree

pytest.importorskip("schemathesis")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    base = tmp_path_factory.mktemp("schema")
    with serving(base / "home", str(make_tree(base / "project")), "--rate", "0") as made:
        made.search("flush")
        yield made


@pytest.mark.slow
def test_every_answer_is_as_the_document_says(server: ServerProcess, tmp_path: Path) -> None:
    # The limits of the head and of the body answer before the parameters are looked at.
    statuses = ", ".join(f'"{status}"' for status in (400, 401, 403, 404, 405, 413, 415, 431))
    (tmp_path / "schemathesis.toml").write_text(
        f"[checks.negative_data_rejection]\nexpected-statuses = [{statuses}]\n"
    )
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            f"{server.url}/api/openapi.json",
            "--phases=examples,coverage,fuzzing",
            "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
            "negative_data_rejection",
            "--max-examples=40",
            "--exclude-path=/readyz",
            "--request-timeout=60",
            "--generation-deterministic",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(tmp_path),
    )

    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
    assert "Traceback" not in server.log.read_text()

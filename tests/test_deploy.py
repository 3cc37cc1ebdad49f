"""The files in ``deploy/``: what they name exists, and the scripts are those of a plain shell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parent.parent / "deploy"

CHART_VALUES = {
    "replicaCount", "image", "config", "apiKey", "persistence", "snapshotPersistence", "resources",
    "podDisruptionBudget", "affinity",
}  # fmt: skip
"""Values that are used here, and that Qdrant's chart of version 1.18.3 has."""


def test_the_helm_values_are_values_of_the_chart() -> None:
    yaml = pytest.importorskip("yaml")
    values = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())

    assert set(values) == CHART_VALUES
    assert values["replicaCount"] == 3 and values["config"]["cluster"]["enabled"] is True
    assert set(values["apiKey"]["valueFrom"]["secretKeyRef"]) == {"name", "key"}, "no key in a file"


def test_compose_and_helm_start_the_same_qdrant() -> None:
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    values = yaml.safe_load((DEPLOY / "helm-values.yaml").read_text())

    images = {service["image"] for service in compose["services"].values()}
    assert images == {f"qdrant/qdrant:{values['image']['tag']}"}
    assert len(compose["services"]) == values["replicaCount"]


@pytest.mark.parametrize("name", ["smoke.sh", "backup.sh", "ray/submit.sh"])
def test_a_script_is_one_of_a_plain_shell_and_says_how_it_is_used(name: str) -> None:
    subprocess.run(["sh", "-n", str(DEPLOY / name)], check=True)
    done = subprocess.run(["sh", str(DEPLOY / name)], capture_output=True, text=True)
    assert done.returncode != 0 and re.search(r"usage|the address", done.stderr)

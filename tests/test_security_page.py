"""Every test that SECURITY.md names exists."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
PAGE = (TOP / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def test_rows_name_a_test():
    rows = re.findall(r"^\| (?!It cannot|-)(.+) \| (.+) \|$", PAGE, re.M)

    assert len(rows) > 15 and all("::test_" in tests for _, tests in rows)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_exists(file, name):
    assert re.search(rf"^(?:async )?def {name}\(", (TOP / file).read_text(encoding="utf-8"), re.M)


def test_its_links_lead_to_pages():
    assert [t for t in re.findall(r"\]\((docs/[\w.-]+)\)", PAGE) if not (TOP / t).exists()] == []

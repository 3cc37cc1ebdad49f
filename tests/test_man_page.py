"""The manual page is made from the parsers, and formats without a warning."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spelunk.cli import COMMANDS
from spelunk.cli.commands import GROUPS

TOP = Path(__file__).parent.parent
PAGE = TOP / "docs" / "man" / "spelunk.1"


def test_the_page_is_up_to_date():
    done = subprocess.run([sys.executable, TOP / "scripts" / "man-page", "--check"], check=False)

    assert done.returncode == 0, "run scripts/man-page"


def test_every_command_is_in_one_group_and_on_the_page():
    grouped = [name for names in GROUPS.values() for name in names]

    assert sorted(grouped) == sorted(COMMANDS)
    assert sorted(re.findall(r'^\.SS "spelunk ([\w-]+)', PAGE.read_text(), re.M)) == sorted(COMMANDS)


def test_it_formats_without_a_warning():
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")

    done = subprocess.run(
        [groff, "-man", "-Tutf8", "-ww", "-b", PAGE], capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    assert "--files-with-matches" in re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)

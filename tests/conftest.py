"""Every test has its own home for indexes, and none sees the user's settings."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.confine import hold

# A machine that is busy fails no property: a time limit would be one of its load.
settings.register_profile("spelunk", deadline=None)
settings.load_profile("spelunk")


def pytest_configure() -> None:
    """Take signals as a terminal's programs do: ``nohup`` and a shell's ``&`` have them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _no_write_follows_a_link_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests make links that lead outside, and may run as root."""
    hold(str(tmp_path_factory.getbasetemp()))


@pytest.fixture(autouse=True, scope="session")
def _no_index_in_the_home_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures of a module or session run before :func:`own_home`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPELUNK_HOME", str(tmp_path_factory.mktemp("shared-home")))
        yield


_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``mktemp`` lists all folders before it makes one: with 3,000 of them it takes 7 ms instead of 0.4."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def own_home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    home = homes / str(next(_NUMBERS))
    home.mkdir()
    for name in list(os.environ):
        if name.startswith("SPELUNK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SPELUNK_HOME", str(home / "spelunk"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield

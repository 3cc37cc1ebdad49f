"""The registry of embedders: one answer for each name, and one refusal."""

from __future__ import annotations

import pytest

from spelunk import embed
from spelunk.config import Options
from spelunk.embed.protocol import HASHED_ID, STATIC_ID
from spelunk.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("static", STATIC_ID),
        ("hashed", HASHED_ID),
        ("api:m", "api:m[8000c]"),
        ("api:m:8b", "api:m:8b[8000c]"),
    ],
)
def test_an_embedder_has_an_id_without_being_loaded(name: str, expected: str) -> None:
    options = Options(embedder=name, embedding_max_chars=8000)

    assert embed.identify(options) == expected
    assert embed.in_workers(options) == (":" not in name)
    assert embed.memory(options, 2) == 0


@pytest.mark.parametrize("name", ["static", "hashed"])
def test_a_built_in_embedder_is_what_the_registry_says(name: str) -> None:
    options = Options(embedder=name)
    made = embed.get(options)

    assert (made.id, made.in_workers) == (embed.identify(options), embed.in_workers(options))
    assert made.semantic == (name == "static")


@pytest.mark.parametrize("name", ["", "no", "static:", "static:x", "api", "api:", "api: ", "onnx"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_listed(name: str) -> None:
    options = Options(embedder=name)

    assert not embed.in_workers(options)
    for call in (embed.identify, embed.get, embed.check):
        with pytest.raises(ConfigError, match="static, hashed, onnx:DIRECTORY, fastembed:MODEL, api:MODEL"):
            call(options)


def test_a_folder_that_is_none_is_refused_before_the_work() -> None:
    for call in (embed.identify, embed.check):
        with pytest.raises(ConfigError, match="no such folder"):
            call(Options(embedder="onnx:/no/such/folder"))

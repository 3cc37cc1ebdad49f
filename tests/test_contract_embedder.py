"""The contract of an embedder, held by the built-in ones, by one behind an API and by the double."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from spelunk import embed
from spelunk.config import Options
from spelunk.embed import Embedder
from spelunk.errors import ProviderDownError, ProviderError, RefusedError
from spelunk.testing import MemoryEmbedder
from spelunk.text.tokens import words
from tests.provider import Handler, Provider

TEXTS = [
    "def flush_queue(n):\n    return n + 1\n",
    "How queues are flushed, batch by batch.",
    "flush flush flush",
    "",
    "--- *** ---",
    "μέρος, naïve, ein Wörterbuch",
    "odd\udcff name",
    "x" * 5_000,
]
NAMES = ["static", "hashed", "memory", "api"]


@pytest.fixture(params=NAMES)
def embedder(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    if request.param == "memory":
        yield MemoryEmbedder([{"queue", "batch"}])
    elif request.param == "api":
        with Provider() as provider:
            yield embed.get(Options(embedder="api:m", embedding_url=provider.url, retry_wait=0.001))
    else:
        yield embed.get(Options(embedder=request.param))


def vectors(embedder: Embedder, texts: list[str]) -> np.ndarray:
    return embedder.embed(texts, [words(t) if embedder.in_workers else [] for t in texts])


def test_rows_are_float32_of_unit_length_or_zero(embedder: Embedder) -> None:
    matrix = vectors(embedder, TEXTS)

    assert matrix.dtype == np.float32 and matrix.shape[0] == len(TEXTS)
    assert matrix.shape[1] % 64 == 0 and embedder.dimensions in (0, matrix.shape[1])
    norms = np.linalg.norm(matrix.astype(np.float64), axis=1)
    assert all(norm == 0 or norm == pytest.approx(1, abs=1e-5) for norm in norms)
    assert all(norms[n] > 0 for n in (0, 1, 2))


def test_a_vector_depends_on_its_text_alone(embedder: Embedder) -> None:
    together = vectors(embedder, TEXTS)

    backwards = vectors(embedder, TEXTS[::-1])[::-1]
    alone = np.concatenate([vectors(embedder, [text]) for text in TEXTS])

    assert np.array_equal(together, backwards)
    assert np.array_equal(together, alone)


def test_a_query_is_a_vector_of_the_same_space(embedder: Embedder) -> None:
    matrix = vectors(embedder, TEXTS[:3])

    query = np.asarray([*embedder.query("flush the queue")], np.float64)

    assert query.shape == (matrix.shape[1],)
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-5)
    assert (matrix @ query).max() > 0
    assert [*embedder.query("flush the queue")] == [*embedder.query("flush the queue")]


def test_a_text_without_words_has_no_direction(embedder: Embedder) -> None:
    """But an API gives some vector for any text."""
    directions = vectors(embedder, ["", "--- ***"]).any(axis=1).tolist()

    assert directions == [not embedder.in_workers] * 2
    assert np.asarray([*embedder.query("---")]).any() == (not embedder.in_workers)


def test_what_the_pipeline_needs_to_know_is_told(embedder: Embedder) -> None:
    assert embedder.id and isinstance(embedder.id, str)
    assert embedder.batch >= 1 and embedder.concurrency >= 1
    assert isinstance(embedder.in_workers, bool) and isinstance(embedder.semantic, bool)


@pytest.fixture(params=["memory", "api"])
def failing(request: pytest.FixtureRequest) -> Iterator[tuple[Embedder, str]]:
    """An embedder that refuses texts with the word ``unfit``."""
    if request.param == "memory":
        yield MemoryEmbedder(refused=["unfit"]), "memory"
        return

    def behave(handler: Handler, texts: list[str]) -> bool:
        if any("unfit" in text for text in texts):
            handler.send(400, {"error": {"message": "no"}})
            return True
        return False

    with Provider() as provider:
        provider.behave = behave
        yield embed.get(Options(embedder="api:m", embedding_url=provider.url, retry_wait=0.001)), "api"


def test_a_text_that_is_refused_is_an_error_of_its_own(failing: tuple[Embedder, str]) -> None:
    embedder, _ = failing

    with pytest.raises(RefusedError):
        vectors(embedder, ["fit", "an unfit text"])

    assert vectors(embedder, ["fit"]).any()


def test_a_provider_that_is_down_is_an_error_of_every_call() -> None:
    memory = MemoryEmbedder()
    memory.error = ProviderDownError("no connection")
    with Provider() as provider:
        provider.behave = lambda handler, texts: (
            bool(handler.send(401, {"error": {"message": "no key"}})) or True
        )
        api = embed.get(Options(embedder="api:m", embedding_url=provider.url, retry_wait=0.001))

        for embedder in (memory, api):
            with pytest.raises(ProviderDownError):
                vectors(embedder, ["text"])
            with pytest.raises(ProviderError):
                embedder.query("text")


def test_synonyms_of_the_double_share_a_direction() -> None:
    embedder = MemoryEmbedder([{"cart", "trolley"}])

    cart, trolley, other = vectors(embedder, ["cart", "Trolley", "receipt"])

    assert np.array_equal(cart, trolley) and cart @ other == 0
    assert embedder.texts == ["cart", "Trolley", "receipt"] and embedder.queries == []

"""The interface of embedders, and the ids of those that need no model file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from spelunk.config import Options
from spelunk.versions import TOKENS_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

API: Final = "api:"
"""Prefix of the name of an embedder behind an HTTP API; the model's name follows."""

FASTEMBED: Final = "fastembed:"
"""Prefix of the name of a model of FastEmbed; the model's name follows."""

STATIC_ID: Final = f"static-1.{TOKENS_VERSION}"
"""The version of the trained table, and that of the terms it has rows for."""

HASHED_ID: Final = f"hashed-1.{TOKENS_VERSION}"
"""Its features are the terms of the full text, so their version is part of the id."""


def api_id(options: Options) -> str:
    """The id of an embedder behind an API: the model and what changes its vectors.

    The address is no part of it: a model has the same vectors wherever it is served.
    """
    dimensions = f",{options.embedding_dimensions}d" if options.embedding_dimensions else ""
    return f"{options.embedder}[{options.embedding_max_chars}c{dimensions}]"


class Embedder(Protocol):
    """Makes vectors of texts. One for each process; never shared between processes.

    Attributes:
        id: Name and version; vectors of different ids are never compared.
        dimensions: Columns of every matrix, a multiple of 64. 0 where only the first
            answer shows it.
        in_workers: Whether the workers call it, beside parsing: for CPU work of one
            thread that is as fast as the parse. Any other (a network, a model with
            threads of its own) is called by the writer's process after the texts
            are published.
        semantic: Whether its vectors express more than which words two texts share, so that
            ``hybrid`` lets it order what the words found.
        batch: Texts that one call of :meth:`embed` should get.
        concurrency: Calls of :meth:`embed` that may run at a time, from several
            threads; 1 if it is not safe for threads.
    """

    id: str
    in_workers: bool
    semantic: bool
    batch: int
    concurrency: int

    @property
    def dimensions(self) -> int:
        """Columns of every matrix."""
        ...

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """Embed texts as rows of unit length (all zero for a text without words).

        Args:
            texts: The chunks' texts.
            words: Their words (:func:`spelunk.text.tokens.words`), already found for
                the full-text index; a bag-of-words embedder uses them alone.
                Filled for an embedder that is ``in_workers``, empty lists for others.

        Returns:
            ``(len(texts), dimensions)`` float32.

        Raises:
            RefusedError: No vector can be made of one of the texts, or of several.
            ProviderDownError: Other texts would fail as well for now.
            ProviderError: It failed for these texts, and may work later.
        """
        ...

    def query(self, text: str) -> Iterable[float]:
        """Embed a query: ``(dimensions,)`` numbers, of unit length or all zero.

        Raises:
            ProviderError: No vector can be made now.
        """
        ...

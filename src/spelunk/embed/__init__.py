"""Here are texts, give me unit vectors.

An :class:`Embedder` maps chunk texts, or the words already found in them, to
rows of a matrix. :func:`get` finds the one that the settings ask for; its id,
which names its version too, is part of an index's fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from spelunk.config import Options
from spelunk.errors import ConfigError
from spelunk.versions import TOKENS_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

NAMES: Final = ("hashed",)

HASHED_ID: Final = f"hashed-1.{TOKENS_VERSION}"
"""Its features are the terms of the full text, so their version is part of its own."""


class Embedder(Protocol):
    """What makes vectors. One per process; never shared between processes.

    Attributes:
        id: Name and version; vectors of different ids are never compared.
        dimensions: Columns of every matrix; a multiple of 64.
        in_workers: Whether phase 1 calls it in each worker, beside parsing: for
            what is pure CPU work of one thread and as fast as the parse. Any
            other (a network, a model with threads of its own) is called by the
            writer's process after the texts are published.
    """

    id: str
    dimensions: int
    in_workers: bool

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """Rows of unit length (all zero for a text without words).

        Args:
            texts: The chunks' texts.
            words: Their words (:func:`spelunk.tokens.words`), found already for
                the full-text index; a bag-of-words embedder uses them alone.

        Returns:
            ``(len(texts), dimensions)`` float32.
        """
        ...

    def query(self, text: str) -> Matrix:
        """The vector of a query, ``(dimensions,)`` float32."""
        ...


def get(options: Options) -> Embedder:
    """The embedder that the settings ask for.

    Raises:
        ConfigError: There is none of that name.
    """
    if options.embedder == "hashed":
        from spelunk.embed.hashed import HashedEmbedder

        return HashedEmbedder()
    raise _unknown(options)


def identify(options: Options) -> str:
    """The id of the embedder that the settings ask for, without loading it.

    Raises:
        ConfigError: There is none of that name.
    """
    if options.embedder == "hashed":
        return HASHED_ID
    raise _unknown(options)


def _unknown(options: Options) -> ConfigError:
    return ConfigError(f"unknown embedder {options.embedder!r}: use one of {', '.join(NAMES)}")

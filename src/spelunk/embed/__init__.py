"""Here are texts, give me unit vectors.

An :class:`Embedder` maps chunk texts, or the words already found in them, to
rows of a matrix. :func:`get` finds one by the name in the settings; the name,
with the version in :attr:`Embedder.id`, is part of an index's fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from spelunk.errors import ConfigError
from spelunk.versions import TOKENS_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

NAMES = ("hashed",)

HASHED_ID = f"hashed-1.{TOKENS_VERSION}"
"""Its features are the terms of the full text, so their version is part of its own."""


class Embedder(Protocol):
    """What makes vectors. One per process; never shared between processes.

    Attributes:
        id: Name and version; vectors of different ids are never compared.
        dimensions: Columns of every matrix.
    """

    id: str
    dimensions: int

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


def get(name: str) -> Embedder:
    """The embedder of that name.

    Raises:
        ConfigError: There is none.
    """
    if name == "hashed":
        from spelunk.embed.hashed import HashedEmbedder

        return HashedEmbedder()
    raise ConfigError(f"unknown embedder {name!r}: use one of {', '.join(NAMES)}")


def identify(name: str) -> str:
    """The id of an embedder without loading it.

    Raises:
        ConfigError: There is no such embedder.
    """
    if name == "hashed":
        return HASHED_ID
    raise ConfigError(f"unknown embedder {name!r}: use one of {', '.join(NAMES)}")

"""Here are texts, give me unit vectors.

An :class:`Embedder` maps chunk texts, or the words already found in them, to
rows of a matrix. :func:`get` finds the one that the settings ask for; its id,
which names its version too, is part of an index's fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from spelunk.config import ONNX, Options
from spelunk.errors import ConfigError
from spelunk.observe import Observer, null_observer
from spelunk.versions import TOKENS_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

NAMES: Final = ("static", "hashed", "onnx:DIRECTORY", "api:MODEL")
IN_WORKERS: Final = frozenset(("static", "hashed"))
API: Final = "api:"
"""What the name of an embedder behind an HTTP API begins with; the model's name follows."""

STATIC_ID: Final = f"static-1.{TOKENS_VERSION}"
"""The trained table's version, and that of the terms it has rows for."""

HASHED_ID: Final = f"hashed-1.{TOKENS_VERSION}"
"""Its features are the terms of the full text, so their version is part of its own."""


class Embedder(Protocol):
    """What makes vectors. One per process; never shared between processes.

    Attributes:
        id: Name and version; vectors of different ids are never compared.
        dimensions: Columns of every matrix; a multiple of 64. 0 where only a first
            answer will tell.
        in_workers: Whether phase 1 calls it in each worker, beside parsing: for
            what is pure CPU work of one thread and as fast as the parse. Any
            other (a network, a model with threads of its own) is called by the
            writer's process after the texts are published.
        ranks: Whether it knows more than which words two texts share, so that
            ``hybrid`` lets it order what the words found.
        batch: Texts that one call of :meth:`embed` is best given.
        concurrency: Calls of :meth:`embed` that may be made at a time, from several
            threads; 1 for what is not made for that.
    """

    id: str
    in_workers: bool
    ranks: bool
    batch: int
    concurrency: int

    @property
    def dimensions(self) -> int:
        """Columns of every matrix."""
        ...

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """Rows of unit length (all zero for a text without words).

        Args:
            texts: The chunks' texts.
            words: Their words (:func:`spelunk.text.tokens.words`), found already for
                the full-text index; a bag-of-words embedder uses them alone.
                Given to one that is ``in_workers``; any other gets empty lists.

        Returns:
            ``(len(texts), dimensions)`` float32.

        Raises:
            RefusedError: Of one of the texts, or several, no vector can be made.
            ProviderDownError: There is no use in asking for others now.
            ProviderError: It failed for these texts, and may work later.
        """
        ...

    def query(self, text: str) -> Iterable[float]:
        """The vector of a query, ``(dimensions,)`` numbers, of unit length or all zero.

        Raises:
            ProviderError: None can be made now.
        """
        ...


def get(options: Options, directory: str | None = None, observer: Observer = null_observer) -> Embedder:
    """The embedder that the settings ask for.

    Args:
        directory: The index directory, where what is known of a provider's
            health is shared between processes.
        observer: Hears of retries, and of a provider's health; from several threads.

    Raises:
        ConfigError: There is none of that name, or it cannot be used as set.
    """
    if options.embedder == "static":
        from spelunk.embed.static import StaticEmbedder

        return StaticEmbedder()
    if options.embedder.startswith(API):
        from spelunk.embed.http import ApiEmbedder

        return ApiEmbedder(options, directory, observer)
    if options.embedder == "hashed":
        from spelunk.embed.hashed import HashedEmbedder

        return HashedEmbedder()
    if options.embedder.startswith(ONNX):
        from spelunk.embed.onnx import OnnxEmbedder

        return OnnxEmbedder(options.embedder)
    raise _unknown(options)


def identify(options: Options) -> str:
    """The id of the embedder that the settings ask for, without loading it.

    Raises:
        ConfigError: There is none of that name.
    """
    if options.embedder == "static":
        return STATIC_ID
    if options.embedder == "hashed":
        return HASHED_ID
    if options.embedder.startswith(API) and options.embedder[len(API) :].strip():
        # Not the address: the same model has the same vectors wherever it is served.
        dimensions = f",{options.embedding_dimensions}d" if options.embedding_dimensions else ""
        return f"{options.embedder}[{options.embedding_max_chars}c{dimensions}]"
    if options.embedder.startswith(ONNX):
        from spelunk.embed import onnx_folder as onnxmodel

        return onnxmodel.identify(options.embedder)
    raise _unknown(options)


def check(options: Options) -> None:
    """Can the embedder that the settings ask for be used, by all that can be told before it is?

    Raises:
        ConfigError: It cannot.
    """
    if in_workers(options):
        identify(options)
    else:
        get(options)


def in_workers(options: Options) -> bool:
    """Whether workers call the embedder that the settings ask for, without loading it."""
    return options.embedder in IN_WORKERS


def memory(options: Options, cores: int) -> int:
    """Bytes that the embedder takes in the writer's process; 0 where they are few.

    Raises:
        ConfigError: There is none of that name.
    """
    if options.embedder.startswith(ONNX):
        from spelunk.embed import onnx_folder as onnxmodel

        return onnxmodel.memory(options.embedder, cores)
    return 0


def _unknown(options: Options) -> ConfigError:
    return ConfigError(f"unknown embedder {options.embedder!r}: use one of {', '.join(NAMES)}")

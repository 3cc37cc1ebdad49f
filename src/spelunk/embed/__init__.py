"""Embedders by name: make the one that the settings name, or its id without loading it.

The id of an embedder, which contains its version, is part of an index's
fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from spelunk.config import ONNX, Options
from spelunk.embed.protocol import API, FASTEMBED, HASHED_ID, STATIC_ID, Embedder, api_id
from spelunk.errors import ConfigError
from spelunk.observe import Observer, null_observer

if TYPE_CHECKING:
    from spelunk.embed.protocol import Matrix as Matrix

__all__ = ["NAMES", "Embedder", "check", "get", "identify", "in_workers", "memory"]


class _Entry(NamedTuple):
    """An embedder of the registry.

    Attributes:
        shown: Its name in messages.
        make: Loads it; arguments as :func:`get`.
        identify: Its id.
        in_workers: Whether the workers call it.
        memory: Bytes that it takes in the writer's process, given the number of cores.
    """

    shown: str
    make: Callable[[Options, str | None, Observer], Embedder]
    identify: Callable[[Options], str]
    in_workers: bool = False
    memory: Callable[[Options, int], int] = lambda options, cores: 0


def _static(*_: Any) -> Embedder:
    from spelunk.embed.static import StaticEmbedder

    return StaticEmbedder()


def _hashed(*_: Any) -> Embedder:
    from spelunk.embed.hashed import HashedEmbedder

    return HashedEmbedder()


def _onnx(options: Options, *_: Any) -> Embedder:
    from spelunk.embed.onnx import OnnxEmbedder

    return OnnxEmbedder(options.embedder)


def _onnx_id(options: Options) -> str:
    from spelunk.embed import onnx_folder

    return onnx_folder.identify(options.embedder)


def _onnx_memory(options: Options, cores: int) -> int:
    from spelunk.embed import onnx_folder

    return onnx_folder.memory(options.embedder, cores)


def _api(options: Options, directory: str | None, observer: Observer) -> Embedder:
    from spelunk.embed.http import ApiEmbedder

    return ApiEmbedder(options, directory, observer)


def _fastembed(options: Options, *_: Any) -> Embedder:
    from spelunk.embed.fastembed import FastEmbedder

    return FastEmbedder(options)


def _fastembed_id(options: Options) -> str:
    from spelunk.embed import fastembed

    return fastembed.identify(options)


def _fastembed_memory(options: Options, cores: int) -> int:
    from spelunk.embed import fastembed

    return fastembed.memory(options, cores)


_REGISTRY: Final = {
    "static": _Entry("static", _static, lambda options: STATIC_ID, in_workers=True),
    "hashed": _Entry("hashed", _hashed, lambda options: HASHED_ID, in_workers=True),
    ONNX: _Entry("onnx:DIRECTORY", _onnx, _onnx_id, memory=_onnx_memory),
    FASTEMBED: _Entry("fastembed:MODEL", _fastembed, _fastembed_id, memory=_fastembed_memory),
    API: _Entry("api:MODEL", _api, api_id),
}
"""Name, or prefix with its colon -> the embedder."""

NAMES: Final = tuple(entry.shown for entry in _REGISTRY.values())


def _find(options: Options) -> _Entry | None:
    name, colon, model = options.embedder.partition(":")
    entry = _REGISTRY.get(name + colon)
    return None if name + colon == API and not model.strip() else entry


def _entry(options: Options) -> _Entry:
    entry = _find(options)
    if entry is None:
        raise ConfigError(f"unknown embedder {options.embedder!r}: use one of {', '.join(NAMES)}")
    return entry


def get(options: Options, directory: str | None = None, observer: Observer = null_observer) -> Embedder:
    """Make the embedder that the settings name.

    Args:
        directory: The index directory, where the state of a provider's circuit
            breaker is shared between processes.
        observer: Receives events of retries and of the breaker; from several threads.

    Raises:
        ConfigError: There is none of that name, or it cannot be used as set.
    """
    return _entry(options).make(options, directory, observer)


def identify(options: Options) -> str:
    """The id of the embedder that the settings name, without loading it.

    Raises:
        ConfigError: There is none of that name, or its files cannot be read.
    """
    return _entry(options).identify(options)


def check(options: Options) -> None:
    """Raise what would keep the embedder from being used, as far as that is known before its first call.

    Raises:
        ConfigError: It cannot be used.
    """
    if not in_workers(options):
        get(options)


def in_workers(options: Options) -> bool:
    """Whether workers call the embedder that the settings name; False for an unknown name."""
    entry = _find(options)
    return entry is not None and entry.in_workers


def memory(options: Options, cores: int) -> int:
    """Bytes that the embedder takes in the writer's process; 0 where they are few.

    Raises:
        ConfigError: There is none of that name, or its files cannot be read.
    """
    return _entry(options).memory(options, cores)

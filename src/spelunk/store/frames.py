"""Decompress zstd frames without a new decompressor for each of them, which takes as long as a small frame."""

from __future__ import annotations

import threading

import zstandard


class _Local(threading.local):
    """A decompressor serves one thread."""

    def __init__(self) -> None:
        self.decompress = zstandard.ZstdDecompressor().decompress


_LOCAL = _Local()


def decompress(data: bytes) -> bytes:
    """The bytes of a frame.

    Raises:
        zstandard.ZstdError: It is none, or damaged.
    """
    return _LOCAL.decompress(data)

"""What is kept of open generations for the next question: bounded in bytes, for all indexes of the process together.

Every snapshot of one generation shares what is kept of it. It goes with the last of them.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

MAX_BYTES: Final = 32 << 20
"""Bytes kept in all, as their keepers estimate them."""
OVERHEAD: Final = 250
"""Bytes of the key of a value and of its place."""


class Kept:
    """What is kept of one generation: values that never change, by a key. Usable from any thread.

    There are two halves, a new one and an old one. What is used goes to the new one; when the new halves of all
    generations are full, they become the old ones, and what was in those is let go.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._new: dict[Hashable, tuple[Any, int]] = {}
        self._old: dict[Hashable, tuple[Any, int]] = {}
        with _GUARD:
            _EVERY.add(self)

    def get(self, key: Hashable) -> Any:
        """A value; None where it is not kept."""
        found = self._new.get(key)
        if found is None:
            found = self._old.get(key)
            if found is None:
                return None
            self._put({key: found})
        return found[0]

    def get_all(self, kind: str, keys: Iterable[Hashable]) -> dict[Any, Any]:
        """Those of the values with the keys ``(kind, key)`` that are kept, by their second part."""
        new, old = self._new, self._old
        found: dict[Any, Any] = {}
        again: dict[Hashable, tuple[Any, int]] = {}
        for key in keys:
            pair = (kind, key)
            value = new.get(pair)
            if value is None:
                value = old.get(pair)
                if value is None:
                    continue
                again[pair] = value
            found[key] = value[0]
        if again:
            self._put(again)
        return found

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value, which is not None, of some bytes."""
        self._put({key: (value, size)})

    def put_all(self, kind: str, values: Mapping[Any, tuple[Any, int]]) -> None:
        """Keep many values with their sizes, under the keys ``(kind, key)``."""
        self._put({(kind, key): value for key, value in values.items()})

    def _put(self, values: Mapping[Hashable, tuple[Any, int]]) -> None:
        size = sum(value[1] + OVERHEAD for value in values.values())
        if size > MAX_BYTES // 2:
            return
        with _GUARD:
            if size + _SIZE[0] > MAX_BYTES // 2:
                for one in _EVERY:
                    one._old, one._new = one._new, {}
                _SIZE[0] = 0
            self._new.update(values)
            _SIZE[0] += size  # what is put twice, or is gone by now, counts until the halves change


_GUARD: Final = threading.RLock()
_SIZE: Final = [0]
"""Bytes in the new halves, at most."""
_EVERY: Final[weakref.WeakSet[Kept]] = weakref.WeakSet()
_BY_GENERATION: Final[weakref.WeakValueDictionary[Hashable, Kept]] = weakref.WeakValueDictionary()


def kept_of(manifest: str, generation: Hashable) -> Kept:
    """What is kept of a generation, the same for all that ask while any of them has it.

    Args:
        manifest: The path of its manifest, which is open; another file at the path is another index.
        generation: What tells it from every other one of that file.
    """
    try:
        status = os.stat(manifest)
    except OSError:  # taken away meanwhile
        return Kept()
    key = status.st_dev, status.st_ino, generation
    with _GUARD:
        found = _BY_GENERATION.get(key)
        if found is None:
            found = _BY_GENERATION[key] = Kept()
        return found


def bytes_kept() -> int:
    """Bytes kept of all generations, as their keepers estimate them."""
    with _GUARD:
        return sum(
            value[1] + OVERHEAD for one in _EVERY for half in (one._new, one._old) for value in half.values()
        )

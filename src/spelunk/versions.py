"""Versions of the code that decides an index's contents. Changing one makes the next update redo the files."""

from __future__ import annotations

from typing import Final

READER_VERSION: Final = 1
"""Raised when the same bytes are decoded to another text."""

CHUNKER_VERSION: Final = 6
"""Raised when the same text is cut or named otherwise."""

RELATIONS_VERSION: Final = 1
"""Raised when other references or imports are taken from the same text."""

TOKENS_VERSION: Final = 2
"""Raised when the same words are indexed under other terms."""

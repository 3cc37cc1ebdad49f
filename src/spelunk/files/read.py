"""Read one file of a source and decode it.

No property of a file raises an error here: the result is a
:class:`Document`, a :class:`Skipped` with its rule or a :class:`Failed`.
"""

from __future__ import annotations

from typing import Final

import xxhash

from spelunk.config import Options
from spelunk.files.content import BINARY_PROBE, content_flags, looks_binary, looks_minified, test_flag
from spelunk.files.languages import refine
from spelunk.files.path_rules import FLAGS, language_bits
from spelunk.files.source import Source
from spelunk.types import COMMIT, Document, Entry, Failed, Skipped

HEAD_CHARS: Final = 4_096
"""How much of a text decides its language and flags."""

_WIDE_BOMS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def read(source: Source, entry: Entry, options: Options) -> Document | Skipped | Failed:
    """Read and decode a file.

    Args:
        source: Where the bytes come from.
        entry: What the walk offered; only its path, language and flags are believed.
        options: The size limit.
    """
    raw = source.read(entry, options.max_file_size)
    return decode(entry, raw) if isinstance(raw, bytes) else raw


def decode(entry: Entry, raw: bytes) -> Document | Skipped:
    """The text of a file's bytes.

    The text keeps its line endings; ``\\n`` alone separates lines, as for
    ``grep -n`` and git. A byte-order mark is not part of the text.
    """
    path = entry.path
    if not raw:
        return Skipped(path, "empty")
    if entry.language == COMMIT:
        message, *places = raw.decode("utf-8", "replace").split("\0")
        digest = xxhash.xxh3_128_digest(raw)
        return Document(path, message, digest, COMMIT, size=len(raw), places=tuple(places))
    if looks_binary(raw[:BINARY_PROBE]):
        return Skipped(path, "binary")
    decoded = text_of(raw)
    if decoded is None:
        return Skipped(path, "binary", "neither UTF-8 nor without NUL bytes")
    text, encoding = decoded
    if text.isspace() or not text:
        return Skipped(path, "empty", "only white space")

    head = text[:HEAD_CHARS]
    language = refine(path, head)
    flags = entry.flags | content_flags(head) | test_flag(language, text) | FLAGS[language_bits(language)]
    lines: tuple[int, ...] | None = None
    if language == "notebook":
        from spelunk.files.notebook import unwrap

        unwrapped = unwrap(text)
        if unwrapped is not None:
            text, lines = unwrapped
            if not text or text.isspace():
                return Skipped(path, "empty", "a notebook without sources")
    elif looks_minified(text):
        return Skipped(path, "minified")
    digest = xxhash.xxh3_128_digest(raw)
    return Document(path, text, digest, language, encoding, len(raw), flags, lines)


def text_of(raw: bytes) -> tuple[str, str] | None:
    """The text and its codec; None for what no supported codec makes text of."""
    try:
        if raw.startswith(b"\xef\xbb\xbf"):
            return raw[3:].decode("utf-8"), "utf-8-sig"
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    for bom, codec in _WIDE_BOMS:
        if raw.startswith(bom):
            text = raw[len(bom) :].decode(codec, "replace")
            damaged = text.count("\ufffd") + text.count("\0")
            return (text, codec) if damaged <= len(text) // 10 else None
    if b"\0" in raw:
        return None
    return raw.decode("latin-1"), "latin-1"

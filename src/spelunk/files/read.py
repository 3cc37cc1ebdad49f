"""Read one file: bytes to text, within limits, even while somebody writes it.

Nothing here raises for what a file is or does: the answer is a
:class:`Document`, a :class:`Skipped` with its rule or a :class:`Failed`.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from typing import Final

import xxhash

from spelunk.config import Options, format_size
from spelunk.files.content import BINARY_PROBE, content_flags, looks_binary, looks_minified
from spelunk.files.languages import refine
from spelunk.types import Candidate, Document, Failed, Skipped

HEAD_CHARS: Final = 4_096
"""How much of a text decides its language and flags."""

_ATTEMPTS: Final = 2
# O_NONBLOCK: a FIFO that took the file's place must not hold the worker
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_WIDE_BOMS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def read(root: str, candidate: Candidate, options: Options) -> Document | Skipped | Failed:
    """Read and decode a candidate.

    The text keeps its line endings; ``\\n`` alone separates lines, as for
    ``grep -n`` and git. A byte-order mark is not part of the text. A file
    that changes while it is read is read once more, then given up.

    Args:
        root: Absolute path of the workspace.
        candidate: What discovery offered; only its path, language and flags
            are believed.
        options: The size limit.
    """
    path = candidate.path
    try:
        raw = _stable_bytes(root, candidate, options.max_file_size)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Skipped(path, "symlink", "a symbolic link took the file's place")
        return Failed(path, "read", _one_line(error))
    if not isinstance(raw, bytes):
        return raw
    if not raw:
        return Skipped(path, "empty")
    if looks_binary(raw[:BINARY_PROBE]):
        return Skipped(path, "binary")
    decoded = _decode(raw)
    if decoded is None:
        return Skipped(path, "binary", "neither UTF-8 nor without NUL bytes")
    text, encoding = decoded
    if text.isspace() or not text:
        return Skipped(path, "empty", "only white space")

    head = text[:HEAD_CHARS]
    language = refine(path, head)
    flags = candidate.flags | content_flags(head)
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


@lru_cache(4)
def _device(root: str) -> int:
    return os.stat(root).st_dev


def _open(root: str, candidate: Candidate) -> tuple[int, os.stat_result]:
    """Open a file of the workspace; a folder that became a link since discovery is not followed.

    The file that discovery saw is in the workspace wherever it was reached;
    any other is opened again, one folder at a time.

    Raises:
        OSError: It cannot be opened; ELOOP if a link is in the way.
    """
    path = candidate.path
    fd = os.open(f"{root}/{path}", _FLAGS)
    try:
        found = os.fstat(fd)
        if found.st_ino == candidate.inode and found.st_dev == _device(root):
            return fd, found
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    *folders, name = path.split("/")
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            try:
                below = os.open(folder, _FLAGS | os.O_DIRECTORY, dir_fd=here)
            except NotADirectoryError:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
            os.close(here)
            here = below
        fd = os.open(name, _FLAGS, dir_fd=here)
    finally:
        os.close(here)
    return fd, os.fstat(fd)


def _stable_bytes(root: str, candidate: Candidate, limit: int) -> bytes | Skipped | Failed:
    path = candidate.path
    for _ in range(_ATTEMPTS):
        fd, before = _open(root, candidate)
        try:
            if not stat.S_ISREG(before.st_mode):
                return Skipped(path, "special", "not a regular file")
            size = before.st_size
            if size > limit:
                return Skipped(path, "too-large", f"{format_size(size)}, the limit is {format_size(limit)}")
            if size == 0:
                return b""
            # one byte more than expected: growth shows without reading it all
            raw = os.read(fd, size + 1)
            while len(raw) < size:
                more = os.read(fd, size + 1 - len(raw))
                if not more:
                    break
                raw += more
            after = os.fstat(fd)
        finally:
            os.close(fd)
        if len(raw) == size == after.st_size and before.st_mtime_ns == after.st_mtime_ns:
            return raw
    return Failed(path, "read", "the file kept changing while it was read")


def _decode(raw: bytes) -> tuple[str, str] | None:
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


def _one_line(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file vanished before it was read"
    return error.strerror or type(error).__name__

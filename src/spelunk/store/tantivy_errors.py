"""Errors and panics of Tantivy as errors of the project: a damaged full text, a disk that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spelunk.errors import IndexCorruptError, StorageError


class FullTextDamaged(IndexCorruptError):  # noqa: N818 - says what is, as its siblings do
    """The full text cannot be used; manifest and vectors may be well."""


def damaged(directory: str, error: BaseException) -> FullTextDamaged:
    """The error of a full text that cannot be read."""
    return FullTextDamaged(
        f"{directory}: full text damaged ({first_line(error)}); run `spelunk check --repair`"
    )


@contextmanager
def reading(directory: str) -> Iterator[None]:
    """Translate errors of a damaged file, panics (which are no ``Exception``) included."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, (ValueError, OSError)) or is_panic(error):
            raise damaged(directory, error) from None
        raise


@contextmanager
def writing(directory: str) -> Iterator[None]:
    """Raise a panic as the damage it means; other errors of a writer have several causes."""
    try:
        yield
    except BaseException as error:
        if is_panic(error):
            raise damaged(directory, error) from None
        raise


def is_panic(error: BaseException) -> bool:
    """Whether native code panicked; pyo3 does not export the exception's class."""
    return type(error).__name__ == "PanicException"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters."""
    return str(error).split("\n", 1)[0][:200]


def disk_refuses(error: BaseException) -> bool:
    """Whether the operating system refused, and nothing is damaged."""
    text = str(error)
    return isinstance(error, OSError) or any(
        s in text
        for s in ("No space left", "Read-only file system", "Permission denied", "os error", "IoError", "Io")
    )


def storage_error(directory: str, error: BaseException) -> StorageError:
    """The error of a full text that cannot be written."""
    return StorageError(
        f"{directory}: cannot write the full text ({first_line(error)}); nothing published was lost"
    )

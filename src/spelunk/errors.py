"""One tree of errors. Each message is one line: what is wrong, and what to do.

.. code-block:: text

    SpelunkError
    ├── UsageError             a bad flag, setting, path or query (exit 2)
    │   ├── ConfigError        a setting that cannot be used
    │   ├── WorkspaceError     a root that is missing, a file, unreadable
    │   └── QuerySyntaxError   carries the column
    ├── IndexError_            the index cannot serve
    │   ├── IndexMissingError  nothing was indexed yet
    │   ├── IndexCorruptError  a store is damaged: `spelunk check --repair`
    │   ├── IndexFormatError   written by a newer Spelunk
    │   └── IndexBusyError     another process writes, or locks the manifest
    ├── MemoryLimitError       the cap is too small for the work
    ├── StorageError           disk full, read-only, I/O error
    └── ProviderError          an embedder or a remote store failed
        ├── ProviderDownError  it is no use to ask it again now
        └── RefusedError       it answers, and not to this input
"""

from __future__ import annotations


class SpelunkError(Exception):
    """The root of everything Spelunk raises on purpose."""


class UsageError(SpelunkError):
    """What was asked for cannot be done as asked."""


class ConfigError(UsageError):
    """A setting has a value that cannot be used."""


class WorkspaceError(UsageError):
    """The folder to index is missing, not a folder, or unreadable."""


class QuerySyntaxError(UsageError):
    """A query does not parse.

    Attributes:
        query: The whole query.
        column: 1-based column of the fault.
    """

    def __init__(self, message: str, query: str, column: int) -> None:
        super().__init__(f"query, column {column}: {message}")
        self.query = query
        self.column = column


class IndexError_(SpelunkError):  # noqa: N801, N818 - IndexError is a builtin
    """An index exists but cannot serve, or does not exist."""


class IndexMissingError(IndexError_):
    """Nothing has been indexed here yet."""


class IndexCorruptError(IndexError_):
    """A store is damaged; ``spelunk check --repair`` mends it."""


class IndexFormatError(IndexError_):
    """The index was written by a newer Spelunk."""


class IndexBusyError(IndexError_):
    """Another process writes to this index, or another program locks its manifest."""


class MemoryLimitError(SpelunkError):
    """The memory limit is too small for the work; the message names the minimum."""


class StorageError(SpelunkError):
    """The disk is full, read-only or failing."""


class ProviderError(SpelunkError):
    """An embedder or a remote store could not be used."""


class ProviderDownError(ProviderError):
    """The provider cannot be used for now: unreachable, misconfigured, or given a rest."""


class RefusedError(ProviderError):
    """The provider works and has no usable answer to this input; another one may have."""

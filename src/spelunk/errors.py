"""The exceptions of Spelunk, in one tree. Each message is one line: what is wrong, and what to do.

.. code-block:: text

    SpelunkError
    ├── UsageError             a bad flag, setting, path or query (exit 2)
    │   ├── ConfigError        a setting that cannot be used
    │   ├── WorkspaceError     a root that is missing, a file, unreadable
    │   └── QuerySyntaxError   carries the column
    ├── IndexStateError        the index cannot serve
    │   ├── IndexMissingError  nothing was indexed yet
    │   ├── IndexCorruptError  a store is damaged: `spelunk check --repair`
    │   ├── IndexFormatError   written by a newer Spelunk
    │   └── IndexBusyError     another process writes, or locks the manifest
    ├── MemoryLimitError       the cap is too small for the work
    ├── StorageError           disk full, read-only, I/O error
    ├── ExecutorError          a cluster cannot be reached, or cannot do the work
    └── ProviderError          an embedder or a remote store failed
        ├── ProviderDownError  further requests would fail now
        └── RefusedError       this input has no usable answer
"""

from __future__ import annotations


class SpelunkError(Exception):
    """Base class of everything that Spelunk raises on purpose."""


class UsageError(SpelunkError):
    """A flag, a setting, a path or a query cannot be used as given."""


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


class IndexStateError(SpelunkError):
    """An index exists but cannot serve, or does not exist."""


IndexError_ = IndexStateError
"""The name of earlier versions; it still works."""


class IndexMissingError(IndexStateError):
    """Nothing has been indexed here yet."""


class IndexCorruptError(IndexStateError):
    """A store is damaged; ``spelunk check --repair`` repairs it."""


class IndexFormatError(IndexStateError):
    """The index was written by a newer Spelunk."""


class IndexBusyError(IndexStateError):
    """Another process writes to this index, or another program locks its manifest."""


class MemoryLimitError(SpelunkError):
    """The memory limit is too small for the work; the message names the minimum."""


class StorageError(SpelunkError):
    """The disk is full, read-only or failing."""


class ExecutorError(SpelunkError):
    """The cluster that is to do the work cannot be reached, was lost, or cannot do it."""


class ProviderError(SpelunkError):
    """An embedder or a remote store could not be used."""


class ProviderDownError(ProviderError):
    """The provider cannot be used for now: it is unreachable, misconfigured, or its circuit breaker is open."""


class RefusedError(ProviderError):
    """The provider works but has no usable answer to this input; it may have one to another input."""

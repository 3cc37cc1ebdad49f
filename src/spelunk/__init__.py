"""Search code and documents; the public API (docs/python-api.md).

Every name is loaded when it is first used: importing the package is fast.
It imports no module at all, so that ``python -m spelunk`` can take the current
folder off the search path before anything is looked up there.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from spelunk.errors import (
        ConfigError,
        ExecutorError,
        IndexBusyError,
        IndexCorruptError,
        IndexFormatError,
        IndexMissingError,
        IndexStateError,
        MemoryLimitError,
        ProviderDownError,
        ProviderError,
        QuerySyntaxError,
        RefusedError,
        SpelunkError,
        StorageError,
        UsageError,
        WorkspaceError,
    )
    from spelunk.files.explain import Explanation, IndexedFile
    from spelunk.graph.answer import Edge, GraphAnswer, Package, RepositoryMap, Symbol
    from spelunk.graph.many import ask_many
    from spelunk.index import Index
    from spelunk.observe.check_report import CheckReport, Problem
    from spelunk.remote.breaker import BreakerState
    from spelunk.search.answer import Answer, Facets, Matched, MissingWord
    from spelunk.search.many import search_many
    from spelunk.search.request import SearchRequest
    from spelunk.settings import Untrusted
    from spelunk.store.snapshot import Snapshot
    from spelunk.types import (
        Copy,
        Definition,
        Failed,
        FileCounts,
        Hit,
        Neighbour,
        Neighbours,
        Report,
        Skipped,
    )
    from spelunk.watch.events import WatchEvent
    from spelunk.watch.watcher import Watcher
    from spelunk.workspace.contents import Outline, Passage
    from spelunk.workspace.status import Refused, Status

__version__ = "0.1.0"

_MODULES = {
    "Answer": "search.answer",
    "BreakerState": "remote.breaker",
    "CheckReport": "observe.check_report",
    "ConfigError": "errors",
    "Copy": "types",
    "Definition": "types",
    "Edge": "graph.answer",
    "Explanation": "files.explain",
    "Failed": "types",
    "FileCounts": "types",
    "GraphAnswer": "graph.answer",
    "Hit": "types",
    "Index": "index",
    "ExecutorError": "errors",
    "IndexBusyError": "errors",
    "IndexCorruptError": "errors",
    "IndexStateError": "errors",
    "IndexFormatError": "errors",
    "IndexMissingError": "errors",
    "IndexedFile": "files.explain",
    "Facets": "search.answer",
    "Matched": "search.answer",
    "MemoryLimitError": "errors",
    "MissingWord": "search.answer",
    "Neighbour": "types",
    "Neighbours": "types",
    "Outline": "workspace.contents",
    "Package": "graph.answer",
    "Passage": "workspace.contents",
    "Problem": "observe.check_report",
    "ProviderDownError": "errors",
    "ProviderError": "errors",
    "QuerySyntaxError": "errors",
    "Refused": "workspace.status",
    "RefusedError": "errors",
    "Report": "types",
    "RepositoryMap": "graph.answer",
    "SearchRequest": "search.request",
    "Skipped": "types",
    "Snapshot": "store.snapshot",
    "SpelunkError": "errors",
    "Status": "workspace.status",
    "Symbol": "graph.answer",
    "StorageError": "errors",
    "Untrusted": "settings",
    "UsageError": "errors",
    "WatchEvent": "watch.events",
    "Watcher": "watch.watcher",
    "WorkspaceError": "errors",
    "ask_many": "graph.many",
    "search_many": "search.many",
}

__all__ = [
    "Answer",
    "BreakerState",
    "CheckReport",
    "ConfigError",
    "Copy",
    "Definition",
    "Edge",
    "ExecutorError",
    "Explanation",
    "Facets",
    "Failed",
    "FileCounts",
    "GraphAnswer",
    "Hit",
    "Index",
    "IndexBusyError",
    "IndexCorruptError",
    "IndexFormatError",
    "IndexMissingError",
    "IndexStateError",
    "IndexedFile",
    "Matched",
    "MemoryLimitError",
    "MissingWord",
    "Neighbour",
    "Neighbours",
    "Outline",
    "Package",
    "Passage",
    "Problem",
    "ProviderDownError",
    "ProviderError",
    "QuerySyntaxError",
    "Refused",
    "RefusedError",
    "Report",
    "RepositoryMap",
    "SearchRequest",
    "Skipped",
    "Snapshot",
    "SpelunkError",
    "Status",
    "StorageError",
    "Symbol",
    "Untrusted",
    "UsageError",
    "WatchEvent",
    "Watcher",
    "WorkspaceError",
    "__version__",
    "ask_many",
    "search_many",
]


def __getattr__(name: str) -> "Any":
    if name not in _MODULES:
        raise AttributeError(f"module 'spelunk' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"spelunk.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

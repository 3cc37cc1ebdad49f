"""Spelunk finds things in code and documents; the public API.

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spelunk.errors import SpelunkError
    from spelunk.index import Index
    from spelunk.search.answer import Answer
    from spelunk.search.many import search_many
    from spelunk.search.request import SearchRequest
    from spelunk.types import Failed, FileCounts, Hit, Report, Skipped
    from spelunk.workspace.status import Status

__version__ = "0.1.0"

_HOMES = {
    "Answer": "search.answer",
    "Failed": "types",
    "FileCounts": "types",
    "Hit": "types",
    "Index": "index",
    "Report": "types",
    "SearchRequest": "search.request",
    "Skipped": "types",
    "SpelunkError": "errors",
    "Status": "workspace.status",
    "search_many": "search.many",
}

__all__ = [
    "Answer",
    "Failed",
    "FileCounts",
    "Hit",
    "Index",
    "Report",
    "SearchRequest",
    "Skipped",
    "SpelunkError",
    "Status",
    "__version__",
    "search_many",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'spelunk' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"spelunk.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""The observer type: a callable that receives events; the no-op observer, and one that calls several.

Stages send events (``events.py``) and do not depend on logs and metrics.
An observer runs in the thread that does the work: one that is slow slows the
run, and one that raises ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from spelunk.observe.events import Event

Observer: TypeAlias = "Callable[[Event], None]"


def null_observer(event: Event) -> None:
    """Ignore the event."""


def broadcast(*observers: Observer) -> Observer:
    """Return one observer that calls all of these, in order."""
    if len(observers) == 1:
        return observers[0]

    def tell(event: Event) -> None:
        for observer in observers:
            observer(event)

    return tell

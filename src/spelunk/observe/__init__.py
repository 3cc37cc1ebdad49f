"""Whoever wants to know what happens is told, and nobody has to.

Stages say what happened (``events.py``) and know nothing of logs and metrics:
an observer is any callable that takes an event. One that is slow slows the
run, and one that raises ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from spelunk.observe.events import Event

Observer: TypeAlias = "Callable[[Event], None]"


def nobody(event: Event) -> None:
    """The observer that does not listen."""


def everyone(*observers: Observer) -> Observer:
    """One observer that tells all of these, in order."""
    if len(observers) == 1:
        return observers[0]

    def tell(event: Event) -> None:
        for observer in observers:
            observer(event)

    return tell

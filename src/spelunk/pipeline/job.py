"""An update as data: what to bring up to date, and how."""

from __future__ import annotations

from dataclasses import dataclass

from spelunk.config import Options
from spelunk.observe import Observer, null_observer


@dataclass(frozen=True, slots=True)
class Job:
    """One update.

    Attributes:
        root: Absolute path of the workspace.
        directory: The index directory.
        options: The settings.
        rebuild: Build all stores again beside the published ones.
        dry_run: Only report what would be done.
        wait: Wait for another writer instead of raising.
        command: The name of this run in ``writer.json``.
        observer: Receives every event.
        run_id: The run's name; empty makes one.
        patient: Make all pending vectors, however long a provider takes. Without
            it one round of calls is made, since a search waits for its end.
    """

    root: str
    directory: str
    options: Options
    rebuild: bool = False
    dry_run: bool = False
    wait: bool = False
    command: str = "index"
    observer: Observer = null_observer
    run_id: str = ""
    patient: bool = True

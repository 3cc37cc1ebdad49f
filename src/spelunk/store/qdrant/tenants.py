"""The names under which an index keeps points in a collection, in a file of the index directory.

Each manifest has a name of its own, made at random, so a rebuild writes beside
the points of the published one. A name is recorded before its first point is
sent: what a rebuild that died sent is found again, and deleted.
"""

from __future__ import annotations

import json
import os
import uuid
from typing import Final, NamedTuple

from spelunk.errors import StorageError
from spelunk.io import atomic
from spelunk.io.json_file import read_object
from spelunk.store.location import REMOTE, STORE

TENANT: Final = "tenant"
"""Key of the manifest's ``meta`` table: the name that its points have."""


__all__ = ["STORE", "TENANT", "Tenant", "new", "record", "recorded"]


class Tenant(NamedTuple):
    """A name, and the address of the collection with its points."""

    store: str
    name: str


def recorded(directory: str) -> list[Tenant]:
    """The names that may have points; empty where the file is missing or damaged."""
    entries = (read_object(os.path.join(directory, REMOTE)) or {}).get("tenants", [])
    return [
        Tenant(entry["store"], entry["name"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in Tenant._fields)
    ]


def new(directory: str, store: str) -> Tenant:
    """Make a name and record it.

    Raises:
        StorageError: The disk refuses.
    """
    tenant = Tenant(store, uuid.uuid4().hex)
    record(directory, [*recorded(directory), tenant])
    return tenant


def record(directory: str, tenants: list[Tenant]) -> None:
    """Replace the record; without names the file is deleted.

    Raises:
        StorageError: The disk refuses.
    """
    path = os.path.join(directory, REMOTE)
    try:
        if tenants:
            data = {"tenants": [tenant._asdict() for tenant in dict.fromkeys(tenants)]}
            atomic.write_bytes(path, json.dumps(data).encode())
        elif os.path.lexists(path):
            os.unlink(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror})") from None

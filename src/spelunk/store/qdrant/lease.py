"""The lease on the points of an index: one index directory writes them at a time, on whichever machine.

A control point in the collection holds the lease. Each change is a compare-and-set:
an upsert under the condition that the point still has the version that was read.
A version is raised by a random number, so two changes of one version never agree.
Changes go through the highest replica that is alive (the ordering ``medium``): with
``strong`` no change would be possible while the node with the highest one is down.

No clock is compared with that of another machine. The holder raises the version
three times in the length of a lease; whoever wants the lease takes it over after
its own clock has run for that length without a change. The holder in turn counts
from its last renewal by its own clock, and its next change fails if it was too late.

The point also names the last publish. An index directory that was copied, and
whose original has published since, learns so before it sends anything.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
import uuid
import weakref
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from qdrant_client import QdrantClient
from qdrant_client import models as m

from spelunk.errors import ConfigError, IndexBusyError, ProviderError
from spelunk.store.manifest import Manifest
from spelunk.store.qdrant.connection import Connection

VERSION: Final = "lease"
"""Key of the control point's payload: a number that each change raises. No other point has it."""
MARK: Final = "mark"
"""Key of the manifest's ``meta`` table: the random name of the last publish."""
RENEWALS: Final = 3
"""Renewals in the length of a lease: one may fail without loss."""
LOOKS: Final = 20
"""Looks at a lease that another holds, in its length."""
STEP: Final = 1 << 32
"""Largest number by which a change raises the version."""


class LeaseState(NamedTuple):
    """What the control point says.

    Attributes:
        version: Raised by each change.
        token: Of the change that made it.
        owner: The index directory that wrote last.
        where: Its host and process, for messages.
        seconds: The length of its lease.
        held: Whether it writes now.
        last: The mark of its last publish.
        next: The mark of a publish that was begun; "" where it is known to have ended.
    """

    version: int
    token: str
    owner: str
    where: str
    seconds: float
    held: bool
    last: str
    next: str


def clock() -> float:
    """Seconds that run while the machine sleeps, too, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def owner_of(directory: str) -> str:
    """A name for an index directory: another for a copy of it, and for the same path on another machine."""
    st = os.stat(directory)
    name = f"{socket.gethostname()}\0{os.path.realpath(directory)}\0{st.st_ino}"
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def control_point(workspace: str) -> str:
    """The id of the control point of an index."""
    return str(uuid.UUID(bytes=blake2b(b"lease\0" + workspace.encode(), digest_size=16).digest(), version=5))


def mark_of(manifest: Manifest) -> str:
    """The mark of a manifest's last publish; "" where it has none."""
    return str(manifest.meta(MARK, ""))


def state_of(connection: Connection, workspace: str) -> LeaseState | None:
    """What the control point of an index says; None where there is none.

    Raises:
        ProviderError: The cluster cannot be used.
    """

    def ask(client: QdrantClient) -> list[Any]:
        return client.retrieve(connection.collection, ids=[control_point(workspace)], with_payload=True)

    found = connection.write(ask)
    if not found:
        return None
    payload = found[0].payload or {}
    return LeaseState(int(payload[VERSION]), *(payload[name] for name in LeaseState._fields[1:]))


def is_of_another(connection: Connection, workspace: str, directory: str) -> bool:
    """Whether another index directory wrote the points of an index last."""
    state = state_of(connection, workspace)
    return state is not None and state.owner != owner_of(directory)


class Lease:
    """The lease of one index; :meth:`acquire` it, and :meth:`release` it. Renewed by a thread of its own."""

    def __init__(self, connection: Connection, workspace: str, directory: str, seconds: float) -> None:
        """Nothing is sent.

        Args:
            connection: The cluster.
            workspace: The name of the index in the collection.
            directory: The index directory; its writer's lock is held, so an earlier holder of it is dead.
            seconds: After so many without a renewal others may take over.
        """
        self._connection = connection
        self._workspace = workspace
        self._owner = owner_of(directory)
        self._seconds = seconds
        self._guard = threading.Lock()
        self._state: LeaseState | None = None
        self._renewed = 0.0
        self._lost: IndexBusyError | None = None
        self._end = threading.Event()

    @property
    def held(self) -> bool:
        """Whether :meth:`acquire` was called, and :meth:`release` was not."""
        return self._state is not None

    def acquire(self, mark: str) -> None:
        """Take the lease; that of a holder that was lost is waited for.

        Args:
            mark: Of the manifest's last publish.

        Raises:
            IndexBusyError: Another index directory is writing to these points now.
            ConfigError: Another one has published since this manifest was: this is an old copy.
            ProviderError: The cluster cannot be used.
        """
        if self.held:
            return
        seen: LeaseState | None = None
        since = 0.0
        while True:
            state = state_of(self._connection, self._workspace)
            if state is not None and mark not in (state.last, state.next):
                raise ConfigError(
                    f"{self._connection.address}: another copy of this index directory ({state.where}) has written "
                    "since; run `spelunk index --rebuild`, and this one gets points of its own"
                )
            foreign = state is not None and state.held and state.owner != self._owner
            if foreign and (seen is None or state != seen):
                if seen is not None:
                    assert state is not None
                    raise IndexBusyError(
                        f"{self._connection.address}: the points of this index are being written by {state.where}"
                    )
                seen, since = state, clock()
            if not foreign or (seen is not None and clock() - since >= seen.seconds):
                began = clock()
                taken = self._swap(state, held=True, last=mark, next="")
                if taken is not None:
                    self._state, self._renewed = taken, began
                    threading.Thread(
                        target=_renew_often,
                        args=(weakref.ref(self), self._end, self._seconds / RENEWALS),
                        daemon=True,
                    ).start()
                    return
                continue
            self._end.wait(min(1.0, self._seconds / LOOKS))

    def confirm(self) -> None:
        """Make sure, before a write, that the lease is held; it is renewed here where its thread was too slow.

        Raises:
            IndexBusyError: Another index directory has taken over.
            ProviderError: The cluster cannot be used.
        """
        if self._state is not None and clock() - self._renewed > self._seconds * (RENEWALS - 1) / RENEWALS:
            self._change()
        if self._lost is not None:
            raise self._lost

    def seal(self, before: str, mark: str) -> None:
        """Announce a publish, right before the manifest's transaction ends.

        Args:
            before: Mark of the publish before.
            mark: Of this one.

        Raises:
            IndexBusyError: Another index directory has taken over: nothing may be published.
            ProviderError: The cluster cannot be used.
        """
        if self._state is not None:
            self._change(last=before, next=mark)
        if self._lost is not None:
            raise self._lost

    def release(self, mark: str) -> None:
        """Give the lease back; where the cluster cannot be reached, it ends by itself.

        Args:
            mark: Of the manifest's last publish.
        """
        self._end.set()
        try:
            if self._state is not None and self._lost is None:
                self._change(held=False, last=mark, next="")
        except ProviderError:
            pass
        self._state = None

    def _change(self, **changes: Any) -> None:
        """Change the control point; where another has changed it, note that the lease is lost."""
        with self._guard:
            if self._state is None or self._lost is not None:
                return
            began = clock()
            changed = self._swap(self._state, **changes)
            if changed is not None:
                self._state, self._renewed = changed, began
                return
            now = state_of(self._connection, self._workspace)
            self._lost = IndexBusyError(
                f"{self._connection.address}: {now.where if now else 'another process'} has taken over the points of "
                "this index; nothing more was published; run `spelunk index` again"
            )

    def _swap(self, seen: LeaseState | None, **changes: Any) -> LeaseState | None:
        """Write the control point if it still has the version that was seen; None where it has not.

        Repeated after a failure it finds its own token, so a write that was applied counts.
        """
        before = seen.version if seen else 0
        wanted = LeaseState(
            version=before + 1 + secrets.randbelow(STEP),
            token=uuid.uuid4().hex,
            owner=self._owner,
            where=f"{socket.gethostname()}, process {os.getpid()}",
            seconds=self._seconds,
            held=seen.held if seen else True,
            last=seen.last if seen else "",
            next=seen.next if seen else "",
        )._replace(**changes)
        payload = {
            VERSION: wanted.version,
            **{name: getattr(wanted, name) for name in LeaseState._fields[1:]},
        }
        point = m.PointStruct(id=control_point(self._workspace), vector={}, payload=payload)
        same = m.FieldCondition(key=VERSION, match=m.MatchValue(value=before))

        def put(client: QdrantClient) -> None:
            client.upsert(
                self._connection.collection, [point], wait=True, ordering=m.WriteOrdering.MEDIUM,
                update_filter=m.Filter(must=[same]),
            )  # fmt: skip

        self._connection.write(put)
        now = state_of(self._connection, self._workspace)
        return now if now is not None and now.token == wanted.token else None


def _renew_often(held: weakref.ref[Lease], end: threading.Event, pause: float) -> None:
    """Renew a lease until it is released, lost, or nobody has it any more."""
    while not end.wait(pause):
        lease = held()
        if lease is None or not lease.held or lease._lost is not None:
            return
        try:
            lease._change()
        except ProviderError:
            pass  # tried again; a write of the update itself says why
        del lease

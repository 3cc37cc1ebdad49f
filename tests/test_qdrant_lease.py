"""The lease on the points of an index: one writer at a time, taken over when it is lost, and fenced after that.

Runs against the client's local mode; against a server where SPELUNK_TEST_QDRANT_URL names one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

pytest.importorskip("qdrant_client")

from spelunk import Index
from spelunk.config import resolve
from spelunk.errors import ConfigError, IndexBusyError, ProviderError
from spelunk.store.qdrant import collection as collections
from spelunk.store.qdrant import lease as leases
from spelunk.store.qdrant.connection import Connection
from spelunk.store.qdrant.lease import Lease, state_of
from tests.corpus import python_file
from tests.qdrant import collection


class Place(NamedTuple):
    """A collection, a connection to it, and two index directories."""

    address: str
    connection: Connection
    one: str
    two: str
    client: Any

    def lease(self, directory: str, seconds: float = 1.0) -> Lease:
        return Lease(self.connection, "tenant", directory, seconds)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with collection() as (address, client):
        options = resolve(str(tmp_path), {"store": address, "retry_wait": 0.0})
        connection = Connection(options)
        collections.ensure(connection, options, 4)
        yield Place(address, connection, str(tmp_path / "one"), str(tmp_path / "two"), client)
        connection.close()


def die(lease: Lease) -> None:
    """Stop renewing, as a process does that was killed."""
    lease._end.set()


def test_a_second_index_directory_is_refused_while_the_first_writes(place: Place) -> None:
    holder = place.lease(place.one)
    holder.acquire("")
    with pytest.raises(
        IndexBusyError, match=r"the points of this index are being written by .*, process \d+"
    ):
        place.lease(place.two, 60.0).acquire("")
    holder.confirm()
    holder.release("")

    after = place.lease(place.two)
    after.acquire("")
    after.release("")


@pytest.mark.parametrize("wrong_by", [-10_000_000, 10_000_000])
def test_a_clock_that_is_wrong_changes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, wrong_by: float
) -> None:
    """Neither a lease that is held is taken, nor is one that was lost kept for ever.

    The clock is wrong in the module alone: a client of gRPC counts its deadlines by that of the process.
    """
    holder = place.lease(place.one)
    holder.acquire("")
    wrong = SimpleNamespace(**{**vars(time), "time": lambda: time.time() + wrong_by})
    monkeypatch.setattr(leases, "time", wrong)
    with pytest.raises(IndexBusyError):
        place.lease(place.two).acquire("")
    die(holder)

    taker = place.lease(place.two)
    taker.acquire("")

    assert taker.held
    taker.release("")


def test_a_lost_lease_is_taken_over_after_its_time_and_its_holder_publishes_nothing_more(
    place: Place,
) -> None:
    lost = place.lease(place.one)
    lost.acquire("")
    die(lost)
    began = leases.clock()

    taker = place.lease(place.two)
    taker.acquire("")

    assert leases.clock() - began >= 1.0  # its length, by the clock of the one that waits
    with pytest.raises(IndexBusyError, match="has taken over"):
        lost.seal("", "mark")
    with pytest.raises(IndexBusyError, match="has taken over"):
        lost.confirm()
    lost.release("")  # changes nothing
    taker.seal("", "other")
    taker.release("other")
    state = state_of(place.connection, "tenant")
    assert state is not None and (state.last, state.held, state.owner) == ("other", False, taker._owner)


def test_the_next_run_of_the_same_directory_does_not_wait(place: Place) -> None:
    lost = place.lease(place.one, 3_600.0)
    lost.acquire("")
    die(lost)
    place.client.calls.clear()

    again = place.lease(place.one)
    again.acquire("")

    assert place.client.calls == ["retrieve", "upsert", "retrieve"]
    again.release("")


def test_a_holder_that_was_too_slow_learns_it_before_it_writes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = place.lease(place.one, 30.0)
    slow.acquire("")
    die(slow)
    slow._state = slow._state._replace(version=slow._state.version - 1)  # type: ignore[union-attr]
    slow.confirm()  # by its own clock there is time left
    real = leases.clock
    monkeypatch.setattr(leases, "clock", lambda: real() + 25.0)
    with pytest.raises(IndexBusyError, match="has taken over"):
        slow.confirm()


@pytest.mark.parametrize(("mark", "welcome"), [("a", True), ("b", True), ("c", False)])
def test_only_the_last_publish_and_one_that_was_begun_may_be_continued(
    place: Place, mark: str, welcome: bool
) -> None:
    writer = place.lease(place.one)
    writer.acquire("a")
    writer.seal("a", "b")  # and killed, before or after the manifest's transaction
    die(writer)

    after = place.lease(place.one)
    if welcome:
        after.acquire(mark)
        state = state_of(place.connection, "tenant")
        assert state is not None and (state.last, state.next) == (mark, "")
        after.release(mark)
    else:
        with pytest.raises(ConfigError, match=r"another copy of this index directory .*--rebuild"):
            after.acquire(mark)


def test_a_failed_renewal_is_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = place.lease(place.one)
    holder.acquire("")
    swap, failures, done = Lease._swap, [0], [0]

    def failing(self: Lease, *args: Any, **kwargs: Any) -> Any:
        if failures[0] < 2:
            failures[0] += 1
            raise ProviderError("lost")
        done[0] += 1
        return swap(self, *args, **kwargs)

    monkeypatch.setattr(Lease, "_swap", failing)
    deadline = time.monotonic() + 60
    while not done[0] and time.monotonic() < deadline:
        time.sleep(0.02)
    monkeypatch.undo()
    holder.confirm()
    holder.release("")


# --- whole indexes --------------------------------------------------------------------------------


class Copies(NamedTuple):
    """Two folders with equal files, each with an index directory; the second is a copy of the first."""

    roots: tuple[Path, Path]
    open: Callable[..., Index]


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    roots = tmp_path / "a" / "tree", tmp_path / "b" / "tree"
    roots[0].mkdir(parents=True)
    for n in range(4):
        (roots[0] / f"mod_{n}.py").write_text(python_file(n, 3))
    with collection() as (address, _):

        def opened(n: int) -> Index:
            return Index.open(
                roots[n], index_dir=str(roots[n].parent / "index"), store=address, mode="sequential",
                embedder="hashed", retry_wait=0.0, store_lease=1.0,
            )  # fmt: skip

        with opened(0) as first:
            first.update()
        shutil.copytree(roots[0].parent, roots[1].parent)
        marker = roots[1].parent / "index" / "workspace.json"
        marker.write_text(marker.read_text().replace(str(roots[0]), str(roots[1])))
        yield Copies(roots, opened)


def paths(index: Index, query: str) -> list[str]:
    return [h.path for h in index.search(query, mode="lexical", refresh=False).hits]


def test_of_two_copies_one_goes_on_and_the_other_is_told_so(copies: Copies) -> None:
    with copies.open(0) as one, copies.open(1) as two:
        (copies.roots[0] / "new.py").write_text("def zeppelin():\n    return 'ballast'\n")
        one.update()
        (copies.roots[1] / "other.py").write_text("def airship():\n    return 'gas'\n")
        with pytest.raises(ConfigError, match="another copy of this index directory"):
            two.update()
        assert paths(one, "zeppelin") == ["new.py"] and one.check().ok

        two.update(rebuild=True)

        assert paths(two, "airship") == ["other.py"] and paths(two, "zeppelin") == []
        assert paths(one, "zeppelin") == ["new.py"] and paths(one, "airship") == []
        assert one.check().ok and two.check().ok
        one.update()


def test_a_copy_that_is_cleared_leaves_the_points_of_its_original(copies: Copies) -> None:
    with copies.open(0) as one, copies.open(1) as two:
        assert two.clear()
        assert one.check().ok and paths(one, "flush")


def test_a_writer_that_loses_its_lease_publishes_nothing(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copies.open(0) as one:
        before = one.status().generation
        (copies.roots[0] / "new.py").write_text("def zeppelin():\n    return 'ballast'\n")
        seal = Lease.seal

        def late(self: Lease, *marks: str) -> None:
            """Another directory has taken over while this process was stopped."""
            taker = Lease(self._connection, self._workspace, str(copies.roots[1].parent / "index"), 1.0)
            die(self)
            taker.acquire(marks[0])
            taker.release(marks[0])
            seal(self, *marks)

        monkeypatch.setattr(Lease, "seal", late)
        with pytest.raises(IndexBusyError, match="has taken over"):
            one.update()
        monkeypatch.undo()

        assert one.status().generation == before and paths(one, "zeppelin") == []
        one.update()
        assert paths(one, "zeppelin") == ["new.py"] and one.check().ok


def test_no_thread_is_left(copies: Copies) -> None:
    import threading

    before = {t.ident for t in threading.enumerate()}
    with copies.open(0) as one:
        os.utime(copies.roots[0] / "mod_0.py")
        (copies.roots[0] / "mod_1.py").write_text(python_file(9, 3))
        one.update()
    left = [t for t in threading.enumerate() if t.ident not in before and "_renew_often" in repr(t)]
    for thread in left:
        thread.join(60)
    assert not any(t.is_alive() for t in left)

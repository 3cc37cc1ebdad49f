"""The parts of a watcher: inotify, mounts, the pace of changes; and the watcher itself on real files."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spelunk import Index, UsageError
from spelunk.errors import StorageError
from spelunk.store.writer_lock import WriterLock
from spelunk.testing import logical_content
from spelunk.watch import events, inotify, mounts, tree
from spelunk.watch.beside import names_beside
from spelunk.watch.events import WatchEvent
from spelunk.watch.hints import Hints, WatchLimitError
from spelunk.watch.pending import MAX_DELAY_SECONDS, MAX_PACE_SECONDS, MAX_PATHS, QUIET_SECONDS, Pending
from spelunk.watch.tree import InotifyHints
from spelunk.watch.watcher import Watcher
from tests.corpus import python_file, write_tree

LIMIT_SECONDS = 20.0
"""For what takes well under a second on a quiet machine."""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux'")


def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    end = time.monotonic() + LIMIT_SECONDS
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.01)


# inotify


@pytest.fixture
def notify() -> Iterator[inotify.Inotify]:
    instance = inotify.Inotify()
    yield instance
    instance.close()


def names(notices: list[inotify.Notice], mask: int) -> set[str]:
    return {n.name for n in notices if n.mask & mask}


@linux
def test_events_name_the_folder_and_the_file(notify: inotify.Inotify, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    a, b = notify.add(str(tmp_path)), notify.add(str(tmp_path / "b"))
    (tmp_path / "x.py").write_text("x")
    (tmp_path / "b" / os.fsdecode(b"\xff.py")).write_text("y")
    (tmp_path / "x.py").rename(tmp_path / "y.py")
    (tmp_path / "c").mkdir()
    read = notify.read()

    of = {w: [n for n in read if n.watch == w] for w in (a, b)}
    assert names(of[a], inotify.MOVED_FROM) == {"x.py"} and names(of[a], inotify.MOVED_TO) == {"y.py"}
    assert names(of[b], inotify.CLOSE_WRITE) == {os.fsdecode(b"\xff.py")}
    assert names([n for n in of[a] if n.mask & inotify.IS_DIR], inotify.CREATE) == {"c"}
    assert notify.read() == []


@linux
def test_a_link_and_a_file_are_not_watched(notify: inotify.Inotify, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()

    for name, number in (("link", errno.ENOTDIR), ("file", errno.ENOTDIR), ("none", errno.ENOENT)):
        with pytest.raises(OSError) as caught:
            notify.add(str(tmp_path / name))
        assert caught.value.errno in (number, errno.ELOOP)


@linux
def test_a_deleted_folder_ends_its_watch(notify: inotify.Inotify, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    watch = notify.add(str(tmp_path / "a"))
    (tmp_path / "a").rmdir()

    masks = [n.mask for n in notify.read() if n.watch == watch]
    assert any(m & inotify.DELETE_SELF for m in masks) and any(m & inotify.IGNORED for m in masks)
    notify.remove(watch)  # ended already


@linux
def test_a_full_queue_says_so(notify: inotify.Inotify, tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"the queue holds {limit} events")
    notify.add(str(tmp_path))
    here, there = str(tmp_path / "a"), str(tmp_path / "b")
    Path(here).touch()
    for _ in range(limit // 2 + 10):  # each makes two events
        os.rename(here, there)
        here, there = there, here
    notices: list[inotify.Notice] = []
    while part := notify.read():
        notices += part

    assert any(n.mask & inotify.OVERFLOW and n.watch == -1 for n in notices)


def test_parse_leaves_out_a_part_of_an_event() -> None:
    def event(watch: int, mask: int, name: bytes) -> bytes:
        return struct.pack("iIII", watch, mask, 0, len(name)) + name

    data = event(1, 2, b"a.py\0\0\0\0") + event(-1, inotify.OVERFLOW, b"") + event(3, 4, b"long-name\0\0\0")

    assert list(inotify.parse(data)) == [(1, 2, "a.py"), (-1, inotify.OVERFLOW, ""), (3, 4, "long-name")]
    assert list(inotify.parse(data[:-1]))[-1] == (-1, inotify.OVERFLOW, "")
    assert list(inotify.parse(b"")) == []


# Hints


class Refusing(inotify.Inotify):
    """An inotify whose kernel refuses further watches."""

    def __init__(self, after: int, number: int) -> None:
        super().__init__()
        self.left, self.number = after, number

    def add(self, folder: str, mask: int = inotify.CONTENTS) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        return super().add(folder, mask)


@contextmanager
def hints_of(root: Path, make: Callable[[], inotify.Inotify] = tree.opened) -> Iterator[Callable[[], Hints]]:
    source = InotifyHints(str(root), make)
    read, write = os.pipe()
    try:
        folders = ["", *(str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir())]
        source.follow(folders, {})

        def waiting() -> Hints:
            source.wait(0.0, read)
            return source.take()

        waiting.source = source  # type: ignore[attr-defined]
        yield waiting
    finally:
        source.close()
        os.close(read)
        os.close(write)


@linux
def test_hints_are_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with hints_of(tmp_path) as wait:
        (tmp_path / "a" / "b" / "c.py").touch()
        (tmp_path / "top.md").touch()

        assert wait().paths == {"a/b/c.py", "top.md"}


@linux
def test_a_folder_that_was_moved_is_followed_under_its_new_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with hints_of(tmp_path) as wait:
        (tmp_path / "a").rename(tmp_path / "z")
        assert wait().paths >= {"a", "z"}
        wait.source.follow(["", "z", "z/b"], {})  # type: ignore[attr-defined]
        (tmp_path / "z" / "b" / "c.py").touch()

        assert wait().paths == {"z/b/c.py"}


@linux
def test_only_folders_that_are_asked_for_are_watched(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "ignored").mkdir()
    with hints_of(tmp_path) as wait:
        wait.source.follow(["", "kept"], {})  # type: ignore[attr-defined]
        wait()
        (tmp_path / "ignored" / "x").touch()
        (tmp_path / "kept" / "y").touch()

        assert wait().paths == {"kept/y"}


@linux
def test_names_beside_the_workspace_are_told_apart(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    with hints_of(root) as wait:
        wait.source.follow([""], {str(other): {"HEAD", "index"}})  # type: ignore[attr-defined]
        (other / "noise").touch()
        assert wait() == Hints()
        (other / "index").touch()
        assert wait() == Hints(look=True)
        (other / "HEAD").touch()
        assert wait().everything


@linux
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
def test_a_limit_of_watches_says_what_to_do(tmp_path: Path, number: int) -> None:
    (tmp_path / "a").mkdir()

    with (
        pytest.raises(WatchLimitError, match="max_user_watches" if number == errno.ENOSPC else "memory"),
        hints_of(tmp_path, lambda: Refusing(1, number)),
    ):
        pass


@linux
def test_an_unmount_and_a_lost_root_ask_for_everything(tmp_path: Path) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    with hints_of(tmp_path / "root") as wait:
        source = wait.source  # type: ignore[attr-defined]
        hints = Hints()
        assert not source._take(inotify.Notice(source._watches["a"], inotify.UNMOUNT, ""), hints)
        assert hints.everything
        (tmp_path / "root").rename(tmp_path / "moved")

        assert wait().everything and source._watches == {}


# Mounts

MOUNTINFO = rb"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:5 / /home/net rw - nfs4 server:/x rw
31 22 0:6 / /a\040b rw shared:3 master:2 - tmpfs tmpfs rw
32 22 0:7 / /srv/src/big rw - fuse.sshfs me@host: rw
33 22 0:8 / /over rw - overlay overlay rw,lowerdir=/l
34 22 0:9 / /again rw - nfs x rw
35 34 0:9 / /again rw - ext4 y rw
"""


@pytest.mark.parametrize(
    ("root", "polled"),
    [
        ("/home/net/project", "/home/net"),
        ("/home/network", None),
        ("/a b/x", None),
        ("/srv/src", "/srv/src/big"),
        ("/srv/src/big/x", "/srv/src/big"),
        ("/srv/other", None),
        ("/over", "/over"),
        ("/again/x", None),
    ],
)
def test_mounts_that_do_not_report_every_change(root: str, polled: str | None) -> None:
    found = mounts.polled_mount(root, mounts.parse(MOUNTINFO), lambda path: True)

    assert (found.path if found else None) == polled
    assert mounts.parse(MOUNTINFO)[2] == ("/a b", "tmpfs")


def test_an_ignored_mount_does_not_count() -> None:
    assert mounts.polled_mount("/srv/src", mounts.parse(MOUNTINFO), lambda path: False) is None


# The pace


def test_changes_are_gathered_for_a_moment_and_not_for_longer() -> None:
    pending = Pending()
    assert pending.due_at() is None
    pending.add("a", 10.0)
    pending.add("b", 10.0 + QUIET_SECONDS / 2)
    assert pending.due_at() == pytest.approx(10.0 + 1.5 * QUIET_SECONDS)
    for n in range(100):
        pending.add("c", 10.0 + n * QUIET_SECONDS / 2)

    assert pending.due_at() == pytest.approx(10.0 + MAX_DELAY_SECONDS)
    batch = pending.take(10.3)
    assert batch == ({"a", "b", "c"}, False, 10.0)
    assert not pending


def simulate(seconds: float, every: dict[str, float]) -> dict[str, int]:
    """How often each file is taken when it changes that often; an update takes 50 ms."""
    pending, counts, now = Pending(), dict.fromkeys(every, 0), 0.0
    next_change = dict.fromkeys(every, 0.0)
    while now < seconds:
        for path, period in every.items():
            while next_change[path] <= now:
                pending.add(path, next_change[path])
                next_change[path] += period
        due = pending.due_at()
        if due is not None and due <= now:
            batch = pending.take(now)
            now += 0.05
            pending.done(batch, now)
            for path in batch.paths:
                counts[path] += 1
        now += 0.005
    return counts


def test_a_file_that_changes_all_the_time_is_paced_and_starves_no_other() -> None:
    counts = simulate(120.0, {"log": 0.01, "saved": 1.0})

    assert counts["saved"] >= 115
    assert 120 / MAX_PACE_SECONDS - 2 <= counts["log"] <= 120 / MAX_PACE_SECONDS + 12


def test_many_changes_become_one_walk() -> None:
    pending = Pending()
    for n in range(MAX_PATHS + 2):
        pending.add(str(n), 1.0)

    assert pending.take(2.0) == (frozenset(), True, 1.0)


def test_a_batch_that_failed_waits_again() -> None:
    pending = Pending()
    pending.add("a", 1.0)
    batch = pending.take(1.1)
    pending.put_back(batch, 2.0)

    assert pending.take(3.0) == batch


# Names beside


def test_what_is_watched_beside_the_workspace(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "src").mkdir()
    rules = [str(tmp_path / "src" / ".gitignore"), str(tmp_path / ".git" / "info" / "exclude"), os.devnull]

    beside = names_beside(str(tmp_path), ["", "src"], rules)

    assert beside[str(tmp_path / ".git")] == {"HEAD", "index"}
    assert beside[str(tmp_path / ".git" / "info")] == {"exclude"}
    assert str(tmp_path / "src") not in beside and os.path.dirname(os.devnull) not in beside


# The watcher


class Watched:
    """A watcher on a tree, and its events."""

    def __init__(self, root: Path, directory: Path, **how: Any) -> None:
        self.root, self.directory = root, directory
        self.events: list[WatchEvent] = []
        self.index = Index.open(root, index_dir=str(directory))
        self.watcher = Watcher(self.index, self.events.append, **how).start()

    def kinds(self) -> list[str]:
        return [e.kind for e in self.events]

    def wait(self, kind: str, times: int = 1) -> WatchEvent:
        until(lambda: self.kinds().count(kind) >= times, kind)
        return [e for e in self.events if e.kind == kind][times - 1]

    def found(self, word: str) -> bool:
        return any(
            word in h.content.lower() for h in self.index.search(word, mode="lexical", refresh=False).hits
        )

    def settle(self) -> None:
        """Wait until the index holds what a fresh one does."""
        until(lambda: self.index.status(look=False).generation)
        fresh = Index.open(self.root, index_dir=f"{self.directory}-fresh")
        fresh.update()
        wanted = logical_content(fresh.directory)
        until(lambda: logical_content(self.index.directory) == wanted, "the content of a fresh index")
        fresh.close()


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def start(**how: Any) -> Watched:
        root = tmp_path / "tree"
        if not root.exists():
            root.mkdir()
            write_tree(root, 12)
        made.append(Watched(root, tmp_path / f"ix{len(made)}", **how))
        made[-1].wait(events.WATCHING)
        return made[-1]

    yield start
    for one in made:
        assert one.watcher.close(LIMIT_SECONDS)
        one.index.close()


BACKENDS = [pytest.param("inotify", marks=linux), "watchfiles", "poll"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_edits_reach_the_index(watch: Callable[..., Watched], backend: str) -> None:
    watched = watch(backend=backend, poll_seconds=0.05)
    root = watched.root
    (root / "new.py").write_text("def heron(): pass\n")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "x.md").write_text("# Kingfisher\n\nIt dives.\n")
    until(lambda: watched.found("heron") and watched.found("kingfisher"), "new files")
    (root / "new.py").write_text("def bittern(): pass\n")
    until(lambda: watched.found("bittern") and not watched.found("heron"), "an edit")
    (root / "deep").rename(root / "moved")
    (root / ".gitignore").write_text("new.py\n")
    until(lambda: not watched.found("bittern"), "an ignore rule")
    watched.settle()

    (root / "moved" / "er" / "y.md").write_text("# Grebe\n\nIt swims.\n")
    until(lambda: watched.found("grebe"), "a file in a moved folder")
    shutil.rmtree(root / "moved")
    watched.settle()
    assert events.FAILED not in watched.kinds()


@linux
def test_only_the_folders_concerned_are_walked(watch: Callable[..., Watched]) -> None:
    watched = watch(backend="inotify")
    until(watched.watcher.settled)  # the look after the first watch
    (watched.root / "one.py").write_text("def plover(): pass\n")
    until(lambda: watched.found("plover"))

    last = watched.wait(events.UPDATED, 2)
    assert not last.whole and last.report is not None and last.report.files.indexed == 1


@linux
def test_a_search_behind_a_keeper_sees_every_change_and_compares_no_file(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index with a keeper answers as a fresh one would, right after each change, from the keeper's word."""
    from spelunk import index_refresh as index_module

    compared: list[int] = []
    believed = 0
    real = index_module.is_current_in
    monkeypatch.setattr(
        index_module, "is_current_in", lambda *args, **more: compared.append(1) or real(*args, **more)
    )
    watched = watch(backend="inotify")
    until(lambda: watched.watcher.caught_up(0.1))
    with Index.open(watched.root, index_dir=str(watched.directory)) as index:
        index.keeper = watched.watcher
        for n in range(12):
            (watched.root / "one.py").write_text(f"def plover_{n}(): return 'turn {n}'\n")
            if n % 3 == 0:
                (watched.root / f"below{n}" / "er").mkdir(parents=True)
                (watched.root / f"below{n}" / "er" / "a.py").write_text(f"def plover_{n}_er(): pass\n")
            if n == 7:
                shutil.rmtree(watched.root / "below3")
            watched.watcher.caught_up(LIMIT_SECONDS)
            compared.clear()
            answer = index.search("plover", mode="lexical", limit=50)
            if compared:
                continue  # a file that changes all the time is paced, and the search compared by itself
            believed += 1
            on_disk = {p.relative_to(watched.root).as_posix() for p in watched.root.rglob("*.py")}
            shown = {hit.path: hit.content for hit in answer.hits}
            wanted = {name for name in on_disk if "plover" in (watched.root / name).read_text()}
            assert set(shown) == wanted and f"turn {n}" in shown["one.py"]
            assert not answer.stale
    assert believed


@linux
def test_a_change_between_the_first_walk_and_the_first_watch_is_found(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    write_tree(root, 3)
    index = Index.open(root, index_dir=str(tmp_path / "ix"))

    def update(**more: Any) -> Any:
        report = index.update(**more)
        if not (root / "late.py").exists():
            (root / "late.py").write_text("def curlew(): pass\n")
        return report

    watcher = Watcher(index, update=update).start()
    try:
        until(
            lambda: index.has_published() and index.search("curlew", mode="symbol", refresh=False).hits,
            "the late file",
        )
    finally:
        watcher.close(LIMIT_SECONDS)
        index.close()


@linux
def test_a_keeper_that_has_not_taken_a_change_is_not_settled(watch: Callable[..., Watched]) -> None:
    watched = watch(backend="inotify")
    until(watched.watcher.settled)
    (watched.root / "two.py").write_text("def dunlin(): pass\n")

    assert not watched.watcher.settled() or watched.found("dunlin")
    assert watched.watcher.caught_up(LIMIT_SECONDS)
    assert watched.found("dunlin")
    assert watched.watcher.close(LIMIT_SECONDS)
    assert not watched.watcher.settled() and not watched.watcher.caught_up(1.0)


def test_a_watcher_that_polls_is_never_settled(watch: Callable[..., Watched]) -> None:
    watched = watch(backend="poll", poll_seconds=0.05)

    assert not watched.watcher.settled() and not watched.watcher.caught_up(LIMIT_SECONDS)


@linux
def test_a_root_that_vanishes_and_returns(watch: Callable[..., Watched]) -> None:
    watched = watch(backend="inotify")
    root = watched.root
    root.rename(root.parent / "away")
    watched.wait(events.AWAY)
    files = watched.index.status(look=False).files
    assert files > 0  # the index stays
    (root.parent / "away" / "meanwhile.py").write_text("def dipper(): pass\n")
    (root.parent / "away").rename(root)
    watched.wait(events.BACK)
    until(lambda: watched.found("dipper"), "what changed meanwhile")
    watched.wait(events.WATCHING, 2)
    (root / "after.py").write_text("def wagtail(): pass\n")

    until(lambda: watched.found("wagtail"), "a change after the return")
    assert watched.kinds().count(events.AWAY) == 1


@linux
def test_an_overflow_is_made_good_by_a_walk(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch(backend="inotify")
    real = inotify.Inotify.read
    lost = threading.Event()

    def overflowing(self: inotify.Inotify) -> list[inotify.Notice]:
        real(self)
        lost.set()
        return [inotify.Notice(-1, inotify.OVERFLOW, "")]

    monkeypatch.setattr(inotify.Inotify, "read", overflowing)
    (watched.root / "unseen.py").write_text("def sandpiper(): pass\n")
    until(lost.is_set)
    monkeypatch.setattr(inotify.Inotify, "read", real)

    until(lambda: watched.found("sandpiper"))
    assert events.OVERFLOW in watched.kinds()


@linux
def test_without_watches_left_it_polls_and_says_so_once(
    watch: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "Inotify", lambda: Refusing(1, errno.ENOSPC))
    watched = watch(backend="inotify", poll_seconds=0.05)
    (watched.root / "polled.py").write_text("def curlew(): pass\n")

    until(lambda: watched.found("curlew"))
    told = [e.message for e in watched.events if e.kind == events.POLLING]
    assert len(told) == 1 and "max_user_watches" in told[0]


def test_a_locked_index_is_waited_for(watch: Callable[..., Watched]) -> None:
    watched = watch()
    lock = WriterLock(watched.index.directory)
    lock.acquire("another")
    try:
        (watched.root / "late.py").write_text("def avocet(): pass\n")
        busy = watched.wait(events.BUSY)
        time.sleep(1.2)  # two more tries
    finally:
        lock.release()

    until(lambda: watched.found("avocet"))
    assert "another" in busy.message and watched.kinds().count(events.BUSY) == 1
    watched.wait(events.RECOVERED)


def test_a_full_disk_is_told_once_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spelunk.watch.watcher.RETRY_SECONDS", 0.05)
    (tmp_path / "tree").mkdir()
    write_tree(tmp_path / "tree", 3)
    index = Index.open(tmp_path / "tree", index_dir=str(tmp_path / "ix"))
    told: list[WatchEvent] = []
    full = threading.Event()
    full.set()
    tries: list[int] = []

    def update(**how: Any) -> Any:
        tries.append(1)
        if full.is_set():
            raise StorageError("ix: the disk is full; free some space")
        return index.update(**how)

    with Watcher(index, told.append, update=update):
        until(lambda: len(tries) > 3)
        full.clear()
        until(lambda: events.RECOVERED in [e.kind for e in told])
    kinds = [e.kind for e in told]
    assert kinds.count(events.FAILED) == 1 and kinds[-1] == events.STOPPED
    assert index.status(look=False).files > 0
    index.close()


def test_settings_that_change_are_followed(watch: Callable[..., Watched]) -> None:
    watched = watch()
    (watched.root / "left.rst").write_text("Nuthatch\n========\n\nIt climbs.\n")
    until(lambda: watched.found("nuthatch"))
    (watched.root / "spelunk.toml").write_text('exclude = ["*.rst"]\n')

    until(lambda: not watched.found("nuthatch"))
    watched.settle()


@linux
def test_a_file_written_all_the_time_starves_no_other(watch: Callable[..., Watched]) -> None:
    watched = watch()
    stop = threading.Event()

    def write() -> None:
        with open(watched.root / "busy.py", "w") as file:
            while not stop.is_set():
                file.write("x = 1\n")
                file.flush()
                time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n, word in enumerate(("redshank", "greenshank", "turnstone")):
            (watched.root / f"calm{n}.py").write_text(f"def {word}(): pass\n")
            until(lambda word=word: watched.found(word), word)
    finally:
        stop.set()
        writer.join()
    watched.settle()


def test_closing_ends_an_update_that_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    write_tree(tmp_path / "tree", 400)
    index = Index.open(
        tmp_path / "tree", index_dir=str(tmp_path / "ix"), mode="sequential", files_per_batch=5
    )
    started = threading.Event()
    index.observer = lambda event: started.set() if type(event).__name__ == "PieceTaken" else None
    told: list[WatchEvent] = []
    watcher = Watcher(index, told.append).start()
    until(started.is_set)

    assert watcher.close(LIMIT_SECONDS)
    assert [e.kind for e in told][-1] == events.STOPPED
    assert index.status(look=False).files < 400
    index.update()
    assert index.check().ok
    index.close()


def test_an_unknown_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="inotify"):
        Watcher(Index.open(tmp_path), backend="magic")


def test_a_branch_switch(watch: Callable[..., Watched], tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    git = ["git", "-C", str(root), "-c", "user.email=a@b", "-c", "user.name=a"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    for n in range(150):
        (root / f"d{n % 7}").mkdir(exist_ok=True)
        (root / f"d{n % 7}" / f"m{n}.py").write_text(python_file(n, 1))
    for words in (["add", "-A"], ["commit", "-qm", "one"], ["checkout", "-qb", "other"]):
        subprocess.run([*git, *words], check=True)
    for n in range(150):
        (root / f"d{n % 7}" / f"m{n}.py").write_text(python_file(n + 1000, 1))
    shutil.rmtree(root / "d3")
    subprocess.run([*git, "commit", "-qam", "two"], check=True)
    watched = watch()
    watched.settle()

    subprocess.run([*git, "checkout", "-q", "main"], check=True)
    watched.settle()
    subprocess.run([*git, "checkout", "-q", "other"], check=True)
    watched.settle()

"""Situations that lead to each fault point, made once and copied for each case."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from spelunk import Index
from spelunk.errors import IndexMissingError, SpelunkError
from spelunk.store.manifest import Manifest
from spelunk.store.merge import MAX_SEGMENTS
from spelunk.testing import logical_content
from tests.corpus import python_file, write_tree
from tests.forked import Forked, forks

POINTS: Final[Mapping[str, str]] = {
    # Whose the directory is
    "claim.before": "index",
    "claim.write": "index",
    "claim.after": "index",
    # The lock and the registry beside it
    "lock.taken": "index",
    "lock.registry": "index",
    "lock.ready": "index",
    # A new index
    "create.manifest.before": "index",
    "create.manifest.after": "index",
    "create.full-text.before": "index",
    "create.full-text.after": "index",
    # Phase 1
    "worker.file": "index",
    "worker.answer": "parallel",
    "worker.note": "sequential",
    # A publish: journal, both stores, manifest
    "intent.before": "index",
    "intent.after": "index",
    "take.rows": "index",
    "take.document": "index",
    "take.end": "index",
    "publish.begin": "index",
    "publish.vectors.before": "index",
    "segment.write": "index",
    "segment.flush": "index",
    "segment.rename.before": "index",
    "segment.rename.after": "index",
    "publish.vectors.after": "index",
    "references.write": "index",
    "references.flush": "index",
    "references.rename.before": "index",
    "references.rename.after": "index",
    "publish.references.after": "index",
    "publish.full-text.before": "index",
    "publish.full-text.after": "index",
    "publish.manifest.rows": "index",
    "publish.manifest.before": "index",
    "publish.manifest.after": "index",
    "publish.end": "index",
    # Replaced documents leave the full text
    "purge.mark.before": "replace",
    "purge.mark.after": "replace",
    "purge.full-text.before": "replace",
    "purge.full-text.after": "replace",
    "purge.end.before": "replace",
    "purge.end.after": "replace",
    # Vector segments become one
    "merge.intent.before": "merge",
    "merge.intent.after": "merge",
    "merge.vectors.before": "merge",
    "merge.vectors.after": "merge",
    "merge.manifest.before": "merge",
    "merge.manifest.after": "merge",
    "merge.unlink": "merge",
    "merge.end.before": "merge",
    "merge.end.after": "merge",
    # So do reference segments
    "references.merge.intent.before": "merge",
    "references.merge.intent.after": "merge",
    "references.merge.written": "merge",
    "references.merge.manifest.before": "merge",
    "references.merge.manifest.after": "merge",
    # Backfill of vectors, and another embedder (tests/test_fill.py)
    "fill.intent": "fill",
    "fill.vectors": "fill",
    "fill.end": "fill",
    "embedder.begin": "fill",
    "embedder.end": "fill",
    # The index of another worktree is copied (tests/test_worktrees.py)
    "seed.begin": "seed",
    "seed.manifest": "seed",
    "seed.full-text": "seed",
    "seed.vectors": "seed",
    "seed.references": "seed",
    "seed.commits": "seed",
    "seed.end": "seed",
    "seed.compared": "seed",
    # A retained version is shown again (tests/test_worktrees.py)
    "restore.rows": "restore",
    # Leftovers of a crash are removed
    "recover.full-text.before": "recover",
    "recover.full-text.after": "recover",
    "recover.intents.before": "recover",
    "recover.intents.after": "recover",
    "leftover.before": "recover",
    "leftover.after": "recover",
    # Nothing to index: the walk is recorded
    "settle.before": "settle",
    "settle.after": "settle",
    # Everything built anew beside the old stores
    "rebuild.begin": "rebuild",
    "rebuild.switch.before": "rebuild",
    "rebuild.switch.after": "rebuild",
    "rebuild.end": "rebuild",
    # Stores that no manifest describes are deleted
    "wipe.before": "no-manifest",
    "wipe.part": "no-manifest",
    "wipe.after": "no-manifest",
    # check --repair
    "repair.texts.before": "repair-text",
    "repair.texts.after": "repair-text",
    "repair.full-text.file": "repair-full-text",
    "repair.full-text.before": "repair-full-text",
    "repair.full-text.after": "repair-full-text",
    "repair.full-text.switch.before": "repair-full-text",
    "repair.full-text.switch.after": "repair-full-text",
    "repair.full-text.end": "repair-full-text",
    "repair.vectors.switch.before": "repair-vectors",
    "repair.vectors.switch.after": "repair-vectors",
    "repair.references.switch.before": "repair-references",
    "repair.references.switch.after": "repair-references",
    # Chunks in a collection: tests/test_qdrant_server.py
    "remote.upsert.before": "remote",
    "remote.upsert.after": "remote",
    "remote.sealed": "remote",
    "remote.purge.before": "remote",
    "remote.purge.after": "remote",
    "migrate.batch": "remote",
    "migrate.full-text": "remote",
    "migrate.switch.before": "remote",
    "migrate.switch.after": "remote",
}
"""Every fault point of the engine, with the situation that leads to it."""

MAX_CHUNKS = 40
"""Chunks after which a run of these tests publishes."""
FILES_PER_BATCH = 5
ENVIRONMENT = {
    "SPELUNK_MAX_CHUNKS_IN_MEMORY": str(MAX_CHUNKS),
    "SPELUNK_FILES_PER_BATCH": str(FILES_PER_BATCH),
}

Content = dict[str, list[dict[str, Any]]]


def spelunk(command: str, root: Path, place: Path, faults: str = "", *flags: str) -> Forked:
    """Start the real command, as a forked process."""
    env, words = _run(command, root, place, faults, *flags)
    return forks(env, numpy=True).start(words, os.getcwd(), env)


def started(
    command: str, root: Path, place: Path, faults: str = "", *flags: str, **more: Any
) -> subprocess.Popen[str]:
    """Start the real command as a process of its own, which shares no memory with others."""
    env, words = _run(command, root, place, faults, *flags)
    argv = [sys.executable, "-m", "spelunk", *words]
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def _run(command: str, root: Path, place: Path, faults: str, *flags: str) -> tuple[dict[str, str], list[str]]:
    """The environment of a run, and its arguments."""
    env = {**os.environ, **ENVIRONMENT, "SPELUNK_FAULTS": faults}
    return env, [command, str(root), "--index-dir", str(place), *flags]


def finish(process: subprocess.Popen[str] | Forked) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.wait(), out, err


def open_index(root: Path, place: Path) -> Index:
    return Index.open(
        root, index_dir=str(place), max_chunks_in_memory=MAX_CHUNKS, files_per_batch=FILES_PER_BATCH
    )


@dataclass
class Situation:
    """A workspace, its index as it is before the faulty run, and what the run is.

    Attributes:
        before: What the index shows, by path; None where it cannot be read.
        after: What it must show in the end.
        todo: Files that the run has to read.
    """

    root: Path
    index: Path
    command: str = "index"
    flags: tuple[str, ...] = ()
    before: Content | None = None
    after: Content = field(default_factory=dict)
    todo: frozenset[str] = frozenset()

    def copy(self, place: Path) -> Path:
        if self.index.exists():
            shutil.copytree(self.index, place)
        return place


def sql(place: Path, statement: str) -> None:
    db = sqlite3.connect(place / "manifest.sqlite")
    db.execute(statement)
    db.commit()
    db.close()


def _change(root: Path, number: int) -> None:
    (root / f"pkg{number // 10}" / f"mod_{number}.py").write_text(python_file(900 + number))


def prepare(name: str, folder: Path) -> Situation:
    """Make a situation in a folder."""
    root, place = folder / "tree", folder / "ix"
    root.mkdir(parents=True)
    write_tree(root, 22)
    (root / ".gitignore").write_text("*.log\n")
    made = Situation(root, place)
    changed: set[str] = set()
    if name not in ("index", "parallel", "sequential", "recover"):
        open_index(root, place).update()
    if name in ("parallel", "sequential"):
        made.flags = ("--mode", name, "--workers", "2")
    elif name == "replace":
        time.sleep(0.1)
        open_index(
            root, place
        ).update()  # so that the others need not be read: few are replaced, none retained
        for n in (3, 17):
            _change(root, n)
            changed.add(f"pkg{n // 10}/mod_{n}.py")
    elif name == "merge":
        for n in range(MAX_SEGMENTS + 1):
            _change(root, n)
            if len(list((place / "vectors").iterdir())) == MAX_SEGMENTS:
                changed.add(f"pkg{n // 10}/mod_{n}.py")
                break  # the faulty run makes one more, and merges
            open_index(root, place).update()
    elif name == "recover":
        code, _, err = finish(spelunk("index", root, place, "publish.full-text.after#2=kill"))
        assert code == -signal.SIGKILL, err
    elif name == "settle":
        time.sleep(0.1)
        open_index(root, place).update()  # by now the files' times can be trusted
        (root / "new.log").write_text("noise\n")
    elif name == "rebuild":
        made.flags = ("--rebuild",)
    elif name == "no-manifest":
        for part in place.glob("manifest*"):
            part.unlink()
    elif name.startswith("repair-"):
        made.command, made.flags = "check", ("--repair",)
        if name == "repair-text":
            sql(place, "UPDATE contents SET text = x'0011' WHERE file = (SELECT min(id) FROM files)")
        elif name == "repair-full-text":
            next(iter(sorted(place.glob("lexical-*/*.term")))).unlink()
        elif name == "repair-references":
            next(iter(sorted(place.glob("graph/*")))).unlink()
        else:
            next(iter(sorted(place.glob("vectors/*")))).unlink()
    made.before = content(place)
    fresh = Index.open(root, index_dir=str(folder / "fresh"))
    fresh.update()
    fresh.close()
    made.after = logical_content(fresh.directory)
    if name in ("index", "parallel", "sequential", "rebuild", "no-manifest"):
        changed = set(made.after)
    elif name == "recover":
        changed = set(made.after) - set(made.before or ())
    made.todo = frozenset(changed)
    return made


def content(place: Path) -> Content | None:
    """What the index shows; empty where nothing is published, None where a store is damaged."""
    try:
        manifest = Manifest(str(place))
    except IndexMissingError:
        return {}
    try:
        if not manifest.generation:
            return {}
        return logical_content(str(place))
    except SpelunkError:
        return None
    finally:
        manifest.close()


def begun(note: Path) -> list[str]:
    """Files that a run with ``worker.file=note:FILE`` began to read, in order."""
    if not note.exists():
        return []
    return [line.split(" ", 1)[1] for line in note.read_text().splitlines()]

"""The files of a commit, read from git's own store: their list, and their contents by one process for many."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Iterable
from typing import IO, Final, NamedTuple

from spelunk.errors import WorkspaceError
from spelunk.files.git_dir import Repository, repository_at
from spelunk.files.git_run import open_git, run_git
from spelunk.io.program import Finished

TIMEOUT: Final = 120.0
"""Seconds for one call of git; the tree of Linux, 90,000 files, takes it one."""
BLOB_SECONDS: Final = 60.0
"""Seconds for the next bytes of a file."""

READ_BYTES: Final = 256 * 1024

REGULAR: Final = 0o100000
LINK: Final = 0o120000
SUBMODULE: Final = 0o160000


class TreeFile(NamedTuple):
    """A file of a commit; ``size`` is 0 for a submodule."""

    mode: int
    id: str
    size: int

    @property
    def kind(self) -> int:
        """:data:`REGULAR`, :data:`LINK` or :data:`SUBMODULE`."""
        return self.mode & 0o170000


def open_repository(path: str) -> Repository | None:
    """The repository at a path: a working tree or a bare one; None where there is none."""
    found = repository_at(path)
    if found is not None:
        return found
    bare = all(os.path.exists(os.path.join(path, name)) for name in ("HEAD", "objects", "refs"))
    return Repository(path, path, path) if bare else None


def commit_of(repository: Repository, revision: str) -> str:
    """The id of the commit that a branch, tag or other revision names; "" where the repository has no commit yet.

    Raises:
        WorkspaceError: There is no such revision, or git cannot answer.
    """
    done = run_git(
        repository,
        ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"],
        timeout=TIMEOUT,
    )
    if done.code == 1 and not done.out:
        if revision == "HEAD":
            named = run_git(repository, ["rev-parse", "--verify", "--quiet", "HEAD"], timeout=TIMEOUT)
            if named.code:
                return ""
            raise WorkspaceError(f"{repository.top}: git cannot read it: the commit of HEAD is missing")
        raise WorkspaceError(
            f"{repository.top}: no revision {revision!r}; `git branch -a` lists the branches"
        )
    _check(repository, done)
    return done.text.split()[-1]


def list_tree(repository: Repository, commit: str) -> dict[str, TreeFile]:
    """The files of a commit by path.

    Raises:
        WorkspaceError: git cannot answer.
    """
    done = run_git(repository, ["ls-tree", "-r", "-z", "-l", "--full-tree", commit], timeout=TIMEOUT)
    _check(repository, done)
    files: dict[str, TreeFile] = {}
    for line in done.out.split(b"\0"):
        about, tab, path = line.partition(b"\t")
        if tab:
            mode, _, blob, size = about.split()
            files[os.fsdecode(path)] = TreeFile(int(mode, 8), blob.decode(), 0 if size == b"-" else int(size))
    return files


def blob_at(repository: Repository, revision: str, path: str) -> str:
    """The id of the file at a path of a revision; "" where there is none."""
    done = run_git(
        repository,
        ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}:{path}"],
        timeout=TIMEOUT,
    )
    return "" if done.code else done.text.strip()


def _check(repository: Repository, done: Finished) -> None:
    if done.code:
        raise WorkspaceError(
            f"{repository.top}: git cannot read it: {done.reason or f'exit status {done.code}'}"
        )


class BlobReader:
    """Contents of files of one repository, by a process of git that stays; for one thread of one process."""

    def __init__(self, repository: Repository) -> None:
        """The process is started with the first file."""
        self._repository = repository
        self._process: subprocess.Popen[bytes] | None = None
        self._held = b""

    def read(self, blob: str) -> bytes | None:
        """The contents of a file; None where the repository does not have it.

        Raises:
            OSError: git cannot be run, died or is silent.
        """
        if self._process is None:
            self._process = open_git(self._repository, ["cat-file", "--batch"])
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(blob.encode() + b"\n")
            while b"\n" not in self._held:
                self._fill(process.stdout)
            head, _, rest = self._held.partition(b"\n")
            self._held = rest
            if head.endswith((b" missing", b" ambiguous")):
                return None
            size = int(head.split()[2])
            parts, have = [self._held], len(self._held)
            while have <= size:  # a line end follows the contents
                self._held = b""
                self._fill(process.stdout)
                parts.append(self._held)
                have += len(self._held)
            whole = b"".join(parts)
            self._held = whole[size + 1 :]
            return whole[:size]
        except (OSError, ValueError, IndexError) as error:
            self.close()
            raise OSError(f"git cat-file: {error}") from None

    def _fill(self, stream: IO[bytes]) -> None:
        if not select.select([stream], [], [], BLOB_SECONDS)[0]:
            raise OSError(f"silent for {BLOB_SECONDS:.0f} s")
        data = os.read(stream.fileno(), READ_BYTES)
        if not data:
            raise OSError("it ended")
        self._held += data

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            process, self._process = self._process, None
            self._held = b""
            process.kill()
            process.communicate()


def read_all(repository: Repository, blobs: Iterable[str]) -> dict[str, bytes]:
    """The contents of some files, by id; those that cannot be read are left out."""
    reader = BlobReader(repository)
    found: dict[str, bytes] = {}
    try:
        for blob in set(blobs):
            try:
                data = reader.read(blob)
            except OSError:
                continue
            if data is not None:
                found[blob] = data
    finally:
        reader.close()
    return found

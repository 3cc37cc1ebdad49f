"""Read from git: the repository, its branches, their history and their files.

The answers hold in linked worktrees, on a detached HEAD, in fresh clones and
on branches without commits.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import Final

from msgspec import Struct, field

from spelunk.branchwork.errors import RepositoryError
from spelunk.io.program import NOT_FOUND, Finished, Runner

GIT_TIMEOUT: Final = 60.0
_TRUNKS: Final = ("main", "master", "trunk", "develop")
_REBASES: Final = ("rebase-merge", "rebase-apply")
_RENAMED: Final = re.compile(r"Branch: renamed refs/heads/(\S+) to refs/heads/(\S+)")


class Ref(Struct, frozen=True):
    """A branch, local or on the remote.

    Attributes:
        name: Without ``refs/heads/`` or the remote's name.
        sha: Its tip.
        full: The full reference.
        local: Whether it is a local branch.
    """

    name: str
    sha: str
    full: str
    local: bool


class Branches(Struct, frozen=True):
    """The branches of a repository; a local one hides the remote one of its name.

    Attributes:
        refs: By name.
        remotes: Remote branches by name, also those that a local one hides.
        remote_head: The branch that the remote's HEAD points to, or ``""``.
        remote: The remote's name, or ``""``.
    """

    refs: dict[str, Ref] = field(default_factory=dict)
    remotes: dict[str, Ref] = field(default_factory=dict)
    remote_head: str = ""
    remote: str = ""


class Repo:
    """One working tree.

    Attributes:
        root: Its top folder.
        common: The git directory shared by all its worktrees.
        gitdir: The git directory of this worktree.
    """

    def __init__(self, root: str, common: str, gitdir: str, runner: Runner) -> None:
        self.root, self.common, self.gitdir, self.runner = root, common, gitdir, runner

    @classmethod
    def find(cls, start: str, runner: Runner) -> Repo:
        """The working tree around ``start``.

        Raises:
            RepositoryError: Git is missing, or ``start`` is in no working tree.
        """
        if not os.path.isdir(start):
            raise RepositoryError(f"{start}: no such folder")
        wanted = ("--path-format=absolute", "--show-toplevel", "--git-common-dir", "--git-dir")
        done = runner.run(["git", "rev-parse", *wanted], cwd=start, timeout=GIT_TIMEOUT)
        if done.code == NOT_FOUND:
            raise RepositoryError("git was not found; install it, branchwork reads branches through it")
        paths = done.text.splitlines()
        if done.code == 0 and len(paths) == 3:
            return cls(paths[0], paths[1], paths[2], runner)
        reason = done.reason or "git does not say where its repository is"
        if "must be run in a work tree" in reason:
            reason = "a git repository without a working tree; use -C with a checkout of it"
        elif "not a git repository" in reason:
            reason = "not in a git repository; change into one, or name it with -C DIR"
        raise RepositoryError(f"{start}: {reason}")

    def git(self, *arguments: str, stdin: bytes | None = None) -> Finished:
        """Run git in the working tree."""
        return self.runner.run(["git", *arguments], cwd=self.root, timeout=GIT_TIMEOUT, stdin=stdin)

    def head(self) -> str:
        """The branch checked out, or being rebased; ``""`` on a detached HEAD."""
        text = _read(os.path.join(self.gitdir, "HEAD"))
        if text.startswith("ref: refs/heads/.invalid"):  # the reftable format keeps HEAD elsewhere
            done = self.git("symbolic-ref", "-q", "HEAD")
            text = "ref: " + done.text
        if text.startswith("ref: "):
            return text[5:].strip().removeprefix("refs/heads/")
        for folder in _REBASES:
            name = _read(os.path.join(self.gitdir, folder, "head-name")).strip()
            if name.startswith("refs/heads/"):
                return name.removeprefix("refs/heads/")
        return ""

    def rebasing(self) -> bool:
        """Whether a rebase is in progress, so that the working tree is not the branch's own."""
        return any(os.path.isdir(os.path.join(self.gitdir, name)) for name in _REBASES)

    @cached_property
    def branches(self) -> Branches:
        """Every local branch, and those of the first remote (``origin`` where there is one)."""
        form = "%(refname)%00%(objectname)%00%(symref)"
        done = self.git("for-each-ref", f"--format={form}", "refs/heads", "refs/remotes")
        rows = [line.split("\0") for line in done.text.splitlines()]
        names = {row[0].split("/")[2] for row in rows if row[0].startswith("refs/remotes/")}
        remote = "origin" if "origin" in names else min(names, default="")
        prefix = f"refs/remotes/{remote}/"
        refs: dict[str, Ref] = {}
        remotes: dict[str, Ref] = {}
        head = ""
        for full, sha, symref in rows:
            name = full.removeprefix("refs/heads/").removeprefix(prefix)
            if full.startswith("refs/heads/"):
                refs[name] = Ref(name, sha, full, True)
            elif full == f"{prefix}HEAD":
                head = symref.removeprefix(prefix)
            elif full.startswith(prefix):
                remotes[name] = Ref(name, sha, full, False)
        return Branches({**remotes, **refs}, remotes, head, remote)

    def trunk(self, configured: str = "") -> str:
        """The branch at the bottom of the stacks; ``""`` if unknown."""
        known = self.branches
        if configured or known.remote_head:
            return configured or known.remote_head
        for name in (*_TRUNKS, self.config("init.defaultBranch")):
            if name in known.refs:
                return name
        local = [ref.name for ref in known.refs.values() if ref.local]
        return local[0] if len(local) == 1 else ""

    def trunk_refs(self, trunk: str) -> list[str]:
        """The trunk's references, local and remote: commits of either are not part of a stack."""
        known = self.branches
        refs = [known.refs.get(trunk), known.remotes.get(trunk)]
        return list(dict.fromkeys(ref.full for ref in refs if ref))

    def former_names(self, branch: str) -> list[str]:
        """Names before ``git branch -m``, newest first, from the branch's reflog."""
        done = self.git("log", "-g", "--format=%gs", f"refs/heads/{branch}", "--")
        names: list[str] = []
        current = branch
        for line in done.text.splitlines():
            rename = _RENAMED.match(line)
            if rename and rename.group(2) == current:
                current = rename.group(1)
                names.append(current)
        return names

    def config(self, key: str) -> str:
        """A git setting, ``""`` where unset."""
        return self.git("config", "--get", key).text.strip()

    def author(self) -> str:
        """The author by git: ``GIT_AUTHOR_NAME``, ``github.user``, then ``user.name``."""
        return os.environ.get("GIT_AUTHOR_NAME", "") or self.config("github.user") or self.config("user.name")

    def changed_since(self, ref: str) -> list[str]:
        """Paths that the branch changed since it left ``ref``, uncommitted changes included.

        Raises:
            RepositoryError: ``ref`` is unknown, or has no history in common.
        """
        base = self.git("merge-base", ref, "HEAD")
        if base.code != 0:
            raise RepositoryError(f"{ref!r} has no commit in common with HEAD; name a branch and fetch it")
        tracked = self.git("diff", "--name-only", "-z", "--no-renames", base.text.strip(), "--")
        added = self.git("ls-files", "-z", "--others", "--exclude-standard")
        return sorted({path for path in (tracked.text + added.text).split("\0") if path})

    def texts(self, names: list[str]) -> dict[str, str]:
        """The contents of blobs such as ``branch:path``, without those that do not exist; one git process."""
        if not names:
            return {}
        done = self.git("cat-file", "--batch", stdin=os.fsencode("\n".join(names) + "\n"))
        texts: dict[str, str] = {}
        raw, at = done.out, 0
        for name in names:
            end = raw.find(b"\n", at)
            if end < 0:
                break
            words = raw[at:end].rsplit(b" ", 2)
            at = end + 1
            if len(words) == 3 and words[2].isdigit():  # else it is missing
                size = int(words[2])
                if words[1] == b"blob":
                    texts[name] = raw[at : at + size].decode("utf-8", "surrogateescape")
                at += size + 1
        return texts


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""

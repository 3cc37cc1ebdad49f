"""Where HEAD is, as a digest that is compared before every search: stats of a few files, no git process."""

from __future__ import annotations

import os

import xxhash

from spelunk.files.git_dir import Repository, head_reference, repository_of
from spelunk.files.stamp import file_stamp


def fence_of(root: str, limit: int) -> bytes:
    """A digest that stays the same while HEAD and the number of commits wanted do; empty without a repository."""
    repository = repository_of(root)
    if repository is None:
        return b""
    return xxhash.xxh3_128_digest(head_fence(repository) + str(limit).encode())


def head_fence(repository: Repository) -> bytes:
    """A digest that stays the same while HEAD names the same commit: stats of a few files, no git process."""
    reference = head_reference(repository)
    places = [
        os.path.join(repository.git_dir, "HEAD"),
        os.path.join(repository.common, "packed-refs"),
        os.path.join(repository.common, "shallow"),
        os.path.join(repository.common, "info", "grafts"),
        os.path.join(repository.git_dir, "reftable", "tables.list"),
        os.path.join(repository.common, "reftable", "tables.list"),
    ]
    if reference:
        places.append(os.path.join(repository.common, reference))
    seen = [os.fsencode(repository.git_dir), os.fsencode(reference)]
    for place in places:
        try:
            seen.append(file_stamp(os.stat(place)))
        except (OSError, ValueError):
            seen.append(b"-")
    return xxhash.xxh3_128_digest(b"\0".join(seen))

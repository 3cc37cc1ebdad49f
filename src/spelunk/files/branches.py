"""Which branches the entries of many repositories are on: a table that a walk makes and a search reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec import Struct, field


class OnBranches(NamedTuple):
    """An entry and the branches that have it, by their numbers in its repository."""

    path: str
    branches: tuple[int, ...]


class _Repository(Struct):
    name: str
    branches: list[str]
    members: dict[tuple[int, ...], list[str]] = field(default_factory=dict)


class BranchTable:
    """The table. Entries of one repository that are on the same branches are held together."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._repositories: list[_Repository] = []

    def add(self, name: str, branches: Iterable[str], members: Iterable[OnBranches]) -> None:
        """Add a repository with its branches and entries."""
        repository = _Repository(name, list(branches))
        for path, numbers in members:
            repository.members.setdefault(numbers, []).append(path)
        self._repositories.append(repository)

    def select(self, repo: Callable[[str], bool], branch: Callable[[str], bool]) -> Iterable[str]:
        """The entries that are on some branch that passes, in a repository that passes."""
        for repository in self._repositories:
            if repo(repository.name):
                passing = {n for n, name in enumerate(repository.branches) if branch(name)}
                for numbers, paths in repository.members.items():
                    if passing.intersection(numbers):
                        yield from paths

    def counts(self) -> tuple[int, int]:
        """How many repositories, and branches of them, there are."""
        return len(self._repositories), sum(len(r.branches) for r in self._repositories)

    def as_json(self) -> list[Any]:
        """The table as plain values; paths that are not UTF-8 keep their bytes as surrogates."""
        return [
            [r.name, r.branches, [[list(numbers), paths] for numbers, paths in r.members.items()]]
            for r in self._repositories
        ]

    @classmethod
    def from_json(cls, value: Any) -> BranchTable:
        """The table of :meth:`as_json`.

        Raises:
            ValueError, TypeError: It is none.
        """
        made = cls()
        for name, branches, groups in value:
            members = {tuple(map(int, numbers)): list(map(str, paths)) for numbers, paths in groups}
            made._repositories.append(_Repository(str(name), list(map(str, branches)), members))
        return made

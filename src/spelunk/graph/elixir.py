"""Calls of Elixir that name a module: ``Phoenix.Config.merge(a, b)``, ``alias A.B`` and ``B.run()``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.grading import IMPORT, OUTSIDE, UNKNOWN, Resolution, graded
from spelunk.graph.view import GraphView, qualified
from spelunk.store.relation_reader import DefinitionRow

_MODULE: Final = re.compile(r"(?:__MODULE__|[A-Z]\w*)(?:\.[A-Z]\w*)*")
_KINDS: Final = frozenset({"module", "interface", "impl"})


def names_module(view: GraphView, file: int, receiver: str) -> bool:
    """Whether what stands before a name is a module: an alias or the module's own name."""
    return view.row(file).language == "elixir" and _MODULE.fullmatch(receiver) is not None


def is_variable(view: GraphView, file: int, reference: Reference) -> bool:
    """Whether a name is that of a variable, used as a value: a function is called, or passed on as ``&name/1``."""
    return (
        reference.role is Role.USE
        and not reference.receiver
        and not reference.name[:1].isupper()
        and view.row(file).language == "elixir"
    )


def in_module(
    view: GraphView,
    named: Callable[[str], Iterable[DefinitionRow]],
    file: int,
    reference: Reference,
    pool: Sequence[DefinitionRow],
) -> Resolution:
    """What a name behind a module means.

    Args:
        view: The generation.
        named: The definitions of a name.
        file: The file of the reference.
        reference: A reference whose receiver :func:`names_module`.
        pool: The definitions of its name.
    """
    for module in _meant(view, file, reference):
        found = [row for row in pool if row.scope == module]
        if found:
            return graded(view, file, found, IMPORT)
        outer, _, last = module.rpartition(".")
        if any(
            row.kind in _KINDS and (qualified(row) == module or (not outer and row.name == module))
            for name in {module, last}
            for row in named(name)
        ):
            return UNKNOWN  # a function that a macro makes
    return OUTSIDE


def _meant(view: GraphView, file: int, reference: Reference) -> list[str]:
    """The full names that a module's name may stand for, the nearest first."""
    head, dot, rest = reference.receiver.partition(".")
    around = [qualified(row) for row in view.around(file, reference.line) if row.kind in _KINDS]
    if head == "__MODULE__":
        return [f"{scope}{dot}{rest}" for scope in around[-1:]]
    aliased = [
        one.module
        for one in view.imports(file)
        if not one.name and head == (one.alias or one.module.rpartition(".")[2])
    ]
    nested = [f"{scope}.{head}" for scope in reversed(around)]
    return [f"{module}{dot}{rest}" for module in dict.fromkeys([*aliased, *nested, head])]

"""The ranking's weights by name, whatever the model has; and searches with some of them changed.

Every number of every ``Weights`` that a module of ``spelunk.search`` holds is a signal: ``match``,
``file.stem``. Weights are changed in place, so a search runs as it always does, with the same candidates
looked up anew.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

import spelunk.search
from spelunk.search.rank import model


def held() -> list[model.Weights]:
    """The weights that searches use, each once; the default first."""
    found = {id(model.DEFAULT): model.DEFAULT}
    for info in pkgutil.walk_packages(spelunk.search.__path__, "spelunk.search."):
        for value in vars(importlib.import_module(info.name)).values():
            many = value.values() if isinstance(value, Mapping) else [value]
            found.update({id(v): v for v in many if isinstance(v, model.Weights)})
    return list(found.values())


def signals(weights: Any, prefix: str = "") -> dict[str, float]:
    """Each number by its name, that of a mapping or a part as ``file.stem``."""
    found: dict[str, float] = {}
    for field in fields(weights):
        value = getattr(weights, field.name)
        if isinstance(value, bool):
            continue
        if isinstance(value, (int, float)):
            found[prefix + field.name] = float(value)
        elif isinstance(value, Mapping):
            found |= {
                f"{prefix}{field.name}.{k}": float(v) for k, v in value.items() if isinstance(v, (int, float))
            }
        elif isinstance(value, Struct):
            found |= signals(value, f"{prefix}{field.name}.")
    return found


def names() -> list[str]:
    """The signals of all weights, each once, those of weight 0 everywhere left out."""
    worth = [(name, value) for weights in held() for name, value in signals(weights).items()]
    return list(dict.fromkeys(name for name, value in worth if value))


@contextmanager
def changed(values: Mapping[str, float]) -> Iterator[None]:
    """Searches within the context use these values.

    Raises:
        KeyError: No weights have such a signal.
    """
    undo: list[tuple[Any, str, Any]] = []
    try:
        for name, value in values.items():
            before = len(undo)
            for weights in held():
                _set(weights, name.split("."), value, undo)
            if len(undo) == before:
                raise KeyError(f"{name}: not among {', '.join(names())}")
        yield
    finally:
        for owner, name, old in reversed(undo):
            object.__setattr__(owner, name, old)


def _set(owner: Any, path: list[str], value: float, undo: list[tuple[Any, str, Any]]) -> None:
    field, rest = path[0], path[1:]
    old = getattr(owner, field, None)
    if old is None:
        return
    if not rest:
        new: Any = value
    elif isinstance(old, Mapping):
        if ".".join(rest) not in old:
            return
        new = {**old, ".".join(rest): value}
    else:
        _set(old, rest, value, undo)
        return
    undo.append((owner, field, old))
    object.__setattr__(owner, field, new)

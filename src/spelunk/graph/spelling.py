"""What the spelling of a reference and its receiver tells: a type, a module, a name like that of a type."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from spelunk.chunk.relation import Reference, Role
from spelunk.store.relation_reader import DefinitionRow

MOST_KEPT: Final = 20_000
"""Names whose spelling is kept: each is compared with those of all types that have a member of one name."""


def is_value(reference: Reference) -> bool:
    """Whether a member is read or assigned, and not called; behind a type's name a method may be passed on."""
    if reference.role is Role.WRITE:
        return True
    return reference.role is Role.USE and not names_a_type(reference.receiver)


def last_name(receiver: str) -> str:
    """The last name of a receiver, without brackets."""
    return receiver.rstrip("()[]").replace("::", ".").replace("->", ".").rpartition(".")[2]


def names_a_type(receiver: str) -> bool:
    """Whether a receiver is written as types are: ``Writer``, ``store::Writer``, and not as a constant or a call."""
    last = last_name(receiver)
    return last[:1].isupper() and not last.isupper() and not receiver.endswith((")", "]"))


def is_called_like(receiver: str, type_name: str) -> bool:
    """Whether a receiver is called like a type: ``self.writer`` and ``Writer`` or ``BatchWriter``."""
    word = _word(receiver)
    if len(word) < 3:
        return False
    name = _plain(type_name)
    return name.endswith(word) or (len(name) > 3 and word.endswith(name))


@lru_cache(MOST_KEPT)
def _word(receiver: str) -> str:
    """The last name of a receiver as it is compared with those of types."""
    last = receiver.rstrip("()[]{}?!").replace("::", ".").replace("->", ".").rpartition(".")[2]
    return last.replace("_", "").lower().lstrip("@$*&").rstrip("0123456789")


@lru_cache(MOST_KEPT)
def _plain(type_name: str) -> str:
    return type_name.replace("_", "").lower()


def is_in(row: DefinitionRow, receiver: str) -> bool:
    """Whether a definition's scope ends with a receiver: ``ns`` of ``ns::f``."""
    scope = "." + row.scope
    written = receiver.replace("::", ".").replace("\\", ".").replace("->", ".").strip(".")
    return bool(written) and scope.endswith("." + written)

"""What a receiver means: types whose members are reached, or a module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from spelunk.store.records import FileRow
from spelunk.store.relation_reader import DefinitionRow

SELF_RULE, TYPE_RULE = "own-member", "type"


class ReceiverMeaning(NamedTuple):
    """What a receiver means.

    Attributes:
        types: The types whose members are reached, the most likely first.
        modules: The files of a module whose names are reached.
        rule: Why.
        above: Only members of the types above are reached.
        outside: It is known to come from outside the index.
    """

    types: Sequence[DefinitionRow] = ()
    modules: Sequence[FileRow] = ()
    rule: str = ""
    above: bool = False
    outside: bool = False


NOTHING: Final = ReceiverMeaning()
FOREIGN: Final = ReceiverMeaning(outside=True)

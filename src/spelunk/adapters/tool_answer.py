"""What a tool gives: structured content, the same as text, and links to files."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

FRAME_TOKENS: Final = 150
"""Of a budget, for what is around the hits or lines: keys, notes, the next step."""

_NOT_IN_TEXT: Final = re.compile("[\ud800-\udfff]")


class FileLink(NamedTuple):
    """A link to a whole file, for a result that shows a part of it."""

    uri: str
    name: str


class ToolAnswer(NamedTuple):
    """The result of a call.

    Attributes:
        values: Structured content.
        text: The same for a model to read.
        links: Files of which only a part is shown.
    """

    values: dict[str, Any]
    text: str
    links: tuple[FileLink, ...] = ()


def clean(text: str) -> str:
    """Without lone surrogates, which no UTF-8 stream can carry."""
    return _NOT_IN_TEXT.sub("\ufffd", text)

"""The meaning of a regex plan: whether the tokens of a text have what it requires."""

from __future__ import annotations

import re

from spelunk.text.required import Run


def satisfied(needed: list[frozenset[Run]] | None, text: str) -> bool:
    """Whether the tokens of a text have what :func:`spelunk.text.required.required` gave."""
    tokens = {token.lower() for token in re.findall("[A-Za-z0-9_]+", text)}
    return all(any(fits(run, token) for run in one_of for token in tokens) for one_of in needed or ())


def fits(run: Run, token: str) -> bool:
    """Whether a token has the run in its place."""
    if run.starts and run.ends:
        return token == run.text
    if run.starts:
        return token.startswith(run.text)
    return token.endswith(run.text) if run.ends else run.text in token

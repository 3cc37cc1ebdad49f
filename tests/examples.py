"""Property tests in two parts: some examples in the fast part, all of them in the long one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import settings

ALL: Final = os.environ.get("SPELUNK_TEST_EXAMPLES") == "all"
"""Set by ``make test-long``, which runs each test of the mark ``examples`` again."""
SHARE: Final = 4
"""The fast part has one example in so many, and at least :data:`LEAST`."""
LEAST: Final = 15


def examples(count: int, **more: Any) -> Callable[[Any], Any]:
    """Settings of a property test.

    Args:
        count: Examples of the long part.
        more: Further settings of Hypothesis; by default there is no deadline.
    """
    number = count if ALL else max(LEAST, count // SHARE)
    chosen = settings(max_examples=number, **{"deadline": None, **more})
    return lambda test: pytest.mark.examples(chosen(test))

"""Programs that tests use where they are at hand."""

from __future__ import annotations

import os
import shutil
import sys


def tool(name: str) -> str | None:
    """A program on the path, or beside the interpreter, where ``make`` puts what it fetches."""
    return shutil.which(name) or shutil.which(name, path=os.path.dirname(sys.executable))

"""Text that somebody pasted, an issue or a stack trace or a log, read for what it says about code."""

from spelunk.pasted.read import read_pasted
from spelunk.pasted.types import FileMention, Pasted

__all__ = ["FileMention", "Pasted", "read_pasted"]

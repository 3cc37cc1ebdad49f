"""What a pasted text was read as: weighed words, places, names, errors, messages and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

Source = Literal["frame", "message", "path", "module"]


class FileMention(Struct, frozen=True):
    """A file that a text names, or a part of one.

    Attributes:
        path: As written, with ``/``, without the folders where a machine keeps
            installed packages. Of a module, its dotted name with ``/`` and no
            extension; its last components may be names that are defined in it.
        line: Counted from 1, or None.
        function: As written, with its scope where that is written; may be empty.
        weight: 0 to 1, to be compared within one text. In a trace it falls with the
            distance from the innermost frame.
        source: A ``frame`` of a stack trace, the ``message`` of a tool, a ``path`` in
            the text, a dotted ``module``.
        least: Components at the end that the path of a file must share with this one.
            Of an installed package all: ``site-packages/pandas/core/frame.py`` is no
            ``frame.py``.
    """

    path: str
    line: int | None = None
    function: str = ""
    weight: float = 1.0
    source: Source = "path"
    least: int = 1


class Pasted(Struct, frozen=True):
    """A text that was pasted, as :func:`spelunk.pasted.read_pasted` understands it.

    Attributes:
        title: The first line or heading that says something; may be empty.
        words: Each distinct word as written (a run of ``\\w``) with its weight: that of
            the region where it counts most, raised by the logarithm of its occurrences.
        places: Files that the text names, the strongest first.
        names: Identifiers with their weights, qualified ones as written.
        errors: Classes and codes of errors, in the order of their mention.
        messages: Constant pieces of messages, without values, numbers and paths.
        tests: Names of tests, in the order of their mention.
        subjects: What those names say is tested: ``foo`` of ``test_foo``, ``Foo`` of ``FooTest``.
        count: Words of the text, repeated ones included.
        traces: Stack traces of one frame or more.
        partial: Whether only the beginning and the end were analysed.
    """

    title: str = ""
    words: Mapping[str, float] = field(default_factory=dict)
    places: tuple[FileMention, ...] = ()
    names: Mapping[str, float] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    count: int = 0
    traces: int = 0
    partial: bool = False

    def describe(self) -> str:
        """How the text was read: ``read as text: 41 words, 3 paths, 1 stack trace``."""
        paths = len({p.path for p in self.places if p.source != "module"})
        counts = [
            (self.count, "word"), (paths, "path"), (len(self.errors), "error"), (len(self.tests), "test"),
            (self.traces, "stack trace"),
        ]  # fmt: skip
        told = ", ".join(f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts if n)
        return f"read as text: {told or 'no words'}" + (", its middle by words only" if self.partial else "")

"""A notebook by its cells, as :func:`spelunk.files.notebook.unwrap` laid them out."""

from __future__ import annotations

import re
from typing import Final

from spelunk.chunk.rows import Layout
from spelunk.files.notebook import MARK_CODE, MARK_MARKDOWN, MARK_RAW
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document

_MARKS: Final = frozenset({MARK_CODE, MARK_MARKDOWN, MARK_RAW})
_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
# cells are in any language; these two words open a definition in Python, Julia and Ruby kernels alike
_DEFINITION: Final = re.compile(r"(?:async[ \t]+)?(def|class|function|struct)[ \t]+([^\W\d]\w*)")


def chunk_notebook(document: Document, layout: Layout) -> list[Chunk]:
    """One chunk a cell, of kind ``cell``; the headings of markdown cells are the scope."""
    out: list[Chunk] = []
    path: list[tuple[int, str]] = []
    lines = layout.lines
    starts = [row for row in range(layout.count) if lines[row] in _MARKS]
    if not starts or starts[0] != 0:
        starts.insert(0, 0)
    for i, start in enumerate(starts):
        stop = starts[i + 1] if i + 1 < len(starts) else layout.count
        symbol = ""
        definitions: list[Definition] = []
        scope = " > ".join(title for _, title in path)
        if lines[start] == MARK_MARKDOWN:
            for row in range(start + 1, stop):
                match = _HEADING.match(lines[row])
                if match is None or not match.group(2):
                    continue
                level, title = len(match.group(1)), match.group(2)[:MAX_SYMBOL]
                while path and path[-1][0] >= level:
                    path.pop()
                if not symbol:
                    symbol = title
                    scope = " > ".join(t for _, t in path)
                path.append((level, title))
                definitions.append(Definition(title, "section", layout.raw_line(row)))
        else:
            for row in range(start + 1, stop):
                match = _DEFINITION.match(lines[row])
                if match is not None:
                    kind = {"def": "function", "struct": "struct", "class": "class"}.get(
                        match.group(1), "function"
                    )
                    definitions.append(Definition(match.group(2)[:MAX_SYMBOL], kind, layout.raw_line(row)))
            if definitions:
                symbol = definitions[0].name
        layout.emit(out, start, stop, "cell", symbol, scope, tuple(definitions))
    return out

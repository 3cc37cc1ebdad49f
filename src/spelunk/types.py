"""Frozen value types that the stages exchange.

Paths are relative to the workspace root with ``/`` separators. A name that is
not valid UTF-8 keeps its bytes as lone surrogates (``os.fsdecode``). Lines are
1-based and inclusive. Offsets count characters of :attr:`Document.text`.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Final, NamedTuple

from msgspec import Struct, field

MAX_SYMBOL: Final = 200
"""Longest symbol name kept, in characters; a longer one is not a name."""


COMMIT: Final = "commit"
"""Language and kind of a commit's message."""

Fields = tuple[tuple[str, str], ...]
"""Pairs of key and value: the facts of a front matter, a key once for each of its values."""


class Flag(enum.IntFlag):
    """Facts about a file that ranking weighs; none of them hides a file."""

    NONE = 0
    TEST = 1
    VENDORED = 2
    GENERATED = 4
    DOCS = 8
    EXAMPLE = 16
    CONFIG = 32


@cache
def names_of_flags(bits: int) -> tuple[str, ...]:
    """The names of the flags that are set, in lower case; of a number, which is quicker to look up than a flag."""
    return tuple(str(flag.name).lower() for flag in Flag if flag.value & bits)


class Entry(Struct, frozen=True):
    """A file that a source offers for indexing.

    Attributes:
        path: Relative path.
        size: Bytes.
        stamp: Equal, and not empty, exactly while the file is unchanged. Opaque.
        language: Canonical language name, or ``"text"``.
        flags: What the path alone shows about the file.
    """

    path: str
    size: int
    stamp: bytes
    language: str
    flags: Flag = Flag.NONE


class Skipped(Struct, frozen=True):
    """A file left out on purpose.

    Attributes:
        path: Relative path.
        reason: A stable word: ``binary``, ``too-large``, ``minified``,
            ``lock-file``, ``empty``, ...
        detail: One line for people, e.g. the limit that was exceeded.
    """

    path: str
    reason: str
    detail: str = ""


class Failed(Struct, frozen=True):
    """A file left out by an error.

    Attributes:
        path: Relative path.
        stage: ``discover``, ``read``, ``chunk``, ``embed``, ``store`` or ``worker``.
        error: One line, without a traceback.
    """

    path: str
    stage: str
    error: str


class Document(Struct, frozen=True):
    """A file read and decoded.

    Attributes:
        path: Relative path.
        text: The decoded text, line endings as in the file. For a format that
            wraps its text (a notebook) this is the text inside the wrapping.
        digest: 16 bytes of xxh3-128 over the raw bytes.
        language: Canonical language name.
        encoding: The codec that decoded it, e.g. ``utf-8``, ``utf-16-le``, ``latin-1``.
        size: Raw size in bytes.
        flags: The entry's flags and what the content adds to them.
        lines: For a wrapped format, the line in the raw file of each line of
            ``text`` (so ``lines[0]`` belongs to the first line); None where
            they are the same.
        places: Paths under which the full text finds it, instead of its own;
            of a commit those that it changed.
    """

    path: str
    text: str
    digest: bytes
    language: str
    encoding: str = "utf-8"
    size: int = 0
    flags: Flag = Flag.NONE
    lines: tuple[int, ...] | None = None
    places: tuple[str, ...] = ()


class Definition(NamedTuple):
    """A name that a chunk defines; a tuple, since files have thousands.

    Attributes:
        name: The bare name (``run``, not ``Server.run``).
        kind: ``function``, ``class``, ``method``, ``section``, ...
        line: The line of the name, in the raw file.
        scope: Enclosing names, outermost first, joined as in :attr:`Chunk.scope`.
        end_line: Last line of the definition, inclusive, in the raw file; for a
            heading the last line of its section. 0 where it is not known.
    """

    name: str
    kind: str
    line: int
    scope: str = ""
    end_line: int = 0


class Chunk(NamedTuple):
    """A searchable unit. The chunks of a document are ordered, do not overlap
    and together cover every line that is not blank.

    Attributes:
        start_line: First line, in the raw file.
        end_line: Last line, inclusive, in the raw file.
        start: Offset of the first character in ``Document.text``.
        end: Offset behind the last character.
        kind: ``function``, ``class``, ``method``, ``section``, ``block``, ...
        symbol: The name of the main definition, or the heading; ``""`` if none.
        scope: Enclosing names, outermost first, joined by ``.`` in code and
            `` > `` in documents; ``""`` at top level.
        definitions: Every name defined here, the main one first.
        fields: Facts for filters that hold for this chunk (front matter).
    """

    start_line: int
    end_line: int
    start: int
    end: int
    kind: str
    symbol: str = ""
    scope: str = ""
    definitions: tuple[Definition, ...] = ()
    fields: Fields = ()


class Copy(NamedTuple):
    """Where a near-copy of a hit's text is: path as that of a :class:`Hit`, lines 1-based and inclusive."""

    path: str
    start_line: int
    end_line: int

    @property
    def citation(self) -> str:
        """``path:start-end``."""
        return f"{self.path}:{self.start_line}-{self.end_line}"


class Neighbour(NamedTuple):
    """A definition beside a hit in the symbol graph: one that calls it, or one that it uses.

    Attributes:
        symbol: Scope and name, joined by a dot; of code outside any definition the path of its file.
        kind: ``function``, ``class``, ... or ``file``.
        path: As that of a :class:`Hit`.
        line: 1-based; of a caller the line of the call, of a definition that is used its first line.
        text: Of a caller that line, of a definition its head as written; on one line.
        confidence: From 0 to 1, that the name means that definition.
        rule: The rule that decided (docs/symbol-graph.md).
        alternatives: Other definitions that the name may mean as well.
    """

    symbol: str
    kind: str
    path: str
    line: int
    text: str
    confidence: float
    rule: str
    alternatives: int = 0

    @property
    def citation(self) -> str:
        """``path:line``."""
        return f"{self.path}:{self.line}"


class Neighbours(NamedTuple):
    """What stands beside a hit in the symbol graph.

    Attributes:
        callers: Definitions that call what the hit defines, code before tests, the most certain first.
        uses: Definitions that the hit's lines refer to, the sure ones first, in the order of the lines.
        left_out: What is not named and why, a sentence each.
    """

    callers: tuple[Neighbour, ...] = ()
    uses: tuple[Neighbour, ...] = ()
    left_out: tuple[str, ...] = ()


class Commit(Struct, frozen=True):
    """A commit.

    Attributes:
        id: Its full id.
        subject: The first line of its message.
        body: The rest of it.
        author: The author's name.
        date: The author's time in UTC, ``2024-03-11T10:22:05Z``.
        files: Files that it changed, under today's paths, at most 200; empty where they are not known.
        file_count: How many it changed.
    """

    id: str
    subject: str
    body: str
    author: str
    date: str
    files: tuple[str, ...] = ()
    file_count: int = 0


class Hit(Struct, frozen=True):
    """A ranked result.

    Attributes:
        path: Relative path; prefixed by the workspace's name when several were searched.
        start_line: First line of the chunk.
        end_line: Last line, inclusive.
        language: The file's language.
        kind: The chunk's kind.
        symbol: The name in the query if the chunk defines it, else the
            chunk's main symbol, or ``""``.
        score: Higher is better; comparable within one answer only.
        content: The chunk's text, with context lines if requested.
        signals: What made the score, by name; empty without ``explain``.
        chunk_id: 16 hex digits, stable across rebuilds of the same content.
        root: The workspace's root the path is relative to.
        scope: Names that enclose ``symbol``, as :attr:`Chunk.scope`.
        flags: The file's flags.
        copies: Places with nearly the same text, in other files, which this hit stands for.
        commit: Of a hit of kind ``commit``, whose path is its id: the commit.
        changed: The last commit that changed its lines, where that was asked for and is known.
        related: Its callers and the definitions that it uses, where they were asked for; of the first hits.
    """

    path: str
    start_line: int
    end_line: int
    language: str
    kind: str
    symbol: str
    score: float
    content: str
    signals: dict[str, float] = field(default_factory=dict)
    chunk_id: str = ""
    root: str = ""
    scope: str = ""
    flags: Flag = Flag.NONE
    copies: tuple[Copy, ...] = ()
    commit: Commit | None = None
    changed: Commit | None = None
    related: Neighbours | None = None

    @property
    def citation(self) -> str:
        """``path:start-end``, exact in the file as indexed."""
        return f"{self.path}:{self.start_line}-{self.end_line}"


class FileCounts(Struct, frozen=True):
    """How every file that was seen ended: ``seen = indexed + unchanged + skipped + failed``.

    ``removed`` counts files of the previous generation that are gone; they are
    not among those seen.
    """

    seen: int = 0
    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    skipped: int = 0
    failed: int = 0


class HistoryReport(Struct, frozen=True):
    """What an update did to the index of commits.

    Attributes:
        commits: Commits whose messages are searchable afterwards.
        added: Commits indexed in this run.
        removed: Commits that are no longer behind HEAD, or no longer among the newest.
        left: Commits that this run did not read; the next ``spelunk index`` does.
        seconds: Wall time.
        error: Why git could not be read, one line; "" if it could.
    """

    commits: int = 0
    added: int = 0
    removed: int = 0
    left: int = 0
    seconds: float = 0.0
    error: str = ""


class StageTime(NamedTuple):
    """Time that one stage of a run took, summed over processes.

    Attributes:
        stage: Its name (docs/cli.md lists them).
        language: Of the files; "" where the stage is not about single files.
        files: Files that it worked on; 0 where it does not count them.
        bytes: Source bytes of those files.
        wall: Seconds by the clock.
        cpu: Seconds of processor time, user and system.
        inside: The time is part of other stages' time as well.
    """

    stage: str
    language: str
    files: int
    bytes: int
    wall: float
    cpu: float
    inside: bool = False


class Report(Struct, frozen=True):
    """What an update did.

    Attributes:
        root: Absolute path of the workspace.
        generation: The generation visible afterwards.
        mode: ``sequential`` or ``parallel``: as used, not as set.
        workers: Processes that did phase 1.
        seconds: Wall time.
        files: The counts.
        chunks: Chunks written in this run.
        bytes: Source bytes read and indexed in this run.
        peak_rss_bytes: Peak resident memory over the process tree.
        failures: Every failed file.
        skipped: Every file skipped after discovery offered it.
        pending_vectors: Chunks whose vector is still to be made.
        refused_vectors: Chunks of which the embedder makes none.
        degraded: Why vectors are pending, one line; None where none are.
        run_id: The run's name, as in its logs and metrics; "" for a dry run.
        history: What was done to the index of commits; None where there was nothing to do.
        remaining: Files left to a later update, because a first answer was waited for.
        profile: Time by stage and language, where that was asked for.
    """

    root: str
    generation: int
    mode: str
    workers: int
    seconds: float
    files: FileCounts
    chunks: int
    bytes: int
    peak_rss_bytes: int
    failures: tuple[Failed, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    pending_vectors: int = 0
    refused_vectors: int = 0
    degraded: str | None = None
    run_id: str = ""
    history: HistoryReport | None = None
    remaining: int = 0
    profile: tuple[StageTime, ...] = ()

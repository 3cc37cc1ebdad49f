"""Phase 1 in one process: read, chunk, tokenise and embed files into packets; no store, no event loop.

The same object does the work in the process that writes, in a forked worker
and in a spawned one.
"""

from __future__ import annotations

import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import xxhash
import zstandard

from spelunk import faults
from spelunk.chunk import chunk, parse
from spelunk.chunk.relation import RelationColumns
from spelunk.chunk.relations import relation_columns
from spelunk.config import Options
from spelunk.files.read import decode
from spelunk.files.source import Source
from spelunk.observe.profile import NO_LAPS, Laps
from spelunk.store.document import document_of, path_document
from spelunk.store.packet import FileFacts, FilePacket, Item, Packet, row_checksum
from spelunk.store.records import ChunkRecord, FieldRecord
from spelunk.store.relation_pack import Packer, row_count
from spelunk.text import worklog
from spelunk.types import MAX_SYMBOL, Chunk, Definition, Document, Entry, Failed, Skipped

if TYPE_CHECKING:
    from spelunk.embed import Embedder

ZSTD_LEVEL: Final = 1
MEMO_CHUNKS: Final = 20_000
"""Chunks whose vectors are cached for identical files that follow: 6 MB."""


class WorkerConfig(NamedTuple):
    """What a worker needs to begin, on this machine or another: data that can be pickled.

    Attributes:
        source: Where the files' bytes come from.
        options: The settings.
        profile: Measure the time of each stage.
    """

    source: Source
    options: Options
    profile: bool = False


def make_worker(config: WorkerConfig, limiter: AbstractContextManager[None] | None = None) -> Worker:
    """Create the worker of this process, and its embedder.

    Args:
        config: What to work on.
        limiter: Entered for each read; None does not limit them.
    """
    from spelunk import embed

    source, options, profile = config
    embedder = embed.get(options) if embed.in_workers(options) else None

    def read_file(candidate: Entry) -> bytes | Skipped | Failed:
        if limiter is None:
            return source.read(candidate, options.max_file_size)
        with limiter:
            return source.read(candidate, options.max_file_size)

    return Worker(
        read_file,
        options,
        embedder,
        # On a disk that seeks, concurrent reads are what the limiter prevents.
        prefetch=source.prefetch if limiter is None else None,
        laps=Laps() if profile else NO_LAPS,
    )


_CutKey = tuple[bytes, str, str, bool]


class _Cut(NamedTuple):
    """What is made of a file's content; the fields that :class:`FilePacket` has too are named as there."""

    digest: bytes
    lines: int
    text: bytes
    line_map: bytes | None
    records: list[ChunkRecord]
    bodies: list[str]
    names: list[str]
    fields: list[FieldRecord]
    imports: bytes | None
    references: bytes
    texts: list[str]
    words: list[list[str]]


class Worker:
    """Phase 1 in one process: parsers, lexicon and embedder are this process's own.

    Attributes:
        laps: Time by stage and language.
    """

    def __init__(
        self,
        read: Callable[[Entry], bytes | Skipped | Failed],
        options: Options,
        embedder: Embedder | None,
        *,
        prefetch: Callable[[Sequence[Entry]], None] | None = None,
        laps: Laps = NO_LAPS,
    ) -> None:
        """Create it in the process that uses it.

        Args:
            read: Reads the bytes of one file.
            options: The settings.
            embedder: Makes the vectors; None makes none.
            prefetch: Called with files to be read ahead; None for no hints.
            laps: Given the time of each stage.
        """
        self.laps = laps
        self._read = read
        self._options = options
        self._embedder = embedder
        self._prefetch = prefetch
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._packer = Packer()
        self._memo: dict[bytes, Any] = {}
        self._memo_chunks = 0
        self._last: tuple[_CutKey, _Cut] | None = None
        """The last file that was cut; a plan puts files of equal content one behind the other."""

    def prefetch(self, items: Sequence[Item]) -> None:
        """Have files read ahead: a hint, so errors are ignored."""
        if self._prefetch is not None:
            self._prefetch([item.candidate for item in items])

    def process(self, items: Sequence[Item], first: int = 0) -> Packet:
        """Read, chunk, tokenise and embed a piece of a batch.

        The result is a function of the files and the settings; nothing is kept
        but caches.

        Args:
            items: The piece.
            first: Position of its first item in the batch.

        Returns:
            A result for every item.
        """
        files: list[FilePacket] = []
        same: list[int] = []
        skipped: list[tuple[int, str, str]] = []
        failed: list[tuple[int, str, str]] = []
        texts: list[str] = []
        text_words: list[list[str]] = []
        fresh: list[tuple[bytes, int]] = []
        lap = self.laps.lap
        total = 0
        reading = chunking = tokenising = 0.0
        for i, item in enumerate(items, first):
            if faults.ARMED:
                faults.reach("worker.file", item.candidate.path)
            began = perf_counter()
            result = self._guarded_read(item.candidate)
            read_at = perf_counter()
            reading += read_at - began
            if isinstance(result, Skipped):
                skipped.append((i, result.reason, result.detail))
                continue
            if isinstance(result, Failed):
                failed.append((i, result.stage, result.error))
                continue
            if result.digest == item.known_digest:
                same.append(i)
                continue
            try:
                key, chunked_at = _cut_key(result), read_at
                if self._last is None or self._last[0] != key:
                    self._last = None
                    language = result.language
                    parsed = parse(result, self._options)
                    lap("parse", language, 1, result.size)
                    chunks = chunk(parsed)
                    lap("chunk", language)
                    related = relation_columns(parsed)
                    lap("relations", language)
                    chunked_at = perf_counter()
                    chunking += chunked_at - read_at
                    self._last = key, self._cut(result, chunks, related)
                cut = self._last[1]
                packet = self._pack(i, result, cut)
                lap("pack", result.language)
                tokenising += perf_counter() - chunked_at
            except MemoryError:
                failed.append((i, "chunk", "not enough memory for this file"))
                continue
            except Exception as error:  # one file's failure is data, whatever it was
                failed.append((i, "chunk", one_line(error)))
                continue
            total += result.size
            donor = item.reusable.get(packet.cut_digest) if item.reusable else None
            if not cut.records:
                pass
            elif donor is not None:
                packet = packet._replace(donor=donor)
            elif self._embedder is not None:
                texts += cut.texts
                text_words += cut.words
                fresh.append((packet.cut_digest, len(cut.records)))
            files.append(packet)
        began = perf_counter()
        planes, scales, codes = self._vectors(fresh, texts, text_words)
        seconds = (reading, chunking, tokenising, perf_counter() - began)
        if self.laps.on and files:
            by_language: Counter[str] = Counter()
            for packet in files:
                by_language[packet.language] += len(packet.chunks)
            self.laps.share("embed", by_language)
        return Packet(files, same, skipped, failed, total, planes, scales, codes, seconds, self.laps.take())

    def _guarded_read(self, candidate: Entry) -> Document | Skipped | Failed:
        try:
            raw = self._read(candidate)
            self.laps.lap("read", candidate.language)
            if not isinstance(raw, bytes):
                return raw
            document = decode(candidate, raw)
            self.laps.lap("decode", candidate.language)
            return document
        except MemoryError:
            return Failed(candidate.path, "read", "not enough memory for this file")
        except Exception as error:  # one file's failure is data, whatever it was
            return Failed(candidate.path, "read", one_line(error))

    def _cut(self, document: Document, chunks: list[Chunk], related: RelationColumns) -> _Cut:
        """What is made of a document's content: the same whatever its path is."""
        text = document.text
        records: list[ChunkRecord] = []
        bodies: list[str] = []
        names: list[str] = []
        texts: list[str] = []
        chunk_words: list[list[str]] = []
        fields: list[FieldRecord] = []
        for number, c in enumerate(chunks):
            made = document_of(text, c.start, c.end, (d.name for d in c.definitions))
            bodies.append(made.body)
            names.append(made.names)
            records.append(
                ChunkRecord(
                    number, 0, c.start_line, c.end_line, c.start, c.end,
                    c.kind, c.symbol[:MAX_SYMBOL], c.scope, tuple(map(_one_line_name, c.definitions)),
                )
            )  # fmt: skip
            chunk_words.append(made.words)
            texts.append(made.text)
            for key, value in c.fields:
                fields.append(FieldRecord(number, key, value))
        lap, language = self.laps.lap, document.language
        lap("tokenise", language)
        line_map = None
        if document.lines is not None:
            line_map = self._zstd.compress(array.array("Q", document.lines).tobytes())
        packed_text = self._zstd.compress(text.encode("utf-8", "surrogatepass"))
        lap("compress", language)
        imports = self._packer.imports(related.imports)
        references = self._packer.columns(related)
        lap("relations", language)
        return _Cut(
            _cut_digest(document, chunks), chunks[-1].end_line if chunks else 0, packed_text, line_map, records,
            bodies, names, fields, imports, references, texts, chunk_words,
        )  # fmt: skip

    def _pack(self, i: int, document: Document, cut: _Cut) -> FilePacket:
        facts = FileFacts(
            document.path,
            document.digest,
            document.language,
            int(document.flags),
            document.encoding,
            cut.lines,
        )
        rows = row_count(cut.references)
        return FilePacket(
            item=i,
            digest=document.digest,
            cut_digest=cut.digest,
            language=document.language,
            flags=facts.flags,
            encoding=document.encoding,
            size=document.size,
            lines=facts.lines,
            text=cut.text,
            line_map=cut.line_map,
            path_terms=path_document(*(document.places or (document.path,))),
            chunks=cut.records,
            bodies=cut.bodies,
            names=cut.names,
            fields=cut.fields,
            donor=None,
            checksum=row_checksum(facts, cut.records, cut.fields, cut.text, cut.line_map, cut.imports, rows),
            imports=cut.imports,
            references=cut.references,
        )

    def _vectors(
        self, fresh: list[tuple[bytes, int]], texts: list[str], text_words: list[list[str]]
    ) -> tuple[bytes, bytes, bytes]:
        if self._embedder is None or not texts:
            return b"", b"", b""
        import numpy as np

        from spelunk.store.segment import Rows, quantise

        # Identical files met again (copies, vendored twice) take the vectors made for the first.
        todo = [n for n, (digest, _) in enumerate(fresh) if digest not in self._memo]
        ends = np.cumsum([count for _, count in fresh])
        new_texts: list[str] = []
        new_words: list[list[str]] = []
        first_of: dict[bytes, int] = {}
        for n in todo:
            digest, count = fresh[n]
            if digest in first_of:
                continue
            first_of[digest] = len(new_texts)
            stop = int(ends[n])
            new_texts += texts[stop - count : stop]
            new_words += text_words[stop - count : stop]
        made = quantise(self._embedder.embed(new_texts, new_words))
        parts: list[Rows] = []
        for digest, count in fresh:
            at = first_of.get(digest)
            if at is None:
                rows = self._memo[digest]
            else:
                rows = made.take(slice(at, at + count))
            parts.append(rows)
        for (digest, count), rows in zip(fresh, parts, strict=True):
            self._remember(digest, rows, count)
        joined = Rows.concat(parts)
        return joined.planes.tobytes(), joined.scales.tobytes(), joined.codes.tobytes()

    def _remember(self, digest: bytes, rows: Any, count: int) -> None:
        if self._memo_chunks + count > MEMO_CHUNKS:
            self._memo.clear()
            self._memo_chunks = 0
        if digest not in self._memo:
            self._memo[digest] = type(rows)(*(a.copy() for a in rows))
            self._memo_chunks += count


def _one_line_name(definition: Definition) -> Definition:
    """Return a definition whose name has no line breaks or runs of blanks."""
    name = " ".join(definition.name.split())
    return definition if name == definition.name else definition._replace(name=name)


def _cut_key(document: Document) -> _CutKey:
    """What the cuts of a file depend on; its path counts only where it makes a Markdown file a worklog."""
    is_worklog = document.language == "markdown" and worklog.is_worklog(document.path, ())
    return document.digest, document.language, document.encoding, is_worklog


def _cut_digest(document: Document, chunks: Sequence[Chunk]) -> bytes:
    """Return 16 bytes that are equal where raw content, language and cuts are."""
    cuts = array.array("Q", [at for c in chunks for at in (c.start, c.end)])
    return xxhash.xxh3_128_digest(document.digest + document.language.encode() + b"\0" + cuts.tobytes())


def one_line(error: BaseException) -> str:
    """Format an exception as one line for a report."""
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

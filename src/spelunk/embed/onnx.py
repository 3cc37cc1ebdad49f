"""Embed with a sentence model in an ONNX file: tokenise, run with onnxruntime, pool.

Texts are cut at the model's longest input, ordered by length and run in small
batches; token vectors become one by the model's own rule, at unit length.
One session serves several calling threads, each running one batch on one core,
the fastest of the arrangements that were measured
(docs/decisions/onnx.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from spelunk.embed import onnx_folder
from spelunk.embed.onnx_folder import BATCH_TOKENS
from spelunk.embed.unit import unit_rows
from spelunk.errors import ConfigError, ProviderError

if TYPE_CHECKING:
    from spelunk.embed.protocol import Matrix

TEXTS: Final = 128
"""Texts that one call should get: enough for batches of like length, few enough that a search can wait."""
STEP: Final = 64
"""Vectors are stored in planes of 64 columns; a narrower model is filled up with zeros."""

_LONE: Final = re.compile("[\ud800-\udfff]")
_WIDTHS: Final = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class OnnxEmbedder:
    """The embedder of an ONNX model. The files are checked at once; the model is loaded at its first use."""

    in_workers = False
    semantic = True
    batch = TEXTS
    concurrency = 1

    def __init__(self, setting: str, *, callers: int = 0, inside: int = 1) -> None:
        """Find the model.

        Args:
            setting: ``onnx:DIRECTORY``.
            callers: Threads that run batches at the same time; 0 is one for each core.
            inside: Threads of the session for one batch.

        Raises:
            ConfigError: No such model, one that cannot be used, or the extra is not installed.
        """
        self._model = onnx_folder.find(setting)
        self._setting = setting
        missing = [name for name in ("onnxruntime", "tokenizers") if find_spec(name) is None]
        if missing:
            raise ConfigError(
                f"embedder {setting!r} needs {' and '.join(missing)}: pip install 'spelunk[onnx]'"
            )
        self.id = onnx_folder.identify(setting)
        self._callers = callers or _cores()
        self._inside = inside
        self._loading = Lock()
        self._session: Any = None
        self._tokenizer: Any = None
        self._inputs: dict[str, Any] = {}
        self._output = ""
        self._pooled = False
        self.dimensions = -(-(self._model.width or self._loaded_width()) // STEP) * STEP

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`; the model has words of its own.

        Raises:
            ConfigError: The model does not load.
            ProviderError: It fails while running.
        """
        return self._vectors([self._model.text_prompt + text for text in texts], texts)

    def query(self, text: str) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.query`."""
        row: Matrix = self._vectors([self._model.query_prompt + text], [text])[0]
        return row

    def _vectors(self, prompted: Sequence[str], texts: Sequence[str]) -> Matrix:
        self._load()
        out = np.zeros((len(texts), self.dimensions), np.float32)
        # A text without a letter or digit has the vector zero.
        at = [n for n, text in enumerate(texts) if any(map(str.isalnum, text))]
        try:
            encoded = self._tokenizer.encode_batch([_LONE.sub("\ufffd", prompted[n]) for n in at])
            ids = dict(zip(at, (e.ids for e in encoded), strict=True))
            todo = list(batches({n: len(row) for n, row in ids.items()}))
            # Threads that stay would keep an update from forking its workers.
            with ThreadPoolExecutor(max(1, min(self._callers, len(todo)))) as pool:
                for rows, made in zip(
                    todo, pool.map(lambda b: self._run([ids[n] for n in b]), todo), strict=True
                ):
                    out[rows, : made.shape[1]] = made
        except Exception as error:  # the runtime's errors have no root of their own
            raise ProviderError(f"{self._model.file}: the model failed: {_one_line(error)}") from None
        return np.nan_to_num(unit_rows(out), copy=False)

    def _run(self, rows: Sequence[Sequence[int]]) -> Matrix:
        """One batch, ``(len(rows), width)``, not yet at unit length."""
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self._model.pad, np.int64)
        mask = np.zeros_like(ids)
        for n, row in enumerate(rows):
            ids[n, : len(row)] = row
            mask[n, : len(row)] = 1
        offered = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        given = {name: offered[name].astype(width, copy=False) for name, width in self._inputs.items()}
        made = self._session.run([self._output], given)[0].astype(np.float32, copy=False)
        if self._pooled:
            return np.asarray(made)
        if self._model.pooling == "cls":
            return np.asarray(made[:, 0])
        if self._model.pooling == "lasttoken":
            return np.stack([made[n, len(row) - 1] for n, row in enumerate(rows)])
        # Over a row's own tokens alone, so that no neighbour in its batch moves the last bit.
        return np.stack([made[n, : len(row)].mean(axis=0) for n, row in enumerate(rows)])

    def _loaded_width(self) -> int:
        self._load()
        width = next(o.shape[-1] for o in self._session.get_outputs() if o.name == self._output)
        return width if isinstance(width, int) else len(self._run([[self._model.pad]])[0])

    def _load(self) -> None:
        with self._loading:
            if self._session is None:
                self._session = self._open()

    def _open(self) -> Any:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._inside
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._tokenizer = Tokenizer.from_file(self._model.tokenizer)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(self._model.max_tokens)
            session = onnxruntime.InferenceSession(
                self._model.file, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # as above
            raise ConfigError(
                f"embedder {self._setting!r}: does not load: {_one_line(error)}; export the model again"
            ) from None
        self._inputs = {}
        for one in session.get_inputs():
            if one.name not in ("input_ids", "attention_mask", "token_type_ids") or one.type not in _WIDTHS:
                raise ConfigError(f"embedder {self._setting!r}: the model needs an input {one.name!r} that text does not give")  # fmt: skip
            self._inputs[one.name] = _WIDTHS[one.type]
        self._choose(session.get_outputs())
        return session

    def _choose(self, outputs: Sequence[Any]) -> None:
        """The output to take: vectors of whole texts if the model gives them, else those of tokens."""
        whole = [o.name for o in outputs if len(o.shape) == 2 and o.name == "sentence_embedding"]
        tokens = [o.name for o in outputs if len(o.shape) == 3]
        only = [o.name for o in outputs if len(o.shape) == 2]
        if not whole + tokens + only:
            raise ConfigError(f"embedder {self._setting!r}: the model gives no vectors; export it for feature extraction")  # fmt: skip
        self._output = (whole + tokens + only)[0]
        self._pooled = self._output in only
        if self._model.unapplied and not whole:
            raise ConfigError(
                f"embedder {self._setting!r}: its part {self._model.unapplied[0]} is not in the ONNX file; "
                "export the whole model, with an output sentence_embedding"
            )


def batches(lengths: dict[int, int]) -> Iterator[list[int]]:
    """Keys in groups of like length, the longest first so that no thread ends late.

    Args:
        lengths: Tokens by key.

    Yields:
        Groups whose tokens, padded to the longest, are at most ``BATCH_TOKENS``;
        a longer text is a group of its own.
    """
    group: list[int] = []
    for key in sorted(lengths, key=lambda k: (-lengths[k], k)):
        if group and (len(group) + 1) * lengths[group[0]] > BATCH_TOKENS:
            yield group
            group = []
        group.append(key)
    if group:
        yield group


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

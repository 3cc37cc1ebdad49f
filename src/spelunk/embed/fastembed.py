"""Embed with a model of the library FastEmbed, from its cache folder: its list of models, or a folder of one's own.

Nothing is downloaded: a model that is not in the cache is refused with the
command that fetches it. FastEmbed does the work; this module decides names,
identity, batches and threads.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from spelunk.embed import onnx_folder
from spelunk.embed.protocol import FASTEMBED
from spelunk.embed.unit import unit_rows
from spelunk.errors import ConfigError, ProviderError

if TYPE_CHECKING:
    from spelunk.config import Options
    from spelunk.embed.protocol import Matrix

SCHEME: Final = 1
"""Raised when the same model would give other vectors."""
TEXTS: Final = 64
"""Texts that one call should get: enough for batches of like length, few enough that a search can wait."""
BATCH: Final = 4
"""Texts run at a time, the fastest for chunks on one core (docs/decisions/onnx.md)."""
STEP: Final = 64
"""Vectors are stored in planes of 64 columns; a narrower model is filled up with zeros."""
BYTES_A_GB: Final = 1_000_000_000
ACTIVATIONS: Final = 48 * 1024 * 1024
"""Bytes of one calling thread, as measured with MiniLM."""

_LONE: Final = re.compile("[\ud800-\udfff]")
_POOLINGS: Final = {"mean": "MEAN", "cls": "CLS", "lasttoken": "LAST_TOKEN"}


def cache_folder() -> str:
    """Where FastEmbed keeps models: ``FASTEMBED_CACHE_PATH``, or its folder among the temporary files."""
    return os.getenv("FASTEMBED_CACHE_PATH") or os.path.join(tempfile.gettempdir(), "fastembed_cache")


def own_folder(name: str) -> str | None:
    """The folder of that name in the cache which holds a model as ``onnx:DIRECTORY`` takes it; None if there is none."""
    if ".." in name.split("/") or name.startswith("/"):
        return None
    folder = os.path.join(cache_folder(), name)
    return folder if os.path.isfile(os.path.join(folder, "tokenizer.json")) else None


def identify(options: Options) -> str:
    """The id: the model's name, and for a folder of one's own a digest of its files. FastEmbed is not imported.

    Raises:
        ConfigError: No name is given, or the files cannot be read.
    """
    name = _name(options.embedder)
    folder = own_folder(name)
    if folder is not None:
        return f"fastembed-{SCHEME}-{onnx_folder.identify(f'onnx:{folder}')}"
    return f"fastembed-{SCHEME}-{name.lower()}"


def memory(options: Options, cores: int) -> int:
    """Bytes that the model takes, roughly; 0 where FastEmbed does not have it.

    Raises:
        ConfigError: As :func:`identify`.
    """
    name = _name(options.embedder)
    folder = own_folder(name)
    if folder is not None:
        return onnx_folder.memory(f"onnx:{folder}", cores)
    if find_spec("fastembed") is None:
        return 0
    about = _described(name)
    return int(2 * about["size_in_GB"] * BYTES_A_GB) + cores * ACTIVATIONS if about else 0


def _name(setting: str) -> str:
    name = setting.removeprefix(FASTEMBED)
    if not name.strip():
        raise ConfigError(
            f"embedder {setting!r}: name the model, e.g. fastembed:sentence-transformers/all-MiniLM-L6-v2"
        )
    return name


def _described(name: str) -> dict[str, Any] | None:
    """What FastEmbed says of a model of its list."""
    import fastembed

    return next(
        (m for m in fastembed.TextEmbedding.list_supported_models() if m["model"].lower() == name.lower()),
        None,
    )


class FastEmbedder:
    """The embedder of a FastEmbed model. The model is found at once, and loaded at its first use.

    One session serves several calling threads, each on one core: the same
    arrangement as that of :class:`~spelunk.embed.onnx.OnnxEmbedder`.
    """

    in_workers = False
    semantic = True
    batch = TEXTS

    def __init__(self, options: Options) -> None:
        """Find the model.

        Raises:
            ConfigError: No such model, it is not in the cache, or the extra is not installed.
        """
        setting = options.embedder
        name = _name(setting)
        if find_spec("fastembed") is None:
            raise ConfigError(f"embedder {setting!r} needs fastembed: pip install 'spelunk[fastembed]'")
        self.id = identify(options)
        self.concurrency = _cores()
        self._setting, self._name = setting, name
        self._folder = own_folder(name)
        self._loading = Lock()
        self._model: Any = None
        if self._folder is not None:
            _register(setting, name, self._folder)
        about = _described(name)
        if about is None:
            raise ConfigError(_unknown(setting, name))
        self.dimensions = -(-about["dim"] // STEP) * STEP
        self._find()

    def embed(self, texts: Sequence[str], words: Sequence[Sequence[str]]) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.embed`; the model has words of its own.

        Raises:
            ProviderError: The model does not load, or fails while running.
        """
        return self._vectors(texts, query=False)

    def query(self, text: str) -> Matrix:
        """See :meth:`spelunk.embed.Embedder.query`."""
        row: Matrix = self._vectors([text], query=True)[0]
        return row

    def _vectors(self, texts: Sequence[str], *, query: bool) -> Matrix:
        import numpy as np

        out = np.zeros((len(texts), self.dimensions), np.float32)
        # A text without a letter or digit has the vector zero. Texts of like length waste no padding.
        at = sorted(
            (n for n, text in enumerate(texts) if any(map(str.isalnum, text))), key=lambda n: len(texts[n])
        )
        clean = [_LONE.sub("\ufffd", texts[n]) for n in at]
        try:
            model = self._load()
            made = model.query_embed(clean) if query else model.passage_embed(clean, batch_size=BATCH)
            for n, row in zip(at, made, strict=True):
                out[n, : len(row)] = row
        except Exception as error:  # the runtime's errors have no root of their own
            raise ProviderError(f"embedder {self._setting!r}: the model failed: {_one_line(error)}") from None
        return np.nan_to_num(unit_rows(out), copy=False)

    def _find(self) -> None:
        """Make the model's object without loading its weights.

        Raises:
            ConfigError: It is not in the cache.
        """
        import fastembed

        with _quiet():
            try:
                self._model = fastembed.TextEmbedding(
                    self._name,
                    cache_dir=cache_folder(),
                    threads=1,
                    providers=["CPUExecutionProvider"],
                    lazy_load=True,
                    local_files_only=True,
                    specific_model_path=self._folder,
                )
            except Exception as error:  # FastEmbed raises ValueError and the errors of its downloader
                raise ConfigError(
                    f"embedder {self._setting!r}: not in {cache_folder()}, and nothing is ever downloaded "
                    f"({_one_line(error)}); where there is a network, run "
                    f"python -c \"from fastembed import TextEmbedding; TextEmbedding('{self._name}', "
                    f"cache_dir='{cache_folder()}')\""
                ) from None

    def _load(self) -> Any:
        """The model with its weights; one thread loads them."""
        with self._loading:
            inner = self._model.model
            if getattr(inner, "model", self) is None and hasattr(inner, "load_onnx_model"):
                inner.load_onnx_model()
        return self._model


def _register(setting: str, name: str, folder: str) -> None:
    """Tell FastEmbed of a model in a folder; it keeps such a list for the process, by name.

    Raises:
        ConfigError: The folder holds no model that can be used.
    """
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    if _described(name) is not None:
        return
    model = onnx_folder.find(f"onnx:{folder}")
    if not model.width:
        raise ConfigError(f"embedder {setting!r}: neither config.json nor 1_Pooling gives its dimensions")
    if not hasattr(PoolingType, _POOLINGS[model.pooling]):
        raise ConfigError(
            f"embedder {setting!r}: FastEmbed has no pooling {model.pooling}; say onnx:{folder}"
        )
    TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType[_POOLINGS[model.pooling]],
        normalization=True,
        sources=ModelSource(hf=name),
        dim=model.width,
        model_file=os.path.relpath(model.file, folder),
    )


def _unknown(setting: str, name: str) -> str:
    """Why FastEmbed has no such model, and what it has."""
    import difflib

    from fastembed import SparseTextEmbedding, TextEmbedding

    if any(m["model"].lower() == name.lower() for m in SparseTextEmbedding.list_supported_models()):
        return f"embedder {setting!r}: a sparse model; name one that makes dense vectors"
    names = [m["model"] for m in TextEmbedding.list_supported_models()]
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = f"did you mean fastembed:{near[0]}?" if near else f"there are {', '.join(names[:3])} and others"
    return f"embedder {setting!r}: FastEmbed has no such model, and {cache_folder()} has no folder of that name; {hint}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep FastEmbed's log lines of a failed search for a model back: the error says it."""
    from loguru import logger

    logger.disable("fastembed")
    try:
        yield
    finally:
        logger.enable("fastembed")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

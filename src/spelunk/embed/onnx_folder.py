"""Read what the folder of an ONNX model holds, and its id, without loading the model.

The folder is what the usual tools export (``optimum-cli export onnx``, or
sentence-transformers with the ``onnx`` backend): ``model.onnx``, there or in a
folder ``onnx`` below, ``tokenizer.json``, and JSON files beside it that say how
tokens become one vector. Nothing is ever downloaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any, Final

import xxhash
from msgspec import Struct

from spelunk.config import ONNX
from spelunk.errors import ConfigError
from spelunk.io import atomic
from spelunk.io.cache_dir import expand_user, index_home
from spelunk.io.json_file import read_object

SCHEME: Final = 1
"""Raised when the same files would give other vectors."""

DEFAULT_TOKENS: Final = 512
"""Longest input where no file names one: that of BERT (Devlin et al., 2019)."""
ABSURD_TOKENS: Final = 1_000_000
"""Tokenisers without a limit of their own write one of 10^30."""

BATCH_TOKENS: Final = 1024
"""Tokens run at a time, padding included: larger batches fall out of the caches (docs/decisions/onnx.md)."""
BYTES_A_CELL: Final = 120
"""Activations for each token and column: BERT's inner layer is four times as wide, in float32, and attention beside it."""
USUAL_WIDTH: Final = 768

DIGESTS: Final = "onnx-models.json"
"""In the folder of the indexes: digests of model files by path, size and times."""

_DESCRIPTIONS: Final = (
    "tokenizer.json", "tokenizer_config.json", "config.json", "sentence_bert_config.json", "modules.json",
    "1_Pooling/config.json", "config_sentence_transformers.json",
)  # fmt: skip
_POOLINGS: Final = {
    "pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "lasttoken",
}  # fmt: skip
_IN_GRAPH: Final = ("Transformer", "Pooling", "Normalize")


class Model(Struct, frozen=True):
    """A model on disk.

    Attributes:
        folder: Absolute path that the setting names.
        file: Absolute path of the ONNX file.
        tokenizer: Absolute path of ``tokenizer.json``.
        max_tokens: A longer text is cut there, special tokens included.
        pooling: ``mean``, ``cls`` or ``lasttoken``: how token vectors become one.
        width: Columns that the model gives; 0 if no file gives it.
        pad: The id of the padding token.
        query_prompt: Put before a query.
        text_prompt: Put before a text to be found.
        unapplied: Parts of the model that are in no ONNX file, by their kind.
    """

    folder: str
    file: str
    tokenizer: str
    max_tokens: int
    pooling: str
    width: int
    pad: int
    query_prompt: str
    text_prompt: str
    unapplied: tuple[str, ...]


def find(setting: str) -> Model:
    """The model that ``onnx:DIRECTORY`` means.

    Raises:
        ConfigError: There is none, or it is one that cannot be used; says what to do.
    """
    named = setting.removeprefix(ONNX) if setting.startswith(ONNX) else ""
    if not named:
        raise ConfigError(f"embedder {setting!r}: name the model's folder, onnx:DIRECTORY")
    path = os.path.abspath(expand_user(named))
    if not os.path.exists(path):
        raise ConfigError(
            f"embedder {setting!r}: no such folder, and nothing is ever downloaded; export the model "
            "where there is a network (optimum-cli export onnx --model NAME DIR) and say onnx:DIR"
        )
    file = _graph(setting, path)
    folders = [os.path.dirname(file), os.path.dirname(os.path.dirname(file))]
    tokenizer = next((t for f in folders if os.path.isfile(t := os.path.join(f, "tokenizer.json"))), None)
    if tokenizer is None:
        raise ConfigError(
            f"embedder {setting!r}: no tokenizer.json beside {os.path.basename(file)}; export the model with it"
        )
    described = {name: _load(os.path.join(os.path.dirname(tokenizer), name)) for name in _DESCRIPTIONS[1:]}
    return _described(setting, path, file, tokenizer, described)


def _graph(setting: str, path: str) -> str:
    if os.path.isfile(path):
        if path.endswith(".onnx"):
            return path
        raise ConfigError(f"embedder {setting!r}: neither a folder nor an .onnx file")
    for name in ("model.onnx", os.path.join("onnx", "model.onnx")):
        if os.path.isfile(os.path.join(path, name)):
            return os.path.join(path, name)
    graphs = sorted(n for n in os.listdir(path) if n.endswith(".onnx"))
    if len(graphs) == 1:
        return os.path.join(path, graphs[0])
    if graphs:
        raise ConfigError(f"embedder {setting!r}: several .onnx files and no model.onnx; name one of {', '.join(graphs)}")  # fmt: skip
    raise ConfigError(f"embedder {setting!r}: no model.onnx in it; export the model as ONNX")


def _load(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON ({error}); export the model again") from None


def _described(setting: str, folder: str, file: str, tokenizer: str, files: dict[str, Any]) -> Model:
    config, pooling = files["config.json"] or {}, files["1_Pooling/config.json"] or {}
    limits = (
        (files["sentence_bert_config.json"] or {}).get("max_seq_length"),
        (files["tokenizer_config.json"] or {}).get("model_max_length"),
        config.get("max_position_embeddings"),
    )
    known = [n for n in limits if isinstance(n, (int, float)) and 0 < n < ABSURD_TOKENS]
    width = pooling.get("word_embedding_dimension") or config.get("hidden_size") or 0
    pad = config.get("pad_token_id")
    prompts = (files["config_sentence_transformers.json"] or {}).get("prompts") or {}
    kinds = [str(m.get("type", "")).rpartition(".")[2] for m in files["modules.json"] or ()]
    return Model(
        folder=folder,
        file=file,
        tokenizer=tokenizer,
        max_tokens=int(min(known, default=DEFAULT_TOKENS)),
        pooling=_pooling(setting, pooling),
        width=int(width),
        pad=pad if isinstance(pad, int) else 0,
        query_prompt=str(prompts.get("query") or ""),
        text_prompt=str(prompts.get("document") or prompts.get("passage") or ""),
        unapplied=tuple(kind for kind in kinds if kind not in _IN_GRAPH),
    )


def _pooling(setting: str, described: dict[str, Any]) -> str:
    """How token vectors become one; the mean if no file gives it (Reimers and Gurevych, 2019)."""
    modes = [name for name, on in described.items() if name.startswith("pooling_mode_") and on is True]
    chosen = [_POOLINGS.get(name, name) for name in modes]
    mode = described.get("pooling_mode")
    if isinstance(mode, str):
        chosen.append(mode)
    if len(chosen) > 1 or (chosen and chosen[0] not in _POOLINGS.values()):
        raise ConfigError(
            f"embedder {setting!r}: pooling {' and '.join(chosen)} is not supported; mean, cls and lasttoken are"
        )
    return chosen[0] if chosen else "mean"


def identify(setting: str) -> str:
    """The id: the model's name and a digest of every file that decides its vectors.

    A folder that is moved or renamed keeps its id; other weights, another
    tokeniser or another pooling have another one.

    Raises:
        ConfigError: As :func:`find`.
    """
    model = find(setting)
    beside = os.path.dirname(model.tokenizer)
    files = [model.file, model.file + "_data", *(os.path.join(beside, name) for name in _DESCRIPTIONS)]
    digests = _digests([f for f in files if os.path.isfile(f)])
    whole = xxhash.xxh3_128_hexdigest("\n".join(digests).encode())
    config = _load(os.path.join(beside, "config.json")) or {}
    named = str(config.get("_name_or_path") or config.get("model_type") or "model")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(named.rstrip("/"))) or "model"
    return f"onnx-{SCHEME}-{name}-{whole[:16]}"


def memory(setting: str, callers: int) -> int:
    """Bytes that a model takes, roughly: twice its file while it loads, and the batches under way.

    Measured with MiniLM: 86 MiB of weights held 132 MiB and 170 at the most,
    each calling thread another 45.

    Raises:
        ConfigError: As :func:`find`.
    """
    model = find(setting)
    data = model.file + "_data"
    weights = os.path.getsize(model.file) + (os.path.getsize(data) if os.path.isfile(data) else 0)
    return 2 * weights + callers * BATCH_TOKENS * (model.width or USUAL_WIDTH) * BYTES_A_CELL


def _digests(paths: list[str]) -> list[str]:
    """A digest for each file; those of unchanged files are read from :data:`DIGESTS`."""
    kept = os.path.join(index_home(), DIGESTS)
    known = read_object(kept) or {}
    rows: dict[str, list[Any]] = {}
    old: Any
    try:
        for path in paths:
            about = os.stat(path)
            mark = [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
            old = known.get(path)
            same = isinstance(old, list) and old[:4] == mark and len(old) == 5
            rows[path] = list(old) if same else [*mark, _digest(path)]
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read: {error.strerror}") from None
    if any(known.get(path) != row for path, row in rows.items()):
        _remember(kept, known | rows)
    return [str(rows[path][4]) for path in paths]


def _digest(path: str) -> str:
    hasher = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as f:
        while block := f.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


def _remember(kept: str, rows: dict[str, list[Any]]) -> None:
    """Save the digests of files that exist; a failure costs only speed."""
    current = {path: row for path, row in rows.items() if os.path.exists(path)}
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
        atomic.write_bytes(kept, json.dumps(current).encode("utf-8", "surrogateescape"))

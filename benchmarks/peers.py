"""Spelunk against semble on the same folders in one run.

    python benchmarks/peers.py --semble VENV/bin/python --model DIR FOLDER...

`--semble` is the interpreter of an environment with semble 0.7; its own model
cannot be had offline, so `--model` names a folder in which a static model with
random weights (30,000 word pieces, 256 dimensions) is made: speed and memory do
not depend on the weights, and quality is not compared here. Cold is the first
search of a folder, the index included, warm the same search again, each a whole
process; peak memory is the proportional set size over the process tree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from spelunk.bench.memory import sizes, tree

MAKE_MODEL = """
import os, sys
import numpy as np
from model2vec import StaticModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
target, corpus = sys.argv[1:]
tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer()
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
files = [os.path.join(d, n) for d, _, names in os.walk(corpus) for n in names if n.endswith((".py", ".md", ".c", ".rst"))]
trainer = trainers.WordPieceTrainer(vocab_size=30_000, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
tokenizer.train(files[:1500], trainer)
rows = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 256)).astype(np.float32)
StaticModel(rows, tokenizer, normalize=True).save_pretrained(target)
"""
QUERY = "where are requests parsed and dispatched"


def measure(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Wall seconds and peak memory in MiB of one process tree."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(sizes(pid)[0] for pid in tree(process.pid)))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - began, peak / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--semble", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if not os.path.isdir(args.model):
        subprocess.run([args.semble, "-c", MAKE_MODEL, args.model, args.folders[0]], check=True)
    ratios: dict[str, list[float]] = {"cold": [], "warm": [], "memory": []}
    for folder in args.folders:
        rows = []
        for _ in range(args.rounds):
            row: dict[str, dict[str, float]] = {}
            for name in ("spelunk", "semble"):
                with tempfile.TemporaryDirectory() as home:
                    env = {
                        **os.environ,
                        "SPELUNK_HOME": home,
                        "XDG_CACHE_HOME": home,
                        "SEMBLE_MODEL_NAME": args.model,
                    }
                    env.pop("PYTHONDONTWRITEBYTECODE", None)
                    command = [sys.executable, "-m", "spelunk", "search", QUERY, folder]
                    if name == "semble":
                        semble = os.path.join(os.path.dirname(args.semble), "semble")
                        command = [semble, "search", QUERY, folder, "--content", "all", "-k", "10"]
                    cold, memory = measure(command, env)
                    warm = statistics.median(measure(command, env)[0] for _ in range(5))
                    row[name] = {"cold": cold, "warm": warm, "memory": memory}
            rows.append(row)
        out: dict[str, object] = {"folder": os.path.basename(os.path.realpath(folder))}
        for key, collected in ratios.items():
            ours = statistics.median(r["spelunk"][key] for r in rows)
            theirs = statistics.median(r["semble"][key] for r in rows)
            ratio = statistics.median(r["spelunk"][key] / r["semble"][key] for r in rows)
            collected.append(ratio)
            out[key] = {"spelunk": round(ours, 3), "semble": round(theirs, 3), "ratio": round(ratio, 3)}
        print(json.dumps(out), flush=True)
    print(json.dumps({key: round(statistics.geometric_mean(values), 3) for key, values in ratios.items()}))


if __name__ == "__main__":
    main()

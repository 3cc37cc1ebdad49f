"""Here are downloaded packages, give me each term's commonest written form.

    python -m training.surfaces --downloads DIR --into FILE.json

A term is a stem, which no dictionary and no other model knows; the words it
comes from are read off a sample of the sources.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import random
import re
import tempfile
from collections import Counter, defaultdict
from multiprocessing import Pool

from spelunk.text.tokens import parts, stem, words
from training.archives import unpack
from training.collect import SOURCE

SAMPLE = 500
BYTES = 600_000


def count(archive: str) -> dict[str, int]:
    """Packages' parts of words, each counted once a file."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            unpack(archive, folder, SOURCE, BYTES)
        except Exception:
            return {}
        for base, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(base, name), encoding="utf-8", errors="replace") as f:
                    found.update({p for w in set(words(f.read())) for p in parts(w) if len(p) <= 40})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--downloads", required=True)
    parser.add_argument("--into", required=True)
    args = parser.parse_args()
    every = sorted(
        f
        for f in glob.glob(os.path.join(args.downloads, "*", "*"))
        if re.search(r"\.(whl|tgz|deb)$|\.orig\.tar\.\w+$", f)
    )
    chosen = [
        f for f in random.Random(1).sample(every, min(SAMPLE, len(every))) if os.path.getsize(f) < 5_000_000
    ]
    total: Counter[str] = Counter()
    with Pool() as pool:
        for found in pool.imap_unordered(count, chosen):
            total.update(found)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for part, n in total.items():
        forms[stem(part)][part] += n
    with open(args.into, "w") as f:
        json.dump({t: c.most_common(1)[0][0] for t, c in forms.items()}, f)
    print(f"{len(forms):,} terms")


if __name__ == "__main__":
    main()

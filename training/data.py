"""Here are bags of terms by package, give me arrays to train on and a part held out."""

from __future__ import annotations

import glob
import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 10
"""One package in this many is only measured on, chosen by a hash of its name."""

Ints = NDArray[np.int32]


LABELLED = re.compile(
    r"(^|-)(abseil|nlohmann.*|curl|pycurl|redis|valkey|libcommons-lang.*|jackson-databind|golang-github-gin-gonic.*|php-laravel.*|ruby-rack.*|rails|"
    r"ruby-rail.*|ruby-act.*|(lib)?rust-tokio.*|newtonsoft.*|zig|haskell-pandoc.*|aiohttp|fastapi|flask|model2vec|pydantic.*|starlette|django|sympy|"
    r"scikit.learn|three.*|typescript|bats.*|capacitor.*|cpython|python3.*|dracut.*|elixir-lang|expo.*|fastify|kotlinx-coroutines|luarocks|"
    r"mocha|node|nodejs|prosody.*|rxjs|scala|trpc.*)$",
    re.I,
)
"""Packages of the labelled sets, by their name in a registry; nothing of them is trained on."""


def held_out(package: str) -> bool:
    """Whether a package is measured on and never trained on."""
    return zlib.crc32(b"held-out " + package.encode()) % HELD_OUT == 0


@dataclass(slots=True)
class Pairs:
    """Pairs as bags of row numbers.

    Attributes:
        ids: Rows, all texts one after another: question, answer, question, ...
        ends: ``(2n,)`` where each text ends in ``ids``.
        kinds: ``(n,)`` names of the kind.
        languages: ``(n,)`` names.
        packages: ``(n,)`` numbers.
        files: ``(n,)`` numbers, unique over packages.
        names: The packages' names.
    """

    ids: Ints
    ends: NDArray[np.int64]
    kinds: NDArray[np.str_]
    languages: NDArray[np.str_]
    packages: Ints
    files: NDArray[np.int64]
    names: list[str]

    def text(self, n: int, side: int) -> Ints:
        """The rows of one side (0 question, 1 answer) of a pair."""
        at = 2 * n + side
        return self.ids[self.ends[at - 1] if at else 0 : self.ends[at]]


def bucket(term: str, first: int, buckets: int) -> int:
    """The row of a term outside the vocabulary."""
    return first + zlib.crc32(term.encode("utf-8", "surrogatepass")) % buckets


def vocabulary(files: list[str], size: int, least: int = 3) -> list[str]:
    """The terms that most packages use, most widely used first."""
    spread: Counter[str] = Counter()
    for path in files:
        with np.load(path) as z:
            spread.update(z["vocabulary"].item().decode().split("\n"))
    ranked = sorted((-n, t) for t, n in spread.items() if n >= least and len(t) <= 40)
    return [t for _, t in ranked[:size]]


def load(files: list[str], rows: dict[str, int], buckets: int) -> Pairs:
    """Read packages' pairs, terms mapped to rows."""
    ids, ends, kinds, languages, packages, numbers, names = [], [], [], [], [], [], []
    at = file_base = 0
    for path in files:
        with np.load(path) as z:
            words = z["vocabulary"].item().decode().split("\n")
            table = np.array(
                [rows.get(w) if w in rows else bucket(w, len(rows), buckets) for w in words], np.int32
            )
            ids.append(table[z["ids"]])
            ends.append(z["ends"] + at)
            at += len(z["ids"])
            kinds.append(z["kinds"])
            languages.append(z["languages"])
            n = len(z["kinds"])
            packages.append(np.full(n, len(names), np.int32))
            numbers.append(z["files"].astype(np.int64) + file_base)
            file_base += int(z["files"].max()) + 1
            names.append(os.path.basename(path))
    return Pairs(
        np.concatenate(ids), np.concatenate(ends), np.concatenate(kinds), np.concatenate(languages),
        np.concatenate(packages), np.concatenate(numbers), names,
    )  # fmt: skip


def package_of(path: str) -> str:
    """The package's name as :func:`held_out` takes it: no version, no registry."""
    base = os.path.basename(path).split("-", 1)[1]
    return (
        base.split("_", 1)[0]
        if ".orig." in base or ".deb" in base
        else base.rsplit("-", 1)[0]
        if ".tgz" in base
        else base.split("-", 1)[0]
    )


def split(folder: str) -> tuple[list[str], list[str]]:
    """(files to train on, files held out), sorted."""
    every = [
        f for f in sorted(glob.glob(os.path.join(folder, "*.npz"))) if not LABELLED.search(package_of(f))
    ]
    return [f for f in every if not held_out(package_of(f))], [f for f in every if held_out(package_of(f))]

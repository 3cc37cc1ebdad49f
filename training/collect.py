"""Here are downloaded packages, give me their pairs as bags of terms, a file a package.

    python training/collect.py --downloads DIR --into DIR [--jobs N]

A package whose licence is not permissive, or that the evaluation measures on,
is left out and named with the reason.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import json
import os
import random
import re
import sys
import tempfile
import traceback
from collections.abc import Iterable
from multiprocessing import Pool

import numpy as np

from spelunk.config import Options
from spelunk.files import walk as discover
from spelunk.files.read import read
from spelunk.text.tokens import LEXICON, words
from spelunk.types import Document
from training.archives import licence_of, permissive, unpack
from training.data import LABELLED
from training.pairs import pairs

BYTES = 900_000
"""Source taken from one package, so that no large one drowns the rest."""
LARGE_BYTES = 12_000_000
"""The same for the only large source of a language."""
MAX_TERMS = 192
"""Terms of one text, those of its first words."""

LARGE = re.compile(r"^(mono|swiftlang|kotlin|kotlinx-coroutines|scala|elixir-lang)_")
NARROW = {"mono": r"\.cs$", "swiftlang": r"\.(swift|md|rst)$", "kotlin": r"\.(kt|md)$"}
SOURCE = re.compile(
    r"\.(py|pyi|js|mjs|cjs|jsx|ts|tsx|mts|go|rs|rb|java|kt|kts|php|hs|lhs|lua|ex|exs|erl|scala|swift|m|mm|c|h|cc|cpp|cxx|hh|hpp|hxx|"
    r"cs|fs|sh|bash|zsh|pl|pm|ml|mli|clj|cljs|el|lisp|scm|r|R|jl|dart|zig|nim|d|vue|svelte|sql|md|markdown|rst|txt|adoc)$|/bin/[\w-]+$"
)
SKIP = re.compile(
    r"(^|/)(node_modules|dist|build|min|umd|vendor|third_party|licenses?|locale|i18n)(/|$)|\.min\.|LICEN[SC]E|COPYING|CHANGE|NEWS|requirements",
    re.I,
)


def bag(text: str) -> list[str]:
    """The terms of a text's distinct words: what the embedder sums (spelunk.embed.static)."""
    found: list[str] = []
    for word in dict.fromkeys(words(text)):
        terms = list(LEXICON[word])
        if len(terms) > 1:
            del terms[0]
        elif word[0] in "0123456789":
            continue
        found += terms
        if len(found) >= MAX_TERMS:
            break
    return found[:MAX_TERMS]


def name_of(archive: str) -> str:
    """The package's name without its version."""
    base = os.path.basename(archive)
    if archive.endswith(".whl"):
        return base.split("-", 1)[0].lower()
    if archive.endswith(".tgz"):
        return re.sub(r"-\d[^-]*(-[\w.]+)?\.tgz$", "", base)
    return base.split("_", 1)[0]


def collect(task: tuple[str, str]) -> tuple[str, str, int]:
    """(package, what came of it, pairs)."""
    archive, into = task
    registry = os.path.basename(os.path.dirname(archive))
    name = name_of(archive)
    target = os.path.join(into, f"{registry}-{os.path.basename(archive)}.npz")
    if os.path.exists(target):
        return name, "kept", 0
    try:
        companion = None
        if registry == "deb":
            found = glob.glob(re.sub(r"\.orig\.tar\..*$", "", glob.escape(archive)) + "*.debian.tar.*")
            companion = found[0] if found else None
        licence = licence_of(archive, companion)
        if not permissive(licence):
            return name, f"licence {licence!r}", 0
        wanted = re.compile(NARROW[name]) if name in NARROW else SOURCE
        with tempfile.TemporaryDirectory() as folder:
            root = os.path.join(folder, name)
            os.makedirs(root)
            limit = LARGE_BYTES if LARGE.match(os.path.basename(archive)) else BYTES
            if not unpack(archive, root, wanted, limit):
                return name, "no source", 0
            rng = random.Random(name)
            return name, licence, save(target, licence, root, rng)
    except Exception:
        return name, "error: " + traceback.format_exc(limit=-2).replace("\n", " ")[-200:], 0


def save(target: str, licence: str, root: str, rng: random.Random) -> int:
    """Write the pairs of a folder; returns how many."""
    vocabulary: dict[str, int] = {}
    kinds: list[str] = []
    languages: list[str] = []
    ids: list[int] = []
    ends: list[int] = []
    files: list[int] = []
    seen: set[bytes] = set()
    options = Options()

    def add(terms: Iterable[str]) -> None:
        ids.extend(vocabulary.setdefault(t, len(vocabulary)) for t in terms)
        ends.append(len(ids))

    for number, candidate in enumerate(discover.walk(root, options).candidates):
        if SKIP.search(candidate.path):
            continue
        document = read(root, candidate, options)
        if not isinstance(document, Document) or max(map(len, document.text.splitlines()), default=0) > 2000:
            continue
        for pair in pairs(document, rng):
            question, answer = bag(pair.question), bag(pair.answer)
            if len(question) < 1 or len(answer) < 5:
                continue
            digest = hashlib.blake2b(
                " ".join([*question, "|", *answer]).encode("utf-8", "replace"), digest_size=8
            ).digest()
            if digest in seen:
                continue
            seen.add(digest)
            add(question)
            add(answer)
            kinds.append(pair.kind)
            languages.append(document.language)
            files.append(number)
    if kinds:
        np.savez(
            target + ".tmp.npz",
            licence=np.array(licence),
            vocabulary=np.array("\n".join(vocabulary).encode("utf-8", "replace")),
            kinds=np.array(kinds),
            languages=np.array(languages),
            files=np.array(files, np.int32),
            ids=np.array(ids, np.int32),
            ends=np.array(ends, np.int64),
        )
        os.rename(target + ".tmp.npz", target)
    return len(kinds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--downloads", required=True)
    parser.add_argument("--into", required=True)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    os.makedirs(args.into, exist_ok=True)
    archives = sorted(
        f
        for f in glob.glob(os.path.join(args.downloads, "*", "*"))
        if f.endswith((".whl", ".tgz", ".deb")) or re.search(r"\.orig\.tar\.\w+$", f)
    )
    tasks = [(f, args.into) for f in archives if not LABELLED.search(name_of(f))]
    report = []
    with Pool(args.jobs, maxtasksperchild=40) as pool:
        for n, (name, what, count) in enumerate(pool.imap_unordered(collect, tasks), 1):
            report.append((name, what, count))
            if n % 100 == 0:
                print(
                    f"{n}/{len(tasks)}  {sum(c for _, _, c in report):,} pairs", file=sys.stderr, flush=True
                )
    with open(os.path.join(args.into, "report.json"), "a") as f:
        for row in report:
            f.write(json.dumps(row) + "\n")
    print(f"{sum(c for _, _, c in report):,} pairs of {sum(1 for _, _, c in report if c)} packages")


if __name__ == "__main__":
    main()

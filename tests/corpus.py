"""Small source trees for tests."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "batch",
    "flush",
    "queue",
    "worker",
    "index",
    "chunk",
    "vector",
    "search",
    "token",
    "parse",
    "merge",
]


def python_file(seed: int, functions: int = 6) -> str:
    """A module that parses, different for every seed."""
    r = random.Random(seed)
    out = [f'"""Module {seed} about {r.choice(WORDS)}."""', "", "import os", ""]
    for n in range(functions):
        a, b, c = r.choices(WORDS, k=3)
        out += [
            "",
            f"def {a}_{b}_{seed}_{n}({c}: int) -> int:",
            f'    """The {a} of a {b}, by {c}."""',
            f"    total = {c} * {r.randrange(1000)}",
            *(f"    total += {r.choice(WORDS)}_{i}({c})" for i in range(r.randrange(3, 30))),
            "    return total",
        ]
    return "\n".join(out) + "\n"


def write_tree(root: Path, files: int, seed: int = 0, functions: int = 6) -> None:
    """``files`` Python modules in folders of ten, some Markdown and one C file."""
    for n in range(files):
        path = root / f"pkg{n // 10}" / f"mod_{n}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(python_file(seed * 100_003 + n, functions))
    (root / "README.md").write_text("# Tree\n\nAbout batches.\n\n## Flushing\n\nHow queues are flushed.\n")
    (root / "core.c").write_text('#include "x.h"\n\nint flush_queue(int n)\n{\n\treturn n + 1;\n}\n')


def write_large_tree(root: Path, files: int, *, functions: int) -> Path:
    """Write so many modules of so many functions each, and one module about otters."""
    for n in range(files):
        folder = root / f"part{n % 20}"
        folder.mkdir(exist_ok=True)
        lines = [f"def step_{n}_{i}(value):\n    return value * {n} + {i}\n" for i in range(functions)]
        (folder / f"module_{n}.py").write_text("\n".join(lines))
    (root / "part7" / "otter_pool.py").write_text("def admit(otter):\n    return swim(otter)\n")
    return root

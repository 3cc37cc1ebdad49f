"""Imports point down only, and what must start fast imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "spelunk"

LAYERS: list[set[str]] = [
    {"errors", "types", "versions", "observe", "events", "metrics", "logs", "faults", "plainfile", "language_data", "terminal", "tokencount", "globs"},
    {"config", "languages", "pathflags", "ambiguous", "classify", "tokens", "packet", "ignore", "ignorefiles", "places", "unchanged",
     "regex", "regexplan", "pathglob", "querysyntax", "query", "notebook", "answer", "home", "exposition", "breakerstate", "resilience"},
    {"read", "chunk", "embed", "discover", "why"},
    {"state", "store", "snippet"},
    {"freshness", "rank", "present", "pipeline"},
    {"scope", "grep", "search"},
    {"similar"},
    {"index", "ask", "status", "testing"},
    {"evaluate", "bench"},
    {"cli", "branchwork", "__main__"},
]  # fmt: skip
"""Bottom first. A module may import from its own layer and those below."""

LEVEL = {name: n for n, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """Top-level modules of spelunk that a file imports, those for type checking alone left out."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skip: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            skip |= {id(n) for n in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skip:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "spelunk":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("spelunk.")}
    return found


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def unit(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def test_every_module_has_a_layer() -> None:
    assert {unit(p) for p in modules()} - set(LEVEL) - {"__init__"} == set()


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    name = unit(path)
    if name == "__init__":
        return

    upward = {i for i in imports(path) if i in LEVEL and LEVEL[i] > LEVEL[name]}

    assert not upward, f"{path.relative_to(SOURCE)} imports {upward} from above"


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import spelunk", ["numpy", "tantivy", "tree_sitter", "asyncio", "subprocess"]),
        ("import spelunk.cli", ["numpy", "tantivy", "tree_sitter", "asyncio", "subprocess", "tomllib"]),
        ("import spelunk.branchwork.cli", ["numpy", "tantivy", "tree_sitter", "asyncio", "sqlite3"]),
        ("from spelunk import Index; Index.open('.')", ["numpy", "tantivy", "tree_sitter", "asyncio"]),
    ],
)
def test_start_up_stays_light(statement: str, heavy: list[str], tmp_path: Path) -> None:
    code = f"{statement}\nimport sys\nprint([m for m in {heavy!r} if m in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )

    assert done.stdout.strip() == "[]"

"""Imports point down, file by file and without circles; what must start fast imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "spelunk"

LAYERS: list[set[str]] = [
    {"errors", "types", "versions"},
    {"faults"},
    {"io", "observe.events", "observe"},
    {"text", "pasted"},
    {"files.glob", "files.languages", "files.language_tables", "files.language_heuristics"},
    {"settings", "settings_files", "trust", "config"},
    {"files", "remote", "observe.logs", "observe.metrics", "observe.prometheus"},
    {"chunk", "embed"},
    {"store"},
    {"history"},
    {"search.query", "search.query_syntax", "search.reading", "search.answer", "search.request"},
    {"workspace"},
    {"search", "pipeline", "graph"},
    {"history.update", "history.current"},
    {"index", "index_refresh", "index_views"},
    {"watch"},
    {"present", "evaluate", "testing"},
    {"bench"},
    {"branchwork", "adapters"},
    {"cli"},
    {"__main__", "branchwork.__main__"},
]
"""Bottom first. A package or a single module of one; a module may import from its own layer and those below."""

LEVEL = {name: n for n, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def dotted(path: Path) -> str:
    """``store.manifest`` of ``store/manifest.py``, ``store`` of ``store/__init__.py``."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path) for path in modules()}


def level(name: str) -> int:
    """The layer of the longest prefix that has one."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in LEVEL:
            return LEVEL[".".join(parts[:n])]
    raise KeyError(name)


def imports(path: Path, *, for_types: bool = False) -> set[str]:
    """Modules of spelunk that a file imports, inside functions too; those for type checking alone if asked."""
    always, for_checks = _both(path)
    return {*always, *for_checks} if for_types else {*always}


@cache
def _both(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """What a file imports always, and what for type checking alone."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    skip: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            skip |= {id(n) for statement in node.body for n in ast.walk(statement)}
    always = frozenset(name for node in nodes if id(node) not in skip for name in _imported(node))
    return always, frozenset(name for node in nodes if id(node) in skip for name in _imported(node))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "spelunk":
        base = node.module.removeprefix("spelunk").lstrip(".")
        for alias in node.names:
            name = f"{base}.{alias.name}".lstrip(".")
            if name in NAMES:
                yield name
            elif base:
                yield base
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.startswith("spelunk."):
                yield alias.name.removeprefix("spelunk.")


def test_every_module_has_a_layer() -> None:
    assert [name for name in sorted(NAMES - {""}) if not any(_prefix(name))] == []


def _prefix(name: str) -> Iterator[bool]:
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        yield ".".join(parts[:n]) in LEVEL


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    name = dotted(path)
    if not name:
        return

    upward = {i for i in imports(path) if level(i) > level(name)}

    assert not upward, f"{path.relative_to(SOURCE)} imports {upward} from above"


def test_no_module_imports_itself_in_a_circle() -> None:
    """Imports for type checking count too: two modules that name each other's types are one idea."""
    graph = {dotted(path): imports(path, for_types=True) - {dotted(path), ""} for path in modules()}

    assert circles(graph) == []


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan, 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(graph.get(name, ())):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            at = stack.index(name)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                out.append(sorted(component))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return out


def test_adapters_do_not_import_the_store() -> None:
    adapters = [
        p for p in modules() if dotted(p).split(".")[0] in ("cli", "present", "branchwork", "adapters")
    ]

    assert {dotted(p) for p in adapters if any(i.split(".")[0] == "store" for i in imports(p))} == set()


def test_the_root_of_the_package_stays_small() -> None:
    assert len(list(SOURCE.glob("*.py"))) <= 13


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import spelunk", ["numpy", "tantivy", "tree_sitter", "asyncio", "subprocess"]),
        ("import spelunk.cli", ["numpy", "tantivy", "tree_sitter", "asyncio", "subprocess", "tomllib"]),
        (
            "import spelunk.branchwork.api, spelunk.cli.commands.branchwork",
            ["numpy", "tantivy", "tree_sitter", "asyncio", "sqlite3"],
        ),
        (
            "from spelunk import Index; Index.open('.')",
            [
                "numpy",
                "tantivy",
                "tree_sitter",
                "asyncio",
                "_hashlib",
                "pickle",
                "urllib.parse",
                "dataclasses",
            ],
        ),
        (
            "import spelunk.search.engine, spelunk.search.reading, spelunk.store.snapshot",
            [
                "numpy",
                "spelunk.pasted",
                "subprocess",
                "spelunk.chunk.parsed",
                "shutil",
                "string",
                "dataclasses",
            ],
        ),
    ],
)
def test_start_up_stays_light(statement: str, heavy: list[str], tmp_path: Path) -> None:
    code = f"{statement}\nimport sys\nprint([m for m in {heavy!r} if m in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_console_script_keeps_typing_extensions_out(tmp_path: Path) -> None:
    """msgspec takes it where it is installed, as here, and it imports inspect."""
    assert find_spec("typing_extensions") is not None
    (tmp_path / "a.py").write_text("def otter(): ...\n")
    words = ["spelunk", "search", "otter", str(tmp_path), "--index-dir", str(tmp_path / "ix")]
    subprocess.run([sys.executable, "-m", *words], check=True)

    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *words], capture_output=True, text=True, check=True
    )

    assert "a.py" in done.stdout
    rows = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {row.rpartition("|")[2].strip() for row in rows}
    assert "msgspec" in imported and not {"inspect", "tokenize", "dataclasses"} & imported

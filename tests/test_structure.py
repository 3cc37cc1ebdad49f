"""The structure of the source: line budgets, one class for one name, SQL and Tantivy inside the store."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "spelunk"
BUDGETS = TESTS / "line_budgets.toml"
MAX_MODULE_LINES = 420
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET|PRAGMA\s+\w+)", re.S
)


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def package_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else "root"


def code_lines(path: Path) -> int:
    """Lines with code: neither blank, nor comment, nor docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for statement in body:
                if (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                ):
                    docstrings |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    lines: set[int] = set()
    ignored = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in ignored:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def test_every_package_keeps_its_line_budget() -> None:
    """A budget is raised on purpose, in the change that needs it, with the reason in its commit."""
    budgets = tomllib.loads(BUDGETS.read_text(encoding="utf-8"))["code_lines"]
    counted: Counter[str] = Counter()
    for path in modules():
        counted[package_of(path)] += code_lines(path)

    over = {
        name: (lines, budgets.get(name)) for name, lines in counted.items() if lines > budgets.get(name, 0)
    }

    assert over == {}, f"more code lines than {BUDGETS.name} allows: {over}"
    assert set(budgets) == set(counted)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_module_holds_two_ideas(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES


def test_no_two_public_classes_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name_of(path))

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_tantivy_is_imported_in_the_store_alone() -> None:
    users = {name_of(p) for p in modules() if "tantivy" in _imported(p)}

    assert {u for u in users if not u.startswith("store/")} == set()


def test_sql_is_written_in_the_store_alone() -> None:
    outside = [p for p in modules() if package_of(p) != "store"]

    assert {name_of(p): s for p in outside for s in _strings(p) if SQL.search(s)} == {}


def test_sql_is_seen() -> None:
    assert SQL.search("SELECT a, b FROM t") and SQL.search("UPDATE files SET x = 1")
    assert not SQL.search("select a chunk from the list")


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _strings(path: Path) -> list[str]:
    """String constants of a module, f-strings with their gaps left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            strings.append("".join(v.value if isinstance(v, ast.Constant) else "?" for v in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.append(node.value)
    return strings


def test_no_function_of_a_package_has_the_name_of_a_module_in_it() -> None:
    """The import of the module would replace the function, and only where it comes second."""
    clashes = []
    for package in SOURCE.rglob("__init__.py"):
        defined = {
            node.name
            for node in ast.parse(package.read_text()).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        inside = {path.stem for path in package.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
        clashes += [f"{package.relative_to(SOURCE)}: {name}" for name in defined & inside]

    assert clashes == []

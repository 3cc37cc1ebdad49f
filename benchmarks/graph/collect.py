"""Ask a language server about sampled symbols of a tree, and keep its answers as JSON.

Symbols are sampled from the server's own list of every file: functions, methods, types and what is
declared outside functions; at most a few of one file, no tests (``test_*``, ``Test*``), no special methods
of the language (``__eq__``, constructors). Of each: its references, its callers with the lines of their
calls, and for up to two references drawn at random the definition that the server gives. Lines are 1-based.

    python benchmarks/graph/collect.py pyright TREE OUT.json --symbols 220
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsp import NoAnswerError, Server, path_of, uri
from servers import ORACLES, OTHERS, Oracle, files_of

KINDS = {
    5: "class", 6: "method", 8: "field", 10: "enum", 11: "interface", 12: "function", 13: "variable",
    14: "constant", 22: "member", 23: "struct", 7: "property", 26: "type",
}  # fmt: skip
"""Kinds of the protocol that are sampled."""
CALLABLE = frozenset({"function", "method"})
VALUES = frozenset({"variable", "constant", "field", "property", "member"})
"""Kinds of which fewer are sampled."""
UNSURE = frozenset({"variable", "constant"})
INSIDE = frozenset({"class", "interface", "struct", "enum"})
"""Kinds whose members are sampled too, besides modules and namespaces."""
CONTAINERS = frozenset({2, 3, 4, 19})
ARROW = re.compile(r"=\s*(?:async\b\s*)?(?:function\b|<|\(.*(?:=>|$)|\w+\s*=>)")
"""A variable that holds a function."""
IMPORTS = re.compile(r"^import\b[^;'\"]*['\"][^'\"\n]*['\"]", re.MULTILINE)
NOT_SAMPLED = re.compile(r"^(?:__\w+__|test_\w*|Test\w*|Benchmark\w*|Example\w*|constructor|init|main|_)$")
DEFINITIONS = 2

Place = list[Any]
"""Relative path and 1-based line."""


class Collector:
    def __init__(self, oracle: Oracle, server: Server, tree: Path, rng: random.Random) -> None:
        self.oracle = oracle
        self.server = server
        self.tree = tree
        self.rng = rng
        self.opened: set[Path] = set()

    def open(self, path: Path) -> None:
        if path not in self.opened:
            language = "typescriptreact" if path.suffix == ".tsx" else self.oracle.language
            self.server.open(str(path), "cpp" if path.suffix in (".cc", ".cpp", ".hpp") else language)
            self.opened.add(path)

    def symbols(self, path: Path) -> list[dict[str, Any]]:
        self.open(path)
        answer = self.server.request("textDocument/documentSymbol", {"textDocument": {"uri": uri(str(path))}})
        found: list[dict[str, Any]] = []
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")
        # servers list what is imported as variables
        imported = {
            line
            for found_import in IMPORTS.finditer(text if path.suffix in (".ts", ".tsx") else "")
            for line in range(
                text.count("\n", 0, found_import.start()) + 1, text.count("\n", 0, found_import.end()) + 2
            )
        }

        def walk(symbols: list[dict[str, Any]], depth: int) -> None:
            for symbol in symbols:
                kind = KINDS.get(symbol["kind"], "")
                position = symbol.get("selectionRange", {}).get("start")
                name = symbol["name"].split("(")[0].rpartition(".")[2].strip()  # gopls: (*T).name
                if name.startswith(")") or not re.fullmatch(r"\w+", name):
                    name = ""
                if position and position["line"] + 1 in imported:
                    continue
                if kind and position and name and not NOT_SAMPLED.match(name):
                    line = lines[position["line"]] if position["line"] < len(lines) else ""
                    at = re.search(rf"\b{re.escape(name)}\b", line[position["character"] :])
                    if kind == "variable" and ARROW.search(line):
                        kind = "function"
                    if at:
                        column = position["character"] + at.start()
                        found.append(
                            {"name": name, "kind": kind, "line": position["line"] + 1, "column": column}
                        )
                if kind in INSIDE or symbol["kind"] in CONTAINERS:
                    walk(symbol.get("children") or [], depth + 1)

        walk(answer or [], 0)
        return found

    def is_definition(self, path: Path, symbol: dict[str, Any]) -> bool:
        line = symbol["line"]
        found = self.places(self.ask("textDocument/definition", str(path), line, symbol["column"]))
        relative = path.relative_to(self.tree).as_posix()
        return any((f[0], f[1]) == (relative, line) for f in found)

    def is_blind(self, path: Path) -> bool:
        """Whether the server does not read a file: build constraints leave it out."""
        try:
            self.ask("textDocument/references", str(path), 1, 0, context={"includeDeclaration": True})
        except NoAnswerError as error:
            return "no package metadata" in str(error)
        return False

    def inactive(self, paths: Sequence[Path], seconds: float) -> dict[str, list[tuple[int, int]]]:
        """Lines that the preprocessor leaves out, of as many files as the server reads in this time."""
        end = time.monotonic() + seconds
        known = self.server.inactive
        for path in sorted(paths):
            if time.monotonic() > end:
                break
            if str(path) not in known:
                self.open(path)
                while str(path) not in known and time.monotonic() < end:
                    time.sleep(0.05)
                self.server.close(str(path))
        return {
            p.relative_to(self.tree).as_posix(): known[str(p)] for p in sorted(paths) if known.get(str(p))
        }

    def places(self, locations: Any) -> list[Place]:
        """Places inside the tree, each once, in order."""
        found = set()
        for location in locations if isinstance(locations, list) else [locations] if locations else []:
            address = location.get("uri") or location.get("targetUri")
            span = location.get("range") or location.get("targetSelectionRange")
            relative = self.relative(address)
            if relative is not None:
                found.add((relative, span["start"]["line"] + 1, span["start"]["character"]))
        return [list(place) for place in sorted(found)]

    def all_places(self, locations: Any) -> list[list[Any]]:
        """Places anywhere; one outside the tree has the path "" and the line 0."""
        found = []
        for location in locations if isinstance(locations, list) else [locations] if locations else []:
            relative = self.relative(location.get("uri") or location.get("targetUri"))
            span = location.get("range") or location.get("targetSelectionRange")
            found.append(["", 0] if relative is None else [relative, span["start"]["line"] + 1])
        return found

    def relative(self, address: str) -> str | None:
        try:
            return Path(path_of(address)).relative_to(self.tree).as_posix()
        except ValueError:
            return None

    def ask(self, method: str, path: str, line: int, column: int, **more: Any) -> Any:
        where = {"textDocument": {"uri": uri(path)}, "position": {"line": line - 1, "character": column}}
        return self.server.request(method, {**where, **more})

    def answers(self, path: Path, symbol: dict[str, Any]) -> dict[str, Any]:
        full, line, column = str(path), symbol["line"], symbol["column"]
        context = {"includeDeclaration": False}
        references = self.places(self.ask("textDocument/references", full, line, column, context=context))
        row: dict[str, Any] = {"path": path.relative_to(self.tree).as_posix(), **symbol}
        # servers differ in what they call a declaration: the place itself is never a reference
        references = [r for r in references if (r[0], r[1]) != (row["path"], line)]
        row["references"] = references
        row["callers"] = self.callers(full, line, column) if symbol["kind"] in CALLABLE else None
        row["definitions"] = []
        for used in self.rng.sample(references, min(DEFINITIONS, len(references))):
            target = self.tree / used[0]
            self.open(target)
            found = self.places(self.ask("textDocument/definition", str(target), used[1], used[2]))
            if found:
                row["definitions"].append({"at": used, "found": found})
        return row

    def callers(self, path: str, line: int, column: int) -> list[dict[str, Any]] | None:
        try:
            items = self.ask("textDocument/prepareCallHierarchy", path, line, column)
        except NoAnswerError:  # the type of a function
            return None
        if not items:
            return None
        found = []
        for item in items[:1]:
            for call in self.server.request("callHierarchy/incomingCalls", {"item": item}) or []:
                caller = call["from"]
                relative = self.relative(caller["uri"])
                if relative is not None:
                    lines = sorted({span["start"]["line"] + 1 for span in call["fromRanges"]})
                    start = caller["selectionRange"]["start"]["line"] + 1
                    found.append({"path": relative, "line": start, "name": caller["name"], "calls": lines})
        return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("oracle", choices=sorted(ORACLES))
    parser.add_argument("tree", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--symbols", type=int, default=220, help="functions, methods and types")
    parser.add_argument("--values", type=int, default=40, help="variables, constants and fields")
    parser.add_argument("--per-file", type=int, default=6)
    parser.add_argument("--files", type=int, default=400, help="files whose symbols are listed")
    parser.add_argument("--under", default="", help="only files below this folder")
    parser.add_argument("--skip", default="", help="no files whose path matches this expression")
    parser.add_argument("--patience", type=float, default=300, help="seconds for reading all files again")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    oracle, tree = ORACLES[asked.oracle], asked.tree.resolve()
    rng = random.Random(asked.seed)
    paths = [
        path
        for path in files_of(tree / asked.under, oracle.extensions)
        if not asked.skip or not re.search(asked.skip, path.relative_to(tree).as_posix())
    ]
    rng.shuffle(paths)
    began = time.monotonic()
    server = oracle.start(tree, str(asked.out.with_suffix(".log")))
    try:
        collector = Collector(oracle, server, tree, rng)
        for path in paths[:3]:
            collector.open(path)
        oracle.settle(server)
        print(f"{asked.oracle}: ready after {time.monotonic() - began:.0f} s", file=sys.stderr)
        pool: list[tuple[Path, dict[str, Any]]] = []
        for path in paths[: asked.files]:
            try:
                symbols = collector.symbols(path)
            except NoAnswerError as error:
                print(f"{path}: {error}", file=sys.stderr)
                continue
            pool += [(path, s) for s in rng.sample(symbols, min(asked.per_file, len(symbols)))]
        rng.shuffle(pool)
        wanted = {True: asked.values, False: asked.symbols}
        rows: list[dict[str, Any]] = []
        for path, symbol in pool:
            is_value = symbol["kind"] in VALUES
            if wanted[is_value] == 0:
                continue
            try:
                if symbol["kind"] in UNSURE and not collector.is_definition(path, symbol):
                    continue  # an import that is listed as a variable
                row = collector.answers(path, symbol)
            except NoAnswerError as error:
                print(f"{path}:{symbol['line']} {symbol['name']}: {error}", file=sys.stderr)
                continue
            wanted[is_value] -= 1
            rows.append(row)
            if len(rows) % 20 == 0:
                write(asked, rows)
        blind = [
            p.relative_to(tree).as_posix() for p in sorted(paths) if oracle.blind and collector.is_blind(p)
        ]
        if oracle.inactive:  # sources that are not compiled
            others = files_of(tree, oracle.extensions)
            blind = [
                p.relative_to(tree).as_posix() for p in others if OTHERS & set(p.relative_to(tree).parts)
            ]
        write(asked, rows, blind)
        if oracle.inactive:
            write(asked, rows, blind, collector.inactive(paths, asked.patience))
        with_references = sum(1 for row in rows if row["references"])
        print(
            f"{tree.name}: {len(rows)} symbols, {with_references} with references, "
            f"{time.monotonic() - began:.0f} s",
            file=sys.stderr,
        )
    finally:
        server.stop()
    return 0


def write(
    asked: argparse.Namespace,
    rows: list[dict[str, Any]],
    blind: Sequence[str] = (),
    inactive: dict[str, list[tuple[int, int]]] | None = None,
) -> None:
    result = {
        "oracle": asked.oracle,
        "tree": asked.tree.name,
        "seed": asked.seed,
        "blind": list(blind),
        "inactive": inactive or {},
        "symbols": rows,
    }
    asked.out.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())

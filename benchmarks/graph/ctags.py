"""Definitions of the chunker against those of universal-ctags, language by language.

Counted are definitions of functions, methods, types, modules and macros, not those inside functions, and
not members that are data. One is found if the same name is defined on the same line of the same file;
``near`` counts those within two lines too, ``same file``
those of the same name anywhere in the file: ctags gives the tag of a ``typedef struct``, one of several
clauses, or a type signature, where the chunker gives another line. What ctags misses is not counted against it: it gives no precision.

    python benchmarks/graph/ctags.py TREE... --errors errors.txt
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

KINDS = {
    "Java": "annotation class enum interface method",
    "C#": "class enum interface method property struct",
    "Ruby": "class method module singletonMethod",
    "PHP": "class function interface trait",
    "Kotlin": "class interface method object typealias",
    "Elixir": "function macro module protocol",
    "Haskell": "function type module",
    "C": "function struct union enum typedef macro",
    "C++": "function struct union enum typedef class namespace macro",
    "Go": "func type struct interface methodSpec",
    "Rust": "function method struct enum interface macro module typedef",
    "Python": "class function member",
    "TypeScript": "class enum function interface method",
    "JavaScript": "class function method generator",
    "Lua": "function",
    "Perl": "subroutine package",
    "Sh": "function",
    "Tcl": "procedure",
    "Erlang": "function",
    "OCaml": "class method module type function",
    "R": "function",
    "SQL": "function procedure table view",
    "Protobuf": "message enum service rpc",
}
CLAUSES = frozenset({"Elixir", "Haskell", "Erlang"})
"""A function has several clauses there: the first one counts."""
CONSTRAINT = re.compile(r"\bwhere\s+\w+\s*:")
TYPES = frozenset(
    {"class", "interface", "struct", "enum", "trait", "object", "module", "namespace", "implementation"}
)
LOCAL = frozenset({"function", "method", "member", "func", "subroutine", "singletonMethod"})
"""Scopes whose inside is not counted."""
MOST_CHARS = 1_000_000
BATCH = 300

Tag = tuple[str, str, int]
"""Path, name and line."""


def tags_of(tree: Path) -> dict[str, dict[Tag, str]]:
    """Definitions by language, with their kinds."""
    command = [
        "ctags",
        "--output-format=json",
        "--fields=+nKlsZP",
        "--extras=-{anonymous}{qualified}",
        "--exclude=deps",
        "--exclude=vendor",
        "-R",
        "-f",
        "-",
        ".",
    ]
    out = subprocess.run(command, cwd=tree, capture_output=True, check=True).stdout
    found: dict[str, dict[Tag, str]] = defaultdict(dict)
    tags: list[dict[str, Any]] = [json.loads(line.decode("utf-8", "replace")) for line in out.splitlines()]
    functions = {
        (t["path"], t["name"]) for t in tags if t.get("kind") in LOCAL and t.get("scopeKind") not in TYPES
    }
    clauses: set[tuple[str, str]] = set()
    for tag in tags:
        language, kind = tag.get("language", ""), tag.get("kind", "")
        if kind not in KINDS.get(language, "").split() or tag.get("scopeKind") in LOCAL:
            continue
        name = str(tag["name"]).rpartition(".")[2]
        if (
            name.startswith("__anon")
            or "<" in name
            or (tag["path"], re.split(r"[.:]", tag.get("scope", ""))[0]) in functions
        ):
            continue
        if CONSTRAINT.search(tag.get("pattern", "")) and language == "C#" and kind != "method":
            continue  # ctags takes the type of ``where T : Base`` for a member
        if language in CLAUSES:
            if (tag["path"], name) in clauses:
                continue
            clauses.add((tag["path"], name))
        found[language][tag["path"].removeprefix("./"), name, tag["line"]] = kind
    return found


def definitions_of(tree: Path, paths: list[str]) -> dict[tuple[str, str], list[int]]:
    """Lines of definitions by path and name, as the chunker gives them."""
    from spelunk.testing import MemoryReader

    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for start in range(0, len(paths), BATCH):
        texts = {}
        for path in paths[start : start + BATCH]:
            text = (tree / path).read_text(encoding="utf-8", errors="replace")
            if len(text) <= MOST_CHARS:
                texts[path] = text
        reader = MemoryReader.of_files(texts).relations
        path_of = {row.id: path for path, row in reader.files_at(list(texts)).items()}
        for rows in reader.definitions_in(list(path_of)).values():
            for row in rows:
                # ``A.B`` of a nested module, ``I.run`` of an explicit implementation
                for name in {row.name, row.name.rpartition(".")[2]}:
                    found[path_of[row.file], name].append(row.line)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", type=Path, nargs="+")
    parser.add_argument("--languages", default="", help="only these, by ctags' names, with commas")
    parser.add_argument("--files", type=int, default=600, help="files of a language and tree, at random")
    parser.add_argument("--errors", type=Path)
    parser.add_argument("--shown", type=int, default=8)
    asked = parser.parse_args()
    rng = random.Random(5)
    wanted = set(filter(None, asked.languages.split(",")))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for tree in asked.trees:
        for language, tags in tags_of(tree).items():
            if wanted and language not in wanted:
                continue
            paths = sorted({path for path, _, _ in tags})
            chosen = set(rng.sample(paths, min(asked.files, len(paths))))
            known = definitions_of(tree, sorted(chosen))
            row = counts[language]
            row[0] += len(chosen)
            for (path, name, line), kind in tags.items():
                if path not in chosen:
                    continue
                lines = known.get((path, name), ())
                row[1] += 1
                row[2] += line in lines
                row[3] += any(abs(line - other) <= 2 for other in lines)
                row[4] += bool(lines)
                if not lines:
                    text = (tree / path).read_text(encoding="utf-8", errors="replace").split("\n")[line - 1]
                    missing[language, kind].append(
                        f"{tree.name}/{path}:{line} {name} {list(lines)[:3]}: {text.strip()[:110]}"
                    )
        print(tree.name, file=sys.stderr)
    print("| language | files | definitions | recall, same line | near | same file |")
    print("|-|-|-|-|-|-|")
    for language, (files, total, exact, near, same) in sorted(counts.items()):
        if total >= 20:
            print(
                f"| {language} | {files:,} | {total:,} | {exact / total:.3f} | {near / total:.3f} | {same / total:.3f} |"
            )
    if asked.errors:
        with asked.errors.open("w", encoding="utf-8") as file:
            for (language, kind), texts in sorted(
                missing.items(), key=lambda pair: (pair[0][0], -len(pair[1]))
            ):
                print(f"\n{language} {kind}: {len(texts)}", file=file)
                for text in rng.sample(texts, min(asked.shown, len(texts))):
                    print(f"    {text}", file=file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Definitions of the index against those of universal-ctags, language by language.

Counted are definitions of functions, methods, types, modules and macros, not those inside functions, and
not members that are data. Definitions of the index are the stored ones (``stored``) and those that a question
reads from the text: fields, and functions and types inside functions. One is found if the same name is
defined on the same line of the same file, or, in languages whose functions have several equations or clauses,
if the line is one of the definition's; ``same file`` counts those of the same name anywhere in the file.
What ctags misses is not counted against it: it gives no precision.

A tag is left out, and counted as left out (``no definition``), where the syntax tree says that there is none:
see :func:`why_not`.

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
SEVERAL = CLAUSES | {"TypeScript"}
"""One definition has several clauses, equations or signatures."""
CONSTRAINT = re.compile(r"\bwhere\s+\w+\s*:")
MACRO = re.compile(r"[A-Z][A-Z0-9_]{2,}")
"""``TEST(Suite, Case) {`` is a function of another name; ctags calls hundreds of them ``TEST``."""
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


def why_not(parsed: Any, language: str, kind: str, name: str, line: int) -> str:
    """Why a tag is no definition by the grammar of its language; "" where it may be one."""
    lines = parsed.document.text.split("\n")
    text = lines[line - 1] if line <= len(lines) else ""
    places = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(name)}", text)]
    if not re.search(r"\w", name):
        return "no name"
    if not places:
        # ``operator =`` for ``operator=``, and what Kotlin itself names
        is_there = name in text or "operator" in text or name == "Companion"
        return "" if is_there else "the name is not on the line"
    if language == "C++" and kind == "function" and MACRO.fullmatch(name):
        return "the use of a macro, by the name of the macro"
    if parsed.tree is None:
        return ""
    reasons = [_reason(parsed.tree.root_node, language, kind, text, line, at, len(name)) for at in places]
    return reasons[0] if all(reasons) else ""


def _reason(root: Any, language: str, kind: str, text: str, line: int, at: int, size: int) -> str:
    column = len(text[:at].encode())
    node = root.descendant_for_point_range((line - 1, column), (line - 1, column + size))
    chain = []
    while node is not None:
        chain.append(node)
        node = node.parent
    types = [node.type for node in chain]
    if any(
        re.search(r"string|comment|heredoc|haddock|quoted_content", one) and one != "string_body"
        for one in types
    ):
        return "in a string or a comment"
    if language == "Haskell":
        if kind == "module":
            return "the head of a file, as Java's package"
        if "field_name" in types or "record" in types or "fields" in types:
            return "a field of a record, as the data of other languages"
        if any(one in ("local_binds", "let", "let_in", "where") for one in types):
            return "a local equation, as those inside functions of other languages"
    if language == "Sh" and "variable_assignment" in types[:3]:
        return "an array"
    if language in ("JavaScript", "TypeScript") and kind == "class":
        around = next(
            (n for n in chain if n.type in ("pair", "variable_declarator", "assignment_expression")), None
        )
        value = (
            None
            if around is None
            else around.child_by_field_name("value") or around.child_by_field_name("right")
        )
        if value is not None and value.type == "object":
            return "an object"
    return ""


class Known:
    """Lines of definitions by path and name, as the index gives them: first and last line."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        self.asked: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        self.parsed: dict[str, Any] = {}

    def lines(self, path: str, name: str, *, stored: bool) -> list[tuple[int, int]]:
        return self.stored[path, name] if stored else [*self.stored[path, name], *self.asked[path, name]]


def definitions_of(tree: Path, paths: list[str]) -> Known:
    """The definitions of some files, as the index stores them and as a question finds them."""
    from spelunk.graph.view import GraphView
    from spelunk.testing import MemoryReader

    found = Known()
    for start in range(0, len(paths), BATCH):
        texts = {}
        for path in paths[start : start + BATCH]:
            text = (tree / path).read_text(encoding="utf-8", errors="replace")
            if len(text) <= MOST_CHARS:
                texts[path] = text
        reader = MemoryReader.of_files(texts).relations
        for path, row in reader.files_at(list(texts)).items():
            view = GraphView(reader)
            parsed = view.parsed(row.id)
            if parsed is not None:
                found.parsed[path] = parsed
            for rows, where in (
                (view.definitions(row.id), found.stored),
                ((*view.fields(row.id), *view.locals(row.id)), found.asked),
            ):
                for one in rows:
                    # ``A.B`` of a nested module, ``I.run`` of an explicit implementation, ``update!`` of Elixir
                    spaced = re.sub(r"^operator(?=\W)", "operator ", one.name)
                    for name in {one.name, one.name.rpartition(".")[2], one.name.rstrip("!?"), spaced}:
                        where[path, name].append((one.line, max(one.line, one.end_line)))
    return found


def _is_at(line: int, span: tuple[int, int], language: str) -> bool:
    """Whether a tag's line is the definition's: any of its lines where it has several equations or clauses."""
    return line == span[0] or (language in SEVERAL and span[0] <= line <= span[1])


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
    left_out: dict[tuple[str, str], list[str]] = defaultdict(list)
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
                parsed = known.parsed.get(path)
                text = parsed.document.text.split("\n")[line - 1].strip()[:110] if parsed is not None else ""
                why = why_not(parsed, language, kind, name, line) if parsed is not None else ""
                if why:
                    left_out[language, why].append(f"{tree.name}/{path}:{line} {name}: {text}")
                    continue
                row[1] += 1
                spans = known.lines(path, name, stored=False)
                exact = any(_is_at(line, span, language) for span in spans)
                row[2] += any(_is_at(line, span, language) for span in known.lines(path, name, stored=True))
                row[3] += exact
                row[4] += bool(spans)
                if not exact:
                    missing[language, kind].append(f"{tree.name}/{path}:{line} {name} {spans[:3]}: {text}")
        print(tree.name, file=sys.stderr)
    print("| language | files | no definition | definitions | recall | stored | same file |")
    print("|-|-|-|-|-|-|-|")
    for language, (files, total, stored, exact, same) in sorted(counts.items()):
        if total >= 20:
            out = sum(len(found) for (other, _), found in left_out.items() if other == language)
            shares = " | ".join(f"{count / total:.3f}" for count in (exact, stored, same))
            print(f"| {language} | {files:,} | {out:,} | {total:,} | {shares} |")
    print()
    for (language, why), found in sorted(left_out.items()):
        print(f"{language}: {len(found):,} left out: {why}")
    if asked.errors:
        with asked.errors.open("w", encoding="utf-8") as file:
            for (language, kind), texts in sorted(
                missing.items(), key=lambda pair: (pair[0][0], -len(pair[1]))
            ):
                print(f"\n{language} {kind}: {len(texts)}", file=file)
                for text in rng.sample(texts, min(asked.shown, len(texts))):
                    print(f"    {text}", file=file)
            for (language, why), texts in sorted(left_out.items()):
                print(f"\n{language}, left out, {why}: {len(texts)}", file=file)
                for text in rng.sample(texts, min(asked.shown, len(texts))):
                    print(f"    {text}", file=file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

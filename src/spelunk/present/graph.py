"""Answers of the symbol graph as plain values for JSON, and as text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from spelunk.errors import UsageError
from spelunk.graph.answer import Edge, GraphAnswer, Package, RepositoryMap, Symbol
from spelunk.graph.signature import signature
from spelunk.io.printable import DIM, LINE, PATH, printable, printable_name, styled
from spelunk.present.objects import flag_names
from spelunk.present.phrases import several
from spelunk.text.token_estimate import token_estimate
from spelunk.workspace.contents import Outline

SCHEMA_VERSION: Final = 1
SURE: Final = 0.75
"""An edge with less confidence is marked in the text."""
_NONE: Final = {
    "references": "nothing in the index refers to it",
    "callers": "nothing in the index calls it",
    "callees": "it calls nothing",
    "implementations": "nothing in the index implements or overrides it",
    "impact": "a change of it reaches nothing else in the index",
    "route": "no chain of calls and references leads from the first to the second",
}
"""What an answer without a result says, by its question."""
SHOWN_TARGETS: Final = 5
SHOWN_LINES: Final = 8


def symbol_object(symbol: Symbol) -> dict[str, Any]:
    """A symbol as plain values; what it does not have is left out."""
    found: dict[str, Any] = {
        "name": _name(symbol.name),
        "kind": symbol.kind,
        "scope": _name(symbol.scope),
        "path": _name(symbol.path),
        "line": symbol.line,
        "end_line": symbol.end_line,
        "language": symbol.language,
    }
    for key, text in (("signature", symbol.signature), ("doc", symbol.doc)):
        if text:
            found[key] = _text(text)
    if symbol.flags:
        found["flags"] = flag_names(symbol.flags)
    return found


def edge_object(edge: Edge) -> dict[str, Any]:
    """An edge as plain values; what it does not have is left out."""
    found: dict[str, Any] = {
        "name": _name(edge.name),
        "role": edge.role,
        "path": _name(edge.path),
        "line": edge.line,
        "text": _text(edge.text),
        "symbol": None if edge.symbol is None else symbol_object(edge.symbol),
        "confidence": edge.confidence,
        "rule": edge.rule,
        "alternatives": edge.alternatives,
        "depth": edge.depth,
    }
    if edge.lines:
        found["lines"] = list(edge.lines)
    if edge.repeated:
        found["repeated"] = True
    if edge.edges:
        found["edges"] = [edge_object(inner) for inner in edge.edges]
    return found


def graph_object(answer: GraphAnswer, dropped: int = 0) -> dict[str, Any]:
    """An answer as plain values; ``tests`` only of an impact, ``nearest`` and ``dropped`` only where there are any."""
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "question": answer.question,
        "asked": _name(answer.asked),
        "took_ms": round(answer.took_ms, 2),
        "index": {"generation": answer.generation, "stale": answer.stale},
        "targets": [symbol_object(symbol) for symbol in answer.targets],
        "total": answer.total,
        "left_out": [_text(line) for line in answer.left_out],
    }
    if answer.nearest:
        found["nearest"] = [_name(name) for name in answer.nearest]
    if dropped:
        found["dropped"] = dropped
    if answer.question == "impact":
        found["tests"] = [edge_object(edge) for edge in answer.tests]
    found["edges"] = [edge_object(edge) for edge in answer.edges]
    return found


def map_object(found: RepositoryMap, dropped: int = 0) -> dict[str, Any]:
    """A map as plain values."""
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "took_ms": round(found.took_ms, 2),
        "index": {"generation": found.generation, "stale": found.stale},
        "files": found.files,
        "definitions": found.definitions,
        "references": found.references,
        "left_out": [_text(line) for line in found.left_out],
        "symbols": [symbol_object(symbol) for symbol in found.symbols],
        "packages": [
            {
                "path": _name(package.path),
                "files": package.files,
                "languages": list(package.languages),
                "symbols": [symbol_object(symbol) for symbol in package.symbols],
                "uses": [{"path": _name(path), "references": count} for path, count in package.uses],
                "used_by": [{"path": _name(path), "references": count} for path, count in package.used_by],
            }
            for package in found.packages
        ],
    }
    if dropped:
        values["dropped"] = dropped
    return values


def outline_object(outline: Outline, symbols: Sequence[Symbol], total: int) -> dict[str, Any]:
    """An outline as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "path": _name(outline.path),
        "language": outline.language,
        "lines": outline.lines,
        "index": {"stale": outline.stale},
        "total": total,
        "definitions": [symbol_object(symbol) for symbol in symbols],
    }


def fit_outline(
    outline: Outline,
    text: str,
    limit: int,
    tokens: int | None,
    json_of: Callable[[dict[str, Any]], str] | None,
    *,
    color: bool = False,
) -> tuple[str, int]:
    """An outline as text within a limit and a budget, and how many definitions were left out.

    Args:
        outline: Of a file.
        text: The file's text.
        limit: Definitions wanted.
        tokens: By :func:`token_estimate`; None for no bound.
        json_of: Writes plain values as JSON; None for text.
        color: Colour the text.

    Raises:
        UsageError: The budget is too small for the outline without a definition.
    """
    symbols = outline_symbols(outline, text)[:limit]
    total = len(outline.definitions)

    def show(count: int) -> str:
        kept = symbols[:count]
        if json_of is not None:
            return json_of(outline_object(outline, kept, total))
        return outline_text(kept, color=color)

    shown, dropped = _fitted(len(symbols), tokens, show)
    return shown, total - len(symbols) + dropped


def outline_symbols(outline: Outline, text: str) -> list[Symbol]:
    """The definitions of a file with their heads, read from its text."""
    lines = text.split("\n")
    return [
        Symbol(
            d.name,
            d.kind,
            d.scope,
            outline.path,
            d.line,
            max(d.line, d.end_line),
            outline.language,
            signature(lines, d.line, max(d.line, d.end_line), outline.language),
        )
        for d in outline.definitions
    ]


def outline_text(symbols: Iterable[Symbol], *, color: bool = False) -> str:
    """An outline for people: lines, kind and head of each definition, indented by its scope."""
    out = []
    for symbol in symbols:
        depth = symbol.scope.count(".") + bool(symbol.scope)
        head = printable_name(symbol.signature or symbol.name)
        lines = styled(f"{symbol.line}-{symbol.end_line}", LINE, color)
        out.append(f"{'  ' * depth}{lines}  {printable_name(symbol.kind)}  {head}\n")
    return "".join(out)


def graph_text(answer: GraphAnswer, *, color: bool = False) -> str:
    """An answer for people: what it is about, then a line for each edge, indented by its depth."""
    out: list[str] = []
    if answer.question in ("definition", "route"):
        heads: Sequence[Symbol] = answer.targets[:1] if answer.question == "route" and answer.edges else ()
    else:
        heads = answer.targets[:SHOWN_TARGETS]
    out += [_symbol_line(symbol, color) for symbol in heads]
    if len(answer.targets) > len(heads) and heads and answer.question != "route":
        out.append(styled(f"and {several(len(answer.targets) - len(heads), 'more')}".rstrip("s"), DIM, color))
    if answer.tests:
        out.append("tests to run:")
        out += [line for edge in answer.tests for line in _edge_lines(edge, answer.question, 1, color)]
        if answer.edges:
            out.append("reached:")
    first = 0 if answer.question == "definition" else 1
    for edge in answer.edges:
        out += _edge_lines(edge, answer.question, first, color)
    return "".join(f"{line}\n" for line in out)


def map_text(found: RepositoryMap, *, color: bool = False) -> str:
    """A map for people."""
    out = [
        f"{several(found.files, 'file')} of code, {several(found.definitions, 'definition')},"
        f" {several(found.references, 'reference')} between them"
    ]
    if found.symbols:
        out.append("central:")
        out += [f"  {_symbol_line(symbol, color)}" for symbol in found.symbols]
    for package in found.packages:
        out += _package_lines(package, color)
    return "".join(f"{line}\n" for line in out)


def _package_lines(package: Package, color: bool) -> list[str]:
    place = styled(printable_name(package.path), PATH, color)
    out = [f"{place}  {several(package.files, 'file')}, {', '.join(package.languages)}"]
    for symbol in package.symbols:
        head = printable_name(symbol.signature or f"{symbol.kind} {symbol.qualified}")
        out.append(f"  {head}  {styled(f'{printable_name(symbol.path)}:{symbol.line}', DIM, color)}")
    for what, packages in (("uses", package.uses), ("used by", package.used_by)):
        if packages:
            out.append(f"  {what}: {', '.join(f'{printable_name(p)} ({n:,})' for p, n in packages)}")
    return out


def graph_notices(answer: GraphAnswer) -> list[str]:
    """What a person must know beside an answer, a line each, for standard error."""
    out = [printable(line) for line in answer.left_out]
    if answer.nearest:
        names = ", ".join(f"`{printable_name(name)}`" for name in answer.nearest)
        out.append(f"nothing has this name; near it are {names}")
    elif not answer.targets and not answer.edges:
        out.append("nothing has this name" + (", and there is no such file" if "/" in answer.asked else ""))
    elif not answer.edges and not answer.tests and answer.question in _NONE:
        out.insert(0, _NONE[answer.question])
    if answer.stale:
        out.append("files have changed since they were indexed")
    return out


def fit_graph(
    answer: GraphAnswer, tokens: int | None, show: Callable[[GraphAnswer, int], str]
) -> tuple[str, int]:
    """The answer with as many of its first edges as a budget allows, as text, and how many were dropped.

    Args:
        answer: Whole.
        tokens: By :func:`token_estimate`; None for no bound.
        show: Gives the text of an answer from which so many edges were dropped.

    Raises:
        UsageError: The budget is too small for the answer without an edge.
    """
    edges = [*answer.tests, *answer.edges]

    def first(count: int) -> GraphAnswer:
        tests = min(count, len(answer.tests))
        return replace(answer, tests=answer.tests[:tests], edges=answer.edges[: count - tests])

    return _fitted(len(edges), tokens, lambda n: show(first(n), len(edges) - n))


def fit_map(
    found: RepositoryMap, tokens: int | None, show: Callable[[RepositoryMap, int], str]
) -> tuple[str, int]:
    """The map within a budget: the last packages go first, then the last symbols of each.

    Raises:
        UsageError: The budget is too small for the map without a package.
    """
    most = max((len(p.symbols) for p in found.packages), default=0)
    steps: list[tuple[int, int]] = [(n, 1) for n in range(len(found.packages) + 1)]
    steps += [(len(found.packages), n) for n in range(2, most + 1)]

    def cut(step: int) -> RepositoryMap:
        packages, symbols = steps[step]
        kept = [replace(p, symbols=p.symbols[:symbols]) for p in found.packages[:packages]]
        return replace(found, packages=tuple(kept), symbols=found.symbols[: max(1, symbols * 3)])

    def text(step: int) -> str:
        if step == len(steps):
            return show(found, 0)
        return show(cut(step), len(found.packages) - steps[step][0])

    return _fitted(len(steps), tokens, text)


def _fitted(most: int, tokens: int | None, text: Callable[[int], str]) -> tuple[str, int]:
    """The text of as many parts as fit, and how many do not."""
    whole = text(most)
    if tokens is None or token_estimate(whole) <= tokens:
        return whole, 0
    low, high = 0, most - 1
    best = text(0)
    needed = token_estimate(best)
    if needed > tokens:
        raise UsageError(
            f"a budget of {tokens} tokens is too small; {needed} hold the answer without a result"
        )
    kept = 0
    while low <= high:
        middle = (low + high) // 2
        shown = text(middle)
        if token_estimate(shown) <= tokens:
            best, kept, low = shown, middle, middle + 1
        else:
            high = middle - 1
    return best, most - kept


def _symbol_line(symbol: Symbol, color: bool) -> str:
    place = f"{styled(printable_name(symbol.path), PATH, color)}:{symbol.line}-{symbol.end_line}"
    if symbol.kind == "file":
        return f"{place}  file"
    return f"{place}  {printable_name(symbol.kind)} {printable_name(symbol.qualified)}"


def _edge_lines(edge: Edge, question: str, depth: int, color: bool) -> list[str]:
    indent = "  " * depth
    if question == "definition" and edge.symbol is not None:
        symbol = edge.symbol
        out = [f"{indent}{_symbol_line(symbol, color)}{_doubt(edge, color)}"]
        out += [f"{indent}  {printable(text)}" for text in (symbol.signature, symbol.doc) if text]
        return out
    place = f"{styled(printable_name(edge.path), PATH, color)}:{styled(str(edge.line), LINE, color)}"
    if edge.symbol is None:
        name = f"{printable_name(edge.name)} ({edge.rule})"
    elif edge.symbol.kind == "file":
        name = "file"
    else:
        name = printable_name(edge.symbol.qualified)
    if question == "references":
        name = f"{edge.role} in {name}" if name != "file" else edge.role
    if question in ("callees", "route") and edge.symbol is not None:
        target = edge.symbol
        name = f"{name}  {printable_name(target.path)}:{target.line}-{target.end_line}"
    more = ""
    if edge.lines:
        shown = ", ".join(map(str, edge.lines[:SHOWN_LINES]))
        more = f" (also {shown}{', …' if len(edge.lines) > SHOWN_LINES else ''})"
    again = " …" if edge.repeated else ""
    line = f"{indent}{place}{more}  {name}{again}{_doubt(edge, color)}"
    if edge.text:
        line += f"  {styled(printable(edge.text), DIM, color)}"
    out = [line]
    for inner in edge.edges:
        out += _edge_lines(inner, question, depth + 1, color)
    return out


def _doubt(edge: Edge, color: bool) -> str:
    """The confidence, the rule and the alternatives of an edge that is not sure."""
    if edge.confidence >= SURE or (edge.symbol is None and edge.rule in ("outside", "unknown")):
        return ""
    others = f", {several(edge.alternatives, 'alternative')}" if edge.alternatives else ""
    return styled(f"  [{edge.confidence:.2f} {edge.rule}{others}]", DIM, color)


def _name(text: str) -> str:
    return printable_name(text) if any("\ud800" <= c <= "\udfff" for c in text) else text


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")

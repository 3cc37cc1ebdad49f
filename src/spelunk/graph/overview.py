"""The map of a repository: packages, their central symbols by PageRank, and who depends on whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from spelunk.chunk.relation import Role
from spelunk.graph.answer import Package, RepositoryMap
from spelunk.graph.imports import Imports
from spelunk.graph.languages import CALLABLE, CLASSES, NOT_CODE, common_members, family_of
from spelunk.graph.view import GraphView
from spelunk.store.relation_reader import DefinitionRow
from spelunk.types import Flag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spelunk.store.records import FileRow

ROLES: Final = (Role.CALL, Role.TYPE, Role.INHERIT, Role.DECORATE, Role.MACRO)
MOST_DEFINERS: Final = 5
"""A name with more definitions than this in a language says little about who depends on whom."""
MOST_IMPORTERS: Final = 5_000
"""Up to so many files imports are resolved, and tell which definition of a name is meant."""
UNIMPORTED: Final = 0.05
SAME_FOLDER: Final = 0.5
"""Weight of a reference to a file that is not imported, and of one whose folder is imported or the own."""
MOST_FILES: Final = 200_000
BATCH: Final = 1_000
"""Files whose definitions are read at once."""
DAMPING: Final = 0.85
ROUNDS: Final = 40
"""PageRank as Page and Brin (1998) describe it; after 40 rounds the rest is below 0.85^40 = 0.0015."""
MOST_PACKAGES: Final = 40
"""Folders that are shown apart; smaller ones are counted with the folder above."""
FEWEST_FILES: Final = 2
MOST_USES: Final = 6
"""Packages that are named as used, and as using."""
_LEFT: Final = Flag.VENDORED | Flag.GENERATED | Flag.EXAMPLE | Flag.TEST | Flag.DOCS


class _Graph(NamedTuple):
    """References between files: for each the file that refers, the definition, and the weight."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float64]


def repository_map(
    view: GraphView, limit: int, *, inside: Callable[[str], bool] | None = None
) -> RepositoryMap:
    """The map of a generation; tests, copies, examples and generated files are left out.

    A reference is joined to every definition of its name in the same language
    family, with its weight shared among them: whole names alone, without imports
    and types, which would ask for every file's text.

    Args:
        view: The generation.
        limit: Packages, and symbols in all and of each package, wanted.
        inside: Only files at these paths.
    """
    import numpy as np

    files = _files(view, inside)
    number = {row.id: n for n, row in enumerate(files)}
    definitions, by_hash = _definitions(view, files)
    graph, joined = _references(view, files, number, definitions, by_hash)
    ranks = _page_rank(graph, [number[d.file] for d in definitions], len(files))
    out_of = (
        np.bincount(graph.source, graph.weight, len(files)) if len(graph.source) else np.zeros(len(files))
    )
    share = ranks[graph.source] * graph.weight / np.maximum(out_of[graph.source], 1e-12)
    central = np.bincount(graph.target, share, len(definitions)).astype(np.float64)
    packages = _packages(view, files, number, definitions, graph, ranks, central, limit)
    order = sorted(
        (i for i in range(len(definitions)) if central[i] > 0 and _is_shown(definitions[i])),
        key=lambda i: (
            -round(float(central[i]), 12),
            view.row(definitions[i].file).path,
            definitions[i].line,
        ),
    )
    told = set(view.told)
    if len(packages) > limit:
        told.add(f"{len(packages) - limit:,} more packages beyond the limit")
    return RepositoryMap(
        tuple(packages[:limit]),
        tuple(view.symbol(definitions[i]) for i in order[:limit]),
        len(files),
        len(definitions),
        joined,
        tuple(sorted(told)),
    )


def _is_shown(row: DefinitionRow) -> bool:
    return row.kind in CLASSES or (row.kind in CALLABLE and row.kind != "declaration")


def _files(view: GraphView, inside: Callable[[str], bool] | None) -> list[FileRow]:
    paths = [path for path in view.reader.all_paths() if inside is None or inside(path)]
    if len(paths) > MOST_FILES:
        view.told.add(f"the first {MOST_FILES:,} of {len(paths):,} files were read")
        paths = paths[:MOST_FILES]
    rows = [row for at in range(0, len(paths), BATCH) for row in view.rows_at(paths[at : at + BATCH])]
    code = [row for row in rows if row.language not in NOT_CODE and not row.flags & _LEFT]
    if len(code) < len(rows):
        view.told.add(f"{len(rows) - len(code):,} tests, documents, copies and examples are not on the map")
    return code


def _definitions(
    view: GraphView, files: Sequence[FileRow]
) -> tuple[list[DefinitionRow], dict[int, list[int]]]:
    """The definitions of files, and their numbers by the hash of their name."""
    definitions: list[DefinitionRow] = []
    by_hash: dict[int, list[int]] = {}
    hashes: dict[str, int] = {}
    for at in range(0, len(files), BATCH):
        some = files[at : at + BATCH]
        found = view.reader.definitions_in([row.id for row in some])
        for row in some:
            for definition in found.get(row.id, ()):
                if definition.kind == "declaration":
                    continue
                value = hashes.get(definition.name)
                if value is None:
                    value = hashes[definition.name] = view.reader.name_hash(definition.name)
                by_hash.setdefault(value, []).append(len(definitions))
                definitions.append(definition)
    return definitions, by_hash


def _references(
    view: GraphView,
    files: Sequence[FileRow],
    number: dict[int, int],
    definitions: Sequence[DefinitionRow],
    by_hash: dict[int, list[int]],
) -> tuple[_Graph, int]:
    """References that could be joined to definitions elsewhere, and how many there are."""
    import numpy as np

    family = [family_of(row.language) for row in files]
    common = {view.reader.name_hash(name) for name in common_members()}
    imported = _imported(view, files) if len(files) <= MOST_IMPORTERS else None
    sources: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    joined = 0
    for use in view.reader.name_uses(ROLES):
        source = number.get(use.file)
        candidates = by_hash.get(use.hash)
        if source is None or candidates is None or use.hash in common:
            continue
        joined += use.uses
        here = [d for d in candidates if definitions[d].file == use.file]
        far = [d for d in candidates if family[number[definitions[d].file]] == family[source]]
        if here or not far or len(far) > MOST_DEFINERS:
            continue
        for d in far:
            sources.append(source)
            targets.append(d)
            near = (
                1.0
                if imported is None
                else _nearness(view, imported[use.file], use.file, definitions[d].file)
            )
            weights.append(near * float(use.uses) ** 0.5 / len(far))
    return _Graph(np.array(sources, np.int64), np.array(targets, np.int64), np.array(weights)), joined


def _imported(view: GraphView, files: Sequence[FileRow]) -> dict[int, tuple[set[int], set[str]]]:
    """For each file the files that it imports, and their folders with its own."""
    imports = Imports(view)
    view.preload_imports([row.id for row in files])
    out: dict[int, tuple[set[int], set[str]]] = {}
    for row in files:
        found = {r.id: r.path for one in view.imports(row.id) for r in imports.files_of(row.id, one)}
        folders = {path.rpartition("/")[0] for path in (row.path, *found.values())}
        out[row.id] = (set(found), folders)
    return out


def _nearness(view: GraphView, imported: tuple[set[int], set[str]], file: int, other: int) -> float:
    """How likely a reference in a file means a definition in another."""
    files, folders = imported
    if other in files:
        return 1.0
    return SAME_FOLDER if view.row(other).path.rpartition("/")[0] in folders else UNIMPORTED


def _page_rank(graph: _Graph, file_of: Sequence[int], count: int) -> NDArray[np.float64]:
    """PageRank of files: a file passes its rank to the files that define what it refers to."""
    import numpy as np

    ranks = np.full(count, 1 / max(1, count))
    if not len(graph.source):
        return ranks
    target = np.array(file_of, np.int64)[graph.target]
    out_of = np.bincount(graph.source, graph.weight, count)
    share = graph.weight / out_of[graph.source]
    for _ in range(ROUNDS):
        passed = np.bincount(target, ranks[graph.source] * share, count)
        lost = float(ranks[out_of == 0].sum())
        ranks = (1 - DAMPING) / count + DAMPING * (passed + lost / count)
    return ranks


def _packages(
    view: GraphView,
    files: Sequence[FileRow],
    number: dict[int, int],
    definitions: Sequence[DefinitionRow],
    graph: _Graph,
    ranks: NDArray[np.float64],
    central: NDArray[np.float64],
    limit: int,
) -> list[Package]:
    names = _package_names([row.path for row in files])
    package_of = [names[row.path.rpartition("/")[0]] for row in files]
    rank: Counter[str] = Counter()
    members: dict[str, list[int]] = {}
    for n, name in enumerate(package_of):
        rank[name] += float(ranks[n])  # type: ignore[assignment]
        members.setdefault(name, []).append(n)
    symbols: dict[str, list[int]] = {}
    for i, definition in enumerate(definitions):
        if _is_shown(definition) and central[i] > 0:
            symbols.setdefault(package_of[number[definition.file]], []).append(i)
    uses: dict[str, Counter[str]] = {}
    used_by: dict[str, Counter[str]] = {}
    for source, target, weight in zip(
        graph.source.tolist(), graph.target.tolist(), graph.weight.tolist(), strict=True
    ):
        a, b = package_of[source], package_of[number[definitions[target].file]]
        if a != b:
            uses.setdefault(a, Counter())[b] += weight
            used_by.setdefault(b, Counter())[a] += weight
    out: list[Package] = []
    ordered = sorted(members, key=lambda name: (-round(float(rank[name]), 12), name))
    for name in ordered:
        best = sorted(
            symbols.get(name, ()),
            key=lambda i: (
                -round(float(central[i]), 12),
                view.row(definitions[i].file).path,
                definitions[i].line,
            ),
        )
        languages = Counter(files[n].language for n in members[name])
        shown = len(out) < limit
        out.append(
            Package(
                name or ".",
                len(members[name]),
                tuple(language for language, _ in languages.most_common(3)),
                tuple(view.symbol(definitions[i]) for i in best[: min(limit, 12)]) if shown else (),
                _most(uses.get(name)),
                _most(used_by.get(name)),
            )
        )
    return out


def _most(counts: Counter[str] | None) -> tuple[tuple[str, int], ...]:
    ordered = sorted((counts or {}).items(), key=lambda item: (-item[1], item[0]))
    return tuple((name or ".", round(count)) for name, count in ordered[:MOST_USES] if round(count) > 0)


def _package_names(paths: Sequence[str]) -> dict[str, str]:
    """The package of each folder: itself, or the folder above while there are too many or it has few files."""
    counts = Counter(path.rpartition("/")[0] for path in paths)
    package = {folder: folder for folder in counts}
    sizes = Counter(counts)
    while len(sizes) > 1:
        deepest = max(sizes, key=lambda name: (name.count("/") + bool(name), -sizes[name], name))
        small = [name for name in sizes if name and sizes[name] < FEWEST_FILES and _above(name) in sizes]
        if len(sizes) <= MOST_PACKAGES and not small:
            break
        name = min(small, key=lambda s: (sizes[s], s)) if small else deepest
        if not name:
            break
        above = _above(name)
        sizes[above] += sizes.pop(name)
        for folder, own in package.items():
            if own == name:
                package[folder] = above
    return package


def _above(folder: str) -> str:
    return folder.rpartition("/")[0]

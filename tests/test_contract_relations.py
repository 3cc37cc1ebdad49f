"""The contract of a relation reader, held by the real snapshot and by the double: equal answers.

The real index has a history, and its references lie in several segments with dead files in them.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spelunk import Index
from spelunk.chunk.relation import Import, Role
from spelunk.store.manifest import Manifest
from spelunk.store.relation_reader import RelationReader
from spelunk.store.snapshot import Snapshot
from spelunk.testing import MemoryReader
from tests.examples import examples
from tests.test_contract_reader import write

FILES: dict[str, str | bytes] = {
    "shop/__init__.py": "from shop.cart import Cart as Basket\nfrom .prices import *\n",
    "shop/cart.py": (
        "import os.path\nfrom . import prices\nfrom shop.prices import price_of, Price\n\n\n"
        "class Cart(Base):\n    def add(self, item):\n        self.items.append(item)\n"
        "        return price_of(item), price_of(self.last.item)\n\n"
        "    def total(self) -> Price:\n        return sum(map(price_of, self.items))\n\n\n"
        "def add(cart):\n    cart.add(1)\n    return cart.add(2)\n"
    ),
    "shop/prices.py": "class Price(int):\n    pass\n\n\ndef price_of(item):\n    return Price(item.price())\n",
    "tests/test_cart.py": (
        "import shop.cart\nfrom shop.cart import Cart\n\n\ndef test_add():\n    assert Cart().add(1) == 1\n"
    ),
    "odd\udcff.py": "from shop import prices\n\n\ndef add():\n    return prices.price_of(1)\n",
    "umlaut/Größe.py": "def größe(x):\n    return größe(x.größe())\n",
    **{
        f"many/m{n}.py": f"import shop.prices\n\n\ndef f{n}():\n    return get({n}) + add(f{n - 1}())\n"
        for n in range(30)
    },
    "notes.md": "# Cart\n\nCalls `add()`.\n",
    "empty.py": "\n",
}
NAMES = [
    "add",
    "price_of",
    "Cart",
    "Price",
    "append",
    "get",
    "items",
    "größe",
    "f3",
    "Base",
    "absent",
    "int",
    "prices",
]
MODULES = ["cart", "prices", "path", "os", "shop", "absent", ""]


class Pair(NamedTuple):
    """A real reader and the double of the same files."""

    real: RelationReader
    double: RelationReader
    index: Index


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("tree")
    place = tmp_path_factory.mktemp("parent") / "index"
    with Index.open(root, index_dir=str(place), embedder="hashed", mode="sequential") as index:
        write(
            root, {"gone/a.py": FILES["shop/cart.py"], **FILES, "shop/prices.py": "def old():\n    add()\n"}
        )
        index.update()
        shutil.rmtree(root / "gone")
        write(root, {"many/m7.py": "import shop.cart\n\nadd(1)\n"})
        index.update()
        write(root, FILES)
        index.update()
        with Snapshot(index.directory) as snapshot:
            yield Pair(snapshot.relations, MemoryReader.of_files(FILES, first_id=500).relations, index)


def by_path(reader: RelationReader, found: Any) -> Any:
    """An answer with paths in place of ids of files."""
    if isinstance(found, dict):
        rows = reader.file_rows([*found])
        return {rows[i].path: by_path(reader, what) for i, what in found.items()}
    rows = reader.file_rows([row.file for row in found])
    return [(rows[row.file].path, *row[1:]) for row in found]


def test_the_index_has_several_segments_and_dead_files(pair: Pair) -> None:
    manifest = Manifest(pair.index.directory)
    segments = manifest.reference_segments()
    manifest.close()

    assert len(segments) > 1 and sum(s.dead for s in segments) > 0


@pytest.mark.parametrize("name", NAMES)
def test_references_to_a_name(pair: Pair, name: str) -> None:
    for roles in ((), (Role.CALL,), (Role.TYPE, Role.INHERIT)):
        for limit in (10_000, 5, 1):
            real = pair.real.references_to(name, roles, limit)
            double = pair.double.references_to(name, roles, limit)

            assert real.total == double.total
            assert by_path(pair.real, real.sites) == by_path(pair.double, double.sites)
            assert len(real.sites) == min(limit, real.total)


def test_a_reference_has_its_place_and_receiver(pair: Pair) -> None:
    found = by_path(pair.real, pair.real.references_to("add", [Role.CALL]).sites)

    assert ("shop/cart.py", Role.CALL, 16, "cart") in found
    assert ("many/m4.py", Role.CALL, 5, "") in found
    assert [path for path, *_ in found] == sorted(path for path, *_ in found)
    assert pair.real.references_to("absent") == ([], 0)


@examples(60)
@given(st.sets(st.sampled_from(NAMES)), st.integers(1, 12))
def test_definitions(pair: Pair, names: set[str], limit: int) -> None:
    real, double = pair.real.definitions_named(names, limit), pair.double.definitions_named(names, limit)

    assert by_path(pair.real, real) == by_path(pair.double, double)
    assert {d.name for d in real} <= names


def test_definitions_are_exact(pair: Pair) -> None:
    assert [d.scope for d in pair.real.definitions_named(["add"])] == ["Cart", "", ""]
    assert pair.real.definitions_named(["ADD", "ad", ""]) == []


def test_definitions_in_files(pair: Pair) -> None:
    real = by_path(pair.real, pair.real.definitions_in([f.id for f in files(pair.real)]))

    assert (
        real.keys()
        == by_path(pair.double, pair.double.definitions_in([f.id for f in files(pair.double)])).keys()
    )
    for path, found in real.items():
        double = pair.double.definitions_in([pair.double.files_at([path])[path].id])
        assert found == next(iter(by_path(pair.double, double).values()))


def test_definitions_around_lines(pair: Pair) -> None:
    def around(reader: RelationReader) -> dict[tuple[str, int], Any]:
        places = [(row.id, line) for row in files(reader) for line in range(1, 20)]
        found = reader.definitions_around(places)
        rows = reader.file_rows({file for file, _ in found})
        return {(rows[file].path, line): by_path(reader, d) for (file, line), d in found.items()}

    real = around(pair.real)

    assert real == around(pair.double)
    assert [d[1] for d in real["shop/cart.py", 16]] == ["add"]
    assert pair.real.definitions_around([(10_000, 1)]) == {}


@pytest.mark.parametrize("kinds", [[{"function", "method"}, {"class"}], [{"class"}], [{"trait"}]])
def test_the_innermost_definition_around_lines(pair: Pair, kinds: list[set[str]]) -> None:
    def innermost(reader: RelationReader) -> dict[tuple[str, int], Any]:
        places = [(row.id, line) for row in files(reader) for line in range(1, 20)]
        found = reader.innermost(places, kinds)
        rows = reader.file_rows({file for file, _ in found})
        return {(rows[file].path, line): tuple(row)[1:] for (file, line), row in found.items()}

    real = innermost(pair.real)

    assert real == innermost(pair.double)
    if len(kinds) == 2:
        assert [real["shop/cart.py", line][0] for line in (6, 8, 12, 16)] == ["Cart", "add", "total", "add"]
    assert pair.real.innermost([(10_000, 1)], kinds) == {}


def test_outlines_tell_the_innermost_definitions_of_some_kinds_apart(pair: Pair) -> None:
    kinds = {"function", "method"}

    def groups(reader: RelationReader) -> dict[str, list[int]]:
        rows = files(reader)
        found = reader.definition_spans([row.id for row in rows], kinds)
        return {row.path: [found[row.id].innermost(line) for line in range(1, 20)] for row in rows}

    real = groups(pair.real)

    assert real == groups(pair.double)
    assert real == groups(pair.real)
    inner = pair.real.innermost([(row.id, n) for row in files(pair.real) for n in range(1, 20)], [kinds])
    ids = {row.path: row.id for row in files(pair.real)}
    for path, numbers in real.items():
        around = [inner.get((ids[path], n)) for n in range(1, 20)]
        assert [number < 0 for number in numbers] == [row is None for row in around]
        assert len(set(numbers)) == len(set(around))


@pytest.mark.parametrize("names", [{"cart"}, {"shop.prices", "shop.cart"}, {"absent"}, set()])
def test_the_modules_that_end_in_a_name(pair: Pair, names: set[str]) -> None:
    def including(reader: RelationReader) -> dict[str, list[str]]:
        found = reader.including([row.id for row in files(reader)], names)
        rows = reader.file_rows(found)
        return {rows[file].path: modules for file, modules in found.items()}

    assert including(pair.real) == including(pair.double)
    assert ("tests/test_cart.py" in including(pair.real)) == ("shop.cart" in names)


def files(reader: RelationReader) -> list[Any]:
    return [*reader.files_at(reader.all_paths()).values()]


def test_imports(pair: Pair) -> None:
    real, double = (by_path_imports(r) for r in (pair.real, pair.double))

    assert real == double
    assert Import("shop.cart", "Cart", "Basket", 1) in real["shop/__init__.py"]
    assert "notes.md" not in real


def by_path_imports(reader: RelationReader) -> dict[str, list[Import]]:
    rows = files(reader)
    found = reader.imports_of([row.id for row in rows])
    return {row.path: found[row.id] for row in rows if row.id in found}


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(MODULES)), st.integers(1, 40))
def test_importing(pair: Pair, modules: set[str], limit: int) -> None:
    real, double = pair.real.importing(modules, limit), pair.double.importing(modules, limit)

    def paths(reader: RelationReader, found: dict[int, list[Import]]) -> list[tuple[str, list[Import]]]:
        rows = reader.file_rows([*found])
        return [(rows[i].path, imports) for i, imports in found.items()]

    assert paths(pair.real, real) == paths(pair.double, double)
    assert all(imports for imports in real.values())
    assert pair.real.importers(modules) == {*pair.real.importing(modules)}
    for names in (["Cart"], ["add", "*"], ["absent"]):
        named = pair.real.importing(modules, limit, names)

        assert paths(pair.real, named) == paths(pair.double, pair.double.importing(modules, limit, names))
        assert all(one.name in names for imports in named.values() for one in imports)


def test_paths(pair: Pair) -> None:
    assert pair.real.all_paths() == pair.double.all_paths()
    for endings in (
        ["cart.py"],
        ["shop/cart.py", "m1.py"],
        ["art.py"],
        ["odd\udcff.py"],
        [""],
        ["__init__.py"],
    ):
        assert pair.real.paths_ending(endings) == pair.double.paths_ending(endings)
    assert pair.real.paths_ending(["shop/prices.py", "cart.py"]) == ["shop/cart.py", "shop/prices.py"]
    assert pair.real.paths_ending(["art.py"]) == []
    for reader in (pair.real, pair.double):
        (row,) = reader.files_at(["shop/prices.py", "absent.py"]).values()
        assert reader.text_of_file(row.id) == FILES["shop/prices.py"]
        assert reader.file_rows([row.id, 999_999]) == {row.id: row}


@pytest.mark.parametrize("roles", [[*Role], [Role.CALL], [Role.IMPORT, Role.TYPE], []])
def test_uses_of_names(pair: Pair, roles: list[Role]) -> None:
    real, double = (
        Counter({(reader.file_rows([u.file])[u.file].path, u.hash): u.uses for u in reader.name_uses(roles)})
        for reader in (pair.real, pair.double)
    )

    assert real == double
    for name in NAMES:
        total = pair.real.references_to(name, roles).total if roles else 0
        assert total == sum(n for (_, value), n in real.items() if value == pair.real.name_hash(name))

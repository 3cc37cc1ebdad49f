"""Each rule of resolution, on the smallest repository that needs it."""

from __future__ import annotations

import pytest

from spelunk.chunk.relation import Reference, Role
from spelunk.graph.grading import TRUST
from spelunk.graph.impact import importers
from spelunk.graph.names import find
from spelunk.graph.signature import doc_line, signature
from spelunk.graph.spelling import is_called_like
from spelunk.graph.written_types import returned_type
from tests.graphcases import Repository

PYTHON = {
    "app/__init__.py": "from app.core import Engine as Motor\n",
    "app/core.py": (
        "import json\nfrom app.base import Base\n\n\n"
        "class Engine(Base):\n"
        "    def start(self):\n        self.warm()\n        self.stop()\n        json.dumps({})\n        helper()\n\n"
        "    def warm(self):\n        missing()\n\n\n"
        "def helper():\n    return Engine()\n"
    ),
    "app/base.py": "class Base:\n    def stop(self):\n        pass\n\n    def warm(self):\n        pass\n",
    "app/main.py": (
        "from app import Motor\nimport app.core\nfrom app import core as c\nfrom requests import get\n\n\n"
        "def run(engine):\n"
        "    Motor()\n    app.core.helper()\n    c.helper()\n    get()\n    engine.start()\n    Motor.warm(engine)\n"
    ),
    "other/get.py": "def get():\n    pass\n",
}


@pytest.fixture(scope="module")
def python() -> Repository:
    return Repository(PYTHON)


@pytest.mark.parametrize(
    ("path", "name", "line", "place", "rule"),
    [
        ("app/core.py", "warm", 7, "app/core.py:12", "own-member"),
        ("app/core.py", "stop", 8, "app/base.py:2", "inherited"),
        ("app/core.py", "dumps", 9, "", "outside"),
        ("app/core.py", "helper", 10, "app/core.py:16", "same-file"),
        ("app/core.py", "missing", 13, "", ""),
        ("app/core.py", "Base", 5, "app/base.py:1", "import"),
        ("app/main.py", "Motor", 8, "app/core.py:5", "import"),
        ("app/main.py", "helper", 9, "app/core.py:16", "import"),
        ("app/main.py", "helper", 10, "app/core.py:16", "import"),
        ("app/main.py", "get", 11, "", "outside"),
        ("app/main.py", "start", 12, "app/core.py:6", "called-like"),
        ("app/main.py", "warm", 13, "app/core.py:12", "type"),
    ],
)
def test_rules_of_python(python: Repository, path: str, name: str, line: int, place: str, rule: str) -> None:
    assert python.meaning(path, name, line=line) == (place, rule)


def test_an_import_by_name_is_joined_to_what_it_takes(python: Repository) -> None:
    assert python.meaning("app/core.py", "Base", role=Role.IMPORT) == ("app/base.py:1", "import")
    assert python.meaning("app/main.py", "get", role=Role.IMPORT) == ("", "outside")


def test_a_re_export_is_followed(python: Repository) -> None:
    """``app/__init__.py`` has no definition of Motor, nor has any file."""
    assert python.rows("Motor") == []
    assert python.meaning("app/main.py", "Motor", line=8) == ("app/core.py:5", "import")


def test_re_exports_in_a_circle_end() -> None:
    repository = Repository(
        {
            "a/__init__.py": "from b import thing\n",
            "b/__init__.py": "from a import thing\n",
            "main.py": "from a import thing\n\nthing()\n",
        }
    )

    assert repository.meaning("main.py", "thing") == ("", "")


def test_types_that_are_bases_of_each_other_end() -> None:
    repository = Repository(
        {
            "a.py": "class A(B):\n    def f(self):\n        self.g()\n\n\nclass B(A):\n    def h(self):\n        self.f()\n"
        }
    )

    assert repository.meaning("a.py", "g") == ("", "")
    assert repository.meaning("a.py", "f") == ("a.py:2", "inherited")


C = {
    "net/dial.h": "int dial(int port);\n",
    "net/dial.c": '#include "dial.h"\nstatic int try_once(int n) { return n; }\nint dial(int port) { return try_once(port); }\n',
    "net/listen.c": "static int try_once(int n) { return 0; }\nint listen_on(int n) { return try_once(n); }\n",
    "main.c": '#include "net/dial.h"\nint main(void) { dial(1); try_once(2); listen_on(3); return 0; }\n',
}


@pytest.mark.parametrize(
    ("path", "name", "place", "rule"),
    [
        ("net/dial.c", "try_once", "net/dial.c:2", "same-file"),
        ("net/listen.c", "try_once", "net/listen.c:1", "same-file"),
        ("main.c", "dial", "net/dial.c:3", "wide-import"),
        ("main.c", "listen_on", "net/listen.c:2", "shared"),
        ("main.c", "try_once", "", ""),  # static in both files
    ],
)
def test_rules_of_c(path: str, name: str, place: str, rule: str) -> None:
    assert Repository(C).meaning(path, name) == (place, rule)


TYPESCRIPT = {
    "src/writer.ts": (
        "export class Base { close() {} }\n"
        "export class Writer extends Base {\n  flush() { this.sync(); this.close() }\n  sync() {}\n}\n"
        "export function make(): Writer { return new Writer() }\n"
    ),
    "src/index.ts": 'export * from "./writer"\n',
    "src/app.ts": (
        'import { make, Writer } from "./index"\nimport * as lib from "./writer"\nimport fs from "fs"\n\n'
        "function main() {\n  make()\n  lib.make()\n  new Writer()\n  fs.readFile()\n  make().flush()\n}\n"
    ),
}


@pytest.mark.parametrize(
    ("path", "name", "line", "place", "rule"),
    [
        ("src/writer.ts", "sync", 3, "src/writer.ts:4", "own-member"),
        ("src/writer.ts", "close", 3, "src/writer.ts:1", "inherited"),
        ("src/writer.ts", "Base", 2, "src/writer.ts:1", "same-file"),
        ("src/app.ts", "make", 6, "src/writer.ts:6", "import"),
        ("src/app.ts", "make", 7, "src/writer.ts:6", "import"),
        ("src/app.ts", "Writer", 8, "src/writer.ts:2", "import"),
        ("src/app.ts", "readFile", 9, "", "outside"),
        ("src/app.ts", "flush", 10, "src/writer.ts:3", "type"),
    ],
)
def test_rules_of_typescript(path: str, name: str, line: int, place: str, rule: str) -> None:
    assert Repository(TYPESCRIPT).meaning(path, name, line=line) == (place, rule)


GO = {
    "go.mod": "module example.com/app\n",
    "store/writer.go": "package store\n\ntype Writer struct{}\n\nfunc New() *Writer { return &Writer{} }\n\nfunc (w *Writer) Flush() {}\n",
    "main.go": 'package main\n\nimport (\n\t"fmt"\n\n\t"example.com/app/store"\n)\n\nfunc main() {\n\tstore.New()\n\thelper()\n\tfmt.Println()\n}\n',
    "help.go": "package main\n\nfunc helper() {}\n",
    "other/help.go": "package other\n\nfunc helper() {}\n",
}


@pytest.mark.parametrize(
    ("name", "place", "rule"),
    [
        ("New", "store/writer.go:5", "import"),
        ("helper", "help.go:3", "package"),
        ("Println", "", "outside"),
    ],
)
def test_rules_of_go(name: str, place: str, rule: str) -> None:
    assert Repository(GO).meaning("main.go", name) == (place, rule)


@pytest.mark.parametrize(
    "module", ["example.com/queue/v2", "gopkg.in/queue.v3", "example.com/go-queue", "example.com/queue"]
)
def test_the_package_at_the_root_of_a_go_module_is_called_by_its_own_name(module: str) -> None:
    """Its folder has no name, and the last part of its path is a version or no name."""
    repository = Repository(
        {
            "go.mod": f"module {module}\n",
            "take.go": "package queue\n\ntype Lock struct{}\n\nfunc Take() {}\n",
            "keys/pair.go": "package keys\n\ntype Pair struct{}\n\nfunc (p Pair) Take() {}\n",
            "cmd/main.go": f'package main\n\nimport "{module}"\n\nfunc main() {{\n\tqueue.Take()\n}}\n',
        }
    )

    assert repository.meaning("cmd/main.go", "Take") == ("take.go:5", "import")
    assert [repository.place(row) for row in repository.rows("queue.Take")] == ["take.go:5"]
    assert [repository.place(row) for row in repository.rows("queue.Lock")] == ["take.go:3"]
    (file,) = [row for row in [repository.view.row_at("take.go")] if row is not None]
    assert [repository.view.row(one.file).path for one in importers(repository.resolver, file.id)] == [
        "cmd/main.go"
    ]


JAVA = {
    "src/main/java/a/Writer.java": (
        "package a;\npublic class Writer extends Base {\n  public void flush() { sync(); close(); }\n  private void sync() {}\n}\n"
    ),
    "src/main/java/a/Base.java": "package a;\npublic class Base { public void close() {} }\n",
    "src/main/java/b/App.java": "package b;\nimport a.Writer;\npublic class App { void run(Writer w) { new Writer(); } }\n",
}


@pytest.mark.parametrize(
    ("path", "name", "place", "rule"),
    [
        ("src/main/java/a/Writer.java", "sync", "src/main/java/a/Writer.java:4", "local"),
        ("src/main/java/a/Writer.java", "close", "src/main/java/a/Base.java:2", "inherited"),
        ("src/main/java/a/Writer.java", "Base", "src/main/java/a/Base.java:2", "package"),
        ("src/main/java/b/App.java", "Writer", "src/main/java/a/Writer.java:2", "import"),
    ],
)
def test_rules_of_java(path: str, name: str, place: str, rule: str) -> None:
    assert Repository(JAVA).meaning(path, name) == (place, rule)


def test_rust_reaches_members_through_impls() -> None:
    repository = Repository(
        {
            "src/lib.rs": "mod writer;\nuse crate::writer::Writer;\n\npub fn run() {\n    Writer::new();\n}\n",
            "src/writer.rs": "pub struct Writer;\n\nimpl Writer {\n    pub fn new() -> Self { Self::prepare(); Writer }\n    fn prepare() {}\n}\n",
        }
    )

    assert repository.meaning("src/lib.rs", "new") == ("src/writer.rs:4", "type")
    assert repository.meaning("src/writer.rs", "prepare") == ("src/writer.rs:5", "own-member")


def test_several_definitions_share_the_trust_and_the_nearest_comes_first() -> None:
    repository = Repository(
        {
            "a/one.py": "class One:\n    def flub(self): ...\n",
            "a/use.py": "def f(x):\n    x.flub()\n",
            "b/c/two.py": "class Two:\n    def flub(self): ...\n",
        }
    )

    found = repository.resolve("a/use.py", "flub")

    assert [repository.place(c.row) for c in found.candidates] == ["a/one.py:2", "b/c/two.py:2"]
    first, second = (c.confidence for c in found.candidates)
    assert second < first < TRUST["name"]
    assert sum(c.confidence for c in found.candidates) == pytest.approx(TRUST["name"])


def test_a_name_that_values_of_the_language_have_says_too_little() -> None:
    method = "class Log:\n    def {0}(self, x): ...\n"
    repository = Repository(
        {
            "a.py": method.format("append") + method.format("engrave").replace("Log", "Stone"),
            "b.py": "def f(rows):\n    rows.append(1)\n    rows.engrave(1)\n",
        }
    )

    assert repository.resolve("b.py", "append").candidates == []
    assert repository.meaning("b.py", "engrave") == ("a.py:4", "only-one")


def test_another_language_is_never_meant() -> None:
    repository = Repository({"a.go": "package a\n\nfunc flush() {}\n", "b.py": "def f():\n    flush()\n"})

    assert repository.meaning("b.py", "flush") == ("", "")


@pytest.mark.parametrize(
    ("receiver", "name", "alike"),
    [
        ("writer", "Writer", True),
        ("self.batch_writer", "BatchWriter", True),
        ("self.writer", "BatchWriter", True),
        ("x", "Xyz", False),
        ("reader", "Writer", False),
        ("get_writer()", "Writer", True),
    ],
)
def test_receivers_called_like_a_type(receiver: str, name: str, alike: bool) -> None:
    assert is_called_like(receiver, name) is alike


@pytest.mark.parametrize(
    ("head", "returned"),
    [
        ("def f(self) -> Writer", "Writer"),
        ("def f(self) -> Optional[store.Writer]", "store.Writer"),
        ("export function f(a: number): Writer", "Writer"),
        ("func New(n int) *Writer", "Writer"),
        ("pub fn new(&self) -> Result<Writer>", "Writer"),
        ("public Writer make(int n)", "Writer"),
        ("def f(self)", ""),
    ],
)
def test_the_type_that_a_head_returns(head: str, returned: str) -> None:
    assert returned_type(head) == returned


@pytest.mark.parametrize(
    ("text", "language", "head", "doc"),
    [
        (
            'def f(\n    a: int = 1,\n) -> str:\n    """Do it.\n\n    More.\n    """\n',
            "python",
            "def f( a: int = 1, ) -> str",
            "Do it.",
        ),
        (
            "// Dial connects.\n// Twice.\nfunc Dial(a string) error {\n}\n",
            "go",
            "func Dial(a string) error",
            "Dial connects.",
        ),
        ("/**\n * Writes.\n */\nvoid\tf(int a)\n{\n}\n", "c", "void\tf(int a)", "Writes."),
        (
            "/// Runs.\n#[inline]\npub fn run<T>(t: T) -> T where T: Copy {\n}\n",
            "rust",
            "pub fn run<T>(t: T) -> T where T: Copy",
            "Runs.",
        ),
        ("class A(B):\n    x = 1\n", "python", "class A(B)", ""),
    ],
)
def test_heads_and_documentation(text: str, language: str, head: str, doc: str) -> None:
    lines = text.split("\n")
    at = next(
        n for n, line in enumerate(lines, 1) if line.startswith(("def", "func", "void", "pub", "class"))
    )

    assert signature(lines, at, len(lines), language) == head
    assert doc_line(lines, at, len(lines), language) == doc


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ("Engine", ["app/core.py:5"]),
        ("Engine.start", ["app/core.py:6"]),
        ("core.Engine.start", ["app/core.py:6"]),
        ("app/core.py:7", ["app/core.py:6"]),
        ("core.py:16", ["app/core.py:16"]),
        ("Engine::warm()", ["app/core.py:12"]),
        ("warm", ["app/base.py:5", "app/core.py:12"]),
        ("base.warm", ["app/base.py:5"]),
        ("nothing", []),
    ],
)
def test_what_a_question_means(python: Repository, asked: str, places: list[str]) -> None:
    assert [python.place(row) for row in find(python.view, asked)] == places


ELIXIR = {
    "lib/shop.ex": "defmodule Shop do\n  def open(x), do: x\nend\n",
    "lib/shop/config.ex": "defmodule Shop.Config do\n  def merge(a, b), do: {a, b}\n  def read(x), do: merge(x, x)\nend\n",
    "lib/shop/cart.ex": (
        "defmodule Shop.Cart do\n"
        "  alias Shop.Config\n  alias Shop.Cart.Line, as: Row\n  use GenServer\n\n"
        "  defmodule Line do\n    def total(x), do: x\n  end\n\n"
        "  def init(x) do\n"
        "    Shop.Config.merge(x, x)\n    Config.merge(x, x)\n    Row.total(x)\n    Shop.open(x)\n"
        "    Line.total(x)\n    __MODULE__.Line.total(x)\n    Map.merge(x, x)\n    Shop.Config.made_by_a_macro(x)\n"
        "    merge = x\n    {merge, x}\n  end\nend\n"
    ),
    "lib/map.ex": "defmodule Other.Map do\n  def merge(a, b), do: {a, b}\nend\n",
}


@pytest.mark.parametrize(
    ("name", "line", "place", "rule"),
    [
        ("merge", 11, "lib/shop/config.ex:2", "import"),
        ("merge", 12, "lib/shop/config.ex:2", "import"),
        ("total", 13, "lib/shop/cart.ex:7", "import"),
        ("open", 14, "lib/shop.ex:2", "import"),
        ("total", 15, "lib/shop/cart.ex:7", "import"),
        ("total", 16, "lib/shop/cart.ex:7", "import"),
        ("merge", 17, "", "outside"),
        ("made_by_a_macro", 18, "", ""),
    ],
)
def test_modules_of_elixir_are_named_in_full_or_by_an_alias(
    name: str, line: int, place: str, rule: str
) -> None:
    assert Repository(ELIXIR).meaning("lib/shop/cart.ex", name, line=line) == (place, rule)


def test_a_variable_of_elixir_is_no_function() -> None:
    repository = Repository(ELIXIR)
    file = repository.view.row_at("lib/shop/cart.ex")

    assert file is not None
    assert not repository.resolver.resolve(file.id, Reference("merge", Role.USE, 20)).candidates


def test_types_of_a_base_are_seen_in_the_types_inside() -> None:
    repository = Repository(
        {
            "p/Policy.java": "package p;\ninterface Policy {\n  interface Eviction {\n    int size();\n  }\n}\n",
            "p/Cache.java": (
                "package p;\nclass Cache {\n  class Own implements Policy {\n"
                "    class Bounded implements Eviction {\n      public int size() { return 1; }\n    }\n  }\n}\n"
            ),
            "q/Eviction.java": "package q;\nenum Eviction { A }\n",
        }
    )

    assert repository.meaning("p/Cache.java", "Eviction", role=Role.INHERIT) == (
        "p/Policy.java:3",
        "inherited",
    )

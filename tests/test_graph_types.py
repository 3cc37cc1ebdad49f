"""Types of values that are written down somewhere else: results of calls, bounds of generics, elements of lists."""

from __future__ import annotations

import pytest

from spelunk.chunk.chains import receiver_at
from spelunk.chunk.type_names import element_type
from spelunk.graph.go_builds import is_usual
from spelunk.graph.written_types import returned_type
from tests.graphcases import Repository
from tests.test_relations import parsed

RUST = {
    "Cargo.toml": '[package]\nname = "app"\n',
    "src/lib.rs": "pub mod parts;\npub mod use_it;\n\npub use parts as pieces;\n",
    "src/parts.rs": (
        "pub struct Builder;\n"  # 1
        "impl Builder {\n"
        "    pub fn new() -> Builder { Builder }\n"
        "    pub fn limit(mut self, n: usize) -> Self { self }\n"
        "    pub fn build(&self) -> Result<Engine, String> { todo!() }\n"
        "}\n"  # 6
        "pub struct Engine;\n"
        "impl Engine {\n"
        "    pub fn run(&self) {}\n"
        "    pub fn split(&self) -> (Engine, u8) { todo!() }\n"
        "}\n"  # 11
        "pub trait Sink {\n"
        "    fn accept(&self);\n"
        "}\n"
        "pub struct Other;\n"
        "impl Other {\n"  # 16
        "    pub fn run(&self) {}\n"
        "    pub fn build(&self) {}\n"
        "    pub fn accept(&self) {}\n"
        "    pub fn limit(&self) {}\n"
        "}\n"  # 21
        "pub fn helper() {}\n"
        "pub enum Mode { Fast(Engine), Slow(Box<Other>), Long { by: Engine } }\n"
    ),
    "src/use_it.rs": (
        "use crate::parts::{Builder, Engine, Mode, Sink};\n\n"
        "struct Local;\n"
        "impl Local {\n"
        "    fn make() -> Local { Local }\n"
        "    fn go(&self) {}\n"
        "}\n\n"  # 8
        "struct Holder<S: Sink> {\n"
        "    sink: S,\n"
        "    all: Vec<Engine>,\n"
        "}\n\n"
        "impl<S: Sink> Holder<S> {\n"  # 14
        "    fn work(&self) {\n"
        "        Builder::new().limit(1).build();\n"
        "        let a = Builder::new()\n"
        "            .limit(2)\n"
        "            .build()\n"
        "            .unwrap();\n"  # 20
        "        a.run();\n"
        "        let (b, _) = a.split();\n"
        "        b.run();\n"
        "        self.sink.accept();\n"
        "        for c in self.all.iter() {\n"  # 25
        "            c.run();\n"
        "        }\n"
        "        let d = &self.all;\n"
        "        Local::make().go();\n"
        "        if let Ok(e) = Builder::new().build() {\n"  # 30
        "            e.run();\n"
        "        }\n"
        "        crate::pieces::helper();\n"
        "        match self.mode() {\n"
        "            Mode::Fast(ref f) => f.run(),\n"  # 35
        "            Mode::Slow(ref mut s) => s.run(),\n"
        "            Mode::Long { ref by } => by.run(),\n"
        "        }\n"
        "    }\n"
        "}\n"
    ),
}


@pytest.fixture(scope="module")
def rust() -> Repository:
    return Repository(RUST)


@pytest.mark.parametrize(
    ("name", "line", "place"),
    [
        ("limit", 16, "src/parts.rs:4"),
        ("build", 16, "src/parts.rs:5"),
        ("run", 21, "src/parts.rs:9"),
        ("run", 23, "src/parts.rs:9"),
        ("accept", 24, "src/parts.rs:13"),
        ("run", 26, "src/parts.rs:9"),
        ("make", 29, "src/use_it.rs:5"),
        ("go", 29, "src/use_it.rs:6"),
        ("run", 31, "src/parts.rs:9"),
        ("run", 35, "src/parts.rs:9"),
        ("run", 36, "src/parts.rs:17"),
        ("run", 37, "src/parts.rs:9"),
    ],
)
def test_types_of_values_in_rust(rust: Repository, name: str, line: int, place: str) -> None:
    assert rust.meaning("src/use_it.rs", name, line=line) == (place, "type")


def test_a_module_that_is_offered_under_another_name(rust: Repository) -> None:
    assert rust.meaning("src/use_it.rs", "helper") == ("src/parts.rs:22", "import")


def test_a_receiver_whose_stored_text_was_cut_is_read_again() -> None:
    links = "".join(f"\n        .a_rather_long_name_{n}(1)" for n in range(6))
    text = f"fn f() {{\n    Start::new(){links}\n        .end();\n}}\n"

    chain = receiver_at(parsed(text, "rust"), "end", 9)

    assert chain == "Start::new()" + "".join(f".a_rather_long_name_{n}()" for n in range(6))


@pytest.mark.parametrize(
    ("head", "language", "returned"),
    [
        ("pub fn f<F: Fn(u8) -> Bad>(x: F) -> io::Result<Engine>", "rust", "Engine"),
        ("fn f(&self) -> &'a mut Self where T: Fn() -> Bad", "rust", "Self"),
        ("fn f(&self) -> (Engine, u8)", "rust", "Engine"),
        ("fn f(g: impl Fn() -> Bad)", "rust", ""),
        ("func (s *S) f(n int) (*Engine, error)", "go", "Engine"),
        ("func f() (e pkg.Engine, err error)", "go", "pkg.Engine"),
        ("func f(n int)", "go", ""),
        ("static struct engine *f(int n)", "c", "engine"),
        ("engine_t f(void)", "c", "engine_t"),
    ],
)
def test_the_type_that_a_head_returns(head: str, language: str, returned: str) -> None:
    assert returned_type(head, language) == returned


@pytest.mark.parametrize(
    ("written", "element"),
    [
        ("Vec<Foo>", "Foo"),
        ("&'a [Foo]", "Foo"),
        ("[Foo; 3]", "Foo"),
        ("Option<Vec<m::Foo>>", "m::Foo"),
        ("list[Foo]", "Foo"),
        ("typing.Sequence[Foo]", "Foo"),
        ("tuple[Foo, Bar]", "Foo"),
        ("[]*Foo", "Foo"),
        ("map[string]Foo", "Foo"),
        ("Foo[]", "Foo"),
        ("Array<Foo>", "Foo"),
        ("Foo", ""),
        ("HashMap<A, B>", ""),
    ],
)
def test_the_type_of_the_elements_of_a_list(written: str, element: str) -> None:
    assert element_type(written) == element


def test_elements_in_python_go_and_typescript() -> None:
    repository = Repository(
        {
            "a.py": (
                "class A:\n    def run(self): ...\n\nclass B:\n    def run(self): ...\n\n"
                "class C:\n    items: list[A]\n\n    def f(self, more: list[B]):\n"
                "        for a in self.items:\n            a.run()\n        for b in more:\n            b.run()\n"
                "        more[0].run()\n"
            ),
            "a.go": (
                "package p\n\ntype A struct{}\n\nfunc (a *A) Run() {}\n\ntype B struct{ Items []*A }\n\n"
                "func (b *B) Run() {\n\tfor _, x := range b.Items {\n\t\tx.Run()\n\t}\n}\n"
            ),
            "a.ts": (
                "class A { run() {} }\nclass B { run() {} }\n"
                "function f(all: A[]) {\n  for (const a of all) {\n    a.run();\n  }\n}\n"
            ),
        }
    )

    assert repository.meaning("a.py", "run", line=12) == ("a.py:2", "type")
    assert repository.meaning("a.py", "run", line=14) == ("a.py:5", "type")
    assert repository.meaning("a.py", "run", line=15) == ("a.py:5", "type")
    assert repository.meaning("a.go", "Run", line=11) == ("a.go:5", "type")
    assert repository.meaning("a.ts", "run", line=5) == ("a.ts:1", "type")


def test_a_definition_of_c_comes_before_its_prototypes() -> None:
    repository = Repository(
        {
            "here.c": "static int twice(int n);\nint far(int n);\n\nint f(void) { return twice(1) + far(2); }\n\n"
            "static int twice(int n) { return 2 * n; }\n",
            "there.c": "int far(int n) { return n; }\n",
            "hidden.c": "static int far(int n) { return 0; }\n",
        }
    )

    assert repository.meaning("here.c", "twice") == ("here.c:6", "same-file")
    assert repository.meaning("here.c", "far") == ("there.c:1", "same-file")


@pytest.mark.parametrize(
    ("path", "head", "usual"),
    [
        ("a.go", "package a", True),
        ("a_windows.go", "package a", False),
        ("a_linux_arm64.go", "package a", False),
        ("a_linux_test.go", "package a", True),
        ("windows.go", "package a", True),
        ("a.go", "//go:build windows || (darwin && !cgo)", False),
        ("a.go", "//go:build !windows && (linux || darwin)", True),
        ("a.go", "//go:build go1.21", True),
        ("a.go", "//go:build integration", False),
        ("a.go", "//go:build (", False),
    ],
)
def test_files_of_the_usual_build_of_go(path: str, head: str, usual: bool) -> None:
    assert is_usual(path, [head, "", "package a"]) is usual


def test_the_variant_of_the_usual_build_comes_first() -> None:
    repository = Repository(
        {
            "p/a.go": "package p\n\nfunc f() { open() }\n",
            "p/b_windows.go": "package p\n\nfunc open() {}\n",
            "p/c_unix.go": "//go:build !windows\n\npackage p\n\nfunc open() {}\n",
        }
    )

    assert repository.meaning("p/a.go", "open") == ("p/c_unix.go:5", "package")
    assert len(repository.resolve("p/a.go", "open").candidates) == 2


def test_chains_in_a_circle_end() -> None:
    """Each type asks for that of the next; and a chain of variables, each made of the one before."""
    many = "".join(f"    let v{n} = v{n - 1}.step().step();\n" for n in range(1, 60))
    repository = Repository(
        {
            "src/lib.rs": (
                "pub struct A;\nimpl A {\n    pub fn step(&self) -> A { A }\n    pub fn other(&self) {}\n}\n"
                "fn f() {\n    let a = b.step().x();\n    let b = a.step().x();\n    a.step().other();\n"
                f"    let v0 = A;\n{many}    v59.other();\n    let c = again();\n    c.other();\n}}\n"
                "fn again() -> again { again() }\n"
            )
        }
    )

    assert repository.resolve("src/lib.rs", "other", line=9) is not None
    assert repository.resolve("src/lib.rs", "other", line=70) is not None
    assert repository.resolve("src/lib.rs", "other", line=72) is not None


def test_a_class_that_a_module_offers_under_another_name() -> None:
    repository = Repository(
        {
            "base.ts": "class App {\n  route() {}\n}\n\nexport { App as Base }\n",
            "app.ts": "import { Base } from './base'\n\nexport class Own extends Base {}\n",
            "main.ts": "import { Own } from './app'\n\nconst app = new Own()\napp.route()\n",
        }
    )

    assert repository.meaning("main.ts", "route") == ("base.ts:2", "inherited")

"""References, imports, uses and bindings of source files, language by language."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spelunk.chunk import parse, receivers
from spelunk.chunk.binding_tables import QUERIES
from spelunk.chunk.bindings import bindings
from spelunk.chunk.grammar import FAMILY_OF, bad_pattern, grammar_for
from spelunk.chunk.receivers import MAX_RECEIVER, Splitter
from spelunk.chunk.relation import NO_RELATIONS, Role
from spelunk.chunk.relations import MAX_REFERENCES, relations
from spelunk.chunk.uses import uses
from spelunk.config import Options
from spelunk.types import MAX_SYMBOL, Document
from tests.examples import examples
from tests.test_chunk_properties import LANGUAGES, TEXTS

FIXTURES = Path(__file__).parent / "fixtures" / "relations"
OPTIONS = Options()


def parsed(text, language, lines=None):
    return parse(Document("a", text, b"", language, lines=lines), OPTIONS)


def shown(text, language):
    """Relations in the notation of the fixtures."""
    found = relations(parsed(text, language))
    lines = [
        f"{r.line} {r.role.name} {r.name}" + (f" of {r.receiver}" if r.receiver else "")
        for r in found.references
    ]
    lines += [
        f"{i.line} import {i.module!r} {i.name or '-'} {i.alias or '-'}" + (" exported" if i.exported else "")
        for i in found.imports
    ]
    return lines


def table(language):
    return import_module(f"spelunk.chunk.relation_tables.{FAMILY_OF[language]}").TABLES[language]


@pytest.mark.parametrize("language", sorted(FAMILY_OF))
def test_the_installed_grammar_knows_every_pattern(language):
    grammar = grammar_for(language).parser.language
    patterns = table(language).query.split("\n\n") + QUERIES.get(language, "").split("\n\n")
    assert {p: bad for p in patterns if p.strip() and (bad := bad_pattern(grammar, p))} == {}


@pytest.mark.parametrize("language", sorted(FAMILY_OF))
def test_relations_of_a_language(language):
    text, expected = (FIXTURES / f"{language}.txt").read_text(encoding="utf-8").split("=====\n")
    assert shown(text, language) == expected.splitlines()


@pytest.mark.parametrize("language", ["crystal", "cuda", "luau", "hcl"])
def test_a_language_with_the_grammar_of_another_has_its_table(language):
    assert relations(parsed("f(1)\n", language)).references or language == "hcl"


@pytest.mark.parametrize("language", ["markdown", "json", "perl", "no-such-language", "notebook"])
def test_a_text_without_a_tree_has_no_relations(language):
    assert relations(parsed("f(1)\nimport x\n", language)) == NO_RELATIONS


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("python", "def f(:\n  a.b(1)\nclass X(Y:\n  def g(self): return h(2)\n", {"b", "h"}),
        ("c", "int f( {\n  g(1);\n#if A\n }\n#else\n  x->h(2);\n", {"g", "h"}),
        ("go", "package p\nfunc f() {\n g(1)\n if {\n x.h(2)\n", {"g", "h"}),
        ("javascript", "class A { f() { g(1); \n }}}\n x.h(2)", {"g", "h"}),
    ],
)
def test_broken_code_keeps_what_is_right(language, text, expected):
    assert expected <= {r.name for r in relations(parsed(text, language)).references}


@pytest.mark.parametrize(
    ("language", "expression", "receiver"),
    [
        ("python", "a.b(1)[2].c", "a.b()[]"),
        ("python", "' '.join(x).c", '""' + ".join()"),
        ("python", "(a\n   .b  # note\n   .c)", ""),
        ("javascript", "a?.b!.c", "a.b"),
        ("javascript", "new Foo(1).c", "Foo()"),
        ("javascript", "(await x).c", "()"),
        ("typescript", "foo<Bar>(1).c", "foo()"),
        ("java", "a.b(x, y).<T>d()\n  .c", "a.b().d()"),
        ("cpp", "A<B>::c", "A"),
        ("rust", "x.y()?.c", "x.y()"),
        ("kotlin", "a!!.b?.c", "a.b"),
        ("php", "$this->a['b']->c", "$this->a[]"),
        ("ruby", "a&.b { |x| x }.c", "a.b{}"),
        ("lua", "a:b():c", "a:b()"),
        ("csharp", "Foo<Bar>.Baz.c", "Foo.Baz"),
    ],
)
def test_a_receiver_has_no_blanks_and_no_arguments(language, expression, receiver):
    head = {
        "java": "class A { void f() { ",
        "csharp": "class A { void f() { ",
        "php": "<?php ",
        "rust": "fn f() { ",
    }
    head |= {"cpp": "void f() { ", "kotlin": "fun f() { "}
    text = head.get(language, "") + expression + "(9);"
    found = [r for r in relations(parsed(text, language)).references if r.name == "c" and r.role is Role.CALL]
    assert [r.receiver for r in found] == ([receiver] if receiver else [r.receiver for r in found])


def test_lines_of_a_wrapped_text_are_those_of_the_raw_file():
    found = relations(parsed("import a\n\nf(1)\n", "python", lines=(5, 6, 9, 10)))
    assert [(r.name, r.line) for r in found.references] == [("f", 9)]
    assert found.imports[0].line == 5


def test_letters_outside_ascii():
    found = relations(parsed("ä.größe(1)\nfrom ñ import ö, ü as é\n", "python"))
    assert [(r.name, r.receiver, r.line) for r in found.references] == [
        ("größe", "ä", 1),
        ("ö", "ñ", 2),
        ("ü", "ñ", 2),
    ]


def test_references_of_one_file_are_bounded(monkeypatch):
    monkeypatch.setattr("spelunk.chunk.relations.MAX_REFERENCES", 1_000)
    assert MAX_REFERENCES > 1_000
    text = "import a, b\n" * 2_000 + "f(g(1))\n" * 5_000
    found = relations(parsed(text, "python"))
    assert len(found.references) == len(found.imports) == 1_000
    assert found.references[0] == ("f", Role.CALL, 2_001, "")


@pytest.mark.parametrize("language", ["python", "javascript", "java", "ruby", "rust", "csharp"])
def test_a_long_chain_of_calls_is_read_once(language):
    head = {"java": "class A { void f() { ", "csharp": "class A { void f() { ", "rust": "fn f() { "}
    text = head.get(language, "") + "a" + "\n.bcd(x)" * 5_000 + ";"
    found = [r for r in relations(parsed(text, language)).references if r.name == "bcd"]
    assert len(found) == 5_000
    assert max(len(r.receiver) for r in found) <= MAX_RECEIVER


def test_deep_nesting_ends():
    for text in ("f(" * 900 + ")" * 900, "[" * 900 + "f(1)" + "]" * 900, "a.b(" * 900 + ")" * 900):
        assert relations(parsed(text, "python")).references


@examples(150)
@given(TEXTS, st.sampled_from(sorted({*LANGUAGES, *FAMILY_OF})))
@example("0/", "ruby")
def test_any_text_of_any_language(text, language):
    document = parsed(text, language)
    found = relations(document)
    count = text.count("\n") + 1
    for reference in found.references:
        assert 0 < len(reference.name) <= MAX_SYMBOL
        assert 1 <= reference.line <= count
        assert len(reference.receiver) <= MAX_RECEIVER
    assert [r.line for r in found.references] == sorted(r.line for r in found.references)
    assert [i.line for i in found.imports] == sorted(i.line for i in found.imports)
    assert all(1 <= i.line <= count and (i.module or i.name) for i in found.imports)
    assert relations(parsed(text, language)) == found
    for name in {r.name for r in found.references[:3]} | {"f", "A"}:
        assert all(use.name == name and 1 <= use.line <= count for use in uses(document, name))
    assert all(k and v for k, v in bindings(document, count).items())


USES = [
    (
        "python",
        "size",
        """from bar import size
def size_of(x): return size(x)
class A:
    size = 3
    def size(self):
        return self.size  # size
    def other(self, size):
        size += 1
        return lambda: size
    def fourth(self):
        print("size", size, self.size())
def size(): pass
x = [size]
""",
        ["1 IMPORT bar", "2 CALL", "6 USE self", "11 USE", "11 CALL self", "13 USE"],
    ),
    (
        "c",
        "field",
        'int f(int field);\nint g(int field) {\n return field;\n}\nint h(void) {\n return p->field + field(1);\n}\n/* field */ char *s = "field";\n',
        ["6 USE p", "6 CALL"],
    ),
    (
        "javascript",
        "size",
        "import {size} from './a';\nfunction f(size) {\n return size }\nconst g = () =>\n size + this.size;\nconst h = ({size}) =>\n size;\n",
        ["1 IMPORT ./a", "5 USE", "5 USE this"],
    ),
    (
        "typescript",
        "map",
        "interface A {\n map?: string;\n}\nconst x = {\n map: 1,\n b: map };\nconst y = { map };\nf(map);\n",
        ["6 USE", "7 USE", "8 USE"],
    ),
    (
        "go",
        "Data",
        "package a\ntype T struct {\n Data any\n}\nvar y = Data\nfunc f() { g(Data) }\n",
        ["5 USE", "6 USE"],
    ),
    (
        "rust",
        "len",
        "fn f() {\n let len = x.len();\n len + 1;\n}\nfn g() {\n len(1); self.len;\n {\n  let len = 2;\n  len;\n }\n len;\n}\n",
        ["2 CALL x", "6 CALL", "6 USE self", "11 USE"],
    ),
    (
        "typescript",
        "map",
        "interface A {\n map?: string;\n map(): void\n}\ntype B = { map: C };\nclass D {\n map = map;\n}\nf({ map: 1 }, { map }, x.map);\n",
        ["7 USE", "9 USE", "9 USE x"],
    ),
    (
        "go",
        "Data",
        "package p\ntype Data struct {\n Data, X any\n *Data\n y map[Data]int\n}\ntype I interface {\n Data() Data\n}\nvar x = S{Data: Data}\n",
        ["4 INHERIT", "5 TYPE", "8 TYPE", "10 WRITE", "10 USE"],
    ),
    ("rust", "size", "struct A { size: usize }\nfn f() { size }\n", ["2 USE"]),
    ("c", "size", "struct a { int *size, b[size]; };\nint f(void) { return size; }\n", ["1 USE", "2 USE"]),
    ("python", "size", "f(size=size)\nx = {size: 1}\n", ["1 USE", "2 USE"]),
]


@pytest.mark.parametrize(("language", "name", "text", "expected"), USES)
def test_uses_of_a_name(language, name, text, expected):
    found = uses(parsed(text, language), name)
    assert [f"{u.line} {u.role.name} {u.receiver}".rstrip() for u in found] == expected


BINDINGS = {
    "python": (
        """CONF: Config = load()
class A:
    def __init__(self, store: "Store | None", other):
        self.store = store
        self.other = other
        self.made = x.Made()
    def f(self, a: Optional[Foo], b: list[Foo] = ()):
        c = Client()
        d = make(c)
        with Open() as e:
            here
        later = Foo()
    def g(self, z: Q):
        self.store = z2
""",
        {
            "CONF": "Config",
            "self.store": "Store",
            "self.made": "x.Made",
            "a": "Foo",
            "b": "list",
            "b[]": "Foo",
            "c": "Client",
        }
        | {"d": "make()", "e": "Open"},
    ),
    "typescript": (
        """class A { private store: Store<T>; made = new Made();
  constructor(private readonly svc: Svc, plain: P) { this.plain = plain; }
  f(a?: Foo | null) { const c = new a.Client(); const d = await make();
    here(); } }
""",
        {"this.store": "Store", "this.made": "Made", "this.svc": "Svc", "this.plain": "P", "a": "Foo"}
        | {"c": "a.Client", "d": "make()"},
    ),
    "java": (
        """class A { private Store<T> store;
 void f(final List<Foo> b) { var c = new Client<>(); Foo d = x(); for (Bar e : b) {
   here(); } }
 void g(Q q) {} }
""",
        {
            "store": "Store",
            "this.store": "Store",
            "b": "List",
            "b[]": "Foo",
            "c": "Client",
            "d": "Foo",
            "e": "Bar",
        },
    ),
    "go": (
        """package p
type S struct { a *Foo; b pkg.Bar }
type T struct { z Foo }
func (s *S) f(x *Q, ys []Foo) { c := &Client{}; d := NewD(1); var g Foo
 here() }
""",
        {
            "s": "S",
            "s.a": "Foo",
            "s.b": "pkg.Bar",
            "x": "Q",
            "ys[]": "Foo",
            "c": "Client",
            "d": "NewD()",
            "g": "Foo",
        },
    ),
    "rust": (
        """struct S { a: Arc<Foo>, b: Option<Box<dyn Bar>> }
impl S { fn f(&self, x: &mut Q) { let c = Client::new(); let d = open()?; let g = K { a: 1 };
 here(); } }
""",
        {"self.a": "Foo", "self.b": "Bar", "x": "Q", "c": "Client", "d": "open()", "g": "K"},
    ),
    "cpp": (
        """class S { Foo* a; std::unique_ptr<Bar> b; void f(); };
void S::f(const Q& x, struct R *y) { auto c = new Client(1); Foo d(1); for (auto& z : d) {
 here(); } }
""",
        {
            "a": "Foo",
            "this->a": "Foo",
            "b": "Bar",
            "this->b": "Bar",
            "x": "Q",
            "y": "R",
            "c": "Client",
            "d": "Foo",
        },
    ),
    "csharp": (
        """class A { private readonly IFoo _foo; public Bar B { get; set; }
 void f(Q q) { var c = new Client(); Foo d = x(); foreach (Baz z in y) {
 here(); } } }
""",
        {
            "_foo": "IFoo",
            "this._foo": "IFoo",
            "B": "Bar",
            "this.B": "Bar",
            "q": "Q",
            "c": "Client",
            "d": "Foo",
        }
        | {"z": "Baz"},
    ),
    "kotlin": (
        """class A(val foo: Foo?) { private val baz: Baz = x
  fun f(q: Q) { val c = Client(1); val d = make()
  here() } }
""",
        {
            "foo": "Foo",
            "this.foo": "Foo",
            "baz": "Baz",
            "this.baz": "Baz",
            "q": "Q",
            "c": "Client",
            "d": "make()",
        },
    ),
    "php": (
        """<?php class A { private Foo $foo; function __construct(private Bar $bar, Baz $baz) { $this->baz = $baz; }
 function f(?Q $q) { $c = new Client(1);
  here(); } }
""",
        {"$this->foo": "Foo", "$this->bar": "Bar", "$this->baz": "Baz", "$q": "Q", "$c": "Client"},
    ),
    "ruby": (
        "class A\n def initialize; @a = B::C.new(1); end\n def f; c = Client.new\n  here\n end\nend\n",
        {"@a": "B::C", "c": "Client"},
    ),
    "swift": (
        "class A {\n let foo: Foo?\n func f(q: Q, _ r: R) {\n  let c = Client(1)\n  here() } }\n",
        {"foo": "Foo", "self.foo": "Foo", "q": "Q", "r": "R", "c": "Client"},
    ),
    "c": (
        "int f(struct client *c, robj *o) { sds s = x();\n here(); }\n",
        {"c": "client", "o": "robj", "s": "sds"},
    ),
}


@pytest.mark.parametrize("language", sorted(BINDINGS))
def test_types_of_the_variables_at_a_line(language):
    text, expected = BINDINGS[language]
    line = next(n for n, row in enumerate(text.split("\n"), 1) if "here" in row)
    assert bindings(parsed(text, language), line) == expected


def test_fields_assigned_from_each_other_end():
    text = "class A:\n def f(self, a):\n  self.a = a\n  a = self.a\n def g(self, b):\n  self.b = b\n  here\n"
    assert bindings(parsed(text, "python"), 7) == {}


def receiver_step_by_step(text: str, splitter: Splitter, window: bool) -> str:
    """What :meth:`Splitter._plain` makes of an expression, every step taken whether it is needed or not."""
    if receivers._has_quotes(text):
        text = receivers._COMMENT.sub("", receivers._QUOTED.sub('""', text))
    for _ in range(receivers._MAX_NESTING):
        text, emptied = receivers._INNER.subn(receivers._marked, text)
        if not emptied:
            break
    text = re.split(r"[][(){}]", text)[-1]
    text = receivers._BEFORE_BRACE.sub("\x03", text)
    text = splitter._safe.sub("", splitter._space.sub(r"\1", text))
    text = text.replace("->", "\x04").replace("=>", "\x05")
    while "<" in text:
        shorter = receivers._ANGLES.sub("", text)
        if shorter == text:
            break
        text = shorter
    pieces = receivers._OPERATOR.split(text) if window else text.split()
    text = pieces[-1] if pieces else ""
    text = text.replace("\x04", "->").replace("\x05", "=>")
    return text.replace("\x01", "()").replace("\x02", "[]").replace("\x03", "{}")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.sampled_from(
            [*"()[]{}.?! \n<>,+'\"`#", "a", "b1", "->", "=>", "::", "//", "/*", "*/", "?.", "!."]
        ),
        max_size=24,
    ),
    st.sampled_from(["python", "typescript", "cpp", "ruby"]),
    st.booleans(),
)
def test_a_receiver_is_read_as_step_by_step(parts: list[str], language: str, window: bool) -> None:
    splitter = Splitter(table(language))
    for text in ("".join(parts), "(" * 40 + "".join(parts)):
        assert splitter._plain(text, window) == receiver_step_by_step(text, splitter, window)

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spelunk.files import content, language_heuristics
from spelunk.files.content import content_flags, looks_binary, looks_minified
from spelunk.files.languages import DATA, LANGUAGES, PROSE, canonical, language_of, refine
from spelunk.files.path_rules import describe, path_flags
from spelunk.types import Flag


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a.py", "python"), ("a/b.PY", "python"), ("x.d.ts", "typescript"), ("x.tsx", "tsx"), ("x.jsx", "javascript"),
        ("Makefile", "make"), ("Makefile.am", "make"), ("Dockerfile.dev", "dockerfile"), ("CMakeLists.txt", "cmake"),
        ("a.C", "cpp"), ("a.c", "c"), ("a.h", "c"), ("a.hpp", "cpp"), ("config.h.in", "c"), ("a.rs", "rust"),
        ("go.mod", "gomod"), ("requirements-dev.txt", "requirements"), ("notes.txt", "text"), ("x.ipynb", "notebook"),
        ("README", "text"), ("README.md", "markdown"), ("Kconfig.debug", "kconfig"), ("a.kts", "kotlin"), (".bashrc", "bash"),
        ("a.unknown", "text"), ("noext", "text"), ("x.html.j2", "html"), ("a.cs", "csharp"), ("BUILD.bazel", "starlark"),
        ("x.", "text"), ("deep.py/file", "text"), ("script.sh", "bash"), ("\udcff.go", "go"),
    ],
)  # fmt: skip
def test_a_name_tells_the_language(path: str, language: str) -> None:
    assert language_of(path) == language


@pytest.mark.parametrize(
    ("typed", "name"),
    [("py", "python"), ("C++", "cpp"), ("c#", "csharp"), ("golang", "go"), ("sh", "bash"), ("TS", "typescript"),
     (".rs", "rust"), ("rust", "rust"), ("md", "markdown"), ("klingon", None), ("", None)],
)  # fmt: skip
def test_what_people_type_becomes_canonical(typed: str, name: str | None) -> None:
    assert canonical(typed) == name


def test_every_grammar_for_files_is_covered() -> None:
    from tree_sitter_language_pack import SupportedLanguage

    inner = {
        "comment",
        "doxygen",
        "gstlaunch",
        "jsdoc",
        "luadoc",
        "luap",
        "markdown_inline",
        "printf",
        "test",
    }

    assert set(get_args(SupportedLanguage)) - inner <= LANGUAGES
    assert PROSE | DATA <= LANGUAGES


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("run", "#!/usr/bin/env -S python3.11 -u\n", "python"),
        ("run", "#!/bin/sh -e\n", "bash"),
        ("run", "plain words\n", "text"),
        ("new", "// -*- C++ -*-\n", "cpp"),
        ("page.1", '.TH LS 1\n', "troff"),
        ("a.h", "class Widget : public Base {\n", "cpp"),
        ("a.h", "#ifdef __cplusplus\nextern \"C\" {\nclass X;\n#endif\nint f(void);\n", "c"),
        ("a.h", "/* a template <class T> */\nstruct class_x { int class; };\n", "c"),
        ("a.h", "@interface Foo : NSObject\n", "objc"),
        ("a.m", "function y = f(x)\n% doc\n", "matlab"),
        ("a.m", "#import <Foundation/Foundation.h>\n", "objc"),
        ("a.v", "module main\n\nfn main() {\n", "v"),
        ("a.v", "module counter(input clk);\n", "verilog"),
        ("de.ts", '<?xml version="1.0"?>\n', "xml"),
        ("a.ts", "export const a = 1\n", "typescript"),
        ("a.py", "#!/bin/sh\n", "python"),
        ("letter.cls", "\\NeedsTeXFormat{LaTeX2e}\n", "latex"),
    ],
)  # fmt: skip
def test_the_head_settles_what_a_name_leaves_open(path: str, head: str, language: str) -> None:
    assert refine(path, head) == language


@pytest.mark.parametrize(
    ("path", "flags"),
    [
        ("src/app.py", Flag.NONE),
        ("tests/helpers.py", Flag.TEST),
        ("pkg/test_x.py", Flag.TEST),
        ("pkg/x_test.go", Flag.TEST),
        ("src/FooTest.java", Flag.TEST),
        ("ui/button.spec.ts", Flag.TEST),
        ("My.App.Tests/Thing.cs", Flag.TEST),
        ("src/latest.py", Flag.NONE),
        ("src/contest.py", Flag.NONE),
        ("src/inspect.py", Flag.NONE),
        ("vendor/x/y.go", Flag.VENDORED),
        ("third_party/z.c", Flag.VENDORED),
        ("api/x_pb2.py", Flag.GENERATED),
        ("api/x.pb.go", Flag.GENERATED),
        ("lib/m.g.dart", Flag.GENERATED),
        ("docs/guide.py", Flag.DOCS),
        ("README.md", Flag.DOCS),
        ("LICENSE", Flag.DOCS),
        ("examples/a.py", Flag.EXAMPLE),
        ("pyproject.toml", Flag.CONFIG),
        ("web/tsconfig.json", Flag.CONFIG),
        ("web/vite.config.ts", Flag.CONFIG),
        ("data/table.json", Flag.NONE),
        ("vendor/x/tests/y_test.go", Flag.VENDORED | Flag.TEST),
    ],
)  # fmt: skip
def test_a_path_tells_its_flags(path: str, flags: Flag) -> None:
    assert path_flags(path) == flags


@pytest.mark.parametrize(
    ("name", "reason"),
    [("yarn.lock", "lock-file"), ("jquery.min.js", "minified"), ("a.js.map", "source-map"), ("logo.PNG", "binary"),
     ("a.tar.gz", "binary"), ("lib.so", "binary"), ("so", None), ("main.c", None), ("png", None)],
)  # fmt: skip
def test_a_name_can_rule_a_file_out(name: str, reason: str | None) -> None:
    skip = describe(name)[2]

    assert (skip and skip[0]) == reason


@pytest.mark.parametrize(
    ("head", "generated"),
    [
        ("// Code generated by protoc-gen-go. DO NOT EDIT.\n", True),
        ("# @generated by tool\n", True),
        ("// <auto-generated>\n", True),
        ("/* This file is auto-generated. */\n", True),
        ("# Generated by Django 3.2 on 2021\n", True),
        ('MARKER = "@generated"\n', False),
        ("Events are generated by the kernel.\n", False),
        ("// we never DO NOT EDIT anything\n", False),
        ("\n" * 60 + "# @generated\n", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_generated_marker_counts_only_where_it_marks(head: str, generated: bool) -> None:
    assert content_flags(head) == (Flag.GENERATED if generated else Flag.NONE)


@pytest.mark.parametrize(
    ("head", "binary"),
    [(b"text\n", False), (b"", False), (b"a\0b", True), ("\ufeffhi".encode("utf-16"), False), (b"%PDF-1.7\n", True),
     (bytes(range(1, 32)) * 20, True), (("é" * 100).encode("latin-1"), False),
     (b"x" * 8000 + b"\0", False)],
)  # fmt: skip
def test_binary_is_told_by_the_first_bytes(head: bytes, binary: bool) -> None:
    assert looks_binary(head) == binary


def test_minified_is_long_lines_without_the_blanks_of_prose() -> None:
    squeezed = "var a=function(b,c){return b+c};" * 200
    prose = "A paragraph on one line, as many editors keep it. " * 100
    chinese = "这是一个很长的段落，没有空格，但是它是写给人看的文字。" * 100
    source = (
        "\n".join(f"    value_{i} = compute(value_{i - 1})" for i in range(300))
        + "\nBLOB = '"
        + "A" * 200_000
        + "'\n"
    )

    assert looks_minified(squeezed)
    assert looks_minified("/*! a licence */\n" * 5 + squeezed)
    assert not looks_minified(prose)
    assert not looks_minified(chinese)
    assert not looks_minified("x = 1\n" * 500)
    assert not looks_minified(source)


HEADER_LINES = st.sampled_from(
    [
        "#include <stdio.h>", "#include <string>", "# include <cstdint>", "#include <linux/list.h>", "int x;",
        "class Foo {", "enum class E : int {", "struct class *c;", "private: int y;", "@interface A", "@end",
        "#import <Foo/Foo.h>", "# import x", "namespace a {", "namespace a::b", "using namespace std;", "std::x y;",
        "template <class T>", "virtual void f();", "/* namespace a { */", "// std::x", "#ifdef __cplusplus",
        "extern \"C\" {", "#endif", "bool operator==(int);", "friend class B;", "explicit A();", "constexpr int z = 1;",
        "static_assert(std::is_same<A, B>);", "#define x(import) @", "ostream<new>", "",
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HEADER_LINES, max_size=8))
def test_a_quick_look_at_a_header_decides_as_the_expressions_do(lines: list[str]) -> None:
    head = "\n".join(lines)
    text = language_heuristics._without_guarded(head)
    rules = [(name, re.compile(p, re.MULTILINE)) for name, p in language_heuristics._RULES["h"]]
    expected = next((name for name, pattern in rules if pattern.search(text)), "c")

    assert language_heuristics.settle("h", head, "c") == expected


TEST_LINES = st.sampled_from(
    [
        "TEST(A, b) {", "  TEST_F(A, b)", "SCENARIO(x)", "xTEST(", "BOOST_AUTO_TEST_CASE(a)", "[Fact]", "  [TestMethod]",
        "use ExUnit.Case", "import Test.Hspec", "import qualified Test.Tasty", "@Test", "@ParameterizedTest",
        "class A extends FunSuite", "class T extends TestCase {", "def test_a():", "    async def test_b():", "def f():",
        "class T(unittest.TestCase):", "class T: XCTestCase", "import XCTest", "@Suite struct", "plain words", "it('x', () => {", "  describe.only(\"a\", f)", "await it", "it 'x' do", "",
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEST_LINES, max_size=6), st.sampled_from(sorted(content._TEST_CASES)))
def test_a_quick_look_for_tests_decides_as_the_expression_does(lines: list[str], language: str) -> None:
    text = "\n".join(lines)
    cases = len(content._TEST_CASES[language].findall("\n" + text))
    functions = content._FUNCTIONS.get(language)
    expected = bool(cases) and (functions is None or 2 * cases >= len(functions.findall(text)))

    assert (content.test_flag(language, text) is Flag.TEST) is expected


@pytest.mark.parametrize(
    "head", ["/* Code GENERATED by x. Do Not EDIT */", "# Do not edit", "plain", "é generated"]
)
def test_a_marker_is_found_in_any_case(head: str) -> None:
    expected = content._HINT.search(head) is not None and content._MARKER.search(head) is not None

    assert (content_flags(head) is Flag.GENERATED) is expected

"""Imports as files write them, and the files that they mean, language by language."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from spelunk.chunk.relation import Import, last_part
from spelunk.files.languages import language_of
from spelunk.graph.import_paths import NameOrigin, reexported, resolve_import
from spelunk.testing import MemoryReader
from spelunk.testing.relations import MemoryRelations


def resolve(
    files: Mapping[str, str] | list[str], path: str, module: str, name: str = "", alias: str = ""
) -> list[str]:
    texts = files if isinstance(files, Mapping) else dict.fromkeys(files, "x\n")
    reader = MemoryReader.of_files({path: "x\n", **texts}).relations
    return resolve_import(reader, path, language_of(path), Import(module, name, alias, 1))


# Python

FLASK = {
    "src/flask/__init__.py": "from .app import Flask\n",
    "src/flask/app.py": "class Flask: ...\n",
    "src/flask/json/__init__.py": "def dumps(x): ...\n",
    "src/flask/json/tag.py": "class Tag: ...\n",
    "src/flask/types.py": "X = 1\n",
    "tests/test_app.py": "import flask\n",
}


@pytest.mark.parametrize(
    ("path", "module", "name", "found"),
    [
        ("tests/test_app.py", "flask", "", "src/flask/__init__.py"),
        ("tests/test_app.py", "flask.app", "Flask", "src/flask/app.py"),
        ("tests/test_app.py", "flask", "json", "src/flask/json/__init__.py"),
        ("tests/test_app.py", "flask", "Flask", "src/flask/__init__.py"),
        ("tests/test_app.py", "flask.json.tag", "", "src/flask/json/tag.py"),
        ("src/flask/app.py", ".json", "dumps", "src/flask/json/__init__.py"),
        ("src/flask/app.py", ".", "json", "src/flask/json/__init__.py"),
        ("src/flask/app.py", ".", "*", "src/flask/__init__.py"),
        ("src/flask/json/tag.py", "..app", "Flask", "src/flask/app.py"),
        ("src/flask/json/tag.py", ".....app", "Flask", None),
        ("src/flask/app.py", "json", "", None),  # the standard library's
        ("src/flask/app.py", "types", "", None),
        ("src/flask/app.py", "app", "", None),  # not a top-level module
        ("src/flask/app.py", "werkzeug.routing", "Map", None),
    ],
)
def test_python_modules(path: str, module: str, name: str, found: str | None) -> None:
    assert resolve(FLASK, path, module, name) == ([found] if found else [])


def test_a_python_module_of_several_roots_is_the_nearest() -> None:
    files = ["one/tests/helpers.py", "two/tests/helpers.py", "one/tests/test_a.py", "two/tests/test_b.py"]

    assert resolve(files, "two/tests/test_b.py", "helpers", "f") == ["two/tests/helpers.py"]


def test_a_python_namespace_package_has_no_init() -> None:
    files = ["src/google/cloud/storage/__init__.py", "src/google/cloud/storage/blob.py"]

    assert resolve(files, "main.py", "google.cloud", "storage") == ["src/google/cloud/storage/__init__.py"]


def test_a_name_that_is_also_a_submodule_gives_both() -> None:
    files = {"p/__init__.py": "def run(): ...\n", "p/run.py": "x = 1\n"}

    assert resolve(files, "main.py", "p", "run") == ["p/__init__.py", "p/run.py"]


# JavaScript and TypeScript


@pytest.mark.parametrize(
    ("files", "module", "found"),
    [
        (["src/util.ts"], "./util", "src/util.ts"),
        (["src/util.ts"], "./util.js", "src/util.ts"),
        (["src/util.js", "src/util.ts"], "./util.js", "src/util.js"),
        (["src/util.tsx"], "./util.jsx", "src/util.tsx"),
        (["src/util.d.ts"], "./util", "src/util.d.ts"),
        (["src/lib/index.ts"], "./lib", "src/lib/index.ts"),
        (["src/lib.ts", "src/lib/index.ts"], "./lib", "src/lib.ts"),
        (["index.ts"], "..", "index.ts"),
        (["src/index.ts"], ".", "src/index.ts"),
        (["data.json"], "../data.json", "data.json"),
        (["src/x.vue"], "./x.vue?raw", "src/x.vue"),
        (["src/a.b.ts"], "./a.b", "src/a.b.ts"),
        (["util.ts"], "../../util", None),
        (["src/util.ts"], "util", None),
        (["src/react.ts"], "react", None),
    ],
)
def test_relative_modules(files: list[str], module: str, found: str | None) -> None:
    assert resolve(files, "src/main.ts", module) == ([found] if found else [])


TSCONFIG = """{
  // the base has the paths
  "extends": "../tsconfig.base.json",
  "compilerOptions": { "strict": true, /* more */ },
}"""
TSBASE = '{"compilerOptions": {"baseUrl": ".", "paths": {"~/*": ["web/src/*"], "~/ui": ["web/ui/index.ts"]}}}'


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("~/a/b", "web/src/a/b.ts"),
        ("~/ui", "web/ui/index.ts"),
        ("shared/x", "shared/x.ts"),
        ("~/none", None),
    ],
)
def test_paths_and_base_url_of_an_extended_tsconfig(module: str, found: str | None) -> None:
    files = {
        "web/tsconfig.json": TSCONFIG,
        "tsconfig.base.json": TSBASE,
        "web/src/a/b.ts": "x\n",
        "web/ui/index.ts": "x\n",
        "shared/x.ts": "x\n",
    }

    assert resolve(files, "web/src/main.ts", module) == ([found] if found else [])


def test_tsconfigs_that_extend_one_another_end() -> None:
    files = {"tsconfig.json": '{"extends": "./b.json"}', "b.json": '{"extends": "./tsconfig.json"}'}

    assert resolve(files, "main.ts", "x/y") == []


EXPORTS = {
    ".": {"import": {"types": "./dist/index.d.mts", "default": "./dist/index.mjs"}},
    "./server": {"require": "./dist/server/index.js"},
    "./adapters/*": {"import": "./dist/adapters/*.mjs"},
}


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("@t/server", "packages/server/src/index.ts"),
        ("@t/server/server", "packages/server/src/server/index.ts"),
        ("@t/server/adapters/express", "packages/server/src/adapters/express.ts"),
        ("@t/client", "packages/client/lib/main.ts"),
        ("@t/client/src/x", "packages/client/src/x.ts"),
        ("@t/none", None),
        ("#internal/a", "app/inner/a.js"),
    ],
)
def test_packages_of_the_workspace(module: str, found: str | None) -> None:
    files = {
        "package.json": '{"name": "root", "workspaces": ["packages/*"]}',
        "packages/server/package.json": json.dumps({"name": "@t/server", "exports": EXPORTS}),
        "packages/server/src/index.ts": "x\n",
        "packages/server/src/server/index.ts": "x\n",
        "packages/server/src/adapters/express.ts": "x\n",
        "packages/client/package.json": '{"name": "@t/client", "main": "lib/main"}',
        "packages/client/lib/main.ts": "x\n",
        "packages/client/src/x.ts": "x\n",
        "app/package.json": '{"name": "app", "imports": {"#internal/*": "./inner/*.js"}}',
        "app/inner/a.js": "x\n",
    }

    assert resolve(files, "app/main.ts", module) == ([found] if found else [])


@pytest.mark.parametrize("content", ["", "[]", "{", '{"compilerOptions": [], "extends": 3}', "[" * 50_000])
def test_damaged_configurations_say_nothing(content: str) -> None:
    files = {"tsconfig.json": content, "package.json": content, "a.ts": "x\n"}

    assert resolve(files, "main.ts", "./a") == ["a.ts"]
    assert resolve(files, "main.ts", "other") == []


# Go

GO = {
    "go.mod": "module github.com/gin-gonic/gin\n\ngo 1.21\n\nreplace example.com/x => ./local/x\n",
    "gin.go": "package gin\n",
    "gin_test.go": "package gin\n",
    "binding/form.go": "package binding\n",
    "binding/json.go": "package binding\n",
    "tools/go.mod": "module github.com/gin-gonic/gin/tools\n",
    "tools/lint/lint.go": "package lint\n",
    "local/x/x.go": "package x\n",
    "vendor/golang.org/x/net/html/parse.go": "package html\n",
}


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("github.com/gin-gonic/gin", ["gin.go"]),
        ("github.com/gin-gonic/gin/binding", ["binding/form.go", "binding/json.go"]),
        ("github.com/gin-gonic/gin/tools/lint", ["tools/lint/lint.go"]),
        ("example.com/x", ["local/x/x.go"]),
        ("golang.org/x/net/html", ["vendor/golang.org/x/net/html/parse.go"]),
        ("net/http", []),
        ("binding", []),
        ("github.com/gin-gonic/ginx", []),
    ],
)
def test_go_packages(module: str, found: list[str]) -> None:
    assert resolve(GO, "cmd/main.go", module) == found


# Rust

RUST = {
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n[package]\nname = "rg"\n'
    '[[bin]]\nname = "rg"\npath = "crates/core/main.rs"\n',
    "crates/core/main.rs": "mod flags;\nfn main() {}\n",
    "crates/core/flags/mod.rs": "mod hi;\n",
    "crates/core/flags/hi.rs": "pub struct Hi;\n",
    "crates/grep-cli/Cargo.toml": '[package]\nname = "grep-cli"\n',
    "crates/grep-cli/src/lib.rs": "mod pattern;\npub use pattern::Pattern;\n",
    "crates/grep-cli/src/pattern.rs": "pub struct Pattern;\nmod tests { use super::Pattern; }\n",
    "crates/grep-cli/src/io/read.rs": "pub fn read() {}\n",
    "crates/grep-cli/src/io.rs": "pub mod read;\n",
    "crates/grep-cli/tests/all.rs": "mod common;\n",
    "crates/grep-cli/tests/common/mod.rs": "pub fn f() {}\n",
}


@pytest.mark.parametrize(
    ("path", "module", "name", "found"),
    [
        ("crates/core/flags/hi.rs", "crate::flags", "hi", "crates/core/flags/hi.rs"),
        ("crates/core/flags/hi.rs", "crate::flags::hi", "Hi", "crates/core/flags/hi.rs"),
        ("crates/core/flags/hi.rs", "super", "*", "crates/core/flags/mod.rs"),
        ("crates/core/flags/mod.rs", "super", "x", "crates/core/main.rs"),
        ("crates/core/flags/mod.rs", "self::hi", "Hi", "crates/core/flags/hi.rs"),
        ("crates/core/flags/mod.rs", "hi", "Hi", "crates/core/flags/hi.rs"),
        ("crates/core/main.rs", "grep_cli", "Pattern", "crates/grep-cli/src/lib.rs"),
        ("crates/core/main.rs", "grep_cli::io::read", "read", "crates/grep-cli/src/io/read.rs"),
        ("crates/core/main.rs", "flags", "", "crates/core/flags/mod.rs"),
        ("crates/grep-cli/src/io/read.rs", "crate::pattern", "Pattern", "crates/grep-cli/src/pattern.rs"),
        ("crates/grep-cli/src/io/read.rs", "super::super::pattern", "P", "crates/grep-cli/src/pattern.rs"),
        ("crates/grep-cli/tests/all.rs", "common", "f", "crates/grep-cli/tests/common/mod.rs"),
        ("crates/grep-cli/tests/all.rs", "grep_cli::io", "", "crates/grep-cli/src/io.rs"),
        ("crates/core/main.rs", "std::io", "Read", None),
        ("crates/core/main.rs", "serde", "Serialize", None),
    ],
)
def test_rust_modules(path: str, module: str, name: str, found: str | None) -> None:
    assert resolve(RUST, path, module, name) == ([found] if found else [])


# Java, Kotlin, Scala

JVM = {
    "a/src/main/java/com/x/Foo.java": "package com.x;\npublic class Foo { static int bar() { return 1; } }\n",
    "a/src/main/java/com/x/in/Deep.java": "package com.x.in;\nclass Deep {}\n",
    "b/src/main/kotlin/util/Strings.kt": "package com.x.util\n\nfun trim(s: String) = s\nclass Box\n",
    "c/src/main/scala/com/y/Api.scala": "package com.y\nobject Api { def run = 1 }\n",
}


@pytest.mark.parametrize(
    ("path", "module", "name", "found"),
    [
        ("Main.java", "com.x.Foo", "", "a/src/main/java/com/x/Foo.java"),
        ("Main.java", "com.x", "Foo", "a/src/main/java/com/x/Foo.java"),
        ("Main.java", "com.x.Foo", "bar", "a/src/main/java/com/x/Foo.java"),
        ("Main.java", "com.x.Foo.Inner", "", "a/src/main/java/com/x/Foo.java"),
        ("Main.java", "com.x", "*", "a/src/main/java/com/x/Foo.java"),
        ("Main.kt", "com.x.util.trim", "", "b/src/main/kotlin/util/Strings.kt"),
        ("Main.kt", "com.x.util", "Box", "b/src/main/kotlin/util/Strings.kt"),
        ("Main.kt", "com.x.util", "*", "b/src/main/kotlin/util/Strings.kt"),
        ("Main.scala", "com.y", "Api", "c/src/main/scala/com/y/Api.scala"),
        ("Main.scala", "com.y.Api", "*", "c/src/main/scala/com/y/Api.scala"),
        ("Main.java", "java.util.List", "", None),
        ("Main.java", "org.Foo", "", None),
    ],
)
def test_packages_of_the_jvm(path: str, module: str, name: str, found: str | None) -> None:
    assert resolve(JVM, path, module, name) == ([found] if found else [])


# C and C++


@pytest.mark.parametrize(
    ("files", "path", "module", "found"),
    [
        (["src/x.h", "lib/x.h"], "src/a.c", "x.h", ["src/x.h"]),
        (["src/x.h"], "src/a.c", "../src/x.h", ["src/x.h"]),
        (["include/net/x.h"], "src/a.c", "net/x.h", ["include/net/x.h"]),
        (["include/net/x.h"], "src/a.c", "<net/x.h>", ["include/net/x.h"]),
        (
            ["arch/a/include/asm/x.h", "arch/b/include/asm/x.h"],
            "arch/b/k.c",
            "<asm/x.h>",
            ["arch/b/include/asm/x.h"],
        ),
        (["a/y.h", "b/y.h"], "c/k.c", "y.h", ["a/y.h", "b/y.h"]),
        (["src/string.h"], "lib/a.c", "<string.h>", []),
        (["src/my.h"], "lib/a.c", "<stdio.h>", []),
        (["src/string.h"], "src/a.c", "string.h", ["src/string.h"]),
        (["absl/base/x.h"], "absl/strings/y.cc", "absl/base/x.h", ["absl/base/x.h"]),
    ],
)
def test_includes(files: list[str], path: str, module: str, found: list[str]) -> None:
    assert resolve(files, path, module) == found


# The others


@pytest.mark.parametrize(
    ("module", "name", "found"),
    [
        ("A.Data", "", ["a.cs", "b.cs"]),
        ("A.Data.Row", "", ["b.cs"]),
        ("System.Linq", "", []),
        ("A.Data.Row.Inner", "", ["b.cs"]),
    ],
)
def test_csharp_namespaces(module: str, name: str, found: list[str]) -> None:
    files = {
        "a.cs": "namespace A.Data {\n class Table { }\n}\n",
        "b.cs": "namespace A.Data;\nclass Row {\n class Inner { }\n}\n",
        "c.cs": "namespace A.Other;\nclass Row { }\n",
    }

    assert resolve(files, "main.cs", module, name) == found


@pytest.mark.parametrize(
    ("path", "module", "found"),
    [
        ("spec/a_spec.rb", "rack/utils", "lib/rack/utils.rb"),
        ("lib/rack/a.rb", "./utils", "lib/rack/utils.rb"),
        ("spec/a_spec.rb", "spec_helper", "spec/spec_helper.rb"),
        ("spec/a_spec.rb", "Rack::Utils", "lib/rack/utils.rb"),
        ("app/a.rb", "Admin::HTTPClient", "app/models/admin/http_client.rb"),
        ("spec/a_spec.rb", "set", None),
    ],
)
def test_ruby_files(path: str, module: str, found: str | None) -> None:
    files = ["lib/rack/utils.rb", "spec/spec_helper.rb", "app/models/admin/http_client.rb"]

    assert resolve(files, path, module) == ([found] if found else [])


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("App\\Models\\User", "src/Models/User.php"),
        ("\\App\\Models\\User", "src/Models/User.php"),
        ("Tests\\UserTest", "tests/UserTest.php"),
        ("Old_Thing", "legacy/Thing.php"),
        ("App\\help", "src/helpers.php"),
        ("App\\Box\\Box", "src/Box/Box.php"),
        ("/src/helpers.php", "src/helpers.php"),
        ("helpers.php", "src/helpers.php"),
        ("Symfony\\Console\\Command", None),
    ],
)
def test_php_classes(module: str, found: str | None) -> None:
    files = {
        "composer.json": '{"autoload": {"psr-4": {"App\\\\": "src/"}}, "autoload-dev": '
        '{"psr-4": {"Tests\\\\": ["tests"]}}}',
        "src/Models/User.php": "<?php\nnamespace App\\Models;\nclass User {}\n",
        "src/Box/Box.php": "<?php\nnamespace App\\Box;\nclass Box {}\n",
        "tests/UserTest.php": "<?php\nnamespace Tests;\nclass UserTest {}\n",
        "src/helpers.php": "<?php\nnamespace App;\nfunction help() {}\n",
        "legacy/Thing.php": "<?php\nclass Old_Thing {}\n",
    }

    space, _, name = module.rpartition("\\")
    assert resolve(files, "src/main.php", module) == ([found] if found else [])
    if not name.endswith(".php"):
        assert resolve(files, "src/main.php", space, name) == ([found] if found else [])


def test_swift_targets() -> None:
    files = {
        "Package.swift": 'let p = Package(targets: [\n.target(name: "Vapor", dependencies: ["X"]),\n'
        '.target(\n  name: "Kit",\n  path: "Code"),\n])\n',
        "Sources/Vapor/A.swift": "public struct A {}\n",
        "Sources/Vapor/In/B.swift": "public struct B {}\n",
        "Code/K.swift": "class K {}\n",
    }

    assert resolve(files, "Tests/T.swift", "Vapor") == ["Sources/Vapor/A.swift", "Sources/Vapor/In/B.swift"]
    assert resolve(files, "Tests/T.swift", "Vapor", "B") == ["Sources/Vapor/In/B.swift"]
    assert resolve(files, "Tests/T.swift", "Kit") == ["Code/K.swift"]
    assert resolve(files, "Tests/T.swift", "Foundation") == []


@pytest.mark.parametrize(
    ("path", "module", "found"),
    [
        ("main.lua", "a.b", "lua/a/b.lua"),
        ("main.lua", "a", "lua/a/init.lua"),
        ("main.lua", "socket", None),
        ("main.ex", "Ecto.Query", "lib/ecto/query.ex"),
        ("main.ex", "Ecto.Query.Builder", "lib/ecto/query.ex"),
        ("main.ex", "Enum", None),
        ("Main.hs", "Text.Pandoc.Class", "src/Text/Pandoc/Class.hs"),
        ("Main.hs", "Data.Map", None),
        ("src/main.zig", "util.zig", "src/util.zig"),
        ("src/main.zig", "../x.zig", "x.zig"),
        ("src/main.zig", "core", "lib/core.zig"),
        ("src/main.zig", "std", None),
    ],
)
def test_modules_by_name(path: str, module: str, found: str | None) -> None:
    files = {
        "lua/a/b.lua": "return 1\n",
        "lua/a/init.lua": "return 1\n",
        "lib/ecto/query.ex": "defmodule Ecto.Query do\n  defmodule Builder do\n  end\nend\n",
        "src/Text/Pandoc/Class.hs": "module Text.Pandoc.Class where\n",
        "src/util.zig": "pub const x = 1;\n",
        "x.zig": "pub const x = 1;\n",
        "lib/core.zig": "pub const x = 1;\n",
        "build.zig": 'pub fn build(b: *B) void { _ = b.addModule("core", .{ .root_source_file = b.path("lib/core.zig") }); }\n',
    }

    assert resolve(files, path, module) == ([found] if found else [])


def test_a_language_without_rules_has_no_files() -> None:
    assert resolve(["a.sql"], "b.sql", "a") == []


# From the source text on

WRITTEN = {
    "py/main.py": ("from .util import a\nfrom . import util\nimport py.util as u\n", ["py/util.py"] * 3),
    "py/__init__.py": ("", []),
    "py/util.py": ("a = 1\n", []),
    "js/main.ts": (
        "import d, { a as b } from './util';\nimport * as n from './util.js';\nexport { a } from './util';\n"
        "const r = require('./util');\n",
        ["js/util.ts"] * 5,
    ),
    "js/util.ts": ("export const a = 1;\nexport default a;\n", []),
    "go.mod": ("module example.com/m\n", []),
    "go/main.go": ('package main\nimport (\n\t"fmt"\n\tu "example.com/m/go/util"\n)\n', ["go/util/u.go"]),
    "go/util/u.go": ("package util\n", []),
    "rs/Cargo.toml": ('[package]\nname = "my-crate"\n', []),
    "rs/src/lib.rs": (
        "mod util;\npub use self::util::{a, b::C};\n",
        ["rs/src/util.rs", "rs/src/util.rs", "rs/src/util/b.rs"],
    ),
    "rs/src/util.rs": ("pub mod b;\npub fn a() {}\n", ["rs/src/util/b.rs"]),
    "rs/src/util/b.rs": ("use crate::util::a;\nuse super::a as x;\npub struct C;\n", ["rs/src/util.rs"] * 2),
    "rs/src/util/c.rs": (
        "use super::b;\npub fn c() {}\nmod tests {\n    use super::*;\n    use super::super::a;\n"
        "    mod deep {\n        use super::super::c;\n    }\n}\n",
        ["rs/src/util/b.rs", "rs/src/util/c.rs", "rs/src/util.rs", "rs/src/util/c.rs"],
    ),
    "rs/tests/t.rs": ("use my_crate::util::*;\n", ["rs/src/util.rs"]),
    "src/com/x/Main.java": (
        "package com.x;\nimport com.x.in.Foo;\nimport static com.x.in.Foo.bar;\nimport com.x.in.*;\nclass Main {}\n",
        ["src/com/x/in/Foo.java"] * 3,
    ),
    "src/com/x/in/Foo.java": ("package com.x.in;\npublic class Foo { static int bar() { return 1; } }\n", []),
    "kt/Main.kt": ("import com.x.in.Foo\nimport com.x.in.Foo as F\n", ["src/com/x/in/Foo.java"] * 2),
    "sc/Main.scala": (
        "import com.x.in.{Foo, Other => O}\nimport com.x.in._\n",
        ["src/com/x/in/Foo.java"] * 2,
    ),
    "c/main.c": (
        '#include "util.h"\n#include <inc/deep.h>\n#include <stdio.h>\n',
        ["c/util.h", "c/inc/deep.h"],
    ),
    "c/util.h": ("int a;\n", []),
    "c/inc/deep.h": ("int b;\n", []),
    "cs/main.cs": ("using My.Space;\nusing System;\nusing static My.Space.T;\n", ["cs/t.cs"] * 2),
    "cs/t.cs": ("namespace My.Space {\n class T {\n  int F() { return 1; }\n }\n}\n", []),
    "rb/main.rb": (
        "require_relative 'util'\nrequire_relative '../rb/util'\nautoload :Thing, 'rb/util'\n",
        ["rb/util.rb"] * 3,
    ),
    "rb/util.rb": ("A = 1\n", []),
    "composer.json": ('{"autoload": {"psr-4": {"App\\\\": "php/"}}}', []),
    "php/main.php": (
        "<?php\nnamespace App;\nuse App\\In\\{Foo, Bar as B};\nuse App\\In\\Foo as F;\nrequire __DIR__ . '/util.php';\n",
        ["php/In/Foo.php", "php/In/Bar.php", "php/In/Foo.php", "php/util.php"],
    ),
    "php/In/Foo.php": ("<?php\nnamespace App\\In;\nclass Foo {}\n", []),
    "php/In/Bar.php": ("<?php\nnamespace App\\In;\nclass Bar {}\n", []),
    "php/util.php": ("<?php\nfunction f() {}\n", []),
    "Sources/Kit/K.swift": ("class K {}\n", []),
    "Sources/App/main.swift": ("import Foundation\n@testable import Kit\n", ["Sources/Kit/K.swift"]),
    "lua/main.lua": ("local u = require('lib.util')\n", ["lua/lib/util.lua"]),
    "lua/lib/util.lua": ("return 1\n", []),
    "ex/main.ex": (
        "defmodule Main do\n  alias My.{One, Two}\n  import My.One, only: [f: 1]\nend\n",
        ["ex/my.ex"] * 3,
    ),
    "ex/my.ex": ("defmodule My.One do\nend\ndefmodule My.Two do\nend\n", []),
    "hs/Main.hs": (
        "module Main where\nimport qualified Data.Mine as M\nimport Data.Mine (f)\n",
        ["hs/Data/Mine.hs"] * 2,
    ),
    "hs/Data/Mine.hs": ("module Data.Mine where\nf = 1\n", []),
    "zig/main.zig": ('const std = @import("std");\nconst u = @import("util.zig");\n', ["zig/util.zig"]),
    "zig/util.zig": ("pub const a = 1;\n", []),
}
"""Texts, and the files that their imports mean, in order."""


@pytest.mark.parametrize("path", [path for path, (_, found) in WRITTEN.items() if found])
def test_imports_as_they_are_written(path: str) -> None:
    reader = MemoryReader.of_files({path: text for path, (text, _) in WRITTEN.items()}).relations
    row = reader.files_at([path])[path]

    found = [
        file
        for record in reader.imports_of([row.id])[row.id]
        for file in resolve_import(reader, path, row.language, record)
    ]

    assert found == WRITTEN[path][1]


# Re-exports


def reader_of(files: Mapping[str, tuple[str, list[Import]]]) -> MemoryRelations:
    reader = MemoryReader.of_files(
        {path: text or "x\n" for path, (text, _) in files.items()}
    )  # an empty file is skipped
    return reader.relations.with_imports({path: found for path, (_, found) in files.items()})


def test_names_are_followed_through_packages() -> None:
    reader = reader_of(
        {
            "p/__init__.py": ("", [Import(".core", "*", "", 1), Import(".app", "App", "Main", 2)]),
            "p/app.py": ("class App: ...\n", []),
            "p/core/__init__.py": ("", [Import(".run", "run", "", 1), Import(".", "tools", "", 2)]),
            "p/core/run.py": ("def run(): ...\n", []),
            "p/core/tools.py": ("def t(): ...\n", []),
        }
    )

    assert reexported(reader, "p/__init__.py", "Main") == [NameOrigin("p/app.py", "App")]
    assert reexported(reader, "p/__init__.py", "run") == [NameOrigin("p/core/run.py", "run")]
    assert reexported(reader, "p/__init__.py", "tools") == [NameOrigin("p/core/tools.py", "")]
    assert reexported(reader, "p/app.py", "App") == [NameOrigin("p/app.py", "App")]
    assert reexported(reader, "p/__init__.py", "nothing") == []


def test_only_exported_names_are_followed_in_typescript() -> None:
    reader = reader_of(
        {
            "index.ts": (
                "",
                [Import("./a", "A", "", 1, True), Import("./b", "B", "", 2), Import("./c", "*", "", 3, True)],
            ),
            "a.ts": ("export class A {}\n", []),
            "b.ts": ("export class B {}\n", []),
            "c.ts": ("export function c() {}\n", []),
        }
    )

    assert reexported(reader, "index.ts", "A") == [NameOrigin("a.ts", "A")]
    assert reexported(reader, "index.ts", "B") == []
    assert reexported(reader, "index.ts", "c") == [NameOrigin("c.ts", "c")]


def test_circles_of_reexports_end() -> None:
    reader = reader_of(
        {
            "a.ts": ("", [Import("./b", "*", "", 1, True)]),
            "b.ts": ("", [Import("./a", "*", "", 1, True), Import("./c", "*", "", 2, True)]),
            "c.ts": ("export const x = 1;\n", []),
        }
    )

    assert reexported(reader, "a.ts", "x") == [NameOrigin("c.ts", "x")]
    assert reexported(reader, "a.ts", "y") == []


def test_chains_of_reexports_are_cut() -> None:
    files: dict[str, tuple[str, list[Import]]] = {
        f"f{n}.ts": ("", [Import(f"./f{n + 1}", "*", "", 1, True)]) for n in range(20)
    }
    files["f20.ts"] = ("export const x = 1;\n", [])
    reader = reader_of(files)

    assert reexported(reader, "f0.ts", "x") == []
    assert reexported(reader, "f15.ts", "x") == [NameOrigin("f20.ts", "x")]


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("a.b", "b"),
        ("flask.json", "json"),
        ("./util.js", "util"),
        ("../a/x.d.ts", "x"),
        ("crate::io", "io"),
        ("net/http", "http"),
        ("<sys/stat.h>", "stat"),
        ("x.h", "x"),
        ("..", ""),
        (".x", "x"),
        ("App\\Models\\User", "User"),
        ("@scope/pkg", "pkg"),
    ],
)
def test_the_last_part_of_a_module(module: str, part: str) -> None:
    assert last_part(module) == part

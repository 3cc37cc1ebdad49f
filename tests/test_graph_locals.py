"""Functions and types inside functions: read from the texts when a question needs them."""

from __future__ import annotations

import pytest

from spelunk.chunk.local_definitions import local_definitions
from spelunk.graph.callers import callers
from spelunk.graph.columns import rows_at
from spelunk.graph.fields import fields_named
from spelunk.graph.names import find
from spelunk.graph.references import references
from tests.graphcases import Repository, places
from tests.test_relations import parsed

LOCALS = {
    "typescript": (
        "test('a', () => {\n  class Mine extends Error { run() {} }\n  function help() {}\n  const arrow = () => 1\n})\n"
        "export function outer() {\n  return function inner() {}\n}\n",
        [("Mine", "class", 2, ""), ("run", "method", 2, "Mine"), ("help", "function", 3, ""), ("arrow", "function", 4, ""),
         ("inner", "function", 7, "outer")],
    ),
    "javascript": (
        "(function () {\n  function show() {}\n})();\nmodule.exports = {\n  async redirects() { return [] },\n  run: () => 1,\n};\n"
        "app.use(function named() {});\n",
        [("show", "function", 2, ""), ("redirects", "method", 5, ""), ("named", "function", 8, "")],
    ),
    "python": (
        "def test():\n    class A:\n        def __repr__(self): pass\n    def go(): pass\n",
        [("A", "class", 2, "test"), ("__repr__", "method", 3, "test.A"), ("go", "function", 4, "test")],
    ),
    "kotlin": (
        "fun f() {\n  val x = object : Sink {\n    override fun write() {}\n  }\n}\n",
        [("write", "function", 3, "f")],
    ),
    "php": (
        "<?php\nfunction f() {\n  return new class {\n    public function get() {}\n  };\n}\n",
        [("get", "method", 4, "f")],
    ),
    "bash": (
        "print -l ${(k)fpath[(r)*]}\nif [[ -n $x ]] {\n  zsh_only() {\n    echo\n  }\n}\n# old() {\n",
        [("zsh_only", "function", 3, "")],
    ),
    "tcl": (
        "namespace eval redis {}\nproc ::redis::read_line {fd} {\n  gets $fd\n}\n# proc old {} {}\n",
        [("read_line", "function", 2, "redis")],
    ),
    "cpp": (
        "SHOP_BEGIN(x\nnamespace detail\n{\nclass SHOP_OWNER Cart\n  : Base {\n  void run() SHOP_LOCKS(lock_) {\n"
        "    if (a) {\n",
        [("detail", "module", 2, ""), ("Cart", "class", 4, ""), ("run", "function", 6, "")],
    ),
    "elixir": (
        "defmodule A do\n  defmacro __using__(_) do\n    quote do\n      def update!(x), do: x\n    end\n  end\nend\n",
        [("update!", "function", 4, "A.__using__")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("language", sorted(LOCALS))
def test_the_local_definitions_of_a_file(language: str) -> None:
    text, expected = LOCALS[language]

    found = [(d.name, d.kind, d.line, d.scope) for d in local_definitions(parsed(text, language))]

    assert found == expected


FILES = {
    "a.ts": "it('x', () => {\n  function cleanup() {\n    return 1\n  }\n  cleanup()\n})\n",
    "b.ts": "export function other() {\n  function cleanup() {}\n}\n",
}


def test_a_local_function_is_found_at_its_line_and_column_and_by_its_name() -> None:
    repository = Repository(FILES)
    file = repository.view.row_at("a.ts")
    assert file is not None

    at_line = find(repository.view, "a.ts:2")
    at_column = rows_at(repository.view, file, 2, 12)
    named = fields_named(repository.view, "cleanup", repository.finder)

    assert [repository.place(row) for row in at_line] == ["a.ts:2"]
    assert [repository.place(row) for row in at_column] == ["a.ts:2"]
    assert [repository.place(row) for row in named] == ["a.ts:2", "b.ts:2"]


def test_its_callers_are_those_in_its_file() -> None:
    repository = Repository(FILES)

    answer = callers(repository.resolver, "a.ts:2", find(repository.view, "a.ts:2"), 50)

    assert places(answer) == ["a.ts:5"]


def test_a_further_signature_means_the_function() -> None:
    text = "class A {\n  run(x: string): void\n  run(x: number): void\n  run(x: any) {}\n}\nnew A().run(1)\n"
    repository = Repository({"a.ts": text})
    file = repository.view.row_at("a.ts")
    assert file is not None

    assert [repository.place(row) for row in rows_at(repository.view, file, 3, 4)] == ["a.ts:2"]


UNNAMED = {
    "locales/be.ts": "const words = 1;\nexport const other = 2;\nexport default function (): number {\n  return words;\n}\n",
    "locales/pt.ts": "const f = () => 2;\nexport default () => {\n  return f();\n};\n",
    "locales/index.ts": 'export { default as be } from "./be.js";\nexport { default as pt } from "./pt.js";\n',
    "a.ts": (
        'import be from "./locales/be";\nimport * as locales from "./locales/index";\nimport * as z from "./z";\n'
        "export function use() {\n  be();\n  z.words.pt();\n  return locales.be();\n}\n"
    ),
    "z.ts": 'export * from "./ext";\n',
    "ext.ts": 'export * as words from "./locales/index";\n',
}


def test_a_default_export_without_a_name_is_called_default() -> None:
    repository = Repository(UNNAMED)

    found = find(repository.view, "locales/be.ts:3")
    answer = references(repository.resolver, "locales/be.ts:3", found, 50)

    assert [(row.name, row.kind) for row in found] == [("default", "function")]
    assert places(answer) == ["a.ts:1", "a.ts:5", "a.ts:7", "locales/index.ts:1"]


def test_it_is_found_behind_the_modules_that_offer_it() -> None:
    repository = Repository(UNNAMED)
    file = repository.view.row_at("a.ts")
    assert file is not None

    called = rows_at(repository.view, file, 6, 11)
    answer = callers(repository.resolver, "locales/pt.ts:2", find(repository.view, "locales/pt.ts:2"), 50)

    assert [repository.place(row) for row in called] == ["locales/pt.ts:2"]
    assert places(answer) == ["a.ts:6"]


def test_the_name_that_an_import_takes_under_another_one() -> None:
    repository = Repository(UNNAMED)
    file = repository.view.row_at("locales/index.ts")
    assert file is not None

    assert [repository.place(row) for row in rows_at(repository.view, file, 1, 12)] == ["locales/be.ts:3"]

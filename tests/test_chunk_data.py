from spelunk.chunk import chunk, parse
from spelunk.config import Options
from spelunk.files.notebook import unwrap
from spelunk.types import Document


def chunks(text, language, lines=None):
    return chunk(parse(Document("a", text, b"", language, lines=lines), Options()))


def big(n=40):
    return "\n".join(f"  key{i}: {'v' * 40}" for i in range(n))


def test_tables_of_toml_are_entries_with_their_comments():
    body = "\n".join(f"k{i} = '{'v' * 60}'" for i in range(12))
    text = f"top = 1\n\n# about a\n[a]\n{body}\n\n[a.b]\n{body}\n"

    result = chunks(text, "toml")

    assert [(c.kind, c.symbol, c.start_line) for c in result] == [
        ("entry", "top", 1),
        ("entry", "a", 3),
        ("entry", "a.b", 18),
    ]


def test_tiny_keys_are_joined():
    result = chunks("a: 1\nb: 2\nc: 3\n", "yaml")

    assert [(c.symbol, [d.name for d in c.definitions]) for c in result] == [("a", ["a", "b", "c"])]


def test_a_large_key_is_opened_and_gives_the_scope():
    text = f"small: 1\nlarge:\n  one:\n{big().replace('  key', '    key')}\n  two:\n{big().replace('  key', '    key')}\n"

    result = chunks(text, "yaml")

    assert [(c.scope, c.symbol) for c in result if c.scope][:1] == [("large", "one")]
    assert ("large", "two") in {(c.scope, c.symbol) for c in result}


def test_json_is_cut_at_its_keys():
    entries = ",\n".join(f'  "key{i}": {{\n    "value": "{"v" * 700}"\n  }}' for i in range(5))

    result = chunks("{\n" + entries + "\n}\n", "json")

    assert [c.symbol for c in result] == [f"key{i}" for i in range(5)]


def test_ini_sections():
    body = "\n".join(f"k{i} = {'v' * 60}" for i in range(12))

    result = chunks(f"[one]\n{body}\n[two]\n{body}\n", "ini")

    assert [c.symbol for c in result] == ["one", "two"]


def test_a_notebook_is_cut_by_cells_with_headings_as_scope():
    raw = """{"cells": [
 {"cell_type": "markdown", "source": ["# Load\\n", "words"]},
 {"cell_type": "code", "source": ["def load():\\n", "    pass"]},
 {"cell_type": "markdown", "source": "## Train"},
 {"cell_type": "code", "source": ["x = 1"]}
]}"""
    unwrapped = unwrap(raw)
    assert unwrapped is not None

    result = chunks(unwrapped[0], "notebook", unwrapped[1])

    assert [(c.kind, c.scope, c.symbol, c.start_line) for c in result] == [
        ("cell", "", "Load", 2),
        ("cell", "Load", "load", 3),
        ("cell", "Load", "Train", 4),
        ("cell", "Load > Train", "", 5),
    ]


def test_a_large_key_below_a_comment_is_opened_at_its_members():
    """The key itself was found again, so that its members stayed one block."""
    text = "# about jobs\njobs:\n" + "".join(
        f"  job{i}:\n{big()}\n".replace("  key", "    key") for i in range(4)
    )

    result = chunks(text, "yaml")

    names = [(d.scope, d.name, d.line) for c in result for d in c.definitions]
    assert names[0] == ("", "jobs", 2)
    assert [name for scope, name, _ in names if scope == "jobs"] == ["job0", "job1", "job2", "job3"]

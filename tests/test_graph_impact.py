"""Which tests a change names, in what order and with what confidence; which changed lines count."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from spelunk import Index
from spelunk.graph.answer import GraphAnswer
from spelunk.graph.changed import _definitions, _difference
from spelunk.graph.impact import Changed, impact
from tests.graphcases import Repository

FILES = {
    "app/cache_store.py": "def evict(key):\n    return key\n\n\ndef unused():\n    pass\n",
    "app/page.py": "from app.cache_store import evict\n\n\ndef page():\n    evict(1)\n",
    "tests/test_page.py": "from app.page import page\n\n\ndef test_page():\n    page()\n",
    "tests/test_direct.py": "from app.cache_store import evict\n\n\ndef test_evict():\n    evict(2)\n",
    "tests/test_cache_store.py": "def test_nothing():\n    pass\n",
    "tests/cache/test_limits.py": "def test_limits():\n    pass\n",
    "tests/test_zebra.py": "def test_zebra():\n    pass\n",
    "tests/test_whole.py": "def test_whole():\n    pass\n",
    "tests/data/cache_store.json": "{}\n",
}


@pytest.fixture
def repository() -> Repository:
    return Repository(FILES)


def ask(repository: Repository, together: Mapping[str, float] | None = None, limit: int = 20) -> GraphAnswer:
    def companions(paths: Sequence[str]) -> Mapping[str, float]:
        assert list(paths) == ["app/cache_store.py"]
        return together or {}

    changed = Changed(repository.rows("evict"))
    return impact(repository.resolver, "evict", changed, limit, companions=companions)


def named(answer: GraphAnswer) -> list[tuple[str, str]]:
    return [(edge.path, edge.rule) for edge in answer.tests]


def test_those_that_call_come_before_those_that_are_called_alike(repository: Repository) -> None:
    answer = ask(repository)

    assert named(answer) == [
        ("tests/test_cache_store.py", "called-after"),
        ("tests/test_direct.py", "import"),
        ("tests/test_page.py", "import"),
        ("tests/cache/test_limits.py", "named-alike"),
    ]
    alike = answer.tests[-1]
    assert 0 < alike.confidence <= 0.5 and (alike.line, alike.role) == (1, "test")


def test_what_changed_together_before_is_named_and_raised(repository: Repository) -> None:
    together = {
        "tests/test_whole.py": 0.5,
        "tests/test_page.py": 0.2,
        "tests/test_zebra.py": 0.001,
        "tests/data/cache_store.json": 0.9,
        "tests/test_gone.py": 0.9,
        "app/page.py": 0.9,
    }
    answer = ask(repository, together)

    found = dict(named(answer))
    assert found["tests/test_whole.py"] == "changed-with" and found["tests/test_page.py"] == "import"
    order = [path for path, _ in named(answer)]
    assert order.index("tests/test_page.py") < order.index("tests/test_direct.py")
    assert not {"tests/test_zebra.py", "tests/data/cache_store.json", "tests/test_gone.py", "app/page.py"} & {
        *found
    }


def test_likeness_only_fills_up_to_the_limit(repository: Repository) -> None:
    assert "named-alike" not in {rule for _, rule in named(ask(repository, limit=3))}


def test_the_same_question_has_the_same_order(repository: Repository) -> None:
    together = dict.fromkeys(["tests/test_whole.py", "tests/test_zebra.py"], 0.4)

    assert named(ask(repository, together)) == named(ask(repository, dict(reversed(together.items()))))


LINES = {
    "a.py": "import os\n\n# A comment.\nLIMIT = 3\n\n\ndef f():\n    pass\n\n\nprint(LIMIT)\n",
    "a.c": "#include <stdio.h>\n/* about */\n#define LIMIT 3\n\nint f(void) { return 1; }\n",
    "a.go": 'package a\n\nimport (\n\t"os"\n)\n\nfunc f() {}\n',
    "b.go": "//go:build linux\n// +build linux\n// About.\n\npackage a\n",
    "a.rs": "#![no_std]\n\npub mod b;\n",
}


@pytest.mark.parametrize(
    ("path", "line", "outside"),
    [
        ("a.py", 1, False),
        ("a.py", 2, False),
        ("a.py", 3, False),
        ("a.py", 9, False),
        ("a.py", 11, True),
        ("a.c", 1, False),
        ("a.c", 2, False),
        ("a.go", 4, False),
        ("a.go", 5, False),
        ("b.go", 1, True),
        ("b.go", 2, True),
        ("b.go", 3, False),
        ("a.rs", 1, True),
    ],
)
def test_blank_lines_comments_and_imports_change_no_file(path: str, line: int, outside: bool) -> None:
    repository = Repository(LINES)
    row = repository.view.row_at(path)
    assert row is not None

    rows, found = _definitions(repository.view, row.id, [line])

    assert (rows, found) == ([], outside)


def test_a_changed_line_in_a_definition_is_that_definition() -> None:
    repository = Repository(LINES)
    row = repository.view.row_at("a.py")
    assert row is not None

    assert [d.name for d in _definitions(repository.view, row.id, [8])[0]] == ["f"]


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_a_file_in_which_only_imports_differ_names_the_tests_that_are_called_after_it(
    tmp_path: Path,
) -> None:
    work = tmp_path / "work"
    files = {
        "app/store.py": "import os\n\n\ndef read():\n    pass\n",
        "app/page.py": "from app.store import read\n\n\ndef page():\n    read()\n",
        "notes.yaml": "a: 1\n",
        "tests/test_store.py": "def test_nothing():\n    pass\n",
        "tests/test_page.py": "from app.page import page\n\n\ndef test_page():\n    page()\n",
        "tests/test_notes.py": "def test_notes():\n    pass\n",
    }
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    git(work, "init", "-q")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    (work / "app/store.py").write_text("import os\nimport sys\n\n\ndef read():\n    pass\n")
    (work / "notes.yaml").write_text("# b\na: 1\n")

    with Index.open(work, index_dir=str(tmp_path / "index"), history=0) as index:
        answer = index.impact(diff="HEAD")

    assert ("tests/test_store.py", "called-after") in named(answer)
    assert "tests/test_page.py" not in dict(named(answer))
    assert not answer.edges


SAID = {
    "app/rules.py": "def check():\n    return 1\n",
    "tests/test_ignore_comments.py": "def test_nothing():\n    pass\n",
    "tests/test_string.py": "def test_nothing():\n    pass\n",
    "tests/test_rates.py": "from zoo import ExchangeRate\n\n\ndef test_rate():\n    ExchangeRate(1)\n",
    **{
        f"tests/test_many{n}.py": "from zoo import everywhere\n\n\ndef test_it():\n    everywhere()\n"
        for n in range(9)
    },
    "tests/test_pair_a.py": "def test_it():\n    shared_by_two()\n",
    "tests/test_pair_b.py": "def test_it():\n    shared_by_two()\n",
}


def said(text: str) -> dict[str, tuple[str, float]]:
    """Rule and confidence of each test that a change with these lines names."""
    repository = Repository(SAID)
    changed = Changed(repository.rows("check"), text=text)
    answer = impact(repository.resolver, "check", changed, 20, companions=lambda _: {"tests/test_x.py": 0.9})
    return {edge.path: (edge.rule, edge.confidence) for edge in answer.tests}


def test_a_test_called_after_a_name_of_several_words_in_the_changed_lines_is_named() -> None:
    for line in ("    settings.ignore_comments = string", "IgnoreComments(string)", "ignoreComment"):
        assert said(line) == {"tests/test_ignore_comments.py": ("named-in-change", 0.5)}


def test_a_test_that_uses_a_rare_name_of_the_changed_lines_is_named() -> None:
    found = said("rate = ExchangeRate(2); everywhere(); shared_by_two()")

    assert found == {"tests/test_rates.py": ("same-names", 0.25)}


def test_lines_that_are_gone_count_as_changed_lines() -> None:
    found = _difference("a\nremoved_name\nb\n", ["a", "b", ""])

    assert found == ([2], ["removed_name"])


def test_the_order_of_tests_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    """Sums of weights over sets of words: added in another order they differ in their last digits."""
    words = ["amber", "birch", "cedar", "delta", "ember", "flint", "grove", "heron", "inlet"]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / f"{'_'.join(words[:6])}.py").write_text("def changed():\n    return 1\n")
    for n in range(60):
        mixed = random.Random(n).sample(words[:6], 5)
        path = tmp_path / "tests" / mixed[0] / f"test_{'_'.join(mixed[1:])}_{words[6 + n % 3]}{n}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def test_it():\n    return None\n")
    code = (
        "import sys; from spelunk import Index; index = Index.open(sys.argv[1])\n"
        "print([edge.path for edge in index.impact('changed', limit=60).tests])"
    )

    orders = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in range(5)
    }  # fmt: skip

    assert len(orders) == 1 and "test_" in orders.pop()

"""The documentation says what is there: nothing missing, nothing that is gone, examples that run."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields

import spelunk
from spelunk import embed, errors
from spelunk.cli.commands.index import SETTINGS
from spelunk.config import MIB, Options, contents_of, load, resolve, setting_names

TOP = Path(__file__).parent.parent
DOCS = TOP / "docs"
SOURCE = TOP / "src" / "spelunk"
PAGES = sorted([TOP / "README.md", TOP / "CHANGELOG.md", *DOCS.rglob("*.md")])

FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*$", re.M | re.S)
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.S)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
MACHINE_PATH = re.compile(r"(?<![\w.~*])/(?:work|var/tmp|tmp|root|opt/[a-z]+|proc/self|home/(?!ada\b))\b")

PROJECT = {
    "src/writer.py": '"""Writes batches."""\n\n\nclass Writer:\n    def flush_batches(self):\n'
    '        """Write every batch that is full."""\n        if self.full:  # batch is full\n            self.write()\n',
    "src/retry.py": "def retry(policy):\n    return policy.settings\n",
    "README.md": "# Project\n\nThe writer flushes batches.\n",
}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def page(name: str) -> str:
    return text_of(DOCS / name)


def prose(text: str) -> str:
    return CODE_SPAN.sub("", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        label = re.sub(r"\]\([^)]*\)", "]", heading)
        slug = re.sub(r"[^\w\- ]", "", label.strip().lower()).replace(" ", "-")
        number = 0
        while (slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(slug if not number else f"{slug}-{number}")
    return found


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def name_of(path: Path) -> str:
    return str(path.relative_to(TOP))


# The map


def test_the_map_of_the_source_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(TOP / "scripts" / "architecture-map"), "--check"])

    assert done.returncode == 0, "run scripts/architecture-map"


# Settings


def setting_rows() -> dict[str, list[str]]:
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \|(.*)\|$", page("configuration.md"), re.M)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


def shown(value: Any) -> Any:
    """A default as the page writes it."""
    if isinstance(value, tuple):
        return str(list(value))
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return f"{value // MIB}MiB" if isinstance(value, int) and value >= MIB else str(value)


def test_every_setting_is_documented() -> None:
    assert tuple(setting_rows()) == setting_names()


@pytest.mark.parametrize("name", setting_names())
def test_a_setting_is_documented_as_it_is(name: str) -> None:
    text = page("configuration.md")
    default, _, flag, contents = setting_rows()[name]
    actual = getattr(Options(), name)

    assert default.strip("`") == (
        "auto"
        if name in ("workers", "io_threads", "embedding_dimensions", "store_shards") and actual == 0
        else shown(actual)
    )
    assert (flag.strip("`") == "--" + name.replace("_", "-")) == (name in SETTINGS)
    assert (contents == "yes") == (name in contents_of(Options()))
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    assert section and f"`SPELUNK_{name.upper()}`" in section[1]


@pytest.mark.parametrize("name", setting_names())
def test_documented_values_are_accepted(name: str) -> None:
    values = [v for v in re.findall(r"`([^`]+)`", setting_rows()[name][1]) if v != "bounded:SECONDS"]

    for value in values:
        resolve(given={name: value})


def test_every_embedder_is_documented() -> None:
    assert all(f"`{name}`" in setting_rows()["embedder"][1] for name in embed.NAMES)


def test_every_environment_variable_is_documented() -> None:
    read = re.compile(r"\b(?:environ|env)(?:\.get\(|\[)\"([A-Z0-9_]+)\"")
    names = {name for path in SOURCE.rglob("*.py") for name in read.findall(text_of(path))}
    text = page("configuration.md") + page("branchwork.md")

    assert "SPELUNK_HOME" in names
    assert sorted(n for n in names - {"HOME", "TERM"} if f"`{n}`" not in text) == []


def test_examples_of_the_configuration_file_are_read(tmp_path: Path) -> None:
    for block in blocks(page("configuration.md"), "toml"):
        name = "pyproject.toml" if "[tool." in block else "spelunk.toml"
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / name).write_text(block)

        assert load(str(folder), environ={}, trusted=True).options != Options()


# The Python API


ERRORS = {
    n
    for n, c in vars(errors).items()
    if inspect.isclass(c) and (c.__module__, c.__name__) == (errors.__name__, n)
}


def test_every_error_is_exported() -> None:
    assert set(spelunk.__all__) >= ERRORS


@pytest.mark.parametrize("name", [*sorted(set(spelunk.__all__) - {"__version__"} - ERRORS), "SpelunkError"])
def test_every_exported_name_has_a_section(name: str) -> None:
    text = page("python-api.md")

    assert re.search(rf"^## {name}$", text, re.M)
    assert any(re.search(rf"import .*\b{name}\b", block) for block in blocks(text, "python"))


def test_the_version_is_documented() -> None:
    assert "`spelunk.__version__`" in page("python-api.md")


def test_every_public_method_of_an_index_is_documented() -> None:
    methods = [n for n, m in inspect.getmembers(spelunk.Index, callable) if not n.startswith("_")]
    text = page("python-api.md")

    assert [n for n in methods if not re.search(rf"`(?:Index\.)?{n}\(", text)] == []


def is_record(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Struct)


@pytest.mark.parametrize(
    "name",
    [name for name in sorted(spelunk.__all__) if is_record(getattr(spelunk, name))],
)
def test_every_attribute_is_documented(name: str) -> None:
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page("python-api.md"), re.M | re.S)
    assert section is not None

    assert [f.name for f in fields(getattr(spelunk, name)) if f"`{f.name}`" not in section[1]] == []


def test_every_argument_of_a_search_is_documented() -> None:
    names = set(inspect.signature(spelunk.search_many).parameters) - {"indexes"}
    section = re.search(r"^## search_many\n(.*?)(?=^## )", page("python-api.md"), re.M | re.S)
    assert section is not None

    assert [n for n in names if f"`{n}`" not in section[1]] == []


def test_every_error_is_documented() -> None:
    text = page("python-api.md")

    assert [n for n in ERRORS if n not in text] == []


@pytest.mark.parametrize("where", ["docs/python-api.md", "README.md"])
def test_python_examples_run(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("project", "library"):
        for name, text in PROJECT.items():
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(text)
    examples = blocks(text_of(TOP / where), "python")

    assert examples
    for n, block in enumerate(examples):
        exec(compile(block, f"{where}, example {n + 1}", "exec"), {"__name__": "example"})


# Decisions


def names_of_dependencies() -> list[str]:
    data = tomllib.loads(text_of(TOP / "pyproject.toml"))
    project = data["project"]
    groups = [*data["dependency-groups"].values(), *project.get("optional-dependencies", {}).values()]
    listed = [*project["dependencies"], *chain.from_iterable(groups)]
    return sorted({re.split(r"[<>=!~\[; ]", d)[0] for d in listed if isinstance(d, str)})


@pytest.mark.parametrize("name", names_of_dependencies())
def test_every_dependency_has_its_reason(name: str) -> None:
    assert any(
        re.search(rf"^\| `{name}` \| .+ \| .+ \|$", text_of(p), re.M) for p in DOCS.glob("decisions/*.md")
    )


@pytest.mark.parametrize("path", sorted(DOCS.glob("decisions/*.md")), ids=lambda p: p.name)
def test_a_decision_has_a_date_and_is_listed(path: Path) -> None:
    if path.name == "README.md":
        return

    assert re.match(r"# .+\n\n\d{4}-\d\d-\d\d\n", text_of(path))
    assert f"]({path.name})" in page("decisions/README.md")


# All pages


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in LINK.findall(prose(text_of(path))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        other = (path.parent / file).resolve() if file else path
        if not other.exists() or (anchor and other.suffix == ".md" and anchor not in anchors(text_of(other))):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_tests_that_are_named_exist(path: Path) -> None:
    if path.name == "CHANGELOG.md" or "benchmarks" in path.parts:
        return  # of their date
    named = set(re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)`?", text_of(path)))

    assert sorted(name for name in named if not (TOP / "tests" / name).exists()) == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_no_path_of_a_machine(path: Path) -> None:
    assert [m.group() for m in MACHINE_PATH.finditer(text_of(path))] == []


def test_the_readme_leads_to_every_page() -> None:
    text = text_of(TOP / "README.md")

    missing = [
        p.name
        for p in [*DOCS.glob("*.md"), *DOCS.glob("guide/*.md")]
        if f"](docs/{p.relative_to(DOCS)})" not in text
    ]
    assert missing == []


def test_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", text_of(TOP / "Makefile"), re.M))
    named = set(re.findall(r"`?make ([\w-]+)", text_of(TOP / "README.md")))

    assert {"demo", "test"} <= named <= targets

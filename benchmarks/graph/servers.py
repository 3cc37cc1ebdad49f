"""The language servers that know the answers: how each is started, and what it needs of a tree."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsp import Server

OTHERS = frozenset({"deps", "vendor", "third_party", "tests", "test"})
"""Folders of C sources that are not compiled: other people's, and tests with flags of their own."""
SKIPPED_FOLDERS = frozenset({".git", "node_modules", "target", "dist", "build", ".cache", ".venv"})


@dataclass(frozen=True)
class Oracle:
    """A language server.

    Attributes:
        command: Its command line; ``SPELUNK_ORACLE_<NAME>`` overrides it.
        language: Its name of the language.
        extensions: Files that are sampled.
        options, settings: What it is told at its start.
        prepare: Writes what it needs into the tree.
        settle: Waits until it has read the tree.
        inactive: Whether it tells the lines that the preprocessor leaves out.
        blind: Whether it leaves out files that it then has no answer about.
    """

    name: str
    command: tuple[str, ...]
    language: str
    extensions: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda _: None
    settle: Callable[[Server], None] = lambda _: None
    blind: bool = False
    inactive: bool = False

    def start(self, tree: Path, log: str) -> Server:
        command = os.environ.get(f"SPELUNK_ORACLE_{self.name.upper().replace('-', '_')}")
        self.prepare(tree)
        started = shlex.split(command) if command else self.command
        return Server(started, str(tree), self.options, self.settings, log)


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)


def _idle(server: Server) -> None:
    """Wait for reported work to begin and to end, and stay ended for two seconds."""
    _wait(lambda: server.worked, 30)
    quiet = 0
    end = time.monotonic() + 900
    while quiet < 10 and time.monotonic() < end:
        time.sleep(0.2)
        quiet = 0 if server.busy else quiet + 1


def _quiescent(server: Server) -> None:
    _wait(lambda: server.quiescent, 900)


def _compile_commands(tree: Path) -> None:
    """A database of compile commands with the folders of all headers: no build has to run."""
    sources = [
        path
        for path in files_of(tree, (".c", ".cc", ".cpp"))
        if not OTHERS & set(path.relative_to(tree).parts)
    ]
    headers = {p.parent for p in files_of(tree, (".h", ".hpp"))}
    near = sorted({f"-I{h}" for h in headers} | {f"-I{h.parent}" for h in headers if h != tree})
    entries = []
    for source in sources:
        plus = source.suffix != ".c"
        flags = [
            "clang++" if plus else "clang",
            "-std=c++17" if plus else "-std=gnu11",
            "-D_GNU_SOURCE",
            "-ferror-limit=0",
        ]
        arguments = [*flags, f"-I{source.parent}", *near, "-c", str(source)]
        entries.append({"directory": str(tree), "file": str(source), "arguments": arguments})
    (tree / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")


def files_of(tree: Path, extensions: tuple[str, ...]) -> list[Path]:
    """Files with one of these extensions, in order, without folders of other people's code."""
    found = []
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        found += [Path(folder) / name for name in sorted(names) if name.endswith(extensions)]
    return found


def one_configuration(tree: Path) -> None:
    """Only the root's ``tsconfig.json`` counts, so that one project holds every file."""
    for path in files_of(tree, ("tsconfig.json",)):
        if path.parent != tree:
            path.unlink()


ORACLES = {
    oracle.name: oracle
    for oracle in (
        Oracle(
            "pyright",
            ("pyright-langserver", "--stdio"),
            "python",
            (".py",),
            settings={
                "python": {
                    # an environment with the packages that the trees import
                    "pythonPath": os.environ.get("SPELUNK_ORACLE_PYTHON", sys.executable),
                    "analysis": {
                        "diagnosticMode": "openFilesOnly",
                        "typeCheckingMode": "off",
                        "autoSearchPaths": True,
                        "extraPaths": ["src"],
                    },
                }
            },
        ),
        Oracle(
            "typescript",
            ("tsc", "--lsp", "--stdio"),
            "typescript",
            (".ts", ".tsx"),
            prepare=one_configuration,
        ),
        Oracle("gopls", ("gopls",), "go", (".go",), settle=_idle, blind=True),
        Oracle(
            "rust-analyzer",
            ("rust-analyzer",),
            "rust",
            (".rs",),
            options={
                "checkOnSave": False,
                "cargo": {"buildScripts": {"enable": False}},
                "procMacro": {"enable": False},
                "cachePriming": {"enable": False},
            },
            settle=_quiescent,
        ),
        Oracle(
            "clangd",
            ("clangd-19", "--background-index", "-j=2", "--limit-references=0", "--limit-results=0"),
            "c",
            (".c", ".h", ".cc", ".cpp", ".hpp"),
            prepare=_compile_commands,
            settle=_idle,
            inactive=True,
        ),
    )
}

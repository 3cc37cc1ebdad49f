"""The tools that are measured."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.peer import Peer, by_distinct_words, keywords

from spelunk.evaluate.measures import LineSpan

_GREPPED = re.compile(r"(.*?):(\d+):(.*)")


def _relative(path: str, root: Path) -> str:
    return os.path.relpath(path, root) if os.path.isabs(path) else path.removeprefix("./")


def _lines(output: str, root: Path) -> list[tuple[str, int, str]]:
    """Lines printed as ``PATH:LINE:TEXT``."""
    found = map(_GREPPED.match, output.splitlines())
    return [(_relative(f[1], root), int(f[2]), f[3]) for f in found if f]


def _first_line(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True)
    return (ran.stdout or ran.stderr).strip().split("\n")[0]


class Spelunk(Peer):
    """This project, from the interpreter that runs the benchmark."""

    name = "spelunk"

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return _first_line(sys.executable, "-m", "spelunk", "--version")

    def environment(self, home: Path) -> dict[str, str]:
        return super().environment(home) | {"SPELUNK_HOME": str(home / "spelunk")}

    def index(self, root: Path, home: Path) -> list[str] | None:
        return [sys.executable, "-m", "spelunk", "index", "--quiet", str(root)]

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        return [sys.executable, "-m", "spelunk", "search", "--json", "-k", "10", query, str(root)]

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        found = json.loads(output)["hits"]
        return [LineSpan(h["path"], h["start_line"], h["end_line"]) for h in found]


class Semble(Peer):
    """semble with a static model from a folder: its own one has to be downloaded."""

    name = "semble"

    @property
    def _command(self) -> str:
        return str(self.tools / "semble/bin/semble")

    def missing(self) -> str:
        if not os.path.exists(self._command):
            return "not installed"
        return (
            "" if (self.tools / "static-model/config.json").exists() else "no static model in static-model/"
        )

    def version(self) -> str:
        python = str(self.tools / "semble/bin/python")
        return "semble " + _first_line(
            python, "-c", "from importlib.metadata import version as v; print(v('semble'))"
        )

    def environment(self, home: Path) -> dict[str, str]:
        model = {"SEMBLE_MODEL_NAME": str(self.tools / "static-model")}
        return super().environment(home) | model | {"HF_HUB_OFFLINE": "1"}

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        return [
            self._command,
            "search",
            query,
            str(root),
            "-k",
            "10",
            "--max-snippet-lines",
            "0",
            "--content",
            "all",
        ]

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        found = json.loads(output)["results"][:10]
        return [LineSpan(_relative(r["file_path"], root), r["start_line"], r["end_line"]) for r in found]


class Ripgrep(Peer):
    """ripgrep for any of the words of the question; files by how many of them they have."""

    name = "ripgrep"
    ranked = False

    def missing(self) -> str:
        return "" if shutil.which("rg") else "not installed"

    def version(self) -> str:
        return _first_line("rg", "--version")

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        words = [part for word in keywords(query) for part in ("-e", word)]
        return ["rg", "-n", "-i", "-F", "--no-heading", "--hidden", *words, str(root)]

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        return by_distinct_words(_lines(output, root), query)


class Codesearch(Peer):
    """Debian's codesearch: a trigram index, and a regular expression of the words of the question."""

    name = "codesearch"
    ranked = False

    def missing(self) -> str:
        return "" if shutil.which("cindex") else "not installed"

    def version(self) -> str:
        return "codesearch " + _first_line("dpkg-query", "-W", "-f", "${Version}", "codesearch")

    def environment(self, home: Path) -> dict[str, str]:
        return super().environment(home) | {"CSEARCHINDEX": str(home / "csearchindex")}

    def index(self, root: Path, home: Path) -> list[str] | None:
        return ["cindex", str(root)]

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        return ["csearch", "-n", "-i", "|".join(map(re.escape, keywords(query)))]

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        return by_distinct_words(_lines(output, root), query)


class Zoekt(Peer):
    """zoekt: a trigram index; files that have any of the words, by its own score."""

    name = "zoekt"

    def _tool(self, name: str) -> str:
        return str(self.tools / "go" / name)

    def missing(self) -> str:
        return "" if os.path.exists(self._tool("zoekt-index")) else "not built"

    def version(self) -> str:
        revision = self.tools / "zoekt.revision"
        return "zoekt " + (revision.read_text().strip()[:12] if revision.exists() else "")

    def index(self, root: Path, home: Path) -> list[str] | None:
        return [self._tool("zoekt-index"), "-index", str(home / "zoekt"), "-require_ctags=false", str(root)]

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        words = " or ".join(keywords(query))
        return [self._tool("zoekt"), "-index_dir", str(home / "zoekt"), "-l", words]

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        return [LineSpan(path) for path in dict.fromkeys(output.split("\n")) if path][:10]


class Probe(Peer):
    """probe: no index; it reads the files for each question and ranks blocks of syntax by BM25."""

    name = "probe"

    @property
    def _command(self) -> str:
        return str(self.tools / "cargo/bin/probe")

    def missing(self) -> str:
        return "" if os.path.exists(self._command) else "not built"

    def version(self) -> str:
        return _first_line(self._command, "--version")

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        return [self._command, "search", "--format", "json", "--max-results", "10", query, str(root)]

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        began = output.find("\n{")  # notices stand before the object and after it
        found = json.JSONDecoder().raw_decode(output, began + 1)[0] if began >= 0 else {}
        out = []
        for result in found.get("results", []):
            start, end = result["lines"]
            out.append(LineSpan(_relative(result["file"], root), start, end))
        return out[:10]


class Baseline(Peer):
    """A plain index of windows of 50 lines, made by ``baseline.py``."""

    engine = ""

    @property
    def _python(self) -> str:
        return str(self.tools / "baseline/bin/python")

    def missing(self) -> str:
        return "" if os.path.exists(self._python) else "not installed"

    def version(self) -> str:
        return _first_line(self._python, str(Path(__file__).with_name("baseline.py")), self.engine, "version")

    def _command(self, what: str, root: Path, home: Path, *more: str) -> list[str]:
        return [
            self._python,
            str(Path(__file__).with_name("baseline.py")),
            self.engine,
            what,
            str(root),
            str(home),
            *more,
        ]

    def index(self, root: Path, home: Path) -> list[str] | None:
        return self._command("index", root, home)

    def search(self, query: str, root: Path, home: Path) -> list[str]:
        return self._command("search", root, home, *keywords(query))

    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        return [
            LineSpan(path, int(start), int(end)) for path, start, end in map(json.loads, output.splitlines())
        ]


class Fts5(Baseline):
    """SQLite FTS5, its own BM25."""

    name = engine = "fts5"


class Bm25s(Baseline):
    """The library bm25s."""

    name = engine = "bm25s"


PEERS: tuple[type[Peer], ...] = (Spelunk, Semble, Ripgrep, Zoekt, Codesearch, Probe, Fts5, Bm25s)

CANNOT_RUN = {
    "colgrep": "needs a ColBERT model, which it downloads",
    "ck": "semantic and hybrid search download a model; its build downloads the ONNX runtime",
    "chunkhound": "semantic search needs an embedding provider; without one it has regular expressions alone",
    "cocoindex-code": "downloads a sentence-transformers model on its first index",
    "codebase-memory-mcp": "its npm package downloads a binary when it is installed",
    "codegraph": "answers by names of symbols, not questions; not measured here",
}
"""Peers that are not measured, and why: nothing but package registries could be reached."""

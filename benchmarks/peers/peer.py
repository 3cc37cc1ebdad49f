"""What a measured tool is: how it is installed, called, and read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from spelunk.evaluate.measures import LineSpan

COMMON = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "for",
        "from",
        "get",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "me",
        "my",
        "no",
        "not",
        "of",
        "on",
        "or",
        "our",
        "out",
        "should",
        "so",
        "some",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "too",
        "use",
        "used",
        "using",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)
"""Words that a person would not type into a search for words."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+")


def keywords(text: str) -> list[str]:
    """The distinct words of a question that somebody would search for, in lower case."""
    return [
        w for w in dict.fromkeys(w.lower() for w in _WORD.findall(text)) if len(w) > 1 and w not in COMMON
    ]


class Peer(ABC):
    """A tool that searches a folder, as whole processes.

    Attributes:
        name: In the tables.
        ranked: Whether its order is by relevance, so that NDCG says something about it. Of the others
            the files are ordered here by the number of distinct words of the question in them.
    """

    name = ""
    ranked = True

    def __init__(self, tools: Path) -> None:
        """Find the tool in a folder that ``install.py`` filled.

        Args:
            tools: That folder.
        """
        self.tools = tools

    @abstractmethod
    def missing(self) -> str:
        """Why it cannot run here; "" where it can."""

    @abstractmethod
    def version(self) -> str:
        """As its users call it."""

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that make it keep everything below ``home``."""
        return {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}

    def index(self, root: Path, home: Path) -> list[str] | None:
        """The command that makes or updates its index; None for a tool without one, or that indexes on a search."""
        return None

    @abstractmethod
    def search(self, query: str, root: Path, home: Path) -> list[str]:
        """The command that answers a question with ten results or more."""

    @abstractmethod
    def hits(self, output: str, query: str, root: Path) -> list[LineSpan]:
        """The first ten results of what it printed, best first."""


def by_distinct_words(lines: Sequence[tuple[str, int, str]], query: str) -> list[LineSpan]:
    """Files by the number of distinct words of a question in the lines found, then by their number and path.

    Args:
        lines: Path, line number and text of each line found.
        query: The question.
    """
    wanted = keywords(query)
    words: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for path, _, text in lines:
        lowered = text.lower()
        words.setdefault(path, set()).update(w for w in wanted if w in lowered)
        counts[path] = counts.get(path, 0) + 1
    best = sorted(words, key=lambda p: (-len(words[p]), -counts[p], p))
    return [LineSpan(path) for path in best[:10]]

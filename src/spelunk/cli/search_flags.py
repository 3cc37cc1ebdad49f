"""The flags of ``spelunk search``: its own, and those that it shares with ripgrep and with ``spelunk similar``."""

from __future__ import annotations

import argparse
from typing import Any, Final, NoReturn

from spelunk.cli.observed import metrics_file
from spelunk.cli.pager import screen_flags
from spelunk.cli.parser import whole

MODES: Final = ("hybrid", "lexical", "semantic", "symbol", "regex")
"""As in :mod:`spelunk.search.request`, which the help does without: it imports msgspec."""
FIXED: Final = "fixed"
"""The reading of ``-F``."""


class _TypeList(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        from spelunk.cli.output import put
        from spelunk.files.type_names import type_list

        put(type_list())
        raise SystemExit(0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the query, the paths and all flags."""
    parser.add_argument(
        "query", metavar="QUERY", help="one argument: quote it; a question, a query, any text; - reads a text"
    )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="folders and files to search (default: the current folder)",
    )
    flags(parser)


def flags(parser: argparse.ArgumentParser) -> None:
    """Add all flags."""
    _how(parser.add_argument_group("how to search"))
    _where(parser.add_argument_group("where to search"))
    printed = parser.add_argument_group("what to print")
    presentation(printed, forms=_places)
    _what(printed)


def _how(group: Any) -> None:
    add = group.add_argument
    add(
        "-m",
        "--mode",
        choices=MODES,
        metavar="MODE",
        default="hybrid",
        help="hybrid (default), lexical, semantic, symbol or regex",
    )
    reading = group.add_mutually_exclusive_group().add_argument
    to: dict[str, Any] = {"dest": "reading", "action": "store_const", "default": "auto"}
    reading("--literal", const="text", help="QUERY is text, whatever it looks like", **to)
    reading("--query", const="query", help="QUERY is in the query language; say where it is not", **to)
    reading("-F", "--fixed-strings", const=FIXED, help="find QUERY as it is, character by character", **to)
    add("-i", "--ignore-case", action="store_true", help="match regexes and -F in any case, as all else is")
    add("-w", "--word-regexp", action="store_true", help="only whole words, no parts of names")


def _where(group: Any) -> None:
    add = group.add_argument
    several: dict[str, Any] = {"action": "append", "default": []}
    add("-t", "--type", metavar="TYPE", help="only files of this type, e.g. py; may be repeated", **several)
    add("-T", "--type-not", metavar="TYPE", help="no files of this type; may be repeated", **several)
    add("--type-list", action=_TypeList, nargs=0, help="print the types and exit")
    add(
        "-g",
        "--glob",
        metavar="GLOB",
        help="only paths that match, or with ! before it none that do; may be repeated",
        **several,
    )
    add("--lang", metavar="L", help="only this language; may be repeated", **several)
    add("--include", metavar="G", help="only paths with this part, or glob", **several)
    add("--exclude", metavar="G", help="no path with this part, or glob", **several)
    add("--kind", metavar="K", help="only this kind: function, class, section … or commit", **several)


def _what(group: Any) -> None:
    add = group.add_argument
    add("-A", "--after-context", metavar="N", type=whole(0), help="N lines after what matches")
    add("-B", "--before-context", metavar="N", type=whole(0), help="N lines before what matches")
    add("-C", "--context", metavar="N", type=whole(0), help="N lines around what matches")
    add("-0", "--null", action="store_true", help="with -l, -c or --vimgrep: end paths with a NUL byte")
    add(
        "--sort",
        choices=("none", "path"),
        default="none",
        metavar="HOW",
        help="path, or none: the best first",
    )
    add("--copies", action="store_true", help="print every near-copy of a text as a hit of its own")
    add("--changes", action="store_true", help="name the last commit that changed each result, and why")
    add(
        "--related",
        metavar="N",
        type=whole(0),
        default=0,
        help="name up to N callers of the first results, and N definitions that they use",
    )
    add("--explain", action="store_true", help="print the signals of each score")
    add("--wait", action="store_true", help="answer a first search when the whole index is built")
    metrics_file(group)


def _places(add: Any) -> None:
    to: dict[str, Any] = {"dest": "form", "action": "store_const"}
    add("-l", "--files-with-matches", const="files", help="print the paths of the files alone", **to)
    add("-c", "--count", const="count", help="print how many lines match in each file", **to)
    add("--vimgrep", const="vimgrep", help="print each match as path:line:column:text", **to)


def presentation(parser: Any, forms: Any = lambda add: None) -> None:
    """Add the flags that search and similar share to a parser or a group of one; ``forms`` adds forms of output."""
    add = parser.add_argument
    add("-k", "--limit", metavar="N", type=whole(1), help="hits wanted (default: 10)")
    add("--max-tokens", metavar="N", type=whole(1), help="never print more than this many tokens")
    add("--no-refresh", action="store_true", help="answer from the index as it is")
    add("--full", action="store_true", help="print whole chunks, not their best lines")
    form = parser.add_mutually_exclusive_group().add_argument
    to: dict[str, Any] = {"dest": "form", "action": "store_const", "default": "text"}
    form("--json", const="json", help="print one object", **to)
    form("--jsonl", const="jsonl", help="print one hit a line", **to)
    form("--markdown", const="markdown", help="print whole chunks as Markdown", **to)
    forms(form)
    screen_flags(parser)

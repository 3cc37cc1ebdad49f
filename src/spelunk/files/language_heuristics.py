"""Extensions that several languages share, settled by the beginning of the text.

Separate from :mod:`spelunk.files.languages` because it compiles regular expressions,
which a search never needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_OBJC: Final = r"^\s*(?:@(?:interface|implementation|protocol|class|import|end|property)\b|#\s*import\s)"
_CPP: Final = (
    r"^\s*(?:template\s*<|namespace(?:\s+[\w:]+)?\s*\{|namespace\s+\w+\s*$|using\s+(?:namespace\s|\w+\s*=|[\w:]+::)"
    r"|(?:enum\s+)?class\s+(?:[A-Z_]+\s+)?[\w:]+\s*(?:final\s*)?(?:[:{;]|$)|(?:public|private|protected)\s*:"
    r"|(?:virtual|constexpr|friend|explicit)\s|static_assert\s*\(.*\bstd::"
    r"|\#\s*include\s*<(?:algorithm|array|atomic|cstd\w+|functional|iostream|map|memory|mutex|optional|set|sstream"
    r"|string|string_view|tuple|type_traits|unordered_map|utility|variant|vector|cassert|cmath|initializer_list"
    r"|iterator|limits|ostream|thread|chrono|new|version)>)|\bstd::\w|\boperator\s*(?:==|<<|\(\)|\[\])"
)

_RULES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "h": (("objc", _OBJC), ("cpp", _CPP)),
    "m": (
        ("objc", _OBJC + r"|^\s*#\s*(?:include|define|if)|^\s*//|^\s*/\*"),
        ("matlab", r"^\s*(?:%|function\b|classdef\b|end\s*$|clear\b|close all)|^\s*\w+\s*=.*;\s*$"),
    ),
    "v": (
        ("verilog", r"^\s*(?:module\s+\w+\s*[#(;]|`(?:timescale|include|define)|endmodule\b)"),
        ("v", r"^\s*(?:pub\s+)?(?:fn|struct|enum|interface)\s+[\w(]|^module\s+\w+\s*$|^import\s+[\w.]+\s*$"),
        (
            "text",
            r"^\s*(?:Require\s+(?:Import|Export)|Theorem|Lemma|Definition|Inductive|From\s+\w+\s+Require)\b",
        ),
    ),
    "ts": (("xml", r"\A\ufeff?\s*<(?:\?xml|!DOCTYPE TS)"),),
    "cls": (
        ("latex", r"^\s*(?:\\(?:NeedsTeXFormat|ProvidesClass|LoadClass|RequirePackage|def|newcommand)|%)"),
        ("visualbasic", r"^\s*(?:VERSION \d|Attribute VB_|Option Explicit)"),
    ),
    "fs": (("glsl", r"^\s*(?:#version\b|precision\s+\w+p\b|varying\s|uniform\s|void\s+main\s*\()"),),
    "inc": (
        ("php", r"<\?php"),
        ("cpp", _CPP),
        ("c", r"^\s*(?:#\s*(?:include|define|ifdef|ifndef|if|pragma)\b|/\*|static\s+\w|struct\s+\w+\s*\{)"),
        ("asm", r"^\s*(?:;|\.?(?:section|global|globl|macro)\b|%(?:macro|define|if))"),
        ("pascal", r"^\s*(?:\{\$|procedure\s+\w|function\s+\w+.*:\s*\w+;|unit\s+\w+;)"),
        ("bitbake", r"^[A-Z_]+(?:_\w+)?\s*\??=\s*\""),
    ),
    "pl": (
        ("perl", r"\A#!.*\bperl|^\s*(?:use\s+[\w:]+|package\s+[\w:]+;|my\s+[$@%(]|sub\s+\w+)"),
        ("prolog", r"^\s*:-\s|^\w+(?:\([^)]*\))?\s*:-"),
    ),
    "pro": (
        ("prolog", r"^\s*:-\s|^\w+\([^)]*\)\s*:-"),
        ("text", r"^\s*(?:TEMPLATE|TARGET|QT|SOURCES|HEADERS|CONFIG)\s*\+?=|^-(?:keep|dontwarn)"),
    ),
    "t": (("perl", r"\A#!.*\bperl|^\s*(?:use\s+[\w:]+|my\s+[$@%(]|plan\s+tests|BEGIN\s*\{)"), ("text", r"")),
    "pp": (
        (
            "puppet",
            r"^\s*(?:class|define|node)\s+[\w:']+.*[({]\s*$|^\s*(?:include\s+[\w:]+\s*$|\$\w+\s*=)|=>",
        ),
        ("pascal", r"^\s*(?:unit|program|procedure|function|uses|interface|begin)\b"),
    ),
    "d": (
        ("make", r"\A(?:[\w./-]+\.(?:o|d|lo|rlib|rmeta|so)\s*)+:"),
        ("d", r"^\s*(?:module\s+[\w.]+;|import\s+[\w.]+|(?:void|int|auto|class|struct)\s+\w+)"),
    ),
    "r": (("text", r"\A\s*(?:REBOL|Rebol)\b"),),
    "cl": (("commonlisp", r"^\s*\((?:in-package|defun|defpackage|defmacro)\b"),),
    "l": (
        ("c", r"^%[{%]|^%option"),
        ("commonlisp", r"^\s*\((?:in-package|defun|setq|de)\b"),
        ("troff", r"^\.(?:TH|SH)\b"),
    ),
    "as": (
        ("actionscript", r"^\s*(?:package\b|import\s+[\w.]+;|public\s+class|class\s)"),
        ("asm", r"^\s*(?:;|\.\w+)"),
    ),
    "ms": (("troff", r"^\.[A-Z]{2}\b"), ("asm", r"^\s*\.(?:macro|text|globl)\b"), ("text", r"")),
    "rules": (("udev", r"^\s*(?:ACTION|SUBSYSTEM|KERNEL|ATTRS?\{|ENV\{|LABEL|IMPORT)\S*\s*[!=]?="),),
    "asc": (("pem", r"-----BEGIN PGP"),),
}

_compiled: dict[str, list[tuple[str, Callable[[str], object]]]] = {}


def settle(extension: str, head: str, default: str) -> str:
    """The language of a file whose extension is shared; ``default`` if nothing decides."""
    rules = _compiled.get(extension)
    if rules is None:
        rules = [(language, _finder(pattern)) for language, pattern in _RULES.get(extension, ())]
        _compiled[extension] = rules
    if extension == "h":
        head = _without_guarded(head)
        if not any(hint in head for hint in _HEADER_HINTS) and _BRACKETED.isdisjoint(_INCLUDED(head)):
            return default
    for language, found in rules:
        if found(head):
            return language
    return default


def _finder(pattern: str) -> Callable[[str], object]:
    r"""The search for a pattern. One that begins with ``\A`` is matched, or it would be tried at every character."""
    compiled = re.compile(pattern, re.MULTILINE)
    return compiled.match if pattern.startswith(r"\A") and "|^" not in pattern else compiled.search


_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)
_GUARDED: Final = re.compile(
    r"^\s*#\s*(?:ifdef\s+__cplusplus|if\s+(?:defined\s*\(?\s*)?__cplusplus).*?^\s*#\s*(?:endif|else|elif)",
    re.MULTILINE | re.DOTALL,
)


def _without_guarded(head: str) -> str:
    """A C header without comments and without what it shows to C++ compilers only."""
    head = _COMMENT.sub("", head)
    return _GUARDED.sub("", head) if "__cplusplus" in head else head


_HEADER_HINTS: Final = (
    "@", "import", "template", "namespace", "using", "class", "public", "private", "protected", "virtual",
    "constexpr", "friend", "explicit", "std::", "operator", "<cstd",
)  # fmt: skip
"""A header that :data:`_OBJC` or :data:`_CPP` matches has one of these, or includes one of :data:`_BRACKETED`.
Most headers of C have none, and to look for them takes a fiftieth of the expressions' time."""
_BRACKETED: Final = frozenset(
    [
        "algorithm",
        "array",
        "atomic",
        "functional",
        "iostream",
        "map",
        "memory",
        "mutex",
        "optional",
        "set",
        "sstream",
        "string",
        "string_view",
        "tuple",
        "type_traits",
        "unordered_map",
        "utility",
        "variant",
        "vector",
        "cassert",
        "cmath",
        "initializer_list",
        "iterator",
        "limits",
        "ostream",
        "thread",
        "chrono",
        "new",
        "version",
    ]
)
_INCLUDED: Final = re.compile(r"<(\w+)>").findall

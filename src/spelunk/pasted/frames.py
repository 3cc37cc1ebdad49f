"""Formats of stack frames and of messages with a place in them, as one table.

A row says how a line of a stack trace, of a compiler or of a test runner names a
file, a line and a function. Rows are tried in their order, so that the more
telling one stands first. Every pattern starts at a fixed string or at the start
of the line and reads forward with possessive quantifiers of single characters, so that
a line costs time linear in its length. Groups are not possessive, because Python before
3.11.5 reads such groups wrongly; where one must not be given up, ``(?:X|(?!X))`` says it.
A row's pattern is compiled the first time its anchor occurs.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, Literal

from msgspec import Struct

MAX_LINE: Final = 1_000
"""Characters of a line in which a format is looked for; a frame is shorter."""

Order = Literal["first", "last"]
"""Where a trace has its innermost frame."""

_SCHEMES: Final = "(?:file|https?|webpack|webpack-internal|app|rsrc|vscode-file|package|node):"
_SCHEME: Final = rf"(?:{_SCHEMES}(?://[^/\s()]*+|(?!//))(?:/?\([\w-]++\)(?=/))?|(?!{_SCHEMES}))"
_PATH: Final = rf"{_SCHEME}(?P<path>(?:/?+[A-Za-z]:(?=[\\/]))?[^\s:()\[\]{{}}<>\"'`|;,]++)"
_LINE: Final = r":(?P<line>\d{1,7}+)"
_COLUMN: Final = r"(?::\d++)"
_ALIAS: Final = r"(?: \[as [^\]\n]++\])?"


class Format(Struct, frozen=True):
    """One format.

    Attributes:
        name: Its language or tool.
        anchor: What the pattern begins with; empty for the start of the line.
        pattern: Groups ``path``, ``line``, ``function``, ``qualified`` (a name with its
            package) and ``message``, each optional.
        order: Where the innermost frame stands; empty for a message, which is no frame.
        before: Pattern of the line before, which names the function.
        after: Pattern of a line after, which has the line number.
        hint: A string without which no line has this format.
    """

    name: str
    anchor: str
    pattern: str
    order: Order | Literal[""] = ""
    before: str = ""
    after: str = ""
    hint: str = ""


FORMATS: Final = (
    # name, anchor, pattern
    Format("python", 'File "', r'File "(?P<path>[^"\n]++)", line (?P<line>\d{1,7}+)(?:, in (?P<function>[^\s,]++))?', "last"),
    Format("ipython", "File ", rf"File {_PATH}{_LINE}(?:, in (?P<function>[\w.<>]++))?", "last"),
    Format("ipython", "[", rf"\[{_PATH}\]\([^()\s]*+\) in (?P<function>[\w.<>]++)", "last", after=r"-{1,4}+> ?(?P<line>\d{1,7}+)", hint=" in "),
    Format("ipython", "", rf"{_PATH} in (?P<function>[\w<>]++)\(", "last", after=r"-{1,4}+> ?(?P<line>\d{1,7}+)", hint=" in "),
    Format("rust", "panicked at ", rf"panicked at (?:'(?P<message>[^'\n]*+)', )?{_PATH}{_LINE}", "first"),
    Format("lldb", "frame #", rf"frame #\d++: [^`\n]++`(?P<function>[^\s(]++)[^\n]*? at {_PATH}{_LINE}", "first"),
    Format("java", "at ", r"at (?:[\w.@-]++/{1,2}+)*(?P<qualified>[\w.$<>-]++)\((?P<path>[\w$-]++(?:\.[\w-]++)+)(?::(?P<line>\d{1,7}+))?\)", "first"),
    Format("csharp", "at ", r"at (?P<qualified>[^\s()]++) ?+\([^\n]*?\) in (?P<path>(?:[A-Za-z]:)?[^:\n]++):line (?P<line>\d{1,7}+)", "first", hint=":line "),
    Format("javascript", "at ", rf"at (?:(?:async|new) )*(?:(?P<function>[^()\s]++){_ALIAS} |(?![^()\s]++{_ALIAS} ))\(?+{_PATH}{_LINE}{_COLUMN}", "first", before=r"\s*+\d++: (?:0x[0-9a-f]++ - )?(?P<function>[^\s(]++)"),
    Format("csharp", "at ", r"at (?P<qualified>[\w`+$]++(?:\.[\w`+$<>\[\],]++)+)\((?:[\w.`\[\]&<>?]++ \w++(?:, )?)*\)", "first", hint="("),
    Format("firefox", "", rf"(?P<function>[\w.$/<*-]*+)@(?=\S*[/.]){_PATH}{_LINE}{_COLUMN}", "first", hint="@"),
    Format("go", "", rf"(?P<path>[^\s:]++(?<=\.go)){_LINE}(?: \+0x[0-9a-f]++)", "first", before=r"(?:created by )?(?P<function>[^\s]+)\(|created by (?P<creator>\S++)", hint=".go:"),
    Format("ruby", "", rf"(?:\d++: )?(?:from )?{_PATH}{_LINE}:in [`'](?P<function>[^'`\n]++)'", "first", hint=":in "),
    Format("php", "", r"#\d++ (?P<path>[^()\n]++)\((?P<line>\d{1,7}+)\): (?P<function>[^\s(]++)", "first", hint="#"),
    Format("dart", "", rf"#\d++\s++(?P<function>[^\s(]++) \({_PATH}{_LINE}", "first", hint="#"),
    Format("c", "", rf"#\d++\s++(?:0x[0-9a-f]++ in )?(?P<function>[^\s(]++)(?:[^\n]*? )??(?:at )?{_PATH}{_LINE}", "first", hint="#"),
    Format("haskell", "called at ", rf"called at {_PATH}{_LINE}", "first"),
    Format("elixir", "", rf"(?:\([\w.-]++ [^()\s]++\) )?{_PATH}{_LINE}: (?P<function>[^\s()]++(?:(?<=/\d)|(?<=/\d\d)))", "first", hint="/"),
    Format("lua", "", rf"{_PATH}{_LINE}: in (?:function|method|field|upvalue|local|global) ['<](?P<function>[^'>\n]++)", "first", hint=": in "),
    Format("pytest", "", rf"{_PATH}{_LINE}: in (?P<function>\S++)", "last", hint=": in "),
    Format("pytest", "", rf"(?P<path>[^\s:]++(?<=\.py)){_LINE}: (?P<message>[\w.]++(?:(?<=Error)|(?<=Exception)|(?<=Warning)))?$", "last", hint=".py:"),
    Format("julia", "@ ", rf"@ (?:[\w.]++ )?{_PATH}{_LINE}", "first", before=r"\s*+\[\d++\] (?P<function>[^\s(]++)"),
    Format("maven", "", rf"{_PATH}:\[(?P<line>\d{{1,7}}+),\d++\] ?+(?P<message>[^\n]*+)", hint=":["),
    Format("patch", "+++ ", r"\+\+\+ (?:b/)?(?P<path>[^\s]++)", after=r"@@ -\d++(?:,\d++)? \+(?P<line>\d{1,7}+)"),
    Format("rustc", "-->", rf"--> {_PATH}{_LINE}{_COLUMN}"),
    Format("compiler", "", r"(?P<path>(?:[A-Za-z]:)?[^\s:()\"'<>]++)\((?P<line>\d{1,7}+)(?:,\d++)*\) ?+: (?P<message>[^\n]++)", hint="): "),
    Format("php", " in ", rf" in {_PATH}(?: on line |:)(?P<line>\d{{1,7}}+)"),
    Format("perl", " at ", rf" at {_PATH} line (?P<line>\d{{1,7}}+)"),
    Format("swift", ": file ", rf": file {_PATH}, line (?P<line>\d{{1,7}}+)"),
    Format("compiler", "", rf"{_PATH}{_LINE}(?:{_COLUMN}|(?!{_COLUMN}))(?: -|:| )\s?+(?P<message>[^\n]++)", hint=":"),
)  # fmt: skip
"""All formats: the frames of stack traces, then messages."""


class Found(Struct, frozen=True):
    """What a line names by one of the formats."""

    format: Format
    path: str
    line: int | None = None
    function: str = ""
    qualified: str = ""
    message: str = ""
    start: int = 0


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern, compiled at its first use: most texts need few of them."""
    return re.compile(pattern)


def formats_for(text: str) -> tuple[Format, ...]:
    """The formats that may occur in a text."""
    return tuple(f for f in FORMATS if f.anchor in text and f.hint in text)


_PREFIX: Final = re.compile(r"(?:[\s>|*+]++|E  |\[\w++\] |(?:error|stderr|stdout|ERROR)[:|] )*")
"""What may stand before a frame: indentation, the marks of quotes, lists and runners, a log level."""

_NO_FILE: Final = re.compile(r"[\w$+-]*+(?:[./\\][\w@$+ ~()-]*+)++")


def find(line: str, formats: tuple[Format, ...]) -> Found | None:
    """What a line names by the first of the formats that it has."""
    line = line[:MAX_LINE]
    indent = _PREFIX.match(line)
    start = indent.end() if indent else 0
    for f in formats:
        if f.hint and f.hint not in line:
            continue
        at = line.find(f.anchor) if f.anchor else start
        if at < 0:
            continue
        m = compiled(f.pattern).match(line, at)
        if m is None:
            continue
        got = m.groupdict()
        path = got.get("path") or ""
        if not (path and is_file(path)) and not got.get("qualified"):
            continue
        number = got.get("line")
        return Found(
            f,
            path,
            int(number) if number else None,
            got.get("function") or "",
            got.get("qualified") or "",
            got.get("message") or "",
            at,
        )
    return None


def is_file(path: str) -> bool:
    """Whether it could name a file: it has a folder or an extension, and is no number."""
    name = re.split(r"[/\\]", path)[-1]
    if not name or not any(map(str.isalpha, name)):
        return False
    stem, dot, extension = name.rpartition(".")
    if dot and stem and extension.isalnum() and not extension.isdigit():
        return True
    return len(path) > len(name) + 1

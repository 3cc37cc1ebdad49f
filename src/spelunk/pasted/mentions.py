"""What one line mentions: identifiers, error classes, constant pieces of messages, paths and modules."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from spelunk.pasted.vocabulary import ABBREVIATIONS, EXTENSIONS, NO_NAMES

MIN_MESSAGE: Final = 8
"""Characters of a constant piece of a message, and two words at least: a shorter one is everywhere."""
MAX_MESSAGE: Final = 200

_NAME: Final = re.compile(
    r"(?<![\w$])[@$]?+[A-Za-z_][\w$]*+(?:(?:\.|::|->|#)~?+[A-Za-z_][\w$]*+|\\[A-Z][\w$]*+)*[!?]?+(?P<call>\()?"
)
_SPLIT: Final = re.compile(r"\.|::|->|#|\\")
_COMPOUND: Final = re.compile(r"[^\W_]_\w|^_+\w|[a-z0-9][A-Z]")
_SPAN: Final = re.compile(r"(`{1,2}+)(?=[^`\s])([^`\n]{1,200}+)\1")
_OPTION: Final = re.compile(
    r"(?<![\w-])--?+[a-z][\w]*+(?:-\w++)*|(?<![\w-])[a-z]\w*+(?:-[a-z]\w*+)+(?![\w-])"
)
_QUOTED: Final = re.compile(r'["“]([^"“”\n]{8,300}+)["”]')
_ERROR: Final = re.compile(r"(?:Error|Exception|Warning|Fault|Failure|Panic|Interrupt|Abort)s?$")
_SIGNAL: Final = re.compile(r"SIG[A-Z]{3,5}$")
_ERRNO: Final = frozenset(errno.errorcode.values())
_CODE: Final = re.compile(r"(?!(?:SHA|RFC|ISO|UTF|HTTP|CVE|PEP|MD|CP)\d)[A-Z]{1,4}\d{3,5}$")
"""A code of a compiler or a linter: E0308, TS2345, W0511."""
_LABELLED: Final = re.compile(
    r"(?<!\w)(?:error|warning|warn|panic|fatal|failed|failure|exception)(?:\[[\w-]{1,12}\]|\s[A-Z]{1,5}\d{2,6})?:\s++(?=\S)",
    re.IGNORECASE,
)
_AFTER: Final = re.compile(
    r"[\])]?+(?:\s?\[[\w-]{1,12}\])?:\s++(?=\S)|:(?=\S)|(?<=Error)\) |(?<=Exception)\) "
)
_VARIABLE: Final = re.compile(
    r"'[^'\n]*+'|\"[^\"\n]*+\"|`[^`\n]*+`|“[^”\n]*+”|‘[^’\n]*+’|<[^<>\n]*+>|\{[^{}\n]*+\}|\([^()\n]*+\)|\[[^\[\]\n]*+\]|%[sdrifvq]\b"
    r"|\b0x[0-9A-Fa-f]++|[\w.~-]*+[/\\][^\s,;'\"()]*+|\S*[=]\S*|\b\d[\w.:-]*+"
)
_CODE_BEFORE: Final = re.compile(r"^(?:[A-Z]{1,5}\d{2,6}|error|warning|fatal error)(?:\[\w++\])?: ")
_TOKEN: Final = re.compile(r"[^\s\"'`()\[\]<>{},;|=*“”‘’]++")
_EXTENSION: Final = re.compile(r"[A-Za-z]\w{0,7}")
_PIECE: Final = re.compile(r"[\w.@+-]+")
_LOCATION: Final = re.compile(r":(\d{1,7})|#L?(\d{1,7})")
_LINE_AFTER: Final = re.compile(r"[\"'`)\]]?+,? (?:on |at )?lines? (\d{1,7})\b", re.IGNORECASE)
_BLOB: Final = re.compile(
    r"https?://[^/\s]++/[^/\s]++/[^/\s]++/(?:-/)?(?:blob|blame|tree|raw|src)/[^/\s]++/(?P<path>[^\s#?]++)(?:\?[^\s#]*+)?(?:#L(?P<line>\d{1,7}))?"
)


class Name(Struct, frozen=True):
    """An identifier in a line: as written without its call, and how much its shape says so, 0 to 1."""

    text: str
    shape: float
    start: int
    end: int
    call: bool = False


def names(line: str, *, code: bool) -> Iterator[Name]:
    """Identifiers: in prose those that no English word is, in code those of several parts and calls."""
    spans = [] if code else [(m.start(2), m.end(2)) for m in _SPAN.finditer(line)]
    at = 0
    for m in _NAME.finditer(line):
        call = m["call"] is not None
        text = m.group()[: -1 if call else None].lstrip("@")
        bare = text.strip("$!?")
        lowered = bare.lower()
        if len(bare) < 2 or lowered in NO_NAMES or lowered in ABBREVIATIONS:
            continue
        if "." in bare and not call and lowered.rpartition(".")[2] in EXTENSIONS:
            continue  # a file
        while at < len(spans) and spans[at][1] <= m.start():
            at += 1
        inside = at < len(spans) and spans[at][0] <= m.start()
        whole = inside and m.start() - spans[at][0] <= 1 and spans[at][1] - m.end() <= 1
        shape = _shape(bare, call=call and not line.startswith(("s)", "es)"), m.end()))
        if whole:
            shape = max(shape, 0.7) if len(bare) > 2 or shape else 0.0
            shape = min(1.0, shape + 0.3)
        if shape:
            yield Name(bare, shape, m.start(), m.end(), call)


def _shape(name: str, *, call: bool) -> float:
    """How likely a word is a name of a program: by its parts, its scopes and its call."""
    parts = _SPLIT.split(name)
    longest = max(map(len, parts))
    if longest <= 2:
        return 0.0
    if _CODE.match(name) or name in _ERRNO or _SIGNAL.match(name):
        return 0.7
    if len(parts) > 1:
        return 0.9
    named_error = _ERROR.search(name)
    if _COMPOUND.search(name) or (named_error and named_error.start() and name[0].isupper()):
        return 0.8  # OSError has no camel case
    return 0.6 if call else 0.0


def parts_of(name: str) -> list[str]:
    """The parts of a qualified name: ``A::b.c`` gives A, b, c."""
    return [p for p in _SPLIT.split(name) if p]


def options(line: str) -> Iterator[str]:
    """Names with hyphens: ``--ignore-paths`` and ``ignore-paths`` give ignore-paths."""
    for m in _OPTION.finditer(line):
        name = m.group().lstrip("-")
        if "-" in name or m.group().startswith("--"):
            yield name


def is_error(name: str) -> bool:
    """Whether a name is one of an error class, or a code of an error."""
    last = _SPLIT.split(name)[-1]
    return bool(
        (last[:1].isupper() and _ERROR.search(last))
        or name in _ERRNO
        or _SIGNAL.match(name)
        or _CODE.match(name)
    )


def labelled(line: str) -> str | None:
    """What follows a word such as ``error:`` or ``warning TS2345:``; None where there is none."""
    label = _LABELLED.search(line)
    return line[label.end() :] if label else None


def error_message(line: str, name: Name) -> str | None:
    """What follows an error class or a code; None where nothing does."""
    if not is_error(name.text):
        return None
    after = _AFTER.match(line, name.end)
    return line[after.end() :].strip() if after else None


def constant_pieces(message: str) -> list[str]:
    """The pieces of a message between its variable parts: values in quotes, numbers, paths, addresses."""
    found = []
    for piece in _VARIABLE.split(_CODE_BEFORE.sub("", message[: 4 * MAX_MESSAGE])):
        piece = " ".join(piece.split()).strip(" .,:;!?()'\"`*…")
        if len(piece) >= MIN_MESSAGE and " " in piece:
            found.append(piece[:MAX_MESSAGE])
    return found


def quoted(line: str) -> list[str]:
    """Texts of three words or more in double quotes or in a code span: what a program prints, perhaps."""
    texts = [m.group(1) for m in _QUOTED.finditer(line)] + [m.group(2) for m in _SPAN.finditer(line)]
    return [t for t in texts if len(t.split()) > 2]


class Path(Struct, frozen=True):
    """A path in a line, as written; ``module`` where it has no extension or is dotted."""

    path: str
    line: int | None
    module: bool
    test: str = ""


def paths(line: str) -> Iterator[Path]:
    """Paths of files, links to files of a forge, and dotted or scoped names of modules."""
    for m in _TOKEN.finditer(line):
        token = m.group()
        if not ("/" in token or "." in token or "\\" in token or "::" in token):
            continue
        if "://" in token:
            blob = _BLOB.search(token)
            if blob is not None:
                yield Path(blob["path"], int(blob["line"]) if blob["line"] else None, False)
            continue
        token = token.rstrip(".:!?").lstrip("@-:")
        number: int | None = None
        head, _, test = token.partition("::")
        if test and "." in head and head.rpartition(".")[2] in EXTENSIONS:
            yield Path(head, None, False, test)
            continue
        cut = re.search(r"[:#]L?\d", token)
        if cut is not None:
            location = _LOCATION.match(token, cut.start())
            if location is not None:
                number = int(location.group(1) or location.group(2))
                token = token[: cut.start()]
        if ":" in token[2:] and "::" not in token:
            token = token.rpartition(":")[2]  # a logger and its file
        after = _LINE_AFTER.match(line, m.end())
        if after is not None:
            number = int(after.group(1))
        kind = path_kind(token)
        if kind:
            yield Path(token, number, kind == "module")


def path_kind(token: str) -> str:
    """``file``, ``module`` or nothing for a token with dots, slashes or scopes."""
    if "\\" in token and not all(len(p) > 2 and p[0].isupper() for p in token.split("\\") if p):
        windows = token.lower().rpartition(".")[2] in EXTENSIONS
    else:
        windows = True
    path = token.replace("\\", "/")
    if "::" in path:
        pieces = path.split("::")
        return "module" if len(pieces) > 1 and all(p.isidentifier() for p in pieces) else ""
    name = path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    if dot and any(map(str.isalpha, stem or extension)):
        known = extension.lower() in EXTENSIONS and (stem or "/" in path)
        if known or ("/" in path and windows and _EXTENSION.fullmatch(extension)):
            return "file"
    if "/" in path:
        pieces = [p for p in path.split("/") if p not in ("", ".", "..", "~")]
        if len(pieces) < 2 or not windows or not all(_PIECE.fullmatch(p) for p in pieces):
            return ""
        return "module" if len(pieces[-1]) > 1 and any(map(str.isalpha, pieces[-1])) else ""
    pieces = path.split(".")
    if len(pieces) < 2 or not all(p.isidentifier() for p in pieces) or max(map(len, pieces)) < 3:
        return ""
    return "" if path.lower() in ABBREVIATIONS else "module"

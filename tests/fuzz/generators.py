"""Hostile inputs, each from a number: the same number gives the same input."""

from __future__ import annotations

import errno
import json
import os
import random
import string
from pathlib import Path

CONTROL = "".join(map(chr, [*range(1, 32), 127, 0x9B, 0x202E, 0x2028, 0xFEFF, 0xFFFD]))
ODD = [
    "é",
    "😀",
    "\U0010ffff",
    "\ufeff",
    "\u202e",
    "a\u0300",
    "\x1b[31m",
    "\r",
    "\f",
    "\v",
    "\u2028",
    "ſ",
    "K",
    "ß",
]
BRACKETS = "(){}[]<>\"'`"
PIECES = [
    "def f(x):", "class A {", "class A:", "  def m(self):", "    return 1", "}", "{", "(", ")", "fn f() {",
    "func f() {", "# Title", "## Part", "Title\n=====", "```", "~~~", "---", "+++", "key: value", "[table]",
    "a = 1", '"a": {', "// note", "/* note", "*/", "<!--", "-->", "@dec", "impl A {", "module M", "end",
    "namespace N {", "#ifdef X", "#else", "#endif", "#define F(x) \\", "<div id=a>", "</div>", "<?php", "?>",
    "f :: Int -> Int", "f 0 = 1", "export const f = () => {", "begin", "select 1;", "create table t (a int);",
    "\\begin{x}", "\\end{x}", "- item", "* item", "1. item", "| a | b |", "<<EOF", "EOF", "$(", "${x:-", "'''",
    '"""', "r#\"", "\"#", "%{", "=begin", "=cut", "__END__", "let x =", "where", "match x with", "| A -> 1",
    "template<class T>", "async function* g() {", "yield*", "lambda x: x", "#!/bin/sh", "\\", "\t", ";", ":", ",",
]  # fmt: skip


def text(r: random.Random, most: int = 400) -> str:
    """Source-like text: pieces of many languages, noise, deep nesting, long lines."""
    kind = r.random()
    if kind < 0.08:
        opening = r.choice("([{<\"'")
        return opening * r.choice([10, 100, 1_000, 3_000]) + r.choice(["", "x", "\n"])
    if kind < 0.16:
        return "".join(
            chr(r.choice([r.randrange(1, 128), r.randrange(0xD7FF)])) for _ in range(r.randrange(most))
        )
    if kind < 0.2:
        return r.choice(PIECES) * r.choice([20, 300])
    out: list[str] = []
    for _ in range(r.randrange(1, 25)):
        pick = r.random()
        if pick < 0.7:
            out.append(" " * r.choice([0, 0, 2, 4, 8]) + r.choice(PIECES))
        elif pick < 0.8:
            out.append(r.choice(ODD) * r.randrange(1, 4))
        elif pick < 0.9:
            out.append("".join(r.choices(string.printable, k=r.randrange(30))))
        else:
            out.append("".join(r.choices(BRACKETS + " x", k=r.randrange(60))))
    joined = r.choice(["\n", "\n", "\n", "\r\n", " ", "", "\r"]).join(out)
    if r.random() < 0.2:  # cut anywhere
        joined = joined[: r.randrange(len(joined) + 1)]
    return joined


def balanced(r: random.Random, text: str) -> str:
    """The same with as many closing as opening brackets of each kind, in whatever order."""
    out = text
    for a, b in ("()", "[]", "{}"):
        lacking = out.count(a) - out.count(b)
        for _ in range(min(abs(lacking), 3_000)):
            at = r.randrange(len(out) + 1) if r.random() < 0.3 else (len(out) if lacking > 0 else 0)
            out = out[:at] + (b if lacking > 0 else a) + out[at:]
    return out


def data(r: random.Random) -> bytes:
    """Bytes of a file: text in many encodings, damaged, or noise."""
    kind = r.random()
    if kind < 0.15:
        return r.randbytes(r.randrange(2_000))
    if kind < 0.25:
        return notebook(r).encode("utf-8", "surrogatepass")
    codec = r.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "shift_jis", "utf-7"])
    raw = text(r).encode(codec, "ignore")
    return mutated(r, raw) if r.random() < 0.4 else raw


def mutated(r: random.Random, raw: bytes, most: int = 8) -> bytes:
    """The same with bytes flipped, cut out, doubled or put in."""
    out = bytearray(raw)
    for _ in range(r.randrange(1, most)):
        if not out:
            return bytes(out)
        at = r.randrange(len(out))
        pick = r.random()
        if pick < 0.5:
            out[at] = r.choice([0, 0xFF, 0x7F, 0x80, r.randrange(256), out[at] ^ (1 << r.randrange(8))])
        elif pick < 0.65:
            del out[at : at + r.choice([1, 2, 8, 100, len(out)])]
        elif pick < 0.8:
            out[at:at] = out[at : at + r.choice([1, 8, 64])]
        else:
            out[at:at] = r.randbytes(r.choice([1, 4, 16]))
    return bytes(out)


def json_value(r: random.Random, depth: int = 4) -> object:
    """Any JSON value."""
    if depth == 0 or r.random() < 0.4:
        return r.choice([None, True, 0, -1, 1e300, 2**70, "", "x" * r.randrange(50), text(r, 40)])
    if r.random() < 0.5:
        return [json_value(r, depth - 1) for _ in range(r.randrange(5))]
    keys = ["cells", "source", "cell_type", "outputs", "metadata", "worksheets", "root", "pid", "a"]
    return {r.choice(keys): json_value(r, depth - 1) for _ in range(r.randrange(5))}


def notebook(r: random.Random) -> str:
    """A Jupyter notebook, whole, odd or broken."""
    cells = []
    for _ in range(r.randrange(6)):
        source: object = text(r, 120)
        if r.random() < 0.5:
            source = str(source).splitlines(keepends=True)
        if r.random() < 0.1:
            source = json_value(r)
        kind = r.choice(["code", "markdown", "raw", "heading", "", None, 3])
        cells.append({"cell_type": kind, "source": source, "outputs": [json_value(r)], "metadata": {}})
    book: object = {"cells": cells, "nbformat": 4, "metadata": json_value(r)}
    if r.random() < 0.2:
        book = {"worksheets": [{"cells": cells}], "nbformat": 3}
    if r.random() < 0.1:
        book = json_value(r, 6)
    out = json.dumps(book, ensure_ascii=r.random() < 0.5, indent=r.choice([None, 1, 4]))
    pick = r.random()
    if pick < 0.1:
        return "{" * r.choice([10, 500, 5_000]) + out
    if pick < 0.2:
        return '{"cells": ' + "[" * r.choice([10, 500, 5_000])
    if pick < 0.35:
        return mutated(r, out.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    return out


QUERY_PIECES = [
    "flush", "batch_size", '"a phrase"', '"open', "/re+/", "/(a|b)*c{2,3}/", "/[/", "/a{1000}{1000}/", "sym:Foo.bar", "sym:",
    "lang:py", "-lang:c", "path:src/**/x", "path:../..", "file:*.py", "kind:function", "repo:x", "branch:y",
    "status:open", "-word", "-", "--", "(", ")", "AND", "OR", "NOT", ":", "::", "\\", "*", "?", "''", '""', "/", "//",
    "a:b:c", "sym:\"x y\"", "lang:\"", "日本語", "é", "\x00", "\x1b[0m", "x" * 500, "/" + "(" * 200 + "/",
]  # fmt: skip


def query(r: random.Random) -> str:
    """A query, well-formed or not."""
    if r.random() < 0.15:
        return "".join(chr(r.choice([r.randrange(128), r.randrange(0x3000)])) for _ in range(r.randrange(60)))
    return r.choice([" ", " ", "  ", ""]).join(r.choices(QUERY_PIECES, k=r.randrange(7)))


PASTED_PIECES = [
    "word", "Title here", "\n", "\n\n", "```", "```py\n", "~~~", "    ", "\t", "<!--", "-->", "# ", "**", "__", "`", '"', "'",
    "src/a.py", "a\\b.cs", "C:\\x\\y.ts", "/usr/lib/python3.9/re.py", "/v/site-packages/p/q.py", "node_modules/m/i.js",
    ":12", ":12:5", "(3,4): ", "(7)", " in ", " in f(self)", "at ", "at a.b.C$D.m(", "File.java:12)", 'File "', '", line 3, in f',
    "Error: ", "Caused by: ", "E   ", "error[E0308]: ", "warning: ", "::", "a::b::c", "a.b.c", "@", "#0 ", "#1  0x1f in f ",
    "goroutine 1 [running]:", "created by x.F", " +0x1d", "panicked at ", "--> ", "-> 3 ", "frame #1: x`f at ", "+++ b/", "@@ -1 +2 @@",
    "> ", "- [x] ", "- OS: ", "Python 3.9.1", "### Environment", "Traceback (most recent call last):", "{", "}", "[", "](",
    "https://h/o/r/blob/main/a.py#L3", "http://", "test_a", "FooTest", "tests/test_a.py::TestB::test_c", "é", "中", "\ud800", "\0",
    "\x1b[31m", "\u2028", "\r", "<details>", "0x7f", "12", "x" * 130, " ", " ", " ",
]  # fmt: skip


def pasted(r: random.Random) -> str:
    """A text such as people paste, or an arbitrary one."""
    if r.random() < 0.1:
        return text(r)
    return r.choice(["", " ", "\n"]).join(r.choices(PASTED_PIECES, k=r.randrange(40)))


REGEX_PIECES = [
    "abc", "foo_bar", "x", r"\w", r"\d+", r"\s*", ".", ".*", "[a-z]", "[^x]", "[[:alpha:]]", "(", ")", "(?:", "(?i)", "|",
    "*", "+", "?", "{2}", "{1,3}", "{,3}", "^", "$", r"\b", r"\B", r"\A", r"\z", r"\pL", r"\x41", r"\u0041", "ſ", "K",
    "é", "\\", "[", "]", "{", "}", r"\Q.\E", "(?P<n>", "(?=a)", r"\1", "\n",
]  # fmt: skip


def regex(r: random.Random) -> str:
    """A regular expression, valid or not."""
    return "".join(r.choices(REGEX_PIECES, k=r.randrange(1, 9)))


NAMES = [
    "a", "b.py", ".gitignore", ".git", "node_modules", "x\ny.py", "\x1b[31mred.py", "-rf", "*", "[a]", "a b", " ", "é.py",
    "e\u0301.py", "CON", "..x", "...", "x" * 255, "\\", "a\\b", "!x", "#x", "~", "$HOME", "`id`.sh", "\u202egnp.py", "x.ipynb",
    ".spelunkignore", "spelunk.toml", "Makefile", "b\udcff.py", "\x7f", "'\"", "a.min.js", "core", "x.swp",
]  # fmt: skip
PATTERNS = [
    "*",
    "!*",
    "/",
    "a/",
    "**/b*",
    "[",
    "[!a",
    "\\",
    "#x",
    "!",
    "*.py",
    "/*",
    "a/**",
    "**",
    " ",
    "x\\ ",
    "[a-\\]]*",
]


def put(path: Path, content: bytes) -> None:
    """Write a new file; neither through a link nor over anything that is there.

    Raises:
        OSError: There is something of that name, or the way to it leads through a link.
    """
    if os.path.realpath(path.parent) != str(path.parent):
        raise OSError(errno.ELOOP, "a link on the way", str(path))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as f:
        f.write(content)


def tree(r: random.Random, root: Path) -> None:
    """Make a folder of odd things: names, links that loop or lead outside, special files, ignore files."""
    folders = [root]
    for _ in range(r.randrange(1, 9)):
        here = r.choice(folders)
        name = os.fsencode(r.choice(NAMES) if r.random() < 0.9 else "".join(r.choices(CONTROL + "ab.", k=3)))
        path = Path(os.fsdecode(bytes(here) + b"/" + name.replace(b"/", b"_").replace(b"\0", b"_")))
        try:
            _thing(r, path, folders, root)
        except OSError:
            pass  # there already, or more than the disk allows


def _thing(r: random.Random, path: Path, folders: list[Path], root: Path) -> None:
    pick = r.random()
    if path.name in (".gitignore", ".spelunkignore"):
        put(path, r.choice([b"\n", b"\r\n", b"\0"]).join(p.encode() for p in r.choices(PATTERNS, k=4)))
    elif pick < 0.3:
        path.mkdir()
        folders.append(path)
    elif pick < 0.4:
        path.symlink_to(
            r.choice([".", "..", "/", str(root), "a/b", "/dev/null", path.name, str(r.choice(folders))])
        )
    elif pick < 0.45:
        os.mkfifo(path)
    elif pick < 0.5:
        files = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
        os.link(r.choice(sorted(files) or [path]), path, follow_symlinks=False)
    else:
        put(path, data(r)[:300])

"""Time, memory and honesty of the questions about symbols on trees made to be difficult.

    many-definitions   one class of 100,000 methods and one file of 100,000 functions that call each other
    one-name           15,000 definitions of ``init``, 25,000 of ``get``, 50,000 calls of it, in 5,000 files of each of three languages
    circles            imports, star re-exports, includes and bases in circles, in layers that multiply ways
    broken             source files cut off, with lost brackets, and random bytes in between
    mixed              one name in twelve languages

Files of any size are parsed (``max_parse_size``), which by default they are not. Each question is a process of its own, as the command line asks it. Printed are wall seconds, the peak of
resident memory, the number of results, and what the answer says that it left out.

    python benchmarks/graph/hostile.py WORK [TREE...]
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LIMIT_SECONDS = 300
Files = Iterator[tuple[str, str]]


def many_definitions() -> Files:
    body = "".join(
        f" def m{n}(self, x): x.m7()\n" if n % 2 else f" def m{n}(self): self.m{n + 1}()\n"
        for n in range(100_000)
    )
    yield "big/methods.py", f"class Big:\n{body}"
    yield "big/functions.py", "".join(f"def f{n}(): f{n // 2}()\n" for n in range(100_000))
    yield (
        "use.py",
        "from big.functions import f7\nfrom big.methods import Big\n\n\ndef use():\n    f7()\n    Big().m3()\n",
    )


def one_name() -> Files:
    for n in range(5_000):
        folder = f"p{n // 100}"
        twos = "".join(
            f"class C{n}_{i}:\n    def get(self):\n        return 1\n\n    def use(self, x):\n        x.get()\n        return self.get()\n\n\n"
            for i in range(3)
        )  # fmt: skip
        yield (
            f"{folder}/a{n}.py",
            f"def init():\n    pass\n\n\n{twos}def start(y):\n    init()\n    y.get()\n",
        )
        yield (
            f"{folder}/b{n}.c",
            f"static int init(int x) {{ return x; }}\nint get(int x) {{ return x; }}\nint start{n}(void) {{ return init({n}) + get(1); }}\n",
        )
        yield (
            f"{folder}/C{n}.java",
            (
                f"class C{n} {{ int get() {{ return 1; }} void init() {{ get(); }} int go(Object o) {{ init(); return o.get(); }} }}\n"
            ),
        )


def circles() -> Files:
    for layer in range(8):
        for n in range(12):
            stars = "".join(f"from app.l{(layer + 1) % 8}m{m} import *\n" for m in range(12))
            yield (
                f"app/l{layer}m{n}.py",
                f"{stars}\n\nclass K{layer}x{n}(K{(layer + 1) % 8}x{n}):\n    def run(self):\n        return lost_name(), self.run(), K{layer}x{n}().other()\n",
            )
            ways = "".join(f"export * from './w{(layer + 1) % 8}m{m}'\n" for m in range(12))
            yield (
                f"web/w{layer}m{n}.ts",
                f"{ways}import {{ gone }} from './w{(layer + 1) % 8}m{n}'\nexport function f{layer}x{n}() {{ return gone() }}\n",
            )
            heads = "".join(f'#include "h{(layer + 1) % 8}m{m}.h"\n' for m in range(12))
            yield f"c/h{layer}m{n}.h", f"{heads}int g{layer}x{n}(int);\n"
            yield (
                f"c/s{layer}m{n}.c",
                f'#include "h{layer}m{n}.h"\nint g{layer}x{n}(int x) {{ return g{(layer + 3) % 8}x{n}(x) + lost_name(x); }}\n',
            )
    yield "app/__init__.py", ""


def broken() -> Files:
    rng = random.Random(5)
    good = {
        "py": "import os\n\n\nclass A:\n    def run(self):\n        return help_me(os.path)\n\n\ndef help_me(x):\n    return A().run()\n",
        "ts": "import { a } from './b'\nexport class A { run(): number { return helpMe(a) } }\nexport function helpMe(x) { return new A().run() }\n",
        "go": "package p\n\ntype A struct{}\n\nfunc (a A) Run() int { return help(a) }\n\nfunc help(a A) int { return a.Run() }\n",
        "rs": "use crate::b::C;\npub struct A;\nimpl A { pub fn run(&self) -> u32 { help(self) } }\nfn help(a: &A) -> u32 { a.run() }\n",
        "c": "#include <stdio.h>\n#if X\nint help(int a) {\n#else\nint help(long a) {\n#endif\n  return run(a); }\nint run(int a) { return help(a); }\n",
        "java": "package p; import q.R;\nclass A extends B { int run() { return help(this); } static int help(A a) { return a.run(); } }\n",
    }  # fmt: skip
    for n in range(600):
        extension, text = rng.choice(sorted(good.items()))
        text *= rng.randint(1, 30)
        for _ in range(rng.randint(1, 40)):
            at = rng.randrange(len(text))
            text = rng.choice([text[:at], text[:at] + text[at + rng.randint(1, 9) :], text[:at] + rng.choice("{}()[]\"'`\n\0#<>") + text[at:]]) or "x"  # fmt: skip
        yield f"d{n % 7}/f{n}.{extension}", text
    yield "deep.py", "x = " + "(" * 50_000 + ")" * 50_000 + "\n"
    yield "deep.js", "f(" * 30_000 + ")" * 30_000 + "\nfunction helpMe() { helpMe() }\n"


def mixed() -> Files:
    texts = {
        "a.py": "def flush():\n    flush()\n",
        "a.js": "export function flush() { flush() }\n",
        "a.go": "package a\n\nfunc flush() { flush() }\n",
        "a.rs": "fn flush() { flush() }\n",
        "a.c": "void flush(void) { flush(); }\n",
        "A.java": "class A { void flush() { flush(); } }\n",
        "a.rb": "def flush\n  flush()\nend\n",
        "a.php": "<?php\nfunction flush_() { flush_(); }\nfunction flush() { flush(); }\n",
        "a.lua": "function flush() flush() end\n",
        "a.swift": "func flush() { flush() }\n",
        "A.cs": "class A { void flush() { flush(); } }\n",
        "a.kt": "fun flush() { flush() }\n",
    }
    yield from texts.items()


TREES: dict[str, tuple[Callable[[], Files], tuple[str, ...]]] = {
    "many-definitions": (
        many_definitions,
        ("def m500", "callers f7", "callers m3", "callers m7", "callers f0", "callers big/methods.py:1", "callees big/functions.py:40", "refs f7",
         "impl Big", "impact big/functions.py", "impact m500", "path use f3", "outline big/methods.py", "map",
         "search --related=5 f7"),
    ),
    "one-name": (
        one_name,
        ("def init", "def get", "callers init", "callers get", "callers --depth=3 init", "callees init", "refs get",
         "impl get", "impact get", "impact p0/a0.py", "path start get", "map", "search --related=5 init",
         "search calls:get"),
    ),
    "circles": (
        circles,
        ("def run", "callers lost_name", "callers run", "callees K0x0.run", "refs gone", "impl K0x0",
         "impact app/l0m0.py", "impact c/h0m0.h", "path g0x0 g5x0", "map", "search --related=5 run"),
    ),
    "broken": (
        broken,
        ("def help_me", "callers help", "callers run", "refs run", "impl A", "impact d0", "map", "search --related=5 run"),
    ),
    "mixed": (mixed, ("def flush", "callers flush", "refs flush", "impact flush", "map", "search --related=5 flush")),
}  # fmt: skip


def write(root: Path, files: Files) -> int:
    size = 0
    for name, text in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")
        size += len(text)
    return size


def run(words: list[str], cwd: Path, home: Path) -> tuple[float, float, int, str, str]:
    """Seconds, peak MB, exit status and both outputs of a command; it has a process of its own to be measured by."""
    code = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run([sys.executable, '-m', 'spelunk', *sys.argv[1:]])\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(f'\\npeak {peak}', file=sys.stderr)\n"
        "raise SystemExit(done.returncode)\n"
    )
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=cwd,
            env={**os.environ, "SPELUNK_HOME": str(home), "SPELUNK_MAX_PARSE_SIZE": "64MiB"},
            capture_output=True, text=True, timeout=LIMIT_SECONDS, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return float(LIMIT_SECONDS), 0.0, 124, "", "timed out"
    peak = int(done.stderr.rpartition("peak ")[2] or 0) / 1024
    return time.perf_counter() - began, peak, done.returncode, done.stdout, done.stderr


def main() -> None:
    work = Path(sys.argv[1]).resolve()
    print("| tree, question | seconds | peak MB | results | left out |")
    print("|-|-|-|-|-|")
    for name in sys.argv[2:] or TREES:
        made, questions = TREES[name]
        root, home = work / name, work / f"{name}.home"
        if not root.exists():
            write(root, made())
        shutil.rmtree(home, ignore_errors=True)
        seconds, peak, code, out, err = run(["index", "--json"], root, home)
        report = json.loads(out) if out else {}
        failed = report.get("files", {}).get("failed")
        print(f"| {name}, index | {seconds:.1f} | {peak:.0f} | {report.get('chunks')} chunks | {failed} failed, exit {code} |", flush=True)  # fmt: skip
        for question in questions:
            seconds, peak, code, out, err = run([*question.split(), "--json", "--no-refresh"], root, home)
            found = json.loads(out) if out else {}
            counted = found.get(
                "total", len(found.get("hits", found.get("packages", found.get("definitions", ()))))
            )
            left = found.get("left_out") or [line for hit in found.get("hits", ()) for line in hit.get("related", {}).get("left_out", ())][:3]  # fmt: skip
            if code > 1:
                left = [err.strip().rpartition("\n\npeak")[0][-200:]]
            print(f"| {question} | {seconds:.2f} | {peak:.0f} | {counted} | {'; '.join(left)} |", flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()

"""Formats of stack frames and messages: each is read from a sample as its tool prints it."""

from __future__ import annotations

import pytest

from spelunk.pasted import read_pasted
from spelunk.pasted.frames import FORMATS

PYTHON = """
Traceback (most recent call last):
  File "/home/ann/venv/bin/tool", line 8, in <module>
    sys.exit(main())
  File "/home/ann/venv/lib/python3.9/site-packages/tool/cli.py", line 25, in main
    Run(argv or sys.argv[1:])
  File "/home/ann/venv/lib/python3.9/site-packages/tool/config/manager.py", line 244, in _parse
    self.parser.parse_args(args)
  File "/usr/lib/python3.9/argparse.py", line 1818, in parse_args
    args, argv = self.parse_known_args(args, namespace)
ValueError: bad value
"""
PYTHON_CHAINED = """
Traceback (most recent call last):
  File "app/store.py", line 10, in load
    return json.loads(raw)
json.decoder.JSONDecodeError: Expecting value

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "app/main.py", line 30, in run
    raise LoadError(path) from error
app.errors.LoadError: cannot load
"""
IPYTHON_7 = """
KeyError                                  Traceback (most recent call last)
~/miniforge3/lib/python3.8/site-packages/seaborn/axisgrid.py in map(self, func)
   1264         row_indices, col_indices = np.indices(self.axes.shape)
-> 1265         self._map_bivariate(func, indices, **kwargs)
   1266
~/miniforge3/lib/python3.8/site-packages/seaborn/_core.py in _lookup_single(self, key)
    143             # Use a value that's in the original data vector
--> 144             value = self.lookup_table[key]
    145         except KeyError:
KeyError: 'setosa'
"""
IPYTHON_8 = """
File ~/code/seaborn/seaborn/_core/plot.py:841, in Plot._plot(self, pyplot)
    838 plotter._compute_stats(self, layers)
--> 841 plotter._setup_scales(self, common, layers)
File ~/code/seaborn/seaborn/_core/scales.py:351, in ContinuousBase._setup(self, data, prop, axis)
    349 vmin, vmax = axis.convert_units((vmin, vmax))
--> 351 a = forward(vmin)
"""
NOTEBOOK_LINK = r"""
[c:\Users\Kim\anaconda3\lib\site-packages\seaborn\axisgrid.py](file:///C:/Users/Kim/axisgrid.py) in map_diag(self)
   1489
-> 1490             vector = self.data[var]
"""
PYTEST = """
    def test_limit():
>       assert parse("x") == 3
E       AssertionError: assert 4 == 3

tests/test_parse.py:12: AssertionError
"""
PYTEST_SHORT = """
tests/test_parse.py:12: in test_limit
    parse("x")
src/parse.py:40: in parse
    raise ParseError(text)
E   parse.ParseError: x
"""
JAVA = """
Exception in thread "main" java.lang.IllegalStateException: cannot render
\tat com.acme.view.Page.render(Page.java:88)
\tat com.acme.view.Page$Builder.build(Page.java:120)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1541)
\tat app//com.acme.Main.main(Main.java:14)
Caused by: java.lang.NullPointerException: Cannot invoke "String.length()" because "s" is null
\tat com.acme.text.Words.lambda$count$0(Words.java:31)
\tat com.acme.text.Words.count(Words.java:25)
\t... 12 more
"""
KOTLIN = "\tat org.acme.api.ClientKt.fetch(Client.kt:42) ~[client.jar:1.2]"
SCALA = "    at akka.actor.ActorCell$Inner.$anonfun$receive$1(ActorCell.scala:539)"
NODE = """
TypeError: Cannot read properties of undefined (reading 'id')
    at Router.match (/srv/app/lib/router.js:88:17)
    at async Object.handle (file:///srv/app/lib/server.mjs:12:3)
    at new Layer (/srv/app/node_modules/express/lib/router/layer.js:33:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
"""
WEBPACK = "    at useThing (webpack-internal:///./src/hooks/useThing.ts:21:9)"
ANONYMOUS = "    at /srv/app/lib/index.js:5:1"
BROWSER = "    at render (http://localhost:3000/static/js/main.chunk.js:1:2043)"
FIREFOX = """
render@http://localhost:8080/src/view.js:10:5
Foo.prototype.bar@resource://app/modules/Foo.jsm:77:12
"""
GO = """
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a1b2c]

goroutine 1 [running]:
github.com/acme/proxy.(*Server).Serve(0x0, 0xc000010250)
\t/home/ann/src/proxy/server.go:57 +0x1d
main.main()
\t/home/ann/src/proxy/cmd/main.go:12 +0x2f

goroutine 18 [select]:
github.com/acme/proxy.(*Pool).loop(0xc0000a2000)
\t/home/ann/src/proxy/pool.go:99 +0x8a
created by github.com/acme/proxy.NewPool
\t/root/go/pkg/mod/github.com/other/pool@v1.2.3/pool.go:40 +0x5f
"""
RUST = """
thread 'main' panicked at src/parser.rs:120:14:
called `Option::unwrap()` on a `None` value
stack backtrace:
   0: rust_begin_unwind
             at /rustc/90c541806f/library/std/src/panicking.rs:647:5
   1: acme::parser::Parser::next
             at ./src/parser.rs:120:14
   2: acme::main
             at ./src/main.rs:8:5
"""
RUST_OLD = "thread 'main' panicked at 'index out of bounds: the len is 3', src/lib.rs:4:9"
CSHARP = r"""
System.ArgumentNullException: Value cannot be null. (Parameter 'key')
   at Acme.Cache.MemoryStore.Get[T](String key, CancellationToken token) in /src/Acme.Cache/MemoryStore.cs:line 42
   at Acme.Web.Home.<Index>d__3.MoveNext() in C:\work\Acme.Web\Home.cs:line 17
   at System.Threading.Tasks.Task.Execute(Object state)
"""
RUBY = """
/usr/lib/ruby/gems/3.2.0/gems/rack-2.2.4/lib/rack/utils.rb:81:in `parse_query': invalid byte (ArgumentError)
\tfrom /srv/app/lib/site.rb:20:in `block in call'
\tfrom app.rb:3:in 'Site#call'
"""
PHP = """
PHP Fatal error:  Uncaught TypeError: strlen(): Argument #1 must be of type string in /srv/app/src/Text.php:12
Stack trace:
#0 /srv/app/src/Text.php(12): strlen(Array)
#1 /srv/app/vendor/acme/view/src/View.php(80): Acme\\Text->length('x')
#2 {main}
  thrown in /srv/app/src/Text.php on line 12
"""
GDB = """
#0  0x00007f1c in raise () from /lib64/libc.so.6
#1  0x0000000000401136 in flush_batch (queue=0x4052a0, n=3) at src/queue.c:88
#2  main (argc=1, argv=0x7ffd) at src/main.c:15
"""
ASAN = """
==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010
    #0 0x4f9c1d in jv_free /home/ann/jq/src/jv.c:1732:7
    #1 0x4fa0b2 in ns::Cache<int>::get(int, char const*) /home/ann/jq/src/cache.cpp:15:3
"""
LLDB = "  * frame #0: 0x0000000100003f50 tool`compute(x=3) at compute.c:12:5"
SWIFT_FATAL = "Fatal error: Index out of range: file /src/Sources/Acme/List.swift, line 44"
SWIFT_NEW = "Acme/List.swift:44: Fatal error: Index out of range"
ELIXIR = """
** (Ecto.QueryError) lib/app/posts.ex:12: field `x` does not exist
    (ecto 3.10.1) lib/ecto/query/planner.ex:880: Ecto.Query.Planner.validate/2
    lib/app/posts.ex:12: App.Posts.list/1
    (elixir 1.14) lib/enum.ex:2468: Enum."-reduce/3-lists^foldl/2-0-"/3
"""
HASKELL = """
Prelude.undefined
CallStack (from HasCallStack):
  undefined, called at src/Acme/Parser.hs:14:9 in main:Acme.Parser
"""
LUA = "\t/srv/game/lib/queue.lua:31: in function 'push'"
DART = "#1      Router.match (package:acme/src/router.dart:88:17)"
JULIA = """
 [2] push_all(q::Queue, xs::Vector{Int64})
   @ Acme ~/src/Acme/src/queue.jl:31
"""
PERL = 'Can\'t locate object method "new" at lib/Acme/Queue.pm line 31.'

FRAMES = [
    (PYTHON, [("tool/config/manager.py", 244, "_parse"), ("tool/cli.py", 25, "main")]),
    (PYTHON_CHAINED, [("app/store.py", 10, "load"), ("app/main.py", 30, "run")]),
    (IPYTHON_7, [("seaborn/_core.py", 144, "_lookup_single"), ("seaborn/axisgrid.py", 1265, "map")]),
    (IPYTHON_8, [("code/seaborn/seaborn/_core/scales.py", 351, "ContinuousBase._setup"),
                 ("code/seaborn/seaborn/_core/plot.py", 841, "Plot._plot")]),
    (NOTEBOOK_LINK, [("seaborn/axisgrid.py", 1490, "map_diag")]),
    (PYTEST, [("tests/test_parse.py", 12, "")]),
    (PYTEST_SHORT, [("src/parse.py", 40, "parse"), ("tests/test_parse.py", 12, "test_limit")]),
    (JAVA, [("com/acme/text/Words.java", 31, "Words.count"), ("com/acme/text/Words.java", 25, "Words.count"),
            ("com/acme/view/Page.java", 88, "Page.render")]),
    (KOTLIN, [("org/acme/api/Client.kt", 42, "ClientKt.fetch")]),
    (SCALA, [("akka/actor/ActorCell.scala", 539, "ActorCell.Inner.receive")]),
    (NODE, [("srv/app/lib/router.js", 88, "Router.match"), ("srv/app/lib/server.mjs", 12, "Object.handle"),
            ("express/lib/router/layer.js", 33, "Layer")]),
    (WEBPACK, [("src/hooks/useThing.ts", 21, "useThing")]),
    (ANONYMOUS, [("srv/app/lib/index.js", 5, "")]),
    (BROWSER, [("static/js/main.chunk.js", 1, "render")]),
    (FIREFOX, [("src/view.js", 10, "render")]),
    (GO, [("home/ann/src/proxy/server.go", 57, "github.com/acme/proxy.(*Server).Serve"),
          ("home/ann/src/proxy/cmd/main.go", 12, "main.main"),
          ("home/ann/src/proxy/pool.go", 99, "github.com/acme/proxy.(*Pool).loop"),
          ("pool/pool.go", 40, "github.com/acme/proxy.NewPool")]),
    (RUST, [("src/parser.rs", 120, ""), ("src/parser.rs", 120, "acme::parser::Parser::next"),
            ("src/main.rs", 8, "acme::main")]),
    (RUST_OLD, [("src/lib.rs", 4, "")]),
    (CSHARP, [("src/Acme.Cache/MemoryStore.cs", 42, "Acme.Cache.MemoryStore.Get"),
              ("work/Acme.Web/Home.cs", 17, "Acme.Web.Home.Index.MoveNext")]),
    (RUBY, [("lib/rack/utils.rb", 81, "parse_query"), ("srv/app/lib/site.rb", 20, "call"), ("app.rb", 3, "Site#call")]),
    (PHP, [("srv/app/src/Text.php", 12, "strlen")]),
    (GDB, [("src/queue.c", 88, "flush_batch"), ("src/main.c", 15, "main")]),
    (ASAN, [("home/ann/jq/src/jv.c", 1732, "jv_free"), ("home/ann/jq/src/cache.cpp", 15, "ns::Cache<int>::get")]),
    (LLDB, [("compute.c", 12, "compute")]),
    (ELIXIR, [("lib/ecto/query/planner.ex", 880, "Ecto.Query.Planner.validate/2"),
              ("lib/app/posts.ex", 12, "App.Posts.list/1")]),
    (HASKELL, [("src/Acme/Parser.hs", 14, "")]),
    (LUA, [("srv/game/lib/queue.lua", 31, "push")]),
    (DART, [("acme/src/router.dart", 88, "Router.match")]),
    (JULIA, [("src/Acme/src/queue.jl", 31, "push_all")]),
]  # fmt: skip

MESSAGES = [
    ("src/main.c:14:5: error: use of undeclared identifier 'x'", ("src/main.c", 14)),
    ("src/main.c:14: undefined reference to `flush'", ("src/main.c", 14)),
    ("src/app.ts(12,5): error TS2345: Argument of type 'string'", ("src/app.ts", 12)),
    ("src/app.ts:12:5 - error TS2345: Argument of type 'string'", ("src/app.ts", 12)),
    (r"C:\work\App\Home.cs(17,9): error CS0103: The name 'x' does not exist", ("work/App/Home.cs", 17)),
    ("error[E0308]: mismatched types\n  --> src/parser.rs:120:14", ("src/parser.rs", 120)),
    ("[ERROR] /srv/app/src/main/java/com/acme/Page.java:[88,17] cannot find symbol",
     ("srv/app/src/main/java/com/acme/Page.java", 88)),
    ("[error] /srv/app/src/Main.scala:9:3: not found: value x", ("srv/app/src/Main.scala", 9)),
    ('File "src/parser.ml", line 12, characters 4-9:', ("src/parser.ml", 12)),
    ("pkg/queue/queue_test.go:31: got 3, want 4", ("pkg/queue/queue_test.go", 31)),
    ("app/models.py:10:1: F401 'os' imported but unused", ("app/models.py", 10)),
    ("Sources/Acme/List.swift:44: Fatal error: Index out of range", ("Sources/Acme/List.swift", 44)),
    (SWIFT_FATAL, ("src/Sources/Acme/List.swift", 44)),
    (PERL, ("lib/Acme/Queue.pm", 31)),
    ("PHP Warning:  Undefined variable $x in /srv/app/index.php on line 7", ("srv/app/index.php", 7)),
    ("FAILED tests/test_parse.py::TestLimit::test_zero - AssertionError", ("tests/test_parse.py", None)),
    ("rspec ./spec/queue_spec.rb:31 # Queue flushes", ("spec/queue_spec.rb", 31)),
    ("2024-05-01 10:00:01 ERROR worker.py:88 task failed", ("worker.py", 88)),
    ("see https://github.com/acme/app/blob/main/src/app/core.py#L120-L130", ("src/app/core.py", 120)),
    ("+++ b/src/queue.c\n@@ -80,7 +80,9 @@ flush_batch(struct queue *q)", ("src/queue.c", 80)),
    ("the bug is in `lib/queue.js` line 40, I think", ("lib/queue.js", 40)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FRAMES, ids=[t.strip()[:30] for t, _ in FRAMES])
def test_the_frames_of_a_trace_are_read_innermost_first(
    text: str, expected: list[tuple[str, int, str]]
) -> None:
    read = read_pasted(text)

    found = [(p.path, p.line, p.function) for p in read.places if p.source == "frame"]
    assert found[: len(expected)] == expected
    assert read.traces >= 1
    assert "stack trace" in read.describe()


@pytest.mark.parametrize(("text", "expected"), FRAMES, ids=[t.strip()[:30] for t, _ in FRAMES])
def test_a_trace_in_a_quote_of_an_issue_is_read_as_well(
    text: str, expected: list[tuple[str, int, str]]
) -> None:
    quoted = "\n".join("> " + line.lstrip() for line in text.strip().splitlines())
    read = read_pasted(f"Tool fails\n\nI see this:\n\n{quoted}\n\nWhat can I do?")

    found = {(p.path, p.line) for p in read.places}
    assert {(path, line) for path, line, _ in expected} <= found
    assert read.title == "Tool fails"


@pytest.mark.parametrize(("text", "expected"), MESSAGES, ids=[t[:30] for t, _ in MESSAGES])
def test_the_place_of_a_message_is_read(text: str, expected: tuple[str, int | None]) -> None:
    places = read_pasted(text).places

    assert expected in [(p.path, p.line) for p in places]


def test_every_format_has_a_sample() -> None:
    from spelunk.pasted.frames import find, formats_for

    texts = [t for t, _ in FRAMES] + [t for t, _ in MESSAGES]
    rows = [row for text in texts for row in text.splitlines()]
    used = {found.format.pattern for row in rows if (found := find(row, formats_for(row)))}

    assert [f.name for f in FORMATS if f.pattern not in used] == []

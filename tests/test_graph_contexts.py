"""Parameters of callbacks whose types only their surroundings tell, in TypeScript and JavaScript."""

from __future__ import annotations

import pytest

from tests.graphcases import Repository

TYPES = """\
export class Request { param(key: string): string { return key } }
export class Context<E = any> {
  get req(): Request { return new Request() }
  text(value: string): string { return value }
}
export class Log { write(): void {} }
export type Next = () => Promise<void>
export type Handler<E = any> = (c: Context<E>, next: Next) => string
export type Guard = (c: Context, next: Next) => Promise<string | void>
export type H<E = any> = Handler<E> | Guard
export interface Register<E = any> {
  (handler: H<E>): App<E>
  (path: string, handler: H<E>): App<E>
  (path: string, ...handlers: [H<E>, H<E>]): App<E>
}
export interface Options { onError?: (error: Error, c: Context) => void; log: Log; nested: { each: (l: Log) => void } }
export class App<E = any> {
  get!: Register<E>
  use(handler: Guard): this { return this }
  on(name: string, run: (l: Log) => void): App<E> { return this }
  on(name: number, run: (c: Context) => void): App<E> { return this }
  with<T>(make: () => T, use: (value: T) => void): App { return new App() }
  logs: Log[] = []
  configure(options: Options): void {}
}
export const middleware = <E = any>(run: Guard): Guard => run
export const start = (options: Partial<Options>) => new App()
export function open(): App { return new App() }
export class Other { param() {} text() {} write() {} }
"""

CASES = {
    "a callback by an alias in a union": ("app.get((c) => c.text(''))", "text"),
    "the overload with so many arguments": ("app.get('/', async (c, next) => { await next(); c.text('') })", "text"),
    "a rest parameter": ("app.get('/', (a) => a.text(''), (c) => c.text(''))", "text"),
    "a parameter without parentheses": ("app.get('/', c => c.text(''))", "text"),
    "a member of it": ("app.get('/', (c) => c.req.param('id'))", "param"),
    "a pattern": ("app.get('/', ({ req }) => req.param('id'))", "param"),
    "a renamed pattern": ("app.get('/', ({ req: r }) => r.param('id'))", "param"),
    "a chain of calls": ("new App().get((c) => '').get('/', (c) => c.text(''))", "text"),
    "a method that returns this": ("new App().use(async (c) => {}).get((c) => c.text(''))", "text"),
    "an overload that does not fit": ("app.on('a', (l) => l.write())", "write"),
    "a function of another file": ("const m = middleware(async (c) => { c.text('') })", "text"),
    "a variable with a type": ("const h: Handler = (c) => c.text('')", "text"),
    "a result with a type": ("function make(): Guard { return async function (c) { c.text('') } }", "text"),
    "an arrow's result": ("const make = (): Handler => (c) => c.text('')", "text"),
    "a property of an object": ("app.configure({ onError: (e, c) => { c.text('') } })", "text"),
    "a property of an object in it": ("app.configure({ nested: { each: (l) => l.write() } })", "write"),
    "a method of an object": ("app.configure({ onError(e, c) { c.text('') } })", "text"),
    "a type that is only in part there": ("start({ onError: (e, c) => { c.text('') } })", "text"),
    "an assignment": ("const o: Options = {} as Options; o.onError = (e, c) => { c.text('') }", "text"),
    "elements of a list": ("app.logs.forEach((l) => l.write())", "write"),
    "the second of two to compare": ("app.logs.sort((a, b) => b.write())", "write"),
    "a pattern of a typed parameter": ("function f({ log }: Options) { log.write() }", "write"),
    "a pattern of a variable": ("function f(c: Context) { const { req } = c; req.param('') }", "param"),
    "a pattern with a default": ("function f({ log = new Log() }: Options) { log.write() }", "write"),
    "a parameter that is a function": ("function f(make: () => App) { const a = make(); a.get((c) => c.text('')) }", "text"),
    "what a function makes": ("start({}).get((c) => c.text(''))", "text"),
    "what a promise gives": ("function f(p: Promise<Log>) { p.then((l) => l.write()) }", "write"),
    "one of several types": ("function f(c: Log | Context) { c.text('') }", "text"),
    "a cast": ("function f(c: unknown) { (c as Context).text('') }", "text"),
}  # fmt: skip

HOMES = {"text": "src/types.ts:4", "param": "src/types.ts:1", "write": "src/types.ts:6"}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_variable_has_the_type_that_its_surroundings_tell(case: str) -> None:
    code, name = CASES[case]
    imports = "import { App, Context, Guard, Handler, Log, Options, middleware, start } from './types'\n"
    repository = Repository(
        {"src/types.ts": TYPES, "src/use.ts": f"{imports}const app = new App()\n{code}\n"}
    )

    found = repository.resolve("src/use.ts", name, line=3)
    last = [c for c in found.candidates if c.confidence >= 0.5]

    assert [repository.place(c.row) for c in last] == [HOMES[name]], found


def test_nothing_is_said_of_a_callback_of_an_unknown_function() -> None:
    repository = Repository({"src/types.ts": TYPES, "src/use.ts": "other.run((c) => c.text(''))\n"})

    found = repository.resolve("src/use.ts", "text")

    assert all(c.confidence < 0.5 for c in found.candidates)


def test_a_type_from_elsewhere_is_none_of_the_index() -> None:
    code = "import { Stream } from 'streams'\nexport function f(run: (s: Stream) => void) {}\nf((s) => s.write())\n"
    repository = Repository({"src/types.ts": TYPES, "src/use.ts": code})

    found = repository.resolve("src/use.ts", "write")

    assert not found.candidates
    assert found.outside


def test_types_that_lead_to_each_other_end() -> None:
    code = "type A = B\ntype B = A | C\ntype C = { f: A }\nfunction g(a: A, b: (x: A) => B) { a.f.f.text() }\ng(1, (x) => x.f.text())\n"
    repository = Repository({"src/use.ts": code})

    assert repository.resolve("src/use.ts", "text", line=4).candidates == []
    assert repository.resolve("src/use.ts", "text", line=5).candidates == []


def test_an_inner_parameter_hides_an_outer_variable() -> None:
    code = "import { App, Log } from './types'\nconst c = new Log()\nnew App().get((c) => c.text(''))\nc.write()\n"
    repository = Repository({"src/types.ts": TYPES, "src/use.ts": code})

    assert repository.meaning("src/use.ts", "text") == ("src/types.ts:4", "type")
    assert repository.meaning("src/use.ts", "write") == ("src/types.ts:6", "type")


def test_javascript_has_no_types_but_elements() -> None:
    code = "class Log { write() {} }\nclass Other { write() {} }\nconst l = new Log()\n;[l].map((x) => x.write())\n"
    repository = Repository({"src/use.js": code})

    assert all(c.confidence < 0.5 for c in repository.resolve("src/use.js", "write").candidates)

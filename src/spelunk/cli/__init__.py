"""The command line: argv in, an exit status out. The commands are the modules beside this one.

Exit status: 0 done or found, 1 nothing found or a check failed, 2 an error
told in one line, 130 interrupted (143 by SIGTERM). Results go to standard
output and everything else to standard error.

Only what the command at hand needs is imported, and only its parser built:
``spelunk search`` has to feel like ``grep``.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple, NoReturn


class Command(NamedTuple):
    """A command: its module in this package, and what it does in one line.

    The module has ``configure(parser)`` and ``run(args) -> int``; a
    ``passthrough`` module has ``run(argv) -> int`` and parses for itself.
    """

    module: str
    summary: str
    passthrough: bool = False


COMMANDS: Final[dict[str, Command]] = {
    "index": Command("index", "bring the index of a folder up to date"),
    "search": Command("search", "find chunks of code and documents"),
    "similar": Command("similar", "find chunks like the one at FILE:LINE"),
    "status": Command("status", "what an index holds, and whether it is current"),
    "why": Command("why", "why a path is indexed, or which rule leaves it out"),
    "list": Command("list", "all indexes known here"),
    "check": Command("check", "prove that the stores of an index agree; mend them with --repair"),
    "clear": Command("clear", "delete an index"),
    "trust": Command("trust", "let the settings file of a workspace count in full"),
    "doctor": Command("doctor", "check this machine and this installation"),
    "eval": Command("eval", "how good the answers to labelled queries are"),
    "bench": Command("bench", "measure this machine on a folder"),
    "completions": Command("completions", "print a completion script for a shell"),
    "branchwork": Command("branchwork", "keep the worklog of a branch (also: bw)", passthrough=True),
}
ALIASES: Final = {"bw": "branchwork"}

INTERRUPTED: Final = 130
TERMINATED: Final = 143


class _Terminated(BaseException):
    """SIGTERM, as an exception so that locks and files are let go of in order."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit status.

    Args:
        argv: Without the program's name; ``sys.argv`` by default.
    """
    # Before numpy can be imported: its threads cost more to start than a search.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    words = sys.argv[1:] if argv is None else argv
    if not _json_asked(words):
        return _guarded(words)
    from spelunk.cli.stderr import json_lines

    with json_lines(words):
        return _guarded(words)


def _json_asked(words: list[str]) -> bool:
    """Whether ``--log-format json`` is among the flags; asked before they are parsed."""
    flags = words[: words.index("--")] if "--" in words else words
    at = flags.index("--log-format") if "--log-format" in flags else len(flags)
    return "--log-format=json" in flags or flags[at + 1 : at + 2] == ["json"]


def _guarded(words: list[str]) -> int:
    try:
        _listen()
        status = _dispatch(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _stopped("interrupted", INTERRUPTED)
    except _Terminated:
        return _stopped("terminated", TERMINATED)
    except BrokenPipeError:
        _silence(1)  # whoever read has seen enough
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except Exception as error:
        return _failed(error, words)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how a panic of the full-text engine arrives
            raise
        from spelunk.errors import IndexCorruptError

        return _failed(IndexCorruptError(f"full text damaged ({error}); run `spelunk check --repair`"), words)


def script() -> NoReturn:
    """The console script: :func:`main`, and out without taking the interpreter apart.

    The garbage collector looks less often: what the imports of a search make
    is never garbage, and going through it again and again takes a twentieth
    of the whole; so does freeing it all at the end.
    """
    import gc

    gc.set_threshold(50_000, 20, 100)
    status = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # told already, or there is nobody to tell
    os._exit(status)


def _dispatch(words: list[str]) -> int:
    from importlib import import_module

    from spelunk.cli.parser import command_parser, parse, split

    shared, name, rest = split(words)
    if name is None:
        from spelunk.cli.overview import overview

        return overview(shared)
    command = COMMANDS.get(ALIASES.get(name, name))
    if command is None:
        from spelunk.cli.overview import unknown

        return unknown(name)
    module = import_module(f"spelunk.cli.commands.{command.module}")
    if command.passthrough:
        return int(module.run(rest))
    parser = command_parser(name, command.summary, module.configure)
    return int(module.run(parse(parser, [*shared, *rest])))


def _listen() -> None:
    """SIGTERM stops as Ctrl-C does; a second signal does not wait."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        return
    stopping = False

    def stop(number: int, _: object) -> None:
        nonlocal stopping
        if stopping:
            os._exit(128 + number)
        stopping = True
        raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)


def _stopped(how: str, status: int) -> int:
    from spelunk.cli.output import say

    say(f"{how}; what was published is kept, and the next run goes on from there", "warning")
    return status


def _failed(error: Exception, words: list[str]) -> int:
    from spelunk.cli.output import attached, say, tell
    from spelunk.errors import QuerySyntaxError, SpelunkError

    before_paths = words[: words.index("--")] if "--" in words else words
    more = {"error": type(error).__name__}
    if {"-v", "-vv", "--verbose"} & set(before_paths):
        import traceback

        more["traceback"] = "".join(traceback.format_exception(error))
    if isinstance(error, QuerySyntaxError):
        say(str(error), query=error.query, column=error.column, **more)
        if attached() is None:
            from spelunk.cli.caret import caret

            tell(caret(error), end="")
    elif isinstance(error, SpelunkError):
        say(str(error), **more)
    elif isinstance(error, OSError) and error.errno is not None:
        name = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        say(f"{name}{error.strerror or error}", **more)
        if sys.stdout is not None and error.filename is None:
            _silence(1)  # a full disk behind a redirection would be told again at exit
    else:
        say(f"{type(error).__name__}: {error}; this is a bug; run with -v for the traceback", **more)
    if "traceback" in more and attached() is None:
        tell(more["traceback"], end="")
    return 2


def _silence(descriptor: int) -> None:
    """Let what is still buffered go nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    except OSError:
        pass

"""The command line: arguments in, an exit status out. Each command is a module of :mod:`spelunk.cli.commands`.

Exit status: 0 done or found, 1 nothing found or a check failed, 2 an error
reported in one line, 130 interrupted (143 by SIGTERM). Results go to standard
output and everything else to standard error.

Only the command that runs is imported, and only its parser is built: a warm
``spelunk search`` takes about as long as ``grep``.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

from spelunk.cli.commands import ALIASES, COMMANDS

__all__ = ["ALIASES", "COMMANDS", "main", "script"]


INTERRUPTED: Final = 130
TERMINATED: Final = 143


class _Terminated(SystemExit):
    """SIGTERM as an exception, so that locks are released and files closed in order.

    It is a SystemExit because asyncio ends its loop for that alone, and reports
    every other exception of a callback and goes on.
    """


_signalled = False
"""Whether a signal has already asked this process to stop."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        argv: The arguments without the program's name; ``sys.argv`` by default.
    """
    words = sys.argv[1:] if argv is None else argv
    if not _wants_json(words):
        return _guarded(words)
    from spelunk.cli.stderr import json_lines

    with json_lines(words):
        return _guarded(words)


def _wants_json(words: list[str]) -> bool:
    """Whether ``--log-format json`` is among the flags, which are not parsed yet."""
    flags = _flags(words)
    place = flags.index("--log-format") if "--log-format" in flags else len(flags)
    return "--log-format=json" in flags or flags[place + 1 : place + 2] == ["json"]


def _flags(words: list[str]) -> list[str]:
    """The words before ``--``."""
    return words[: words.index("--")] if "--" in words else words


def _guarded(words: list[str]) -> int:
    try:
        _handle_signals()
        status = _dispatch(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _stopped("interrupted", INTERRUPTED)
    except _Terminated:
        return _stopped("terminated", TERMINATED)
    except BrokenPipeError:
        _discard(1)  # the reader has closed its end
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except Exception as error:
        if _signalled:  # an extension module reports an interrupted import as an error of its own
            return _stopped("interrupted", INTERRUPTED)
        return _failed(error, words)


def script() -> NoReturn:
    """Run the console script: :func:`main`, then exit without freeing memory.

    The cyclic garbage collector runs less often: the objects that the imports of
    a search create are no garbage, and scanning them takes a twentieth of the
    whole time. Freeing them at exit takes as long.
    """
    import gc

    gc.set_threshold(50_000, 20, 100)
    _reserve_standard_descriptors()
    # Before numpy can be imported: starting its threads takes longer than a search.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Threads of an onnx model's tokeniser would not survive a fork of this process.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not {"-h", "--help", "--version"} & set(sys.argv):
        _import_msgspec()
    from spelunk.cli.output import never_raise

    never_raise()
    sys.unraisablehook = _unraisable
    status = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # it was reported, or there is nowhere to report it
    os._exit(status)


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it takes where it is installed.

    That one imports inspect, ast and tokenize, a tenth of a whole search, and typing
    has all of it that msgspec needs. For the console script alone: another thread
    could not import typing_extensions meanwhile.
    """
    if "typing_extensions" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]
        import msgspec  # noqa: F401

        del sys.modules["typing_extensions"]


def _reserve_standard_descriptors() -> None:
    """Open the null device where standard input, output or error is closed.

    Otherwise a file or pipe that is opened later gets its number, and whatever
    is written to standard error ends in it. ``sys.stdout`` and the like stay None.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _dispatch(words: list[str]) -> int:
    from importlib import import_module

    from spelunk.cli.parser import command_parser, parse, split_words
    from spelunk.errors import UsageError, WorkspaceError

    shared, name, rest = split_words(words)
    command = COMMANDS.get(ALIASES.get(name, name)) if name is not None else None
    if name is None or command is None:
        from spelunk.cli.bare import without_command

        return without_command(words, shared, name)
    module = import_module(f"spelunk.cli.commands.{command.module}")
    if command.passthrough:
        return int(module.run(shared, rest))
    parser = command_parser(name, command.summary, module.configure)
    try:
        return int(module.run(parse(parser, [*shared, *rest])))
    except (UsageError, WorkspaceError) as error:
        from spelunk.cli.bare import how_to_search

        more = how_to_search(name, rest)
        if not more or type(error) not in (UsageError, WorkspaceError):  # others have more than a line
            raise
        raise type(error)(f"{error}{more}") from None


def _handle_signals() -> None:
    """Stop on SIGTERM as on Ctrl-C; a second signal ends the process at once."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        return
    global _signalled
    _signalled = False

    def stop(number: int, _: object) -> None:
        global _signalled
        if _signalled:
            os._exit(128 + number)
        _signalled = True
        raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)


def _unraisable(event: sys.UnraisableHookArgs) -> None:
    """Stop where a signal came inside a callback that must not raise: Python would print it and go on."""
    if isinstance(event.exc_value, KeyboardInterrupt):
        os._exit(_stopped("interrupted", INTERRUPTED))
    if isinstance(event.exc_value, _Terminated):
        os._exit(_stopped("terminated", TERMINATED))
    sys.__unraisablehook__(event)


def _stopped(how: str, status: int) -> int:
    from spelunk.cli.output import say

    say(f"{how}; everything published is kept, and the next run continues from there", "warning")
    return status


def _failed(error: Exception, words: list[str]) -> int:
    from spelunk.cli.output import attached, caret, say, tell
    from spelunk.errors import QuerySyntaxError, SpelunkError

    more = {"error": type(error).__name__}
    if {"-v", "-vv", "--verbose"} & set(_flags(words)):
        import traceback

        more["traceback"] = "".join(traceback.format_exception(error))
    if isinstance(error, QuerySyntaxError):
        say(str(error), query=error.query, column=error.column, **more)
        if attached() is None:
            tell(caret(error), end="")
    elif isinstance(error, SpelunkError):
        say(str(error), **more)
    elif isinstance(error, OSError) and error.errno is not None:
        name = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        say(f"{name}{error.strerror or error}", **more)
        if sys.stdout is not None and error.filename is None:
            _discard(1)  # or a full disk behind a redirection is reported again at exit
    else:
        say(f"{type(error).__name__}: {error}; this is a bug; run with -v for the traceback", **more)
    if "traceback" in more and attached() is None:
        tell(more["traceback"], end="")
    return 2


def _discard(descriptor: int) -> None:
    """Redirect a descriptor to the null device, so that buffered output is dropped."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    except OSError:
        pass

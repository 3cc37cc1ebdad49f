"""The console script, and ``python -m spelunk`` with the current folder taken off the module search path.

From the first line on, Ctrl-C ends the process with 130 and without a
traceback; once the command line is imported, it handles signals itself.

With ``-m``, Python puts the current folder first, so that a ``json.py`` in it
would be imported instead of the standard library's. The interpreter itself
still imports the package ``spelunk`` from there if there is one.
"""

# Built in, so no file is looked up for it. Typeshed does not list it.
import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def _leave(number: int, frame: "FrameType | None") -> None:
    os._exit(128 + number)


def console() -> "NoReturn":
    """Run the command line on ``sys.argv`` and end the process; Ctrl-C at any moment ends it with 130."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _leave)
    try:
        from spelunk.cli import script

        script()
    except KeyboardInterrupt:  # after the command, while the streams are flushed
        os._exit(128 + _signal.SIGINT)


def module() -> "NoReturn":
    """:func:`console` as ``python -m`` runs it: the current folder is taken off the module search path first."""
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        folder = ""
    if not sys.flags.safe_path and sys.path[:1] in ([""], [folder]):
        del sys.path[0]
    console()


if __name__ == "__main__":
    module()

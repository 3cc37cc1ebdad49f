"""Complete an index in the background: a process of its own session that outlives the command.

It has a low priority, writes to a log in the index directory only, and ends by
itself. The writer's lock keeps it single: where another process writes, it
leaves the work to that one, and whatever it had published stays if it is killed.
"""

from __future__ import annotations

import os
import sys

from spelunk.config import Options
from spelunk.workspace import background

_pids: list[int] = []
"""Processes started here, to be waited for once they have ended: a server would collect zombies."""


def start(root: str, directory: str, options: Options) -> bool:
    """Start the process; returns at once.

    Args:
        root: The workspace.
        directory: The index directory.
        options: The settings of this run, whatever files and environment say.

    Returns:
        Whether it was started; False where the system refuses a process or the disk a log.
    """
    import pickle
    import subprocess

    from spelunk.pipeline.processes import import_path

    reap()
    code = "import sys; sys.path[:] = sys.argv[1:]; from spelunk.cli.background import main; main()"
    try:
        log = os.open(
            os.path.join(directory, background.LOG),
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND,
            0o600,
        )
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code, *import_path()],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(log)
    except OSError:
        return False
    _pids.append(process.pid)
    process.returncode = 0  # waited for by pid; Popen must not wait again
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pickle.dump((root, directory, options), pipe)
    except OSError:
        return False  # it died at once; its log says why
    return True


def reap() -> int:
    """Collect the processes that have ended; does not wait for the others.

    Returns:
        How many of those started here still run.
    """
    for pid in list(_pids):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = True
        if ended:
            _pids.remove(pid)
    return len(_pids)

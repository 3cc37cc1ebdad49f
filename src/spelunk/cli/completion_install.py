"""Install the completion scripts where each shell looks for them, and take them out again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from spelunk.adapters.agents.text_block import HASH, put, take_out
from spelunk.cli.completions import SCRIPTS
from spelunk.errors import StorageError, UsageError
from spelunk.io.atomic import write_bytes

BASH_COMPLETION: Final = (
    "/usr/share/bash-completion/bash_completion",
    "/usr/local/share/bash-completion/bash_completion",
    "/usr/local/etc/profile.d/bash_completion.sh",
    "/opt/homebrew/etc/profile.d/bash_completion.sh",
    "/opt/local/etc/profile.d/bash_completion.sh",
    "/etc/bash_completion",
)
"""Where systems have the package bash-completion, which loads a user's scripts by itself."""

OURS: Final = "completion for spelunk"
"""In the first lines of every script; a file without it is not replaced and not removed."""


class FileEdit(NamedTuple):
    """A file that is written or removed.

    Attributes:
        path: Absolute.
        text: What it holds then; None to remove it.
        old: What it holds now; None where it is not there.
    """

    path: str
    text: str | None
    old: str | None

    @property
    def needed(self) -> bool:
        """Whether anything changes."""
        return self.text != self.old


def shell_of(environ: Mapping[str, str]) -> str:
    """The shell that ``SHELL`` names.

    Raises:
        UsageError: It names none that has a script.
    """
    name = os.path.basename(environ.get("SHELL", ""))
    if name not in SCRIPTS:
        raise UsageError(
            f"the shell {name or 'of this session'} has no script here; name one of {', '.join(SCRIPTS)}"
        )
    return name


def changes(shell: str, home: str, environ: Mapping[str, str], *, remove: bool = False) -> list[FileEdit]:
    """What installing or removing changes.

    Raises:
        UsageError: A file of that name holds something else.
        StorageError: A file cannot be read.
    """
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    script = {
        "bash": os.path.join(data, "bash-completion", "completions", "spelunk"),
        "zsh": os.path.join(data, "zsh", "site-functions", "_spelunk"),
        "fish": os.path.join(config, "fish", "completions", "spelunk.fish"),
    }[shell]
    found = [_script(script, None if remove else SCRIPTS[shell])]
    startup = _startup_file(shell, home, environ)
    if startup and (remove or shell == "zsh" or not any(map(os.path.exists, BASH_COMPLETION))):
        found.append(_block(startup, None if remove else _loads(shell, script)))
    return found


def apply(found: list[FileEdit]) -> None:
    """Write and remove the files.

    Raises:
        StorageError: One cannot be written or removed.
    """
    for change in found:
        if not change.needed:
            continue
        try:
            if change.text is None:
                os.unlink(change.path)
                continue
            os.makedirs(os.path.dirname(change.path), exist_ok=True)
            target = os.path.realpath(change.path)  # a link to a folder of dotfiles stays one
            mode = os.stat(target).st_mode & 0o777 if os.path.exists(target) else 0o644
            write_bytes(target, change.text.encode("utf-8", "surrogateescape"), mode=mode)
        except OSError as error:
            raise StorageError(f"{change.path}: {error.strerror}") from error


def _startup_file(shell: str, home: str, environ: Mapping[str, str]) -> str:
    if shell == "zsh":
        return os.path.join(environ.get("ZDOTDIR") or home, ".zshrc")
    return os.path.join(home, ".bashrc") if shell == "bash" else ""


def _loads(shell: str, script: str) -> str:
    """Lines of a start-up file that load a script."""
    import shlex

    source = f"[ -r {shlex.quote(script)} ] && . {shlex.quote(script)}"
    if shell == "bash":
        return source
    return f"(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}\n{source}"


def _script(path: str, text: str | None) -> FileEdit:
    old = _read(path)
    if old is not None and OURS not in old[:200]:
        raise UsageError(f"{path} holds something else; move it away first")
    return FileEdit(path, text, old)


def _block(path: str, body: str | None) -> FileEdit:
    old = _read(path)
    if body is not None:
        return FileEdit(path, put(old, body, HASH), old)
    return FileEdit(path, None if old is None else take_out(old, HASH)[0], old)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error

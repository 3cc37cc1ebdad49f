"""Install Spelunk into coding agents, or remove it: plan all changes first, then write each file at once.

Nothing is written when one file cannot be read or parsed. An entry or file that
somebody has changed by hand is left as it is, and told.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, field

from spelunk.adapters.agents import json_edit, text_block
from spelunk.adapters.agents.clients import (
    CLIENTS,
    INSTRUCTIONS,
    AgentClient,
    hook_entry,
    located,
    server_entry,
    server_toml,
    sub_agent,
)
from spelunk.errors import StorageError, UsageError
from spelunk.io import atomic
from spelunk.io.regular import read_regular
from spelunk.workspace.locate import is_within

NEW_FILE_MODE: Final = 0o644


class FileChange(Struct):
    """What happens to one file.

    Attributes:
        path: Absolute, links resolved.
        shown: As the user knows it.
        before: Its text; None where it does not exist.
        after: Its text afterwards; None where it is deleted.
        notes: What the user should know of it.
    """

    path: str
    shown: str
    before: str | None
    after: str | None
    notes: list[str] = field(default_factory=list)


class InstallPlan:
    """The changes for some clients in one project, before anything is written.

    Attributes:
        changes: By path, in the order in which they are written.
    """

    def __init__(self, root: str) -> None:
        """Plan for the project at an absolute path."""
        self.root = os.path.realpath(root)
        self.changes: dict[str, FileChange] = {}

    def install(self, name: str) -> None:
        """Add a client.

        Raises:
            UsageError: A file of it is broken, or leads out of the project.
        """
        client = CLIENTS[name]
        command = command_for(client.config)
        if client.form == "toml":
            self._edit(client.config, lambda text, note: _add_toml(text, server_toml(command), note))
        else:
            entry = server_entry(client, command)
            self._edit(client.config, lambda text, note: _add_json(text, entry, note))
        if client.hook:
            hook = hook_entry(client, name, "spelunk")
            self._edit(client.hook, lambda text, note: _add_json(text, hook, note))
        if client.block:
            self._edit(client.block, lambda text, _: text_block.put(text, INSTRUCTIONS, text_block.MARKDOWN))
        for path, content in _own_files(name, client):
            self._edit(path, partial(_add_own, content))

    def remove(self, name: str) -> None:
        """Take a client out.

        Raises:
            UsageError: As :meth:`install`.
        """
        client = CLIENTS[name]
        kept = [other for other in CLIENTS if other != name and self._is_installed(other)]
        if client.hook:
            hook = hook_entry(client, name, "spelunk")
            self._edit(client.hook, lambda text, note: _remove_json(text, hook, note, quiet=True))
        if client.form == "toml":
            self._edit(client.config, lambda text, _: _take_out(text, text_block.HASH))
        else:
            entry = server_entry(client, command_for(client.config))
            self._edit(client.config, lambda text, note: _remove_json(text, entry, note))
        if client.block and not any(CLIENTS[other].block == client.block for other in kept):
            self._edit(client.block, lambda text, _: _take_out(text, text_block.MARKDOWN))
        shared = {path for other in kept for path, _ in _own_files(other, CLIENTS[other])}
        for path, content in _own_files(name, client):
            if path not in shared:
                self._edit(path, partial(_remove_own, content))

    def _is_installed(self, name: str) -> bool:
        """Whether a client's configuration has our entry, as the plan leaves it."""
        client = CLIENTS[name]
        path, _ = self._located(client.config)
        change = self.changes.get(path)
        try:
            text = change.after if change is not None else _read(path)
            if text is None:
                return False
            if client.form == "toml":
                return text_block.take_out(text, text_block.HASH)[1]
            return json_edit.remove(text, server_entry(client, command_for(client.config)))[1]
        except (UsageError, ValueError):
            return False

    def _edit(self, path: str, edit: Callable[[str | None, list[str]], str | None]) -> None:
        real, shown = self._located(path)
        change = self.changes.get(real)
        if change is None:
            before = _read(real)
            change = self.changes[real] = FileChange(real, shown, before, before)
        try:
            change.after = edit(change.after, change.notes)
        except ValueError as error:
            raise UsageError(f"{shown}: {error}; correct the file, nothing was written") from None

    def _located(self, path: str) -> tuple[str, str]:
        """Where a file really is; one of the project has to be inside it."""
        absolute = located(path, self.root)
        real = os.path.realpath(absolute)
        if not path.startswith("~/") and not is_within(real, self.root):
            raise UsageError(f"{path}: a link that leads out of the project; remove it, nothing was written")
        return real, path if path.startswith("~/") else os.path.relpath(absolute, self.root)

    def write(self) -> list[FileChange]:
        """Write what changes; returns it.

        Raises:
            StorageError: A file cannot be written; those before it are.
        """
        changed = [change for change in self.changes.values() if change.after != change.before]
        for change in changed:
            try:
                _write(change, self.root)
            except OSError as error:
                raise StorageError(f"{change.shown}: {error.strerror or error}") from None
        return changed


def command_for(config: str) -> str:
    """The command of an entry: its name in a file that others share, its place in one's own.

    Programs with windows are not started by a shell and do not know its PATH.
    """
    if not config.startswith("~/"):
        return "spelunk"
    beside = os.path.join(os.path.dirname(sys.executable), "spelunk")
    return beside if os.path.exists(beside) else shutil.which("spelunk") or "spelunk"


def _own_files(name: str, client: AgentClient) -> Sequence[tuple[str, str]]:
    files = [(client.agent, sub_agent(name)), (client.rules, INSTRUCTIONS)]
    return [(path, content) for path, content in files if path]


def _read(path: str) -> str | None:
    try:
        return read_regular(path).decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8; convert the file, nothing was written") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; nothing was written") from None


def _write(change: FileChange, root: str) -> None:
    if change.after is None:
        os.unlink(change.path)
        folder = os.path.dirname(change.path)
        while folder != root and is_within(folder, root) and not os.listdir(folder):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
        return
    mode = NEW_FILE_MODE
    if change.before is not None:
        mode = stat.S_IMODE(os.stat(change.path).st_mode)
    os.makedirs(os.path.dirname(change.path), exist_ok=True)
    atomic.write_bytes(change.path, change.after.encode(), mode=mode)


def _add_json(text: str | None, entry: json_edit.JsonEntry, notes: list[str]) -> str:
    if text is None:
        return json_edit.created(entry)
    after, found = json_edit.add(text, entry)
    if found == json_edit.DIFFERENT:
        notes.append(f"has another entry {entry.key}, which is left as it is")
    return after


def _remove_json(
    text: str | None, entry: json_edit.JsonEntry, notes: list[str], *, quiet: bool = False
) -> str | None:
    if text is None:
        return None
    after, found = json_edit.remove(text, entry)
    if not found and not quiet and f'"{entry.key}"' in text:
        notes.append(f"the entry {entry.key} was changed by hand and is left as it is")
    return after


def _add_toml(text: str | None, table: str, notes: list[str]) -> str:
    plain = (text or "").removeprefix("\ufeff")
    try:
        known = tomllib.loads(plain)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error)) from None
    servers = known.get("mcp_servers", {})
    ours = text is not None and text_block.take_out(text, text_block.HASH)[1]
    if isinstance(servers, dict) and "spelunk" in servers and not ours:
        notes.append("has another entry spelunk, which is left as it is")
        return text or ""
    after = text_block.put(text, table, text_block.HASH)
    try:
        tomllib.loads(after.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"mcp_servers cannot be added to ({error})") from None
    return after


def _take_out(text: str | None, style: text_block.CommentStyle) -> str | None:
    return None if text is None else text_block.take_out(text, style)[0]


def _add_own(content: str, text: str | None, notes: list[str]) -> str:
    if text is not None and text != content:
        notes.append("exists with other text, which is left as it is")
        return text
    return content


def _remove_own(content: str, text: str | None, notes: list[str]) -> str | None:
    if text is not None and text != content:
        notes.append("was changed by hand and is left as it is")
        return text
    return None

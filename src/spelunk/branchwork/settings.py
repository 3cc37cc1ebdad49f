"""The ``[branchwork]`` settings: from ``spelunk.toml`` or ``pyproject.toml``, then the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from spelunk.branchwork.document.document import REQUIRED_SECTIONS, canonical
from spelunk.errors import ConfigError
from spelunk.settings import Schema, SettingsGroup, boolean, choice, seconds, setting, text, texts
from spelunk.settings_files import workspace_files
from spelunk.text import worklog

SOURCES: Final = ("graphite", "git-spice", "gh")
PREFIX: Final = "SPELUNK_BRANCHWORK_"


def _folder(value: Any) -> str:
    name = os.path.normpath(text(value).strip().replace("\\", "/"))
    if not value or os.path.isabs(name) or name.split("/")[0] in ("..", ".", ".git"):
        raise ValueError("must be a folder inside the repository, e.g. .agents/logs/branchwork")
    return name


def _sources(value: Any) -> tuple[str, ...]:
    names = texts("programs")(value)
    if not set(names) <= set(SOURCES):
        raise ValueError(f"may name {', '.join(SOURCES)}; git is always asked")
    return names


class Settings(SettingsGroup, frozen=True):
    """Resolved settings; a field's ``help`` is its documentation."""

    dir: str = setting(worklog.FOLDER, _folder,
        "Folder of the documents, in the repository; the link CURRENT.md is one folder above it.")  # fmt: skip
    tracked: bool = setting(True, boolean,
        "Whether git tracks the documents; false lists the folder in .git/info/exclude.")  # fmt: skip
    link: str = setting("auto", choice("auto", "pointer", "off"),
        "CURRENT.md: a symlink, or a pointer file where those are not allowed (auto), always a pointer file, or none.")  # fmt: skip
    order: str = setting("newest", choice("newest", "oldest", "keep"),
        "Where log and review put an update: newest first, oldest first, or as the document has them (keep).")  # fmt: skip
    local_time: bool = setting(False, boolean,
        "Write local times without a zone instead of UTC, as --local does.")  # fmt: skip
    template: str = setting("", text,
        "A template of your own for create, relative to the repository.")  # fmt: skip
    trunk: str = setting("", text,
        "The branch at the bottom of the stacks; else the remote's HEAD, main, master, trunk or develop.")  # fmt: skip
    sources: tuple[str, ...] = setting(SOURCES, _sources,
        "External programs that may be called: graphite, git-spice, gh; an empty list calls none.")  # fmt: skip
    timeout: float = setting(20.0, seconds(0.001, 3600),
        "Seconds to wait for each external program.")  # fmt: skip
    required_sections: tuple[str, ...] = setting(REQUIRED_SECTIONS,
        lambda value: tuple(canonical(name) or name for name in texts("sections")(value)),
        "Sections that check reports as missing, and that refresh may add.")  # fmt: skip
    not_code: tuple[str, ...] = setting(
        ("*.md", "*.rst", "*.txt", "docs/*", "doc/*", "LICENSE*", ".gitignore", ".gitattributes"),
        texts("patterns"), "Patterns of files that check --compare-with does not count as code.")  # fmt: skip

    @property
    def link_path(self) -> str:
        """Path of ``CURRENT.md``, relative to the repository."""
        return os.path.join(os.path.dirname(self.dir), "CURRENT.md")


SCHEMA: Final = Schema(Settings, PREFIX, kind="branchwork")


def load(root: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the repository at ``root``.

    Raises:
        ConfigError: An unreadable file, an unknown setting or a bad value, naming its source,
            or a folder of documents that a symbolic link leads out of the repository.
    """
    values: dict[str, Any] = {}
    for file in workspace_files(root):
        table = file.table.get(worklog.KIND, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file.path}: branchwork must be a table: [branchwork]")
        values = {**SCHEMA.from_table(table, file.path), **values}
    values |= SCHEMA.from_environment(os.environ if environ is None else environ, empty=True)
    settings = Settings(**values)
    folder = os.path.relpath(os.path.realpath(os.path.join(root, settings.dir)), os.path.realpath(root))
    if folder.split("/")[0] in ("..", ".", ".git"):
        raise ConfigError(f"branchwork dir = {settings.dir!r}: leads out of the repository, to {folder}")
    return settings

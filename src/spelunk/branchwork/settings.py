"""The ``[branchwork]`` settings: from ``spelunk.toml`` or ``pyproject.toml``, then the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from spelunk.branchwork.document.document import REQUIRED_SECTIONS, canonical
from spelunk.errors import ConfigError

SOURCES: Final = ("graphite", "git-spice", "gh")
FILES: Final = ("spelunk.toml", "pyproject.toml")
PREFIX: Final = "SPELUNK_BRANCHWORK_"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _folder(value: Any) -> str:
    text = os.path.normpath(_text(value).strip().replace("\\", "/"))
    if not value or os.path.isabs(text) or text.split("/")[0] in ("..", ".", ".git"):
        raise ValueError("must be a folder inside the repository, e.g. .agents/logs/branchwork")
    return text


def _truth(value: Any) -> bool:
    known = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() not in known:
        raise ValueError("must be true or false")
    return known[str(value).strip().lower()]


def _choice(*names: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(value)

    return check


def _seconds(value: Any) -> float:
    try:
        seconds = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("must be seconds, more than 0 and at most 3600")
    return seconds


def _list(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a list of texts")
    return tuple(part.strip() for part in parts if part.strip())


def _sources(value: Any) -> tuple[str, ...]:
    found = _list(value)
    for name in found:
        if name not in SOURCES:
            raise ValueError(f"may name {', '.join(SOURCES)}; git is always asked")
    return found


def _section_names(value: Any) -> tuple[str, ...]:
    return tuple(canonical(name) or name for name in _list(value))


def _setting(default: Any, check: Callable[[Any], Any], help: str) -> Any:
    return field(default=default, metadata={"check": check, "help": help})


@dataclass(frozen=True, slots=True)
class Settings:
    """Resolved settings; a field's ``help`` is its documentation."""

    dir: str = _setting(".agents/logs/branchwork", _folder,
        "Folder of the documents, in the repository; the link CURRENT.md is one folder above it.")  # fmt: skip
    tracked: bool = _setting(True, _truth,
        "Whether git tracks the documents; false lists the folder in .git/info/exclude.")  # fmt: skip
    link: str = _setting("auto", _choice("auto", "pointer", "off"),
        "CURRENT.md: a symlink, or a pointer file where those are not allowed (auto), always a pointer file, or none.")  # fmt: skip
    order: str = _setting("newest", _choice("newest", "oldest", "keep"),
        "Where log and review put an update: newest first, oldest first, or as the document has them (keep).")  # fmt: skip
    local_time: bool = _setting(False, _truth,
        "Write local times without a zone instead of UTC, as --local does.")  # fmt: skip
    template: str = _setting("", _text,
        "A template of your own for create, relative to the repository.")  # fmt: skip
    trunk: str = _setting("", _text,
        "The branch that stacks stand on; else the remote's HEAD, main, master, trunk or develop.")  # fmt: skip
    sources: tuple[str, ...] = _setting(SOURCES, _sources,
        "External programs that may be asked: graphite, git-spice, gh; an empty list asks none.")  # fmt: skip
    timeout: float = _setting(20.0, _seconds,
        "Seconds to wait for each external program.")  # fmt: skip
    required_sections: tuple[str, ...] = _setting(
        REQUIRED_SECTIONS, _section_names,
        "Sections that check misses when they are not there, and that refresh may add.")  # fmt: skip
    not_code: tuple[str, ...] = _setting(
        ("*.md", "*.rst", "*.txt", "docs/*", "doc/*", "LICENSE*", ".gitignore", ".gitattributes"), _list,
        "Patterns of files that check --compare-with does not count as code.")  # fmt: skip

    @property
    def link_path(self) -> str:
        """Where ``CURRENT.md`` is, relative to the repository."""
        return os.path.join(os.path.dirname(self.dir), "CURRENT.md")


_FIELDS: Final = {f.name: f for f in fields(Settings)}


def setting_names() -> tuple[str, ...]:
    """Every setting, in the order of the documentation."""
    return tuple(_FIELDS)


def setting_help(name: str) -> str:
    """The one-line documentation of a setting."""
    return str(_FIELDS[name].metadata["help"])


def load(root: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of the repository at ``root``.

    Raises:
        ConfigError: An unreadable file, an unknown setting or a bad value, naming its source.
    """
    values: dict[str, Any] = {}
    for name in FILES:
        for key, value in _table(os.path.join(root, name), name == "pyproject.toml").items():
            values.setdefault(key, _checked(key, value, name))
    env = os.environ if environ is None else environ
    for key in _FIELDS:
        if PREFIX + key.upper() in env:
            values[key] = _checked(key, env[PREFIX + key.upper()], PREFIX + key.upper())
    return Settings(**values)


def _table(path: str, project: bool) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if b"branchwork" not in raw:
        return {}
    import tomllib

    try:
        data: Any = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    if project:
        data = data.get("tool", {}).get("spelunk", {})
    table = data.get("branchwork", {}) if isinstance(data, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: branchwork must be a table: [branchwork]")
    return table


def _checked(name: str, value: Any, source: str) -> Any:
    known = _FIELDS.get(name)
    if known is None:
        import difflib

        near = difflib.get_close_matches(name, _FIELDS, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(_FIELDS)}"
        raise ConfigError(f"{source}: unknown branchwork setting {name!r}{hint}")
    try:
        return known.metadata["check"](value)
    except ValueError as error:
        raise ConfigError(f"{source}: branchwork {name} = {value!r}: {error}") from None

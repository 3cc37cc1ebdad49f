"""Settings machinery: validators and declared fields.

A group of settings is a :class:`SettingsGroup` whose fields are made with
:func:`setting`; :class:`Schema` validates values for it. Used by
:mod:`spelunk.config` and by branchwork's settings::

    class Options(SettingsGroup, frozen=True):
        workers: int = setting(0, or_auto(integer(1, 16)), "Worker processes.")

    SCHEMA = Schema(Options, "SPELUNK_")
    values = SCHEMA.from_table(table, source) | SCHEMA.from_environment(os.environ)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from msgspec import Struct, StructMeta

from spelunk.errors import ConfigError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

_SIZE_UNITS: Final = {
    "": 1, "b": 1,
    "k": KIB, "kb": KIB, "kib": KIB,
    "m": MIB, "mb": MIB, "mib": MIB,
    "g": GIB, "gb": GIB, "gib": GIB,
}  # fmt: skip

Check = Callable[[Any], Any]
"""Turns a raw value into a valid one, or raises ValueError with the reason."""

Widens = Callable[[Any, Any], bool]
"""Called with (value, the user's own value): whether the first allows more than the second."""


# --- sizes ------------------------------------------------------------------------------------


def parse_size(text: str | int) -> int:
    """Bytes of ``1GiB``, ``500M``, ``65536``; units are powers of 1024.

    Raises:
        ValueError: Not a size, or not positive.
    """
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise ValueError("not a size")
    if isinstance(text, int):
        value = text
    else:
        s = text.strip().lower()
        number = s.rstrip("bkmgi")
        unit = s[len(number) :]
        if unit not in _SIZE_UNITS:
            raise ValueError("use a number with B, KiB, MiB or GiB")
        try:
            value = int(float(number) * _SIZE_UNITS[unit])
        except (ValueError, OverflowError):
            raise ValueError("use a number with B, KiB, MiB or GiB") from None
    if value <= 0:
        raise ValueError("must be positive")
    return value


def format_size(n: int) -> str:
    """``n`` bytes for people: ``1.5 GiB``."""
    value = float(n)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


# --- validators -------------------------------------------------------------------------------


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def integer(low: int, high: int | None = None) -> Callable[[Any], int]:
    """A whole number from ``low`` to ``high``."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ValueError("must be a whole number")
        try:
            n = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if n < low or (high is not None and n > high):
            raise ValueError(
                f"must be from {low} to {high}" if high is not None else f"must be at least {low}"
            )
        return n

    return check


def or_auto(check: Callable[[Any], int]) -> Callable[[Any], int]:
    """A number, or 0 for ``auto``."""
    return lambda value: 0 if value in ("auto", 0, "0") else check(value)


def off_or(check: Callable[[Any], int]) -> Callable[[Any], int]:
    """A number, or 0 for ``off``, ``none`` and ``false``."""
    off = ("off", "none", "false", "no")
    return lambda value: 0 if value is False or str(value).lower() in off else check(value)


def choice(*names: str) -> Callable[[Any], str]:
    """One of the names."""

    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(value)

    return check


def boolean(value: Any) -> bool:
    """True or false; an empty text is false."""
    if isinstance(value, bool):
        return value
    lowered = str(value).strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("must be true or false")


def texts(what: str = "texts") -> Callable[[Any], tuple[str, ...]]:
    """A list of non-empty texts, or one text with commas between them; ``what`` names them in errors."""

    def check(value: Any) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(x, str) for x in items):
            raise ValueError(f"must be a list of {what}")
        return tuple(x.strip() for x in items if x.strip())

    return check


def size_or_none(value: Any) -> int | None:
    """A size in bytes, or None for ``none`` and an empty text."""
    return None if value in (None, "", "none") else parse_size(value)


def seconds(low: float, high: float) -> Callable[[Any], float]:
    """A number of seconds from ``low`` to ``high``."""

    def check(value: Any) -> float:
        try:
            n = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError):
            n = math.nan
        if not low <= n <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return n

    return check


def url(value: Any) -> str:
    """An http or https address without user, password, query or fragment; no slash at its end."""
    if value == "":
        return ""
    from urllib.parse import urlsplit

    example = "use an address such as https://api.openai.com/v1"
    if not isinstance(value, str) or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError(example)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{error}; {example}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(example)
    if "@" in parts.netloc:
        raise ValueError("a key or password does not belong into the address")
    if parts.query or parts.fragment:
        raise ValueError(f"no query and no fragment; {example}")
    return value.rstrip("/")


def ray_address(value: Any) -> str:
    """``HOST:PORT`` of a Ray cluster, ``auto``, or an empty text."""
    if not isinstance(value, str) or not re.fullmatch(r"(auto|[^\s/@]+:\d{1,5})?", value):
        raise ValueError("use HOST:PORT, e.g. 10.0.0.5:6379")
    return "" if value == "auto" else value


def variable(value: Any) -> str:
    """The name of an environment variable, or an empty text."""
    if not isinstance(value, str) or not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", value):
        raise ValueError("must be the name of an environment variable")
    return value


# --- what a workspace may not decide alone ------------------------------------------------------


def never(value: Any, own: Any) -> bool:
    """No value of this setting widens anything."""
    return False


def differs(value: Any, own: Any) -> bool:
    """Any value but the user's own widens: it names a host, a key, a program or a path."""
    return bool(value != own)


def above(value: Any, own: Any) -> bool:
    """A larger number widens."""
    return bool(value > own)


def below(value: Any, own: Any) -> bool:
    """A smaller number widens."""
    return bool(value < own)


# --- declared settings ----------------------------------------------------------------------------


class Declared(NamedTuple):
    """What one setting is declared with.

    Attributes:
        default: Its default, valid already.
        check: Validates a raw value.
        help: Its documentation in one line.
        contents: Whether it changes what an index holds.
        secret: Whether a value given by mistake may be a key: it is not shown in errors.
        widens: When a workspace's own file may not set it without the user's trust.
    """

    default: Any
    check: Check
    help: str
    contents: bool = False
    secret: bool = False
    widens: Widens = never


def setting(
    default: Any,
    check: Check,
    help: str,
    *,
    contents: bool = False,
    secret: bool = False,
    widens: Widens = never,
) -> Any:
    """A field of a :class:`SettingsGroup`; the arguments are the attributes of :class:`Declared`."""
    return Declared(default, check, help, contents, secret, widens)


class _SettingsMeta(StructMeta):
    """Takes the declarations out of a class's body and leaves their defaults."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> Any:
        declared = {n: value for n, value in body.items() if isinstance(value, Declared)}
        values = {n: value.default for n, value in declared.items()}
        return super().__new__(cls, name, bases, body | values | {"declared": declared}, **options)


class SettingsGroup(Struct, frozen=True, metaclass=_SettingsMeta):
    """A group of settings; its fields are made by :func:`setting`."""

    declared: ClassVar[Mapping[str, Declared]]


class Untrusted(NamedTuple):
    """A setting of a workspace's file that does not count without the user's trust.

    Attributes:
        name: The setting.
        value: Its value as text; for a list the part that does not count.
        source: Path of the file.
    """

    name: str
    value: str
    source: str


class Schema:
    """The settings of one group, by name."""

    def __init__(self, cls: type[SettingsGroup], prefix: str, *, kind: str = "", help_page: str = "") -> None:
        """Read the declarations of a group.

        Args:
            cls: The group.
            prefix: What the environment variables begin with, e.g. ``SPELUNK_``.
            kind: Word before ``setting`` in errors, e.g. ``branchwork``.
            help_page: Where an error for an unknown name points to.
        """
        self._fields = cls.declared
        self._prefix, self._kind, self._page = prefix, f"{kind} " if kind else "", help_page

    @property
    def names(self) -> tuple[str, ...]:
        """Every setting, in the order of the documentation."""
        return tuple(self._fields)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def default(self, name: str) -> Any:
        """The default of a setting."""
        return self._fields[name].default

    def declared(self, name: str) -> Declared:
        """What :func:`setting` was called with."""
        return self._fields[name]

    def check(self, name: str, value: Any, source: str) -> Any:
        """The valid value of a raw one.

        Raises:
            ConfigError: An unknown setting or a bad value; names ``source``.
        """
        known = self._fields.get(name)
        if known is None:
            import difflib

            near = difflib.get_close_matches(name, self._fields, 1)
            page = f"see {self._page}" if self._page else f"there are {', '.join(self._fields)}"
            hint = f"did you mean {near[0]}?" if near else page
            raise ConfigError(f"{source}: unknown {self._kind}setting {name!r}; {hint}")
        try:
            return known.check(value)
        except ValueError as error:
            shown = "..." if known.secret else repr(value)
            raise ConfigError(f"{source}: {self._kind}{name} = {shown}: {error}") from None

    def from_table(self, table: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Valid values of a TOML table. Tables inside it belong to other parts and are passed over."""
        return {n: self.check(n, v, source) for n, v in table.items() if not isinstance(v, dict)}

    def from_environment(self, environ: Mapping[str, str], *, empty: bool = False) -> dict[str, Any]:
        """Valid values of the environment.

        Args:
            environ: The variables.
            empty: Whether an empty variable counts as set.
        """
        names = ((name, self._prefix + name.upper()) for name in self._fields)
        return {
            name: self.check(name, environ[variable_name], variable_name)
            for name, variable_name in names
            if (variable_name in environ if empty else environ.get(variable_name))
        }

    def from_flags(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Valid values of flags or keyword arguments; None counts as not given."""
        return {
            name: self.check(name, value, "--" + name.replace("_", "-"))
            for name, value in given.items()
            if value is not None
        }

    def widening(self, values: Mapping[str, Any], own: Mapping[str, Any], source: str) -> list[Untrusted]:
        """The values that allow more than the user's own values, or the defaults, do."""
        return [
            Untrusted(name, shown(value), source)
            for name, value in values.items()
            if self.declared(name).widens(value, own.get(name, self.default(name)))
        ]


def shown(value: Any) -> str:
    """A value as text for people; a list with commas."""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)

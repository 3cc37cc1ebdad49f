"""Settings: what was typed, resolved once into frozen :class:`Options`.

Sources in rising precedence: defaults here, ``spelunk.toml`` or
``[tool.spelunk]`` of ``pyproject.toml`` in the root, environment ``SPELUNK_*``,
then flags or keyword arguments. Every adapter (command line, Python, MCP,
HTTP) builds the same object through :func:`resolve`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from spelunk.errors import ConfigError
from spelunk.io.regular import read_plain
from spelunk.text import worklog

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

MAX_WORKERS: Final = 16
"""More processes than this wait for the one writer (docs/decisions)."""

DEFAULT_FILES_PER_BATCH: Final = 100
DEFAULT_MAX_CHUNKS_IN_MEMORY: Final = 10_000
DEFAULT_MAX_FILE_SIZE: Final = 16 * MIB
DEFAULT_MAX_PARSE_SIZE: Final = 1 * MIB
"""Above this a file is chunked by lines: tree-sitter's memory is some 20 times its input."""

IO_THREADS: Final = {"hdd": 2, "ssd": 8}
"""Concurrent reads by kind of storage: a disk that seeks loses by more than 2-4, an SSD gains up to 8-16."""

ONNX: Final = "onnx:"
"""What the name of an embedder in a local folder begins with; the folder follows."""

CONFIG_FILES: Final = ("spelunk.toml", "pyproject.toml")

_SIZE_UNITS: Final = {
    "": 1, "b": 1,
    "k": KIB, "kb": KIB, "kib": KIB,
    "m": MIB, "mb": MIB, "mib": MIB,
    "g": GIB, "gb": GIB, "gib": GIB,
}  # fmt: skip


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


def _integer(low: int, high: int | None = None) -> Callable[[Any], int]:
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


def _or_auto(check: Callable[[Any], int]) -> Callable[[Any], int]:
    return lambda value: 0 if value in ("auto", 0, "0") else check(value)


def _choice(*names: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(value)

    return check


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _embedder(value: Any, base: str = "") -> str:
    """The name; a folder in it is taken from where it was written, if it is there."""
    name = _text(value)
    if name.startswith(ONNX) and name != ONNX:
        path = os.path.abspath(os.path.join(base, os.path.expanduser(name.removeprefix(ONNX))))
        return ONNX + path if os.path.exists(path) else name
    return name


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    lowered = str(value).strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("must be true or false")


def _patterns(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)) or not all(isinstance(x, str) for x in items):
        raise ValueError("must be a list of patterns")
    return tuple(x.strip() for x in items if x.strip())


def _size_or_none(value: Any) -> int | None:
    if value in (None, "", "none"):
        return None
    return parse_size(value)


def _seconds(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        try:
            n = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError):
            n = math.nan
        if not low <= n <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return n

    return check


def _url(value: Any) -> str:
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


def _variable(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", value):
        raise ValueError("must be the name of an environment variable")
    return value


def _setting(
    default: Any,
    check: Callable[[Any], Any],
    help: str,
    *,
    contents: bool = False,
    personal: bool = False,
) -> Any:
    return field(
        default=default,
        metadata={"check": check, "help": help, "contents": contents, "personal": personal},
    )


@dataclass(frozen=True, slots=True)
class Options:
    """Resolved settings. The field's ``help`` is its documentation.

    Those marked ``contents`` change what an index holds; they, and nothing
    else of the settings, are part of its fingerprint. Those marked ``personal``
    say where texts and keys are sent: no workspace decides that, so its file
    may not set them.
    """

    workers: int = _setting(0, _or_auto(_integer(1, MAX_WORKERS)),
        "Worker processes: 1-16, or auto (0), one a core; 1 works in the process that writes.")  # fmt: skip
    mode: str = _setting("auto", _choice("auto", "parallel", "sequential"),
        "auto uses workers when the work is large enough to pay for them.")  # fmt: skip
    files_per_batch: int = _setting(DEFAULT_FILES_PER_BATCH, _integer(1, 100_000),
        "Files handed to one worker at a time.")  # fmt: skip
    max_chunks_in_memory: int = _setting(DEFAULT_MAX_CHUNKS_IN_MEMORY, _integer(1),
        "Chunks produced and not yet published; the submitter waits above it.")  # fmt: skip
    memory_limit: int | None = _setting(None, _size_or_none,
        "Hard cap in bytes over parent and workers, e.g. 1GiB; none by default.")  # fmt: skip
    max_file_size: int = _setting(DEFAULT_MAX_FILE_SIZE, parse_size,
        "A larger file is skipped as too-large.", contents=True)  # fmt: skip
    max_parse_size: int = _setting(DEFAULT_MAX_PARSE_SIZE, parse_size,
        "A larger file is chunked by lines, without a parse.", contents=True)  # fmt: skip
    storage: str = _setting("auto", _choice("auto", "ssd", "hdd"),
        "Kind of disk under the root; auto reads the block device's rotational flag.")  # fmt: skip
    io_threads: int = _setting(0, _or_auto(_integer(1, 64)),
        "Concurrent file reads over all workers; auto (0): 2 on hdd, 8 on ssd.")  # fmt: skip
    hidden: bool = _setting(False, _boolean,
        "Also index files and folders whose name starts with a dot.", contents=True)  # fmt: skip
    include: tuple[str, ...] = _setting((), _patterns,
        "Gitignore-style patterns; where given, only matching files are indexed.", contents=True)  # fmt: skip
    exclude: tuple[str, ...] = _setting((), _patterns,
        "Gitignore-style patterns of files to leave out, beside the ignore files.", contents=True)  # fmt: skip
    embedder: str = _setting("static", _embedder,
        "Which embedder makes the vectors: static, hashed (both built in), onnx:DIRECTORY or api:MODEL.", contents=True)  # fmt: skip
    store: str = _setting("local", _choice("local"),
        "Where the chunks are kept: local (embedded stores in the index directory).")  # fmt: skip
    executor: str = _setting("local", _choice("local"),
        "What runs phase 1: local (processes on this machine).")  # fmt: skip
    freshness: str = _setting("strict", _text,
        "strict, bounded:SECONDS or relaxed: how old an answer may be.")  # fmt: skip

    embedding_url: str = _setting("", _url,
        "Base address of an embedding API, e.g. https://api.openai.com/v1; for embedder api:MODEL.",
        personal=True)  # fmt: skip
    embedding_key_env: str = _setting("OPENAI_API_KEY", _variable,
        "Name of the environment variable that holds the API's key; not the key.", personal=True)  # fmt: skip
    embedding_dimensions: int = _setting(0, _or_auto(_integer(1, 16_384)),
        "Dimensions asked of the API; auto (0) takes what it gives.")  # fmt: skip
    embedding_max_chars: int = _setting(8_000, _integer(100, 1_000_000),
        "Characters of a chunk sent to the API; the rest is cut off.")  # fmt: skip
    embedding_batch: int = _setting(64, _integer(1, 2_048),
        "Chunks sent in one request.")  # fmt: skip
    embedding_concurrency: int = _setting(4, _integer(1, 64),
        "Requests under way at a time.")  # fmt: skip
    embedding_timeout: float = _setting(30.0, _seconds(0.05, 3_600),
        "Seconds one request of an update may take.")  # fmt: skip
    query_timeout: float = _setting(3.0, _seconds(0.05, 600),
        "Seconds the request of a search may take; then it answers without vectors.")  # fmt: skip
    retry_attempts: int = _setting(4, _integer(1, 100),
        "How often a request is tried in an update.")  # fmt: skip
    retry_wait: float = _setting(0.5, _seconds(0, 600),
        "Seconds before the second try; doubled for each further one, with jitter.")  # fmt: skip
    retry_max_wait: float = _setting(30.0, _seconds(0, 3_600),
        "Longest wait before a try, also where the provider asks for more.")  # fmt: skip
    breaker_failures: int = _setting(5, _integer(1, 1_000),
        "Failures in a row after which a provider is left alone.")  # fmt: skip
    breaker_wait: float = _setting(30.0, _seconds(0, 86_400),
        "Seconds for which it is left alone; then one request tries it.")  # fmt: skip


DEFAULTS: Final = Options()
_FIELDS: Final = {f.name: f for f in fields(Options)}


def setting_names() -> tuple[str, ...]:
    """Every setting, in the order of the documentation."""
    return tuple(_FIELDS)


def setting_help(name: str) -> str:
    """The one-line documentation of a setting."""
    return str(_FIELDS[name].metadata["help"])


def contents_of(options: Options) -> dict[str, Any]:
    """The settings that change what an index holds, for its fingerprint."""
    return {name: getattr(options, name) for name, f in _FIELDS.items() if f.metadata["contents"]}


def _checked(name: str, value: Any, source: str) -> Any:
    known = _FIELDS.get(name)
    if known is None:
        import difflib

        near = difflib.get_close_matches(name, _FIELDS, 1)
        hint = f"; did you mean {near[0]}?" if near else "; see docs/configuration.md"
        raise ConfigError(f"{source}: unknown setting {name!r}{hint}")
    try:
        return known.metadata["check"](value)
    except ValueError as error:
        # What was taken for a personal setting's value may be a key.
        shown = "..." if known.metadata["personal"] else repr(value)
        raise ConfigError(f"{source}: {name} = {shown}: {error}") from None


def load_file(root: str) -> tuple[dict[str, Any], str]:
    """Raw settings of ``spelunk.toml`` or ``[tool.spelunk]``, and the file's path.

    Raises:
        ConfigError: The file is not valid TOML or cannot be read.
    """
    for name in CONFIG_FILES:
        path = os.path.join(root, name)
        try:
            raw = read_plain(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
        if name == "pyproject.toml" and b"[tool.spelunk" not in raw:
            continue
        import tomllib

        try:
            data: Any = tomllib.loads(raw.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not valid TOML: {error}") from None
        if name == "pyproject.toml":
            tools = data.get("tool")
            data = tools.get("spelunk", {}) if isinstance(tools, dict) else {}
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: [tool.spelunk] is not a table of settings")
        return data, path
    return {}, ""


def resolve(
    root: str | None = None,
    given: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Options:
    """Frozen options from every source.

    Args:
        root: Workspace whose configuration file is read, if any.
        given: Flags or keyword arguments; ``None`` values count as not given.
        environ: Defaults to ``os.environ``.

    Raises:
        ConfigError: An unknown setting or a bad value, naming its source.
    """
    values: dict[str, Any] = {}
    worklogs: tuple[str, ...] = ()
    if root is not None:
        data, source = load_file(root)
        worklogs = _worklogs(root, data)
        for name, value in data.items():
            if isinstance(value, dict):
                continue  # a table of another part, e.g. [branchwork]
            if name == "embedder" and isinstance(value, str):
                value = _embedder(value, root)
            if name in _FIELDS and _FIELDS[name].metadata["personal"]:
                raise ConfigError(
                    f"{source}: {name} may not be set here: a workspace does not decide where texts and keys "
                    f"are sent; set SPELUNK_{name.upper()}"
                )
            values[name] = _checked(name, value, source)
    env = os.environ if environ is None else environ
    for name in _FIELDS:
        variable = "SPELUNK_" + name.upper()
        if env.get(variable):
            values[name] = _checked(name, env[variable], variable)
    for name, value in (given or {}).items():
        if value is not None:
            values[name] = _checked(name, value, "--" + name.replace("_", "-"))
    if worklogs:
        # First, so that a pattern of the user's own still has the last word.
        values["exclude"] = worklogs + tuple(values.get("exclude", ()))
    return Options(**values)


def _worklogs(root: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    """The pattern that includes the worklogs although their folder is hidden."""
    folder = worklog.folder(data)
    if not folder or not os.path.isdir(os.path.join(root, folder)):
        return ()
    return (f"!/{folder}/*.md",)

"""Resolve the engine's settings into frozen :class:`Options`.

Sources in rising precedence: the defaults below; the user's own
``config.toml``; ``spelunk.toml`` or ``[tool.spelunk]`` of ``pyproject.toml`` in
the workspace's root; environment variables ``SPELUNK_*``; flags or keyword
arguments. A workspace's file may narrow what the user's own settings allow. What
it widens counts only with the user's trust (:mod:`spelunk.trust`, docs/trust.md).
Every adapter (command line, Python, MCP, HTTP) resolves through this module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from spelunk.errors import ConfigError
from spelunk.io.cache_dir import config_folder, expand_user
from spelunk.settings import (
    GIB,
    KIB,
    MIB,
    Schema,
    SettingsGroup,
    Untrusted,
    above,
    below,
    boolean,
    choice,
    differs,
    format_size,
    integer,
    off_or,
    or_auto,
    parse_size,
    ray_address,
    seconds,
    setting,
    shown,
    size_or_none,
    text,
    texts,
    url,
    variable,
)
from spelunk.settings_files import SettingsFile, digest_of, read_settings, workspace_files
from spelunk.text import worklog
from spelunk.trust import is_trusted

__all__ = [
    "DEFAULTS", "GIB", "KIB", "MIB", "Options", "Resolved", "Untrusted", "contents_of", "format_size",
    "load", "parse_size", "resolve", "setting_names",
]  # fmt: skip

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
"""Prefix of an embedder's name that is followed by a local folder."""

BUILT_IN: Final = ("static", "hashed")
"""Embedders that read nothing outside the package and send nothing."""

LOCAL: Final = "local"
"""The store of an index directory."""

AUTO: Final = "auto"
EARLY: Final = "early"
WAIT: Final = "wait"

USER_FILE: Final = "config.toml"


def _embedder(value: Any, base: str = "") -> str:
    """An embedder's name; a relative folder in it is taken from ``base``, if it exists there."""
    name = text(value)
    if name.startswith(ONNX) and name != ONNX:
        path = os.path.abspath(os.path.join(base, expand_user(name.removeprefix(ONNX))))
        return ONNX + path if os.path.exists(path) else name
    return name


_COLLECTION: Final = re.compile(
    r"qdrants?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(,(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?)*"
    r"/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
)


def _store(value: Any) -> str:
    """``local``, or the address of a collection, without a key."""
    name = text(value).rstrip("/")
    if name == LOCAL or _COLLECTION.fullmatch(name):
        return name
    if "@" in name or "?" in name:
        raise ValueError("a key does not belong into the address: set QDRANT_API_KEY or store_key_file")
    raise ValueError("must be local, or an address such as qdrant://localhost:6334/code")


def _outside_embedder(value: Any, own: Any) -> bool:
    return value not in BUILT_IN and value != own


def _more_workers(value: Any, own: Any) -> bool:
    return bool(value > (own or os.cpu_count() or 1))


def _more_reads(value: Any, own: Any) -> bool:
    return bool(value > (own or IO_THREADS["ssd"]))


def _more_memory(value: Any, own: Any) -> bool:
    return own is not None and (value is None or value > own)


def _other_files(value: Any, own: Any) -> bool:
    return bool(own) and value != own


class Options(SettingsGroup, frozen=True):
    """Resolved settings. The field's ``help`` is its documentation.

    Those marked ``contents`` change what an index holds; they, and nothing
    else of the settings, are part of its fingerprint. ``widens`` decides which
    values a workspace's own file may not set without the user's trust.
    """

    workers: int = setting(0, or_auto(integer(1, MAX_WORKERS)),
        "Worker processes: 1-16, or auto (0), one a core; 1 works in the process that writes.",
        widens=_more_workers)  # fmt: skip
    mode: str = setting("auto", choice("auto", "parallel", "sequential"),
        "auto uses workers when the work is large enough to pay for them.")  # fmt: skip
    files_per_batch: int = setting(DEFAULT_FILES_PER_BATCH, integer(1, 100_000),
        "Files handed to one worker at a time.", widens=above)  # fmt: skip
    max_chunks_in_memory: int = setting(DEFAULT_MAX_CHUNKS_IN_MEMORY, integer(1),
        "Chunks produced and not yet published; the submitter waits above it.", widens=above)  # fmt: skip
    memory_limit: int | None = setting(None, size_or_none,
        "Hard cap in bytes over parent and workers, e.g. 1GiB; none by default.", widens=_more_memory)  # fmt: skip
    max_file_size: int = setting(DEFAULT_MAX_FILE_SIZE, parse_size,
        "A larger file is skipped as too-large.", contents=True, widens=above)  # fmt: skip
    max_parse_size: int = setting(DEFAULT_MAX_PARSE_SIZE, parse_size,
        "A larger file is chunked by lines, without a parse.", contents=True, widens=above)  # fmt: skip
    storage: str = setting("auto", choice("auto", "ssd", "hdd"),
        "Kind of disk under the root; auto reads the block device's rotational flag.")  # fmt: skip
    io_threads: int = setting(0, or_auto(integer(1, 64)),
        "Concurrent file reads over all workers; auto (0): 2 on hdd, 8 on ssd.", widens=_more_reads)  # fmt: skip
    hidden: bool = setting(False, boolean,
        "Also index files and folders whose name starts with a dot.", contents=True, widens=above)  # fmt: skip
    include: tuple[str, ...] = setting((), texts("patterns"),
        "Gitignore-style patterns; where given, only matching files are indexed.", contents=True,
        widens=_other_files)  # fmt: skip
    exclude: tuple[str, ...] = setting((), texts("patterns"),
        "Gitignore-style patterns of files to leave out, beside the ignore files.", contents=True)  # fmt: skip
    embedder: str = setting("static", _embedder,
        "Which embedder makes the vectors: static, hashed (built in), onnx:DIRECTORY, fastembed:MODEL or api:MODEL.",
        contents=True, widens=_outside_embedder)  # fmt: skip
    store: str = setting(LOCAL, _store,
        "Where the chunks are kept: local (in the index directory), or a Qdrant collection, "
        "qdrant://HOST:6334/COLLECTION (qdrants:// with TLS; several hosts with commas).",
        widens=differs)  # fmt: skip
    executor: str = setting("local", choice("local", "ray"),
        "What runs phase 1: local (processes on this machine) or ray (a Ray cluster).", widens=differs)  # fmt: skip
    ray_address: str = setting("", ray_address,
        "The Ray cluster, HOST:PORT; empty takes RAY_ADDRESS, or the cluster that this machine belongs to.",
        widens=differs)  # fmt: skip
    ray_files: str = setting("send", choice("send", "shared"),
        "send sends the files' contents to the Ray workers; with shared, they read the same paths themselves.",
        widens=differs)  # fmt: skip
    history: int = setting(10_000, off_or(integer(0, 1_000_000)),
        "Newest commits behind HEAD whose messages are indexed; 0 or off for none.", widens=above)  # fmt: skip
    freshness: str = setting("strict", text,
        "strict, bounded:SECONDS or relaxed: how old an answer may be.")  # fmt: skip
    first_answer: str = setting(AUTO, choice(AUTO, EARLY, WAIT),
        "early answers a first search of a large tree before all is indexed; wait indexes all first; "
        "auto is early but in the Python API.")  # fmt: skip

    embedding_url: str = setting("", url,
        "Base address of an embedding API, e.g. https://api.openai.com/v1; for embedder api:MODEL.",
        secret=True, widens=differs)  # fmt: skip
    embedding_key_env: str = setting("OPENAI_API_KEY", variable,
        "Name of the environment variable that holds the API's key; not the key.",
        secret=True, widens=differs)  # fmt: skip
    embedding_dimensions: int = setting(0, or_auto(integer(1, 16_384)),
        "Dimensions asked of the API; auto (0) takes what it gives.")  # fmt: skip
    embedding_max_chars: int = setting(8_000, integer(100, 1_000_000),
        "Characters of a chunk sent to the API; the rest is cut off.", widens=above)  # fmt: skip
    embedding_batch: int = setting(64, integer(1, 2_048),
        "Chunks sent in one request.", widens=above)  # fmt: skip
    embedding_concurrency: int = setting(4, integer(1, 64),
        "Requests under way at a time.", widens=above)  # fmt: skip
    embedding_timeout: float = setting(30.0, seconds(0.05, 3_600),
        "Seconds one request of an update may take.", widens=above)  # fmt: skip
    query_timeout: float = setting(3.0, seconds(0.05, 600),
        "Seconds the request of a search may take; then it answers without vectors.", widens=above)  # fmt: skip
    retry_attempts: int = setting(4, integer(1, 100),
        "How often a request is tried in an update.", widens=above)  # fmt: skip
    retry_wait: float = setting(0.5, seconds(0, 600),
        "Seconds before the second try; doubled for each further one, with jitter.", widens=above)  # fmt: skip
    retry_max_wait: float = setting(30.0, seconds(0, 3_600),
        "Longest wait before a try, even if the provider's Retry-After is longer.", widens=above)  # fmt: skip
    breaker_failures: int = setting(5, integer(1, 1_000),
        "Failures in a row after which the circuit breaker opens.", widens=above)  # fmt: skip
    breaker_wait: float = setting(30.0, seconds(0, 86_400),
        "Seconds for which the breaker stays open; then one request tests the provider.", widens=below)  # fmt: skip

    store_key_env: str = setting("QDRANT_API_KEY", variable,
        "Name of the environment variable that holds the store's API key; not the key.",
        secret=True, widens=differs)  # fmt: skip
    store_key_file: str = setting("", text,
        "File that holds the store's API key, instead of the variable.", secret=True, widens=differs)  # fmt: skip
    store_timeout: float = setting(30.0, seconds(0.05, 3_600),
        "Seconds one request to the store may take.", widens=above)  # fmt: skip
    store_lease: float = setting(30.0, seconds(1, 3_600),
        "Seconds after which the lease of a lost writer may be taken over.", widens=differs)  # fmt: skip
    store_shards: int = setting(0, or_auto(integer(1, 10_000)),
        "Shards of a new collection; auto (0): one for each node.", widens=differs)  # fmt: skip
    store_replicas: int = setting(1, integer(1, 100),
        "Copies of each shard of a new collection.", widens=differs)  # fmt: skip
    store_write_consistency: int = setting(1, integer(1, 100),
        "Copies that must have a write before it is answered, in a new collection.", widens=differs)  # fmt: skip
    store_quantisation: str = setting("none", choice("none", "scalar", "binary"),
        "How a new collection compresses vectors in memory.", widens=differs)  # fmt: skip
    store_on_disk: bool = setting(False, boolean,
        "Whether a new collection keeps vectors and terms on disk instead of in memory.", widens=differs)  # fmt: skip


DEFAULTS: Final = Options()
SCHEMA: Final = Schema(Options, "SPELUNK_", help_page="docs/configuration.md")


class Resolved(NamedTuple):
    """Resolved settings, and those that were left out because they need trust.

    Attributes:
        options: The settings that count.
        untrusted: Settings of the workspace's file that do not.
        trusted: Whether the workspace's settings files have the user's trust.
    """

    options: Options
    untrusted: tuple[Untrusted, ...]
    trusted: bool


def setting_names() -> tuple[str, ...]:
    """Every setting, in the order of the documentation."""
    return SCHEMA.names


def contents_of(options: Options) -> dict[str, Any]:
    """The settings that change what an index holds, for its fingerprint."""
    return {name: getattr(options, name) for name in SCHEMA.names if SCHEMA.declared(name).contents}


def resolve(
    root: str | None = None,
    given: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Options:
    """Frozen options from every source; arguments and errors as :func:`load`."""
    return load(root, given, environ).options


def load(
    root: str | None = None,
    given: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    trusted: bool | None = None,
) -> Resolved:
    """Options from every source, and what a workspace's file may not set.

    Args:
        root: Workspace whose settings file is read, if any.
        given: Flags or keyword arguments; ``None`` values count as not given.
        environ: Defaults to ``os.environ``.
        trusted: Whether the workspace's file is trusted; by default as recorded.

    Raises:
        ConfigError: An unknown setting or a bad value, naming its source.
    """
    own = _own_values()
    above_workspace = SCHEMA.from_environment(os.environ if environ is None else environ)
    above_workspace |= SCHEMA.from_flags(given or {})
    if root is None:
        return Resolved(Options(**{**own, **above_workspace}), (), False)
    file = next(workspace_files(root), None)
    values = _workspace_values(root, file) if file else {}
    worklogs, hidden_worklogs = _worklogs(root, file)
    refused = SCHEMA.widening(values, own, file.path) if file else []
    patterns = tuple(p for p in values.get("exclude", ()) if p.startswith("!"))
    if file and patterns:
        refused.append(Untrusted("exclude", shown(patterns), file.path))
    if file and hidden_worklogs:
        refused.append(Untrusted(f"{worklog.KIND}.dir", hidden_worklogs, file.path))
    # What the user sets by other means is the user's decision, whatever the file says.
    refused = [u for u in refused if u.name not in above_workspace]
    if refused and trusted is None:
        files = list(workspace_files(root))
        # Held against the bytes that were resolved: the file may change between two looks.
        trusted = file in files and is_trusted(root, digest_of(files))
    if refused and not trusted:
        names = {u.name for u in refused}
        if "exclude" in names:
            values["exclude"] = tuple(p for p in values["exclude"] if not p.startswith("!"))
        values = {n: v for n, v in values.items() if n == "exclude" or n not in names}
    elif hidden_worklogs:
        worklogs = hidden_worklogs
    # The user's own patterns stand behind the workspace's, where they have the last word.
    values["exclude"] = tuple(values.get("exclude", ())) + tuple(own.get("exclude", ()))
    resolved = {**own, **values, **above_workspace}
    if worklogs:
        # First, so that every other pattern outranks it.
        resolved["exclude"] = (f"!/{worklogs}/*.md", *resolved["exclude"])
    return Resolved(Options(**resolved), () if trusted else tuple(refused), bool(trusted))


def user_file() -> str:
    """Path of the user's own settings file; it need not exist. Empty where no home folder is known."""
    try:
        return os.path.join(config_folder(), USER_FILE)
    except ConfigError:
        return ""


def _own_values() -> dict[str, Any]:
    path = user_file()
    file = read_settings(path) if path else None
    return _values(file, os.path.dirname(path)) if file else {}


def _workspace_values(root: str, file: SettingsFile) -> dict[str, Any]:
    return _values(file, root)


def _values(file: SettingsFile, base: str) -> dict[str, Any]:
    table = dict(file.table)
    if isinstance(table.get("embedder"), str):
        table["embedder"] = _embedder(table["embedder"], base)
    return SCHEMA.from_table(table, file.path)


def _worklogs(root: str, file: SettingsFile | None) -> tuple[str, str]:
    """The folder of the worklogs, whose name usually begins with a dot.

    Returns:
        The folder to take in, and the one to take in instead with the user's
        trust: a hidden folder that the workspace's file names. Empty if none.
    """
    folder = worklog.folder(file.table if file else {})
    if not folder or not os.path.isdir(os.path.join(root, folder)):
        return "", ""
    if folder != worklog.FOLDER and any(part.startswith(".") for part in folder.split("/")):
        return "", folder
    return folder, ""

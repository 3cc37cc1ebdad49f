"""Calls to a Qdrant cluster: one client, its key, deadlines, retries and the circuit breaker.

Failures are distinguished, because each has its own remedy:

=============================================  ===================================
no connection, too slow, a node or shard lost  tried again, at the next host; counted by the breaker
too many requests                              tried again after the time that is named
key missing, refused, expired, or too weak     :class:`ProviderDownError`
no such collection, an argument refused        :class:`ProviderDownError`
=============================================  ===================================
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from spelunk.config import Options
from spelunk.errors import ConfigError, ProviderDownError, ProviderError
from spelunk.io.cache_dir import expand_user
from spelunk.io.regular import read_regular
from spelunk.observe import Observer, null_observer
from spelunk.remote.breaker import Breaker, TransientError
from spelunk.remote.calls import Calls, within
from spelunk.store.qdrant.address import Address, Host, parse

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

BREAKER: Final = "store"
EXTRA: Final = "qdrant"
MAX_KEY_BYTES: Final = 16 * 1024
SHOWN_CHARS: Final = 300

TRANSIENT: Final = frozenset(
    ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "INTERNAL", "UNKNOWN", "DATA_LOSS")
)
"""Status codes of gRPC after which another try, or another node, may succeed."""
UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED: "
"""In the message of a connection by TLS that was refused here."""
SHARD_LOST: Final = ("operations failed:", "no active replica", "Failed to connect to http")
"""Words of a node that answers, about a shard that it cannot reach."""
NO_COPY: Final = "a node of the cluster is down, and a shard has no other copy"
KEY_CODES: Final = frozenset(("UNAUTHENTICATED", "PERMISSION_DENIED"))

T = TypeVar("T")


def new_client(host: Host, *, tls: bool, key: str | None, timeout: float) -> QdrantClient:
    """A client of one node, over gRPC; it connects at its first call."""
    from qdrant_client import QdrantClient

    with warnings.catch_warnings():  # that a key is sent without TLS is said in docs/qdrant.md
        warnings.simplefilter("ignore")
        return QdrantClient(
            host=host.name, grpc_port=host.port, prefer_grpc=True, https=tls, api_key=key or None,
            timeout=math.ceil(timeout), check_compatibility=False,
        )  # fmt: skip


class Connection:
    """Calls to the cluster of one collection. Usable from several threads; close it."""

    def __init__(
        self, options: Options, directory: str | None = None, observer: Observer = null_observer
    ) -> None:
        """Check the settings; nothing is sent.

        Args:
            options: ``store`` and the settings of calls.
            directory: Where the breaker's state is kept.
            observer: Is sent retries and changes of the breaker.

        Raises:
            ConfigError: The address, the key or a library is missing or cannot be used.
        """
        need()
        self.address: Address = parse(options.store)
        self.collection = self.address.collection
        self._options = options
        self._key = api_key(options)
        breaker = Breaker(
            BREAKER, failures=options.breaker_failures, wait=options.breaker_wait, directory=directory, observer=observer
        )  # fmt: skip
        self._calls = Calls(
            breaker, attempts=options.retry_attempts, wait=options.retry_wait, max_wait=options.retry_max_wait
        )
        self._quick = Calls(
            breaker, attempts=max(2, len(self.address.hosts)), wait=0.0, max_wait=options.query_timeout
        )
        self._guard = threading.Lock()
        self._client: QdrantClient | None = None
        self._turn = 0

    def write(self, call: Callable[[QdrantClient], T]) -> T:
        """Make a call of an update: as many tries as the settings allow, each within ``store_timeout``.

        The call must be one that can be repeated.

        Raises:
            ProviderError: It failed, or the breaker is open.
        """
        seconds = self._options.store_timeout
        return self._calls.patiently(lambda: self._ask(call, seconds), seconds + 1)

    def read(self, call: Callable[[QdrantClient], T]) -> T:
        """Make a call of a search: a try for each host, and two at least, without a wait between them.

        All tries but the last end after ``query_timeout``: a node that hangs refuses
        no connection, and another may answer at once.

        Raises:
            ProviderError: It failed, or the breaker is open.
        """
        seconds = self._options.store_timeout
        hasty = [min(self._options.query_timeout, seconds)] * (len(self.address.hosts) - 1)
        return self._quick.patiently(
            lambda: self._ask(call, seconds, hasty.pop() if hasty else None), seconds + 1
        )

    def _ask(self, call: Callable[[QdrantClient], T], seconds: float, patience: float | None = None) -> T:
        client, turn = self._current(seconds)
        try:
            return call(client) if patience is None else within(patience, lambda: call(client))
        except TransientError as error:
            self._next_host(turn)
            raise TransientError(f"{self.address}: {error}", error.after, counts=error.counts) from None
        except (ProviderError, AssertionError):
            raise
        except Exception as error:  # of gRPC, httpx or the client: told apart by what they say
            translated = self._translate(error)
            if isinstance(translated, TransientError):
                self._next_host(turn)
            raise translated from None

    def _current(self, seconds: float) -> tuple[QdrantClient, int]:
        with self._guard:
            if self._client is None:
                host = self.address.hosts[self._turn % len(self.address.hosts)]
                self._client = new_client(host, tls=self.address.tls, key=self._key, timeout=seconds)
            return self._client, self._turn

    def _next_host(self, turn: int) -> None:
        """Use another node for further calls, unless another thread has changed it already."""
        with self._guard:
            if self._turn == turn and len(self.address.hosts) > 1:
                self._turn += 1
                self._client = None  # calls of other threads end on it

    def _translate(self, error: Exception) -> ProviderError:
        code, message, after = facts(error)
        text = f"{self.address}: {self._clean(message)}"
        if code in KEY_CODES:
            return ProviderDownError(
                f"{text}; the API key {self._key_fault(message)}: "
                f"set {self._options.store_key_env or 'store_key_env'} or store_key_file"
            )
        if UNTRUSTED in message:
            why = message.partition(UNTRUSTED)[2].partition(":")[0]
            return ProviderDownError(
                f"{self.address}: the certificate is not trusted ({self._clean(why)}); "
                "for one of your own set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
            )
        if code == "RESOURCE_EXHAUSTED":
            return TransientError(text, after, counts=False)
        if code == "NOT_FOUND":
            return ProviderDownError(f"{text}; run `spelunk index --rebuild` to fill a new collection")
        if code in TRANSIENT or not code:
            lost = any(words in message for words in SHARD_LOST)
            return TransientError(f"{self.address}: {NO_COPY} ({self._clean(message)})" if lost else text)
        return ProviderDownError(text)

    def _key_fault(self, message: str) -> str:
        """What is wrong with the key, by the words of Qdrant's server (``AuthError``, ``rbac``)."""
        if not self._key:
            return "is missing"
        if "ExpiredSignature" in message:
            return "has expired"
        if "access" in message.lower() and "is required" in message:
            return "does not allow this"
        return "is refused"

    def _clean(self, message: str) -> str:
        """A message as one short line, without the key."""
        line = " ".join(message.split())
        if self._key:
            line = line.replace(self._key, "***")
        return line[:SHOWN_CHARS]

    def close(self) -> None:
        """Close the client."""
        with self._guard:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def facts(error: Exception) -> tuple[str, str, float | None]:
    """What an error of the client says: the status code of gRPC (or ""), a message, seconds to wait."""
    code = getattr(error, "code", None)
    after = getattr(error, "retry_after_s", None)
    if after is not None:
        return "RESOURCE_EXHAUSTED", str(error), float(after)
    if callable(code):
        status: Any = code()
        details: Any = getattr(error, "details", None)
        return getattr(status, "name", ""), str(details() if callable(details) else error), None
    status_code = getattr(error, "status_code", None)  # of the HTTP side of the client
    if isinstance(status_code, int):
        names = {
            401: "UNAUTHENTICATED",
            403: "PERMISSION_DENIED",
            404: "NOT_FOUND",
            429: "RESOURCE_EXHAUSTED",
        }
        name = names.get(status_code, "UNAVAILABLE" if status_code >= 500 else "INVALID_ARGUMENT")
        return name, str(error), None
    if isinstance(error, (ValueError, TypeError)):  # the client refuses the request before it sends it
        return "INVALID_ARGUMENT", str(error), None
    return "", f"{type(error).__name__}: {error}", None


def api_key(options: Options) -> str:
    """The API key: from the key file if one is set, else from the environment; "" without one.

    Raises:
        ConfigError: The file cannot be read, or holds no key.
    """
    if options.store_key_file:
        path = expand_user(options.store_key_file)
        try:
            raw = read_regular(path, MAX_KEY_BYTES)
            key = raw.decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a key"
            raise ConfigError(f"store_key_file: {path}: {reason}") from None
        if not key or not key.isprintable():
            raise ConfigError(f"store_key_file: {path}: holds no key")
        return key
    key = os.environ.get(options.store_key_env, "").strip() if options.store_key_env else ""
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"the key in {options.store_key_env} has characters that no header can carry")
    return key


def need() -> None:
    """Refuse to go on without the libraries of the extra ``qdrant``.

    Raises:
        ConfigError: One is not installed; the message says what to run.
    """
    from importlib.util import find_spec

    for module in ("qdrant_client", "tenacity"):
        if find_spec(module) is None:
            raise ConfigError(f"{module} is not installed; run `pip install 'spelunk[{EXTRA}]'`")

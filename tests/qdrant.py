"""A Qdrant for tests: the client's local mode in this process, or the server that the environment names.

``SPELUNK_TEST_QDRANT_URL`` is ``qdrant://HOST:PORT[,HOST:PORT...]`` without a
collection. Each use makes a collection of its own and deletes it.
"""

from __future__ import annotations

import os
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from qdrant_client import QdrantClient

from spelunk.store.qdrant import connection
from spelunk.store.qdrant.address import parse

URL: Final = os.environ.get("SPELUNK_TEST_QDRANT_URL", "").rstrip("/")


class SharedClient:
    """The client that a test looks with, and through which it sees and disturbs the calls of all others.

    ``setattr(client, NAME, CALL)`` replaces a method for every connection of the test.
    In local mode all connections share this client; closing one keeps it.
    """

    def __init__(self, client: QdrantClient) -> None:
        self._client = client
        self._guard = threading.RLock()
        self.calls: list[str] = []
        """Names of the calls so far."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._guard, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.calls.append(name)
                return method(*args, **kwargs)

        return call

    def close(self) -> None:
        """Keep the points: other connections use them."""


class OwnClient:
    """A connection's own client of a server, whose calls ``shared`` records and replaces."""

    def __init__(self, client: QdrantClient, shared: SharedClient) -> None:
        self._client = client
        self._shared = shared

    def __getattr__(self, name: str) -> Callable[..., Any]:
        replaced = vars(self._shared).get(name)
        if replaced is not None:
            return replaced  # type: ignore[no-any-return]
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self._shared.calls.append(name)
            return method(*args, **kwargs)

        return call

    def close(self) -> None:
        self._client.close()


@contextmanager
def collection() -> Iterator[tuple[str, SharedClient]]:
    """The address of a collection that does not exist yet, and a client to look at it with."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    real = connection.new_client
    if URL:
        address = parse(f"{URL}/{name}")
        key = os.environ.get("QDRANT_API_KEY")
        client = real(address.hosts[0], tls=address.tls, key=key, timeout=60)
        shared = SharedClient(client)
        connection.new_client = lambda *args, **kwargs: OwnClient(real(*args, **kwargs), shared)  # type: ignore[assignment,return-value]
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = QdrantClient(":memory:")
        address = parse(f"qdrant://in-memory:6334/{name}")
        shared = SharedClient(client)
        connection.new_client = lambda *_, **__: shared  # type: ignore[assignment,return-value]
    try:
        yield str(address), shared
    finally:
        connection.new_client = real
        if URL:
            client.delete_collection(name)
        client.close()

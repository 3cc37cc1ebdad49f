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

URL: Final = os.environ.get("SPELUNK_TEST_QDRANT_URL", "").rstrip("/")


class SharedClient:
    """A client in local mode that every connection of a test shares; closing a connection keeps it."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._client = QdrantClient(":memory:")
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


@contextmanager
def collection() -> Iterator[tuple[str, Any]]:
    """The address of a collection that does not exist yet, and a client to look at it with."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    if URL:
        from spelunk.store.qdrant.address import parse

        address = parse(f"{URL}/{name}")
        host = address.hosts[0]
        key = os.environ.get("QDRANT_API_KEY")
        client = connection.new_client(host, tls=address.tls, key=key, timeout=60)
        try:
            yield str(address), client
        finally:
            client.delete_collection(name)
            client.close()
        return
    shared, real = SharedClient(), connection.new_client
    connection.new_client = lambda *_, **__: shared  # type: ignore[assignment,return-value]
    try:
        yield f"qdrant://in-memory:6334/{name}", shared
    finally:
        connection.new_client = real

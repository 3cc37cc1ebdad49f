"""Addresses of remote stores: ``qdrant://host:6334/collection``, with TLS ``qdrants://``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from spelunk.errors import ConfigError

PORT: Final = 6334
"""Qdrant's default port for gRPC."""

_ADDRESS: Final = re.compile(r"(qdrants?)://([^/@?#\s]+)/([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})/?")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(\d{1,5}))?")
EXAMPLE: Final = "use an address such as qdrant://localhost:6334/code"


class Host(NamedTuple):
    """A node: its name or address, and its gRPC port."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


class Address(NamedTuple):
    """A collection and the nodes of its cluster; calls go to the first node that answers."""

    hosts: tuple[Host, ...]
    collection: str
    tls: bool

    def __str__(self) -> str:
        scheme = "qdrants" if self.tls else "qdrant"
        return f"{scheme}://{','.join(map(str, self.hosts))}/{self.collection}"


def is_remote(store: str) -> bool:
    """Whether a value of the setting ``store`` names a collection."""
    return store.startswith(("qdrant://", "qdrants://"))


def parse(store: str) -> Address:
    """The address of a collection.

    Raises:
        ConfigError: It is none; the message shows one.
    """
    match = _ADDRESS.fullmatch(store)
    if match is None:
        raise ConfigError(f"store: not an address of a collection; {EXAMPLE}")
    hosts = []
    for part in match.group(2).split(","):
        host = _HOST.fullmatch(part)
        if host is None or not 0 < int(host.group(2) or PORT) < 65_536:
            raise ConfigError(f"store: {part!r} is no host and port; {EXAMPLE}")
        hosts.append(Host(host.group(1), int(host.group(2) or PORT)))
    return Address(tuple(hosts), match.group(3), match.group(1) == "qdrants")

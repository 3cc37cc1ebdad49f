"""Sockets that servers listen on."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from spelunk.errors import UsageError

BACKLOG: Final = 512
"""Connections that wait to be accepted."""


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, *, flag: str = "", hint: str) -> socket.socket:
    """A listening TCP socket.

    Args:
        host: An address or a name of this machine.
        port: 0 for any free one.
        flag: The option that gave the address, for the message; with a blank at its end.
        hint: What to do where the address cannot be used.

    Raises:
        UsageError: The address cannot be used, or the port is taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(f"{flag}{host}:{port}: {error.strerror or error}; {hint}") from None
    return listener

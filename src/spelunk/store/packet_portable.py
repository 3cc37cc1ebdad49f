"""Packets as MessagePack: between machines, where sender and receiver may run different versions of Python.

marshal is Python's own format; MessagePack is specified outside it. The columns
are those of :func:`spelunk.store.packet.dump`. Needs the package ``msgpack``,
which the extra ``ray`` installs.
"""

from __future__ import annotations

from typing import Any, Final

from spelunk.store.packet import FilePacket, Packet, dump, load


def dump_portable(packet: Packet) -> bytes:
    """Encode a packet. Lone surrogates in texts survive."""
    return dump(packet, _encode)


def load_portable(data: bytes) -> Packet:
    """Decode what :func:`dump_portable` encoded."""
    packet = load(data, _decode)
    whole: Packet = _with_lists(packet._replace(files=[_with_lists(file) for file in packet.files]))
    return whole


def _list_members(row: type[Packet] | type[FilePacket]) -> list[int]:
    """Positions of the members that are declared as lists; MessagePack has one kind of array for both."""
    return [
        n
        for n, kind in enumerate(row.__annotations__.values())
        if str(getattr(kind, "__forward_arg__", kind)).startswith("list[")
    ]


_LISTS: Final = {row: _list_members(row) for row in (Packet, FilePacket)}


def _with_lists(row: Any) -> Any:
    members: list[Any] = list(row)
    for n in _LISTS[type(row)]:
        members[n] = list(members[n])
    return row._make(members)


def _encode(columns: Any) -> bytes:
    import msgpack

    packed: bytes = msgpack.packb(columns, unicode_errors="surrogatepass")
    return packed


def _decode(data: bytes) -> Any:
    import msgpack

    # Limits are the size of the input: msgpack's own defaults are lower than a packet can be.
    return msgpack.unpackb(data, use_list=False, unicode_errors="surrogatepass", strict_map_key=False)

"""Reads what stands in clear in a VPN's datagrams: whether it is IKE or ESP (RFC 3948), and IKE's header (RFC 7296)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from network.wire.frames import Udp

IKE_PORT, NAT_PORT = 500, 4500
"""The UDP ports of IKEv2, and of IKEv2 and ESP behind a NAT."""

HEADER = 28
"""How long the header of an IKE message is, in bytes."""

_NON_ESP_MARKER = bytes(4)
_VERSION = 2
_FROM_INITIATOR, _RESPONSE = 0x08, 0x20


class Carried(enum.Enum):
    """What a datagram of the VPN carries."""

    IKE = "IKE"
    ESP = "ESP"
    KEEPALIVE = "NAT keepalive"


class Exchange(enum.IntEnum):
    """The exchanges of IKEv2 (RFC 7296, 3.1)."""

    IKE_SA_INIT = 34
    IKE_AUTH = 35
    CREATE_CHILD_SA = 36
    INFORMATIONAL = 37


@dataclass(frozen=True)
class IkeMessage:
    """A message of IKEv2, as far as it is in clear; `data` is all of it."""

    exchange: Exchange
    initiator: bytes
    """The initiator's SPI, which is the same in all messages of an IKE SA."""
    number: int
    """The message's ID: an answer has that of its request."""
    is_response: bool
    from_initiator: bool
    """Whether the end that made the IKE SA has sent it."""
    data: bytes

    @property
    def first_payload(self) -> int:
        """The type of its first payload."""
        return self.data[16]

    @classmethod
    def read(cls, data: bytes) -> IkeMessage | None:
        """Reads a message; None for one cut short, of another version, or of an exchange that does not exist."""
        if len(data) < HEADER or data[17] >> 4 != _VERSION or data[18] not in set(Exchange):
            return None
        flags = data[19]
        return cls(
            exchange=Exchange(data[18]),
            initiator=data[:8],
            number=int.from_bytes(data[20:24], "big"),
            is_response=bool(flags & _RESPONSE),
            from_initiator=bool(flags & _FROM_INITIATOR),
            data=data,
        )


def unwrap(udp: Udp) -> tuple[Carried, bytes] | None:
    """What a datagram from or to the VPN's ports carries, and the bytes of that; None for other ports."""
    ports = {udp.source_port, udp.destination_port}
    if NAT_PORT in ports:
        if udp.payload.startswith(_NON_ESP_MARKER):
            return Carried.IKE, udp.payload[len(_NON_ESP_MARKER) :]
        return Carried.KEEPALIVE if len(udp.payload) == 1 else Carried.ESP, udp.payload
    return (Carried.IKE, udp.payload) if IKE_PORT in ports else None

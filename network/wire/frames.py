"""One captured frame and what its headers say.

The fixed headers are read with `struct`, not with scapy: scapy needs about 0.5 ms for a frame, and every scenario looks
at up to some thousand. Whoever needs more of one frame gives its bytes to scapy: `Ether(frame.data)`.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_IPV4, _IPV6, _VLAN = 0x0800, 0x86DD, (0x8100, 0x88A8)
_VLAN_TAGS = 2
_TCP_HEADER = struct.Struct("!HHIIBB")
_IPV4_HEADER = struct.Struct("!BxHxxHxB")


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP segment. `length` is its payload's length on the wire in bytes; fewer may have been captured."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgement: int
    flags: int
    length: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Udp:
    """A UDP datagram."""

    source_port: int
    destination_port: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error and the TCP segment or UDP datagram that it is about, as that was sent."""

    kind: int
    code: int
    source: Address
    destination: Address
    protocol: int
    source_port: int
    destination_port: int


FORGED = "forged"
"""The interface under which a capture has the frames that the bench has forged."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, seen at `time` where it entered its segment, through `port` (`<segment>-<node>`, as `lan-oxo`).

    `source`, `destination` and `protocol` are of the IP packet in it, None where there is none; `content` is what that
    carries, None where it can't be read (a later fragment, garbage) or is of no interest.
    """

    time: float
    port: str
    segment: str
    node: str
    data: bytes = field(repr=False)
    source: Address | None = None
    destination: Address | None = None
    protocol: int | None = None
    content: Tcp | Udp | IcmpError | None = None


def decode(time: float, port: str, data: bytes) -> Frame:
    """Reads the headers of an Ethernet frame; garbage gives a frame without addresses."""
    segment, _, node = port.partition("-")
    packet = _packet(data)
    if packet is None:
        return Frame(time, port, segment, node, data)
    source, destination, protocol, start, end = packet
    return Frame(time, port, segment, node, data, source, destination, protocol, _content(data, protocol, start, end))


_Packet = tuple[Address, Address, int, int, int]
"""Source, destination, protocol, and where its content starts and ends in the frame (the end may lie beyond it)."""


def _packet(data: bytes) -> _Packet | None:
    at = 12
    for _ in range(_VLAN_TAGS + 1):
        if len(data) < at + 2:
            return None
        kind = data[at] << 8 | data[at + 1]
        if kind == _IPV4:
            return _ipv4(data, at + 2)
        if kind == _IPV6:
            return _ipv6(data, at + 2)
        if kind not in _VLAN:
            return None
        at += 4
    return None


def _ipv4(data: bytes, at: int) -> _Packet | None:
    if len(data) < at + 20:
        return None
    first, total, fragment, protocol = _IPV4_HEADER.unpack_from(data, at)
    header = (first & 0x0F) * 4
    # Length 0 is how the kernel shows a packet that it has yet to cut into frames (segmentation offload).
    total = total or len(data) - at
    if first >> 4 != 4 or header < 20 or total < header:
        return None
    # A later fragment has no ports: its content starts where it ends.
    start = at + (total if fragment & 0x1FFF else header)
    return _address(data[at + 12 : at + 16]), _address(data[at + 16 : at + 20]), protocol, start, at + total


def _ipv6(data: bytes, at: int) -> _Packet | None:
    if len(data) < at + 40 or data[at] >> 4 != 6:
        return None
    length = (data[at + 4] << 8 | data[at + 5]) or len(data) - at - 40
    source, destination = _address(data[at + 8 : at + 24]), _address(data[at + 24 : at + 40])
    return source, destination, data[at + 6], at + 40, at + 40 + length


def _content(data: bytes, protocol: int, start: int, end: int) -> Tcp | Udp | IcmpError | None:
    captured = min(end, len(data))
    if protocol == TCP and captured >= start + 20:
        source, destination, sequence, acknowledgement, offset, flags = _TCP_HEADER.unpack_from(data, start)
        payload = start + (offset >> 4) * 4
        if offset >> 4 < 5 or payload > end:
            return None
        return Tcp(source, destination, sequence, acknowledgement, flags, end - payload, data[payload:captured])
    if protocol == UDP and captured >= start + 8:
        source, destination = struct.unpack_from("!HH", data, start)
        return Udp(source, destination, data[start + 8 : captured])
    if protocol in (ICMP, ICMP6) and captured >= start + 8:
        return _icmp_error(data[start:captured], protocol)
    return None


def _icmp_error(data: bytes, protocol: int) -> IcmpError | None:
    if protocol == ICMP:
        about = _ipv4(data, 8) if data[0] in (3, 4, 5, 11, 12) else None
    else:
        about = _ipv6(data, 8) if data[0] < 128 else None
    if about is None:
        return None
    source, destination, inner, start, _ = about
    # Only the first 8 bytes of the segment have to be in the error (RFC 792), so there may be no whole TCP header.
    if inner not in (TCP, UDP) or len(data) < start + 4:
        return None
    source_port, destination_port = struct.unpack_from("!HH", data, start)
    return IcmpError(data[0], data[1], source, destination, inner, source_port, destination_port)


@lru_cache(maxsize=1024)
def _address(packed: bytes) -> Address:
    return ipaddress.ip_address(packed)

"""What is read of a VPN's datagrams."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.wire.frames import Udp
from network.wire.ike import HEADER, Carried, Exchange, IkeMessage, unwrap

SPI = bytes(range(1, 9))


def header(exchange: int, flags: int, number: int = 0, version: int = 0x20, first_payload: int = 33) -> bytes:
    """The header of an IKE message (RFC 7296, 3.1)."""
    return SPI + bytes(8) + struct.pack("!BBBBII", first_payload, version, exchange, flags, number, HEADER)


@pytest.mark.parametrize("exchange", list(Exchange))
@pytest.mark.parametrize(
    ("flags", "is_response", "from_initiator"),
    [(0x08, False, True), (0x20, True, False), (0x00, False, False), (0x28, True, True)],
)
def test_a_header_is_read(exchange: Exchange, flags: int, is_response: bool, from_initiator: bool) -> None:
    message = IkeMessage.read(header(exchange, flags, number=7) + b"body")
    assert message is not None
    assert (message.exchange, message.initiator, message.number, message.first_payload) == (exchange, SPI, 7, 33)
    assert (message.is_response, message.from_initiator) == (is_response, from_initiator)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(header(34, 0x08)[:-1], id="cut short"),
        pytest.param(header(34, 0x08, version=0x10), id="IKEv1"),
        pytest.param(header(33, 0x08), id="an exchange that does not exist"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_message_of_ikev2_is_not_read(data: bytes) -> None:
    assert IkeMessage.read(data) is None


@pytest.mark.parametrize(
    ("source", "destination", "payload", "expected"),
    [
        (500, 500, b"ike", (Carried.IKE, b"ike")),
        (40000, 500, b"ike", (Carried.IKE, b"ike")),
        (4500, 40000, bytes(4) + b"ike", (Carried.IKE, b"ike")),
        (4500, 4500, b"\xff", (Carried.KEEPALIVE, b"\xff")),
        (4500, 4500, b"\x01\x02\x03\x04esp", (Carried.ESP, b"\x01\x02\x03\x04esp")),
        (40000, 53, b"dns", None),
    ],
)
def test_what_a_datagram_carries(
    source: int, destination: int, payload: bytes, expected: tuple[Carried, bytes] | None
) -> None:
    assert unwrap(Udp(source, destination, payload)) == expected


@given(st.sampled_from([500, 4500]), st.binary(max_size=200))
def test_any_bytes_are_borne(port: int, payload: bytes) -> None:
    inside = unwrap(Udp(port, port, payload))
    assert inside is not None
    message = IkeMessage.read(inside[1])
    assert message is None or message.data == inside[1]

"""CONNECT lines and TLS server names, from frames with real ClientHellos."""

from __future__ import annotations

import ssl
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from network.wire.capture import Capture
from network.wire.hello import read_client_hello
from network.wire.pcapng import Record

OXO, PROXY = "192.168.92.246", "192.168.92.10"
AGENT = "agent.openrainbow.com"
CONNECT = b"CONNECT agent.openrainbow.com:443 HTTP/1.1\r\nHost: agent.openrainbow.com:443\r\n"
PASSWORD = b"Proxy-Authorization: Basic b3hvOnNlY3JldA==\r\n"
REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\nHTTP/1.1 200 is what this page is not\r\n"
ACCEPTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def client_hello(name: str | None = AGENT) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


HELLO = client_hello()


def capture(*turns: tuple[str, bytes]) -> Capture:
    """A connection on which the client ("c") and the server ("s") say these in turn."""
    position = {"c": 1, "s": 1}
    records: list[Record] = []

    def put(by: str, flags: str, seq: int, ack: int, data: bytes = b"") -> None:
        source, destination = (OXO, PROXY) if by == "c" else (PROXY, OXO)
        sport, dport = (40000, 8080) if by == "c" else (8080, 40000)
        tcp = TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack)
        frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=source, dst=destination) / tcp / data
        port = "lan-oxo" if by == "c" else "lan-proxy"
        records.append(Record(len(records) * 1_000_000_000, port, bytes(frame)))

    put("c", "S", 0, 0)
    put("s", "SA", 0, 1)
    for by, data in turns:
        put(by, "PA", position[by], position["s" if by == "c" else "c"], data)
        position[by] += len(data)
    return Capture(records)


def test_a_tunnel_after_authentication() -> None:
    wire = capture(
        ("c", CONNECT + b"\r\n"),
        ("s", REFUSED),
        ("c", CONNECT),
        ("c", PASSWORD + b"\r\n"),
        ("s", ACCEPTED),
        ("c", HELLO[:90]),
        ("c", HELLO[90:]),
    )
    first, second = wire.connect_lines()
    assert first.line == second.line == "CONNECT agent.openrainbow.com:443 HTTP/1.1"
    assert first.target == "agent.openrainbow.com:443"
    assert (first.status, first.has_credentials, first.headers) == (407, False, ("Host",))
    assert (second.status, second.has_credentials) == (200, True)
    assert second.answer == "HTTP/1.1 200 Connection established"
    assert (first.time, first.answer_time, second.time, second.answer_time) == (2.0, 3.0, 5.0, 6.0)
    assert (second.source, second.proxy, second.proxy_port) == (ip_address(OXO), ip_address(PROXY), 8080)
    assert "b3hv" not in repr(second)
    (hello,) = wire.server_names()
    assert (hello.name, hello.tunnel, hello.time) == (AGENT, "agent.openrainbow.com:443", 8.0)
    assert wire.server_names(segment="wan") == []
    assert wire.connect_lines(since=5.5) == []
    assert wire.connect_lines(source=ip_address(OXO), segment="lan", since=4.0) == [second]


def test_a_connect_that_is_never_answered() -> None:
    (line,) = capture(("c", CONNECT + b"\r\n")).connect_lines()
    assert (line.answer, line.answer_time, line.status) == (None, None, None)


def test_an_answer_that_is_not_http() -> None:
    (line,) = capture(("c", CONNECT + b"\r\n"), ("s", b"SSH-2.0\r\n")).connect_lines()
    assert line.answer is None


def test_an_answer_without_a_status() -> None:
    (line,) = capture(("c", CONNECT + b"\r\n"), ("s", b"HTTP/1.1 huh\r\n")).connect_lines()
    assert (line.answer, line.status) == ("HTTP/1.1 huh", None)


def test_a_request_that_is_no_connect_or_not_whole() -> None:
    assert capture(("c", b"GET / HTTP/1.1\r\n\r\n")).connect_lines() == []
    assert capture(("c", CONNECT)).connect_lines() == []


def test_a_direct_client_hello() -> None:
    (hello,) = capture(("c", HELLO)).server_names()
    assert (hello.name, hello.tunnel) == (AGENT, None)


def test_a_client_hello_without_a_name() -> None:
    (hello,) = capture(("c", client_hello(None))).server_names()
    assert hello.name is None


@pytest.mark.parametrize("end", [0, 4, 5, 60, len(HELLO) - 1])
def test_a_client_hello_that_is_not_whole(end: int) -> None:
    assert read_client_hello(HELLO[:end]) is None


def test_a_client_hello_over_several_records() -> None:
    message = HELLO[5:]
    records = b"".join(
        b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in (message[:3], message[3:50], message[50:])
    )
    hello = read_client_hello(records + b"more")
    assert hello is not None
    assert (hello.name, hello.end) == (AGENT, len(records))


def test_a_client_hello_without_extensions() -> None:
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    hello = read_client_hello(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)
    assert hello is not None
    assert hello.name is None


@pytest.mark.parametrize("message", [b"\x02\x00\x00\x00", b"\x01\x00\x00\x05abcde"])
def test_a_handshake_that_is_no_client_hello(message: bytes) -> None:
    assert read_client_hello(b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message) is None


@given(st.binary(max_size=50), st.integers(0, len(HELLO)), st.booleans())
@settings(max_examples=300, deadline=None)
def test_garbage_is_never_a_reason_to_fail(garbage: bytes, at: int, replace: bool) -> None:
    hello = HELLO[:at] + garbage + HELLO[at + len(garbage) * replace :]
    read_client_hello(hello)
    read_client_hello(garbage)
    wire = capture(("c", CONNECT + garbage + b"\r\n\r\n"), ("s", garbage + ACCEPTED), ("c", hello))
    wire.server_names()
    for line in wire.connect_lines():
        assert line.status is None or 0 <= line.status <= 999

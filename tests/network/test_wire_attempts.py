"""Connection attempts, from frames as scapy builds them."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from network.wire.attempts import Attempt, Closing, End, Outcome
from network.wire.capture import Capture
from network.wire.pcapng import Record

OXO, PCG = "192.168.92.246", "198.51.100.10"
ISN, ANSWER_ISN = 1000, 5000


class Wire:
    """Frames between the PBX and the PCG, one millisecond apart."""

    def __init__(self, client_isn: int = ISN, server_isn: int = ANSWER_ISN, ip: type[Packet] = IP) -> None:
        self.records: list[Record] = []
        self._client, self._server, self._ip = client_isn, server_isn, ip
        self._ends = (OXO, PCG) if ip is IP else ("2001:db8::f6", "2001:db8::a")

    def put(self, packet: Packet, port: str = "lan-oxo") -> None:
        frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet
        self.records.append(Record(len(self.records) * 1_000_000, port, bytes(frame)))

    def client(self, flags: str, at: int = 0, ack: int = 0, data: bytes = b"", **fields: Any) -> None:
        """A segment of the PBX; `at` and `ack` count from the initial sequence numbers."""
        tcp = TCP(
            sport=40000, dport=443, flags=flags, seq=(self._client + at) % 2**32, ack=(self._server + ack) % 2**32
        )
        for name, value in fields.items():
            setattr(tcp, name, value)
        self.put(self._ip(src=self._ends[0], dst=self._ends[1]) / tcp / data)

    def server(self, flags: str, at: int = 0, ack: int = 0, data: bytes = b"") -> None:
        """A segment of the PCG, which reaches the LAN through the firewall."""
        tcp = TCP(
            sport=443, dport=40000, flags=flags, seq=(self._server + at) % 2**32, ack=(self._client + ack) % 2**32
        )
        self.put(self._ip(src=self._ends[1], dst=self._ends[0]) / tcp / data, "lan-firewall")

    def open(self) -> Wire:
        self.client("S")
        self.server("SA", 0, 1)
        self.client("A", 1, 1)
        return self

    @property
    def capture(self) -> Capture:
        return Capture(self.records)

    @property
    def attempt(self) -> Attempt:
        (attempt,) = self.capture.attempts()
        return attempt


def test_an_answered_connection() -> None:
    wire = Wire().open()
    wire.client("PA", 1, 1, b"hello")
    wire.server("PA", 1, 6, b"hi")
    attempt = wire.attempt
    assert attempt.outcome is Outcome.ANSWERED
    assert attempt.outcome_time == 0.001
    assert (attempt.source, attempt.source_port) == (ip_address(OXO), 40000)
    assert (attempt.destination, attempt.destination_port) == (ip_address(PCG), 443)
    assert (attempt.sent, attempt.received) == (5, 2)
    assert attempt.is_open
    assert attempt.ending is None


def test_a_dropped_attempt_with_its_repetitions() -> None:
    wire = Wire()
    for _ in range(3):
        wire.client("S")
    assert wire.attempt.outcome is Outcome.UNANSWERED
    assert wire.attempt.syn_times == [0.0, 0.001, 0.002]
    assert not wire.attempt.is_open


def test_another_sequence_number_is_another_attempt() -> None:
    wire = Wire()
    wire.client("S")
    wire.client("S", 77)
    first, second = wire.capture.attempts()
    assert (first.syn_times, second.syn_times) == ([0.0], [0.001])


def test_an_attempt_that_is_reset() -> None:
    wire = Wire()
    wire.client("S")
    wire.server("RA", 0, 1)
    assert wire.attempt.outcome is Outcome.RESET
    assert wire.attempt.ending is not None
    assert (wire.attempt.ending.how, wire.attempt.ending.by) == (Closing.RST, End.SERVER)


@pytest.mark.parametrize(("flags", "ack"), [("RA", 2), ("R", 1), ("SA", 2)])
def test_an_answer_to_something_else_is_none(flags: str, ack: int) -> None:
    wire = Wire()
    wire.client("S")
    wire.server(flags, 0, ack)
    assert wire.attempt.outcome is Outcome.UNANSWERED


@pytest.mark.parametrize(
    ("kind", "code", "outcome"),
    [(3, 13, Outcome.REJECTED), (3, 1, Outcome.REJECTED), (3, 4, Outcome.UNANSWERED), (11, 0, Outcome.UNANSWERED)],
)
def test_an_attempt_that_is_rejected_by_icmp(kind: int, code: int, outcome: Outcome) -> None:
    wire = Wire()
    wire.client("S")
    about = IPerror(src=OXO, dst=PCG) / TCPerror(sport=40000, dport=443, seq=ISN)
    wire.put(IP(src="192.168.92.1", dst=OXO) / ICMP(type=kind, code=code) / about, "lan-firewall")
    assert wire.attempt.outcome is outcome
    assert (wire.attempt.ended is not None) == (outcome is Outcome.REJECTED)
    if outcome is Outcome.REJECTED:
        assert wire.attempt.icmp is not None
        assert (wire.attempt.icmp.kind, wire.attempt.icmp.code) == (kind, code)


def test_ipv6() -> None:
    wire = Wire(ip=IPv6)
    wire.client("S")
    about = IPv6(src="2001:db8::f6", dst="2001:db8::a") / TCP(sport=40000, dport=443, seq=ISN)
    wire.put(IPv6(src="2001:db8::1", dst="2001:db8::f6") / ICMPv6DestUnreach(code=1) / about, "lan-firewall")
    assert wire.attempt.outcome is Outcome.REJECTED
    assert wire.attempt.destination == ip_address("2001:db8::a")
    wire = Wire(ip=IPv6).open()
    wire.client("PA", 1, 1, b"hello")
    assert wire.attempt.sent == 5


def test_who_closes_first() -> None:
    wire = Wire().open()
    wire.server("FA", 1, 1)
    wire.server("FA", 1, 1)
    wire.client("FA", 1, 2)
    closes = [(close.how, close.by, close.port) for close in wire.attempt.closes]
    assert closes == [(Closing.FIN, End.SERVER, "lan-firewall"), (Closing.FIN, End.CLIENT, "lan-oxo")]
    assert not wire.attempt.is_open


def test_only_a_reset_with_the_exact_number_ends_a_connection() -> None:
    wire = Wire().open()
    wire.server("PA", 1, 1, b"hi")
    wire.server("R", 100, 1)
    assert wire.attempt.is_open
    wire.server("R", 3, 1)
    assert wire.attempt.ending is not None
    assert wire.attempt.ending.how is Closing.RST


def test_a_reset_with_what_its_receiver_said_it_expects() -> None:
    wire = Wire().open()
    wire.server("PA", 1, 1, b"lost on the way")
    wire.client("PA", 1, 1, b"x")
    wire.server("R", 1, 2)
    assert wire.attempt.ending is not None


def test_a_client_that_gives_up() -> None:
    wire = Wire()
    wire.client("S")
    wire.client("R", 1)
    assert wire.attempt.outcome is Outcome.UNANSWERED
    assert wire.attempt.ending is not None
    assert wire.attempt.ending.by is End.CLIENT


@pytest.mark.parametrize("isn", [ISN, 2**32 - 1, 2**32 - 3])
def test_repeated_and_late_segments_count_once(isn: int) -> None:
    wire = Wire(client_isn=isn).open()
    wire.client("PA", 4, 1, b"lo")
    wire.client("PA", 1, 1, b"hel")
    wire.client("PA", 1, 1, b"hello")
    wire.client("A", 5, 1, b"o")
    wire.client("PA", 2**31, 1, b"from nowhere")
    assert wire.attempt.sent == 5
    assert wire.attempt.client.stream().data == b"hello"
    assert wire.attempt.client.next_sequence == (isn + 6) % 2**32


def test_frames_are_put_in_the_order_of_their_times() -> None:
    wire = Wire().open()
    wire.records.reverse()
    assert wire.attempt.outcome is Outcome.ANSWERED


def test_a_connection_that_began_before_the_capture_is_left_out() -> None:
    wire = Wire()
    wire.server("SA", 0, 1)
    wire.client("PA", 1, 1, b"hello")
    wire.client("R", 6, 1)
    assert wire.capture.attempts() == []


def test_a_server_that_connects_back_is_a_client() -> None:
    wire = Wire()
    wire.client("S")
    wire.server("S")
    first, second = wire.capture.attempts()
    assert (first.source, second.source) == (ip_address(OXO), ip_address(PCG))


def test_each_segment_has_its_own_attempt() -> None:
    wire = Wire().open()
    syn = TCP(sport=40000, dport=443, flags="S", seq=ISN)
    wire.put(IP(src="198.51.100.1", dst=PCG) / syn, "wan-firewall")
    capture = wire.capture
    assert [attempt.segment for attempt in capture.attempts()] == ["lan", "wan"]
    assert [attempt.segment for attempt in capture.attempts(source=ip_address("198.51.100.1"))] == ["wan"]
    assert len(capture.attempts(segment="lan", to=ip_address(PCG), port=443)) == 1
    assert capture.attempts(port=80) == capture.attempts(to=ip_address(OXO)) == []
    assert [attempt.segment for attempt in capture.attempts(since=0.001)] == ["wan"]


def test_silence_is_of_ip_packets() -> None:
    wire = Wire()
    wire.client("S")
    wire.put(ARP(psrc=OXO, pdst="192.168.92.1"))
    wire.server("SA", 0, 1)
    capture, oxo = wire.capture, ip_address(OXO)
    assert not capture.silence(0.0, 1.0, oxo)
    assert capture.silence(0.0005, 1.0, oxo)
    assert [frame.port for frame in capture.sent(oxo, 0.0, 1.0)] == ["lan-oxo"]


def test_vlan_tags_and_fragments() -> None:
    wire = Wire()
    segment = IP(src=OXO, dst=PCG) / TCP(sport=1, dport=443, flags="S", seq=ISN)
    wire.put(Dot1Q(vlan=7) / segment)
    wire.put(IP(src=OXO, dst=PCG, frag=10) / TCP(sport=2, dport=443, flags="S", seq=ISN))
    assert [attempt.source_port for attempt in wire.capture.attempts()] == [1]


def test_a_frame_that_is_longer_than_its_packet_is_padded() -> None:
    wire = Wire().open()
    wire.client("PA", 1, 1, b"hello")
    padded = [Record(record.time_ns, record.port, record.data + bytes(20)) for record in wire.records]
    assert Capture(padded).attempts()[0].sent == 5


def test_a_packet_of_which_only_the_beginning_was_captured() -> None:
    wire = Wire().open()
    wire.client("PA", 1, 1, bytes(1000))
    wire.client("PA", 1001, 1, b"rest")
    cut = [Record(record.time_ns, record.port, record.data[:100]) for record in wire.records]
    (attempt,) = Capture(cut).attempts()
    assert attempt.sent == 1004
    assert attempt.client.stream().data == bytes(46)


def test_a_packet_longer_than_its_header_can_say() -> None:
    wire = Wire().open()
    wire.put(IP(src=OXO, dst=PCG, len=0) / TCP(sport=40000, dport=443, flags="A", seq=ISN + 1) / b"offloaded")
    assert wire.attempt.sent == 9

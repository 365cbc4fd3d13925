"""DNS queries and their answers, over UDP and TCP, and captures of garbage."""

from __future__ import annotations

from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from network.wire.capture import Capture
from network.wire.pcapng import Record
from network.wire.queries import Transport

OXO, DNS = "192.168.92.246", "198.51.100.53"
AGENT = "agent.openrainbow.com."


def query(kind: str = "A", name: str = AGENT, id: int = 7) -> dns.message.Message:
    return dns.message.make_query(name, kind, id=id)


def answer(to: dns.message.Message, *addresses: str, rcode: str = "NOERROR") -> dns.message.Message:
    message = dns.message.make_response(to)
    message.set_rcode(dns.rcode.from_text(rcode))
    if addresses:
        message.answer.append(dns.rrset.from_text(AGENT, 60, "IN", "A", *addresses))
    return message


def record(number: int, by_client: bool, packet: Packet) -> Record:
    ends = (OXO, DNS) if by_client else (DNS, OXO)
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=ends[0], dst=ends[1]) / packet
    return Record(number * 1_000_000_000, "lan-oxo" if by_client else "lan-firewall", bytes(frame))


def udp(*messages: tuple[bool, dns.message.Message | bytes]) -> Capture:
    records = []
    for number, (by_client, message) in enumerate(messages):
        data = message if isinstance(message, bytes) else message.to_wire()
        ports = (40000, 53) if by_client else (53, 40000)
        records.append(record(number, by_client, UDP(sport=ports[0], dport=ports[1]) / data))
    return Capture(records)


def test_a_query_and_its_answer() -> None:
    asked = query()
    (seen,) = udp((True, asked), (False, answer(asked, "198.51.100.10", "198.51.100.11"))).dns_queries()
    assert (seen.time, seen.answer_time) == (0.0, 1.0)
    assert (seen.source, seen.server) == (ip_address(OXO), ip_address(DNS))
    assert (seen.name, seen.type, seen.transport) == ("agent.openrainbow.com", "A", Transport.UDP)
    assert (seen.rcode, seen.truncated) == ("NOERROR", False)
    assert set(seen.addresses) == {ip_address("198.51.100.10"), ip_address("198.51.100.11")}


def test_two_questions_at_once() -> None:
    first, second = query("A", id=1), query("AAAA", id=2)
    seen = udp((True, first), (True, second), (False, answer(second)), (False, answer(first, "198.51.100.10")))
    a, aaaa = seen.dns_queries()
    assert (a.type, a.answer_time, a.answers) == ("A", 3.0, ("198.51.100.10",))
    assert (aaaa.type, aaaa.answer_time, aaaa.answers, aaaa.addresses) == ("AAAA", 2.0, (), ())


def test_silence_then_an_answer_to_the_repetition() -> None:
    asked = query()
    first, second = udp((True, asked), (True, asked), (False, answer(asked, rcode="NXDOMAIN"))).dns_queries()
    assert (first.rcode, second.rcode) == (None, "NXDOMAIN")


def test_an_answer_to_another_question_is_none() -> None:
    (seen,) = udp((True, query()), (False, answer(query(name="other.example.")))).dns_queries()
    assert seen.rcode is None


def test_an_answer_without_its_question() -> None:
    refusal = answer(query(), rcode="FORMERR")
    refusal.question.clear()
    (seen,) = udp((True, query()), (False, refusal)).dns_queries()
    assert seen.rcode == "FORMERR"


def test_a_truncated_answer() -> None:
    cut = answer(query())
    cut.flags |= dns.flags.TC
    (seen,) = udp((True, query()), (False, cut)).dns_queries()
    assert seen.truncated


def test_only_the_name_asked_for() -> None:
    seen = udp((True, query(name="AGENT.openrainbow.com.")), (True, query(name="pcg.example.")))
    assert len(seen.dns_queries(name="agent.openrainbow.com.")) == 1
    assert seen.dns_queries(segment="wan") == []


def test_other_records_have_no_address() -> None:
    asked = query("CNAME")
    reply = answer(asked)
    reply.answer.append(dns.rrset.from_text(AGENT, 60, "IN", "CNAME", "pcg.example."))
    (seen,) = udp((True, asked), (False, reply)).dns_queries()
    assert (seen.answers, seen.addresses) == (("pcg.example.",), ())
    asked = query("A")
    reply = answer(asked, "198.51.100.10")
    reply.answer.append(dns.rrset.from_text(AGENT, 60, "IN", "CNAME", "pcg.example."))
    (seen,) = udp((True, asked), (False, reply)).dns_queries()
    assert seen.addresses == (ip_address("198.51.100.10"),)


def test_what_is_no_dns_message_is_left_out() -> None:
    wrong_way = udp((False, query()), (True, answer(query())))
    assert wrong_way.dns_queries() == udp((True, b"garbage"), (False, b"")).dns_queries() == []


def test_over_tcp_with_messages_cut_anywhere() -> None:
    first, second = query(id=1), query("AAAA", id=2)
    asked = b"".join(len(message).to_bytes(2, "big") + message for message in (first.to_wire(), second.to_wire()))
    reply = answer(first, "198.51.100.10").to_wire()
    reply = len(reply).to_bytes(2, "big") + reply

    def segment(by_client: bool, flags: str, seq: int, ack: int, data: bytes = b"") -> None:
        ports = (40000, 53) if by_client else (53, 40000)
        tcp = TCP(sport=ports[0], dport=ports[1], flags=flags, seq=seq, ack=ack) / data
        records.append(record(len(records), by_client, tcp))

    records: list[Record] = []
    segment(True, "S", 0, 0)
    segment(False, "SA", 0, 1)
    for at in range(0, len(asked), 30):
        segment(True, "A", 1 + at, 1, asked[at : at + 30])
    segment(False, "A", 1, 1 + len(asked), reply[:1])
    segment(False, "A", 2, 1 + len(asked), reply[1:])
    segment(False, "A", 1 + len(reply), 1 + len(asked), b"\xff\xffnever ends")
    a, aaaa = Capture(records).dns_queries()
    assert (a.transport, a.type, a.rcode, a.time, a.answer_time) == (Transport.TCP, "A", "NOERROR", 3.0, 6.0)
    assert (aaaa.type, aaaa.rcode) == ("AAAA", None)


FRAMES = [
    record(0, True, TCP(sport=40000, dport=53, flags="S")),
    record(1, False, TCP(sport=53, dport=40000, flags="SA", ack=1)),
    record(2, True, TCP(sport=40000, dport=53, flags="A", seq=1, ack=1) / b"\x00\x26" / query().to_wire()),
    record(3, True, UDP(sport=40000, dport=53) / query().to_wire()),
    record(4, False, UDP(sport=53, dport=40000) / answer(query(), "198.51.100.10").to_wire()),
    record(5, False, ICMP(type=3, code=1) / IP(src=OXO, dst=DNS) / TCP(sport=40000, dport=53)),
]


@given(st.lists(st.tuples(st.sampled_from(FRAMES), st.integers(0, 120), st.binary(max_size=8)), max_size=12))
@settings(max_examples=400, deadline=None)
def test_captured_garbage_is_never_a_reason_to_fail(changes: list[tuple[Record, int, bytes]]) -> None:
    records = [
        Record(number, frame.port, (frame.data[:at] + garbage + frame.data[at + len(garbage) :]))
        for number, (frame, at, garbage) in enumerate(changes)
    ]
    capture = Capture(FRAMES + records + [Record(99, "", garbage) for _, _, garbage in changes])
    assert len(capture.frames) == len(FRAMES) + 2 * len(changes)
    capture.attempts()
    capture.connect_lines()
    capture.server_names()
    for seen in capture.dns_queries():
        assert isinstance(seen.addresses, tuple)

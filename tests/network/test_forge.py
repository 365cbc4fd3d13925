"""Forged resets: what is in the frames. That real kernels obey them is shown in test_wire_live.py."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from network.forge import forge_resets
from network.wire.attempts import Attempt
from network.wire.capture import Capture
from network.wire.pcapng import Record

OXO_MAC, FIREWALL_MAC = "02:00:00:00:00:f6", "02:00:00:00:00:01"


def attempt(*segments: tuple[str, int, int, bytes], ip: type[Packet] = IP) -> Attempt:
    """A connection on the LAN: flags (in capitals of the PBX, else of the PCG), sequence, acknowledgement, payload."""
    ends = ("192.168.92.246", "198.51.100.10") if ip is IP else ("2001:db8::f6", "2001:db8::a")
    records = []
    for time, (flags, seq, ack, data) in enumerate(segments):
        if flags.isupper():
            link = Ether(src=OXO_MAC, dst=FIREWALL_MAC) / ip(src=ends[0], dst=ends[1]) / TCP(sport=40000, dport=443)
        else:
            link = Ether(src=FIREWALL_MAC, dst=OXO_MAC) / ip(src=ends[1], dst=ends[0]) / TCP(sport=443, dport=40000)
        tcp = link[TCP]
        tcp.flags, tcp.seq, tcp.ack, tcp.options = flags.upper(), seq, ack, [("NOP", None), ("NOP", None)]
        records.append(Record(time, "lan-oxo" if flags.isupper() else "lan-firewall", bytes(link / data)))
    (found,) = Capture(records).attempts()
    return found


OPEN = (("S", 100, 0, b""), ("sa", 500, 101, b""), ("A", 101, 501, b""))


def valid(frame: bytes) -> Packet:
    """The frame dissected, with its lengths and checksums looked at."""
    packet = Ether(frame)
    again = packet.copy()
    for name in ("len", "plen", "chksum", "dataofs"):
        for layer in (again.payload, again[TCP]):
            if name in layer.fields:
                setattr(layer, name, None)
    assert bytes(again) == frame
    return packet


@pytest.mark.parametrize("ip", [IP, IPv6])
def test_a_quiet_connection_gets_one_reset_for_each_end(ip: type[Packet]) -> None:
    wire = attempt(*OPEN, ("PA", 101, 501, b"hello"), ("pa", 501, 106, b"hi"), ("A", 106, 503, b""), ip=ip)
    (to_client, first), (to_server, second) = forge_resets(wire)
    assert (to_client, to_server) == ("lan-oxo", "lan-firewall")
    frame = valid(first)
    assert (frame.src, frame.dst) == (FIREWALL_MAC, OXO_MAC)
    assert (frame[ip].src, frame[ip].dst) == (str(wire.destination), str(wire.source))
    assert (frame[TCP].sport, frame[TCP].dport, frame[TCP].seq, frame[TCP].ack) == (443, 40000, 503, 106)
    assert (str(frame[TCP].flags), frame[TCP].options, len(frame[TCP].payload)) == ("RA", [], 0)
    frame = valid(second)
    assert (frame.src, frame.dst) == (OXO_MAC, FIREWALL_MAC)
    assert (frame[TCP].sport, frame[TCP].dport, frame[TCP].seq, frame[TCP].ack) == (40000, 443, 106, 503)


def test_unacknowledged_bytes_may_have_arrived_or_not() -> None:
    resets = forge_resets(attempt(*OPEN, ("PA", 101, 501, b"hello")))
    assert [(port, Ether(frame)[TCP].seq) for port, frame in resets] == [
        ("lan-oxo", 501),
        ("lan-firewall", 106),
        ("lan-firewall", 101),
    ]


def test_sequence_numbers_go_around() -> None:
    last = 2**32 - 1
    wire = attempt(("S", last - 1, 0, b""), ("sa", last, last, b""), ("PA", last, 0, b"hello"), ("a", 0, 4, b""))
    assert [Ether(frame)[TCP].seq for _, frame in forge_resets(wire)] == [0, 4]


@pytest.mark.parametrize(
    "segments", [OPEN[:1], (*OPEN, ("fa", 501, 101, b"")), (OPEN[0], ("ra", 0, 101, b""))], ids=str
)
def test_a_connection_that_is_not_open_is_refused(segments: tuple[tuple[str, int, int, bytes], ...]) -> None:
    with pytest.raises(ValueError, match=r"192.168.92.246:40000 to 198.51.100.10:443 is not open"):
        forge_resets(attempt(*segments))

"""The capture of a site: complete, in order, flushed when it is asked for; and frames sent by nobody of the site."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from network.forge import forge_resets
from network.netns.fabric import NetnsFabric
from network.plan import DEFAULT_PLAN, Role
from network.wire.attempts import Closing, End, Outcome
from network.wire.capture import Capture
from network.wire.frames import FORGED, Tcp
from network.wire.pcapng import read_pcapng
from node.control import Refusal
from tests.netns.conftest import Hands, open_hands

PCG = str(DEFAULT_PLAN.address(Role.PCG))


def test_everything_is_in_the_capture_when_it_is_asked_for(hands: Hands) -> None:
    connections = 20
    for number in range(connections):
        port = [80, 443, 8443, 53][number % 4]
        hands.nodes[Role.OXO].ask("begin", key=f"{number}", protocol="tcp", host=PCG, port=port)
    hands.time.rest()
    capture = Capture.read(hands.site.capture())
    for segment in ("lan", "wan"):
        attempts = capture.attempts(segment=segment)
        assert len(attempts) == connections
        assert {attempt.outcome for attempt in attempts} == {Outcome.ANSWERED}


def test_what_is_captured_once_is_never_taken_back(hands: Hands) -> None:
    sizes = []
    for _ in range(3):
        hands.connect(Role.OXO, PCG, 443)
        sizes.append(len(list(read_pcapng(hands.site.capture()))))
    assert sizes == sorted(set(sizes))


def test_each_frame_is_seen_once_a_segment_where_it_enters(hands: Hands) -> None:
    hands.connect(Role.OXO, PCG, 443)
    frames = [frame for frame in Capture.read(hands.site.capture()).frames if isinstance(frame.content, Tcp)]
    shake = [(frame.port, str(frame.source)) for frame in frames]
    assert shake == [
        ("lan-oxo", "192.168.92.246"),
        ("wan-firewall", "198.51.100.1"),
        ("wan-pcg", "198.51.100.10"),
        ("lan-firewall", "198.51.100.10"),
        ("lan-oxo", "192.168.92.246"),
        ("wan-firewall", "198.51.100.1"),
    ]
    times = [frame.time for frame in frames]
    assert times == sorted(times)
    assert time.time() - 60 < times[0] <= times[-1] <= time.time()


def test_the_capture_is_complete_when_the_site_is_closed(rooms: NetnsFabric, tmp_path: Path) -> None:
    hands = open_hands(rooms.build(DEFAULT_PLAN, tmp_path), "permissive")
    key = hands.connect(Role.OXO, PCG, 443)
    assert hands.talk(Role.OXO, key) == "passed"
    hands.site.close()
    (attempt,) = Capture.read(tmp_path / "site.pcapng").attempts(segment="wan")
    assert (attempt.sent, attempt.received, attempt.is_open) == (1, 1, False)


def ping(to: str, sender: str) -> bytes:
    return bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:99") / IP(src=sender, dst=to) / ICMP())


def test_an_injected_frame_arrives_and_is_recorded_as_forged(hands: Hands) -> None:
    hands.connect(Role.OXO, PCG, 443)
    frame = ping("192.168.92.246", "192.168.92.10")
    hands.site.inject("lan-oxo", frame)
    hands.time.rest()
    records = list(read_pcapng(hands.site.capture()))
    (forged,) = [record for record in records if record.port == FORGED]
    assert forged.data == frame
    assert any(record.port == "lan-oxo" and b"\x00\x00" in record.data for record in records)
    assert [record.time_ns for record in records] == sorted(record.time_ns for record in records)


def test_forged_resets_end_a_connection_on_the_way(hands: Hands) -> None:
    key = hands.connect(Role.OXO, PCG, 443)
    assert hands.talk(Role.OXO, key) == "passed"
    hands.time.rest()
    (link,) = [a for a in Capture.read(hands.site.capture()).attempts(segment="lan") if a.is_open]
    for port, frame in forge_resets(link):
        hands.site.inject(port, frame)
    hands.time.rest()
    assert hands.talk(Role.OXO, key) == "ConnectionResetError"
    assert "ConnectionResetError" in hands.nodes[Role.PCG].ask("callers")
    (ended,) = Capture.read(hands.site.capture()).attempts(segment="lan")
    assert not ended.is_open
    assert [(close.how, close.by, close.is_forged) for close in ended.closes] == [(Closing.RST, End.SERVER, True)]


def test_of_a_reset_forged_toward_the_server_the_client_knows_nothing(hands: Hands) -> None:
    key = hands.connect(Role.OXO, PCG, 443)
    assert hands.talk(Role.OXO, key) == "passed"
    hands.time.rest()
    (link,) = Capture.read(hands.site.capture()).attempts(segment="lan")
    for port, frame in forge_resets(link):
        if port == "lan-firewall":
            hands.site.inject(port, frame)
    hands.time.rest()
    (still,) = Capture.read(hands.site.capture()).attempts(segment="lan")
    (beyond,) = Capture.read(hands.site.capture()).attempts(segment="wan")
    assert (still.is_open, beyond.is_open) == (True, False)


def test_a_port_that_does_not_exist(hands: Hands) -> None:
    with pytest.raises(Refusal, match=r"no port 'lan-nobody'.*lan-oxo"):
        hands.site.inject("lan-nobody", b"\x00" * 14)


def test_waiting_for_a_frame_ends_in_time(hands: Hands) -> None:
    hands.time.rest()
    begun = time.monotonic()
    hands.site.wait_for_frame(0.05)
    assert 0.04 <= time.monotonic() - begun < 5


def test_waiting_ends_with_the_first_frame(hands: Hands) -> None:
    hands.time.rest()
    oxo = hands.nodes[Role.OXO]
    oxo.ask("ring_out", after=0.2, host=PCG, port=80)
    begun = time.monotonic()
    hands.site.wait_for_frame(30)
    assert time.monotonic() - begun < 10

"""The wire analysis on what real kernels send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from network.wire.attempts import Closing, End, Outcome
from network.wire.capture import Capture
from network.wire.queries import Transport

OXO, PROXY = ip_address("192.168.92.246"), ip_address("192.168.92.10")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Capture]:
    """What both ends of the bed noticed, and what was captured between them."""
    path = tmp_path_factory.mktemp("bed") / "site.pcapng"
    program = Path(__file__).with_name("wire_bed.py")
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", sys.executable, str(program), str(path)],
        env={**os.environ, "PYTHONPATH": str(program.parents[2])},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return json.loads(result.stdout), Capture.read(path)


def test_attempts(bed: tuple[dict[str, str], Capture]) -> None:
    noticed, capture = bed
    assert (noticed["refused"], noticed["no route"]) == ("Connection refused", "Network is unreachable")
    (refused,) = capture.attempts(port=9)
    assert refused.outcome is Outcome.RESET
    (unreachable,) = capture.attempts(to=ip_address("203.0.113.7"))
    assert unreachable.outcome is Outcome.REJECTED
    (dropped,) = capture.attempts(to=ip_address("192.168.92.99"))
    assert dropped.outcome is Outcome.UNANSWERED
    assert len(dropped.syn_times) == 2
    assert 0.9 < dropped.syn_times[1] - dropped.syn_times[0] < 5


def test_a_tunnel_through_a_proxy(bed: tuple[dict[str, str], Capture]) -> None:
    _, capture = bed
    (tunnel,) = capture.attempts(segment="lan", source=OXO, to=PROXY, port=8080)
    assert tunnel.outcome is Outcome.ANSWERED
    assert tunnel.ending is not None
    assert (tunnel.ending.how, tunnel.ending.by, tunnel.ending.port) == (Closing.FIN, End.SERVER, "lan-proxy")
    first, second = capture.connect_lines()
    assert (first.status, first.has_credentials) == (407, False)
    assert (second.status, second.has_credentials) == (200, True)
    (hello,) = capture.server_names()
    assert (hello.name, hello.tunnel) == ("agent.openrainbow.com", "agent.openrainbow.com:443")
    times = [tunnel.time, first.time, first.answer_time or 0, second.time, second.answer_time or 0, hello.time]
    assert times == sorted(times)


def test_dns(bed: tuple[dict[str, str], Capture]) -> None:
    noticed, capture = bed
    assert noticed["dns"] == "198.51.100.10"
    over_udp, over_tcp = capture.dns_queries(name="agent.openrainbow.com")
    assert (over_udp.transport, over_tcp.transport) == (Transport.UDP, Transport.TCP)
    assert over_udp.addresses == over_tcp.addresses == (ip_address("198.51.100.10"),)


def test_forged_resets_end_a_connection_at_both_ends(bed: tuple[dict[str, str], Capture]) -> None:
    noticed, capture = bed
    assert noticed["talk"] == "hello"
    assert (noticed["client end"], noticed["server end"]) == ("reset", "reset")
    (talk,) = capture.attempts(port=7000)
    assert (talk.sent, talk.received) == (5, 5)
    # The resets were sent by the tap, out of its ports, so they never entered the segment: nobody answered them either.
    assert talk.is_open

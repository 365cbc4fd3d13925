"""What the wire tells, frame by frame: short sentences, each thing once, and bounded whatever comes."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rrset
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, TCPerror, UDPerror
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from network.plan import DEFAULT_PLAN
from network.wire import connections, questions, vpntraffic
from network.wire.frames import Address, Frame, IcmpError, Tcp, Udp, decode
from network.wire.happening import TEXT_LIMIT, Happening, Kind, Result
from network.wire.happenings import Happenings

OXO, PROXY, PCG, DNS, VPN = "192.168.92.246", "192.168.92.10", "198.51.100.10", "198.51.100.53", "198.51.100.30"
LAN, WAN = "192.168.92.1", "198.51.100.1"
"""The firewall's addresses."""
PORTS = {OXO: "lan-oxo", PROXY: "lan-proxy", PCG: "wan-pcg", DNS: "wan-dns", VPN: "wan-vpn"}
NAME = "agent.openrainbow.com"


class Site:
    """A site's frames, made by hand: what the firewall lets pass is on both segments, with its address by NAT."""

    def __init__(self, lets_out: bool = True) -> None:
        self.told: list[Happening] = []
        self.clock = 1000.0
        self.lets_out = lets_out
        self.happenings = Happenings(DEFAULT_PLAN, lambda time: time + 5000)

    @property
    def texts(self) -> list[str]:
        return [happening.text for happening in self.told]

    def wait(self, seconds: float) -> None:
        self.clock += seconds
        self.told += self.happenings.time_passes(self.clock + 5000)

    def frame(self, port: str, packet: Packet) -> None:
        self.clock += 0.001
        self.told += self.happenings.see(decode(self.clock, port, bytes(Ether() / packet)))

    def send(self, source: str, target: str, content: Packet) -> None:
        """A packet where it enters its segment, and where the firewall puts it on the other one."""
        outward, local = source in (OXO, PROXY), target in (OXO, PROXY)
        if outward and not local:
            self.frame(PORTS[source], IP(src=source, dst=target) / content)
            if self.lets_out:
                self.frame("wan-firewall", IP(src=WAN, dst=target) / content)
        elif local and not outward:
            if self.lets_out:
                self.frame(PORTS[source], IP(src=source, dst=WAN) / content)
            self.frame("lan-firewall", IP(src=source, dst=target) / content)
        else:
            self.frame(PORTS[source], IP(src=source, dst=target) / content)


class Connection:
    """A TCP connection on such a site."""

    def __init__(self, site: Site, client: str, server: str, port: int, client_port: int = 40000) -> None:
        self.site, self.client, self.server, self.port, self.client_port = site, client, server, port, client_port
        self.sent, self.received = 7000, 0xFFFFFFF0

    def from_client(self, flags: str, data: bytes = b"") -> None:
        segment = TCP(sport=self.client_port, dport=self.port, flags=flags, seq=self.sent, ack=self.received)
        self.site.send(self.client, self.server, segment / data)
        self.sent = (self.sent + len(data) + ("S" in flags) + ("F" in flags)) % 2**32

    def from_server(self, flags: str, data: bytes = b"") -> None:
        segment = TCP(sport=self.port, dport=self.client_port, flags=flags, seq=self.received, ack=self.sent)
        self.site.send(self.server, self.client, segment / data)
        self.received = (self.received + len(data) + ("S" in flags) + ("F" in flags)) % 2**32

    def open(self) -> Connection:
        self.from_client("S")
        self.from_server("SA")
        self.from_client("A")
        return self

    def says(self, by_client: bool, data: bytes) -> None:
        (self.from_client if by_client else self.from_server)("PA", data)


@pytest.fixture
def site() -> Site:
    return Site()


def ask(name: str, id: int = 7, type: str = "A") -> bytes:
    query = dns.message.make_query(name, type)
    query.id = id
    return query.to_wire()


def answer(query: bytes, *addresses: str, rcode: str = "NOERROR") -> bytes:
    response = dns.message.make_response(dns.message.from_wire(query))
    response.set_rcode(dns.rcode.from_text(rcode))
    if addresses:
        response.answer.append(dns.rrset.from_text(response.question[0].name, 1, "IN", "A", *addresses))
    return response.to_wire()


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def handshake(ca: trustme.CA, version: ssl.TLSVersion) -> Iterator[tuple[bool, bytes]]:
    """What both ends of a TLS connection send, and who: the handshake, and a word from the client."""
    inner, outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert(NAME).configure_cert(inner)
    ca.configure_trust(outer)
    outer.maximum_version = version
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    client = outer.wrap_bio(client_in, client_out, server_hostname=NAME)
    server = inner.wrap_bio(server_in, server_out, server_side=True)
    done = False
    while not done:
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            finally:
                sends, other = (client_out, server_in) if end is client else (server_out, client_in)
                data = sends.read()
                other.write(data)
                if data:
                    yield end is client, data
            done = end is server
    client.write(b"GET / HTTP/1.1\r\n\r\n")
    yield True, client_out.read()


def test_a_connection_is_told_once_for_both_sides_of_the_firewall(site: Site) -> None:
    connection = Connection(site, OXO, PCG, 443).open()
    connection.from_server("FA")
    connection.from_client("FA")
    connection.from_server("A")
    assert [(told.kind, told.source, told.target, told.text, told.result) for told in site.told] == [
        (Kind.TCP, "oxo", "pcg", "PBX opens TCP to PCG:443", Result.OK),
        (Kind.CLOSE, "pcg", "oxo", "TCP from PBX to PCG:443: closed by PCG", Result.INFO),
    ]
    assert site.told[0].time == pytest.approx(6000, abs=1)
    assert site.happenings.size == 0


def test_a_syn_that_nobody_answers_is_told_once_and_where_it_vanished() -> None:
    for lets_out, where in ((False, ", stopped at the firewall"), (True, ", though it was let out")):
        site = Site(lets_out)
        connection = Connection(site, OXO, PCG, 443)
        for _ in range(3):
            connection.from_client("S")
            connection.sent -= 1
            site.wait(0.9)
        assert site.texts == []
        site.wait(0.5)
        site.wait(100)
        assert site.texts == [f"TCP from PBX to PCG:443: no answer{where}"]
        assert site.told[0].time == pytest.approx(6003, abs=0.1)
    connection.from_client("S")
    connection.from_server("SA")
    assert site.texts[1:] == ["PBX opens TCP to PCG:443 after 103 s"]


def test_on_the_lan_nothing_is_stopped_at_the_firewall(site: Site) -> None:
    Connection(site, OXO, PROXY, 8080).from_client("S")
    site.wait(4)
    assert site.texts == ["TCP from PBX to web proxy:8080: no answer"]


def test_who_refuses_a_connection(site: Site) -> None:
    for client_port, target, port in ((1, PCG, 443), (2, PROXY, 8080)):
        connection = Connection(site, OXO, target, port, client_port)
        connection.from_client("S")
        connection.from_server("RA")
    site.lets_out = False
    connection = Connection(site, OXO, PCG, 443, 3)
    connection.from_client("S")
    connection.from_server("RA")
    assert site.texts == [
        "TCP from PBX to PCG:443: refused by PCG",
        "TCP from PBX to web proxy:8080: refused by web proxy",
        "TCP from PBX to PCG:443: refused by firewall",
    ]
    assert site.happenings.size == 0


def test_icmp_errors(site: Site) -> None:
    site.lets_out = False
    Connection(site, OXO, "192.0.2.1", 443).from_client("S")
    site.send(OXO, DNS, UDP(sport=5000, dport=53) / ask(NAME))
    ike = UDP(sport=500, dport=500) / ike_message(34, 0, True, False)
    site.send(OXO, VPN, ike)
    for about, content in (
        ("192.0.2.1", TCPerror(sport=40000, dport=443, seq=7000)),
        (DNS, UDPerror(sport=5000, dport=53)),
        (VPN, UDPerror(sport=500, dport=500)),
    ):
        error = ICMP(type=3, code=13) / IPerror(src=OXO, dst=about) / content
        site.frame("lan-firewall", IP(src=LAN, dst=OXO) / error)
        site.frame("lan-firewall", IP(src=LAN, dst=OXO) / error)
    assert site.texts == [
        "TCP from PBX to 192.0.2.1:443: unreachable, says firewall",
        f"PBX asks DNS for {NAME}: unreachable, says firewall",
        "PBX sends IKE_SA_INIT to VPN gateway: unreachable, says firewall",
    ]
    assert site.told[0].target == "192.0.2.1"


def test_resets(site: Site) -> None:
    Connection(site, OXO, PCG, 443, 1).open().from_server("RA")
    Connection(site, OXO, PCG, 443, 2).open().from_client("RA")
    stray = Connection(site, OXO, PCG, 443, 3).open()
    stray.received -= 1000
    stray.from_server("RA")
    assert [(told.text, told.result) for told in site.told if told.kind is Kind.CLOSE] == [
        ("TCP from PBX to PCG:443: reset by PCG", Result.FAILED),
        ("TCP from PBX to PCG:443: reset by PBX", Result.INFO),
    ]
    site.told.clear()
    site.lets_out = False
    stray.received += 1000
    stray.from_server("RA")
    assert site.texts == ["TCP from PBX to PCG:443: reset by firewall"]


def test_a_reset_that_the_bench_forged(site: Site) -> None:
    connection = Connection(site, OXO, PCG, 443).open()
    reset = TCP(sport=443, dport=40000, flags="RA", seq=connection.received, ack=connection.sent)
    site.frame("forged", IP(src=PCG, dst=OXO) / reset)
    connection.from_client("R")
    connection.from_client("R")
    assert site.texts[1:] == [
        "TCP from PBX to PCG:443: the bench forges a reset by PCG",
        "TCP from PBX to PCG:443: reset by PBX",
    ]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tunnel_through_the_proxy_with_tls(site: Site, ca: trustme.CA, version: ssl.TLSVersion) -> None:
    inside = Connection(site, OXO, PROXY, 8080).open()
    request = f"CONNECT {NAME}:443 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n".encode()
    inside.says(True, request[:20])
    inside.says(True, request[20:])
    outside = Connection(site, PROXY, PCG, 443).open()
    inside.says(False, b"HTTP/1.1 200 Connection established\r\n\r\n")
    for by_client, data in handshake(ca, version):
        # As a proxy that passes TLS on: both connections carry the same bytes, in pieces that are others.
        inside.says(by_client, data[:30])
        inside.says(by_client, data[30:])
        outside.says(by_client, data)
    outside.from_server("FA")
    inside.from_server("FA")
    assert [(told.source, told.text) for told in site.told] == [
        ("oxo", "PBX opens TCP to web proxy:8080"),
        ("proxy", "Web proxy opens TCP to PCG:443"),
        ("oxo", f"PBX asks web proxy for CONNECT {NAME}:443: 200 Connection established"),
        ("oxo", f"PBX begins TLS through web proxy for {NAME}"),
        ("oxo", "TLS of PBX through web proxy is up"),
        ("pcg", "TCP from web proxy to PCG:443: closed by PCG"),
        ("proxy", "TCP from PBX to web proxy:8080: closed by web proxy"),
    ]
    assert "c2VjcmV0" not in repr(site.told)


def test_a_proxy_that_refuses_asks_for_an_account_or_is_slow(site: Site) -> None:
    connection = Connection(site, OXO, PROXY, 8080).open()
    request = f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode()
    connection.says(True, request)
    connection.says(False, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!")
    connection.says(True, request)
    site.wait(8)
    connection.says(False, b"HTTP/1.1 403 Forbidden\r\n\r\n")
    connection.says(True, request)
    connection.from_client("FA")
    assert [(told.text, told.result) for told in site.told[1:]] == [
        (f"PBX asks web proxy for CONNECT {NAME}:443: 407 Proxy Authentication Required", Result.FAILED),
        ("TCP from PBX to web proxy:8080: no answer to CONNECT by web proxy yet", Result.FAILED),
        (f"PBX asks web proxy for CONNECT {NAME}:443: 403 Forbidden, after 8 s", Result.FAILED),
        ("TCP from PBX to web proxy:8080: closed by PBX before CONNECT was answered", Result.FAILED),
    ]


def test_tls_that_does_not_come_up(site: Site, ca: trustme.CA) -> None:
    (_, hello), (_, server_hello), (_, finished), *_ = handshake(ca, ssl.TLSVersion.TLSv1_3)
    clear = Connection(site, OXO, PCG, 443, 1).open()
    clear.says(True, hello)
    clear.says(False, b"\x15\x03\x03\x00\x02\x02\x70")
    clear.from_server("FA")
    silent = Connection(site, OXO, PROXY, 443, 2).open()
    silent.says(True, with_another_random(hello))
    silent.says(False, server_hello)
    silent.from_client("FA")
    encrypted = Connection(site, OXO, PROXY, 443, 3).open()
    encrypted.says(True, with_another_random(hello, 2))
    encrypted.says(False, server_hello)
    encrypted.says(True, b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x00\x13" + bytes(19))
    unused = Connection(site, OXO, PROXY, 443, 4).open()
    unused.says(True, with_another_random(hello, 3))
    unused.says(False, server_hello)
    unused.says(True, finished)
    unused.from_client("FA")
    tried = [told.text for told in site.told if told.result is Result.FAILED or told.kind is Kind.CLOSE]
    assert tried == [
        "PCG breaks TLS off: unrecognized name",
        "TCP from PBX to PCG:443: closed by PCG",
        "TCP from PBX to web proxy:443: closed by PBX during the TLS handshake",
        "PBX breaks TLS off: an alert that is encrypted",
        "TCP from PBX to web proxy:443: closed by PBX before anything was sent in TLS",
    ]


def with_another_random(hello: bytes, number: int = 1) -> bytes:
    return hello[:11] + bytes([number] * 32) + hello[43:]


def test_bytes_that_come_in_disorder_are_read_in_order(site: Site) -> None:
    connection = Connection(site, OXO, PROXY, 8080).open()
    request = f"CONNECT {NAME}:443 HTTP/1.1\r\n\r\n".encode()
    start = connection.sent
    for at, end in ((30, 40), (10, 35), (40, len(request)), (0, 12), (0, 12)):
        connection.sent = start + at
        connection.says(True, request[at:end])
    connection.says(False, b"HTTP/1.1 200 OK\r\n\r\n")
    assert site.texts[1:] == [f"PBX asks web proxy for CONNECT {NAME}:443: 200 OK"]


@pytest.mark.parametrize(
    ("addresses", "rcode", "text", "result"),
    [
        ([PCG], "NOERROR", "198.51.100.10", Result.OK),
        ([], "NXDOMAIN", "no such name (NXDOMAIN)", Result.FAILED),
        ([], "SERVFAIL", "the server failed (SERVFAIL)", Result.FAILED),
        ([], "REFUSED", "REFUSED", Result.FAILED),
        ([], "NOERROR", "the name has none", Result.FAILED),
    ],
)
def test_a_question_to_dns(site: Site, addresses: list[str], rcode: str, text: str, result: Result) -> None:
    query = ask(NAME)
    for _ in range(2):
        site.send(OXO, DNS, UDP(sport=5000, dport=53) / query)
    site.send(DNS, OXO, UDP(sport=53, dport=5000) / answer(query, *addresses, rcode=rcode))
    site.send(DNS, OXO, UDP(sport=53, dport=5000) / answer(query, *addresses, rcode=rcode))
    assert [(told.source, told.target, told.text, told.result) for told in site.told] == [
        ("oxo", "dns", f"PBX asks DNS for {NAME}: {text}", result)
    ]
    site.wait(10)
    assert site.happenings.size == 0


def test_a_name_with_many_addresses(site: Site) -> None:
    query = ask(NAME)
    site.send(OXO, DNS, UDP(sport=5000, dport=53) / query)
    site.send(DNS, OXO, UDP(sport=53, dport=5000) / answer(query, *(f"192.0.2.{number}" for number in range(1, 9))))
    (text,) = site.texts
    assert text.endswith(" and 5 more")
    assert text.count("192.0.2.") == 3


def test_dns_that_does_not_answer(site: Site) -> None:
    query = ask(NAME)
    site.send(PROXY, DNS, UDP(sport=5000, dport=53) / query)
    site.send(PROXY, DNS, UDP(sport=5001, dport=53) / ask(NAME, 8, "AAAA"))
    site.wait(5)
    site.lets_out = False
    site.send(OXO, DNS, UDP(sport=5000, dport=53) / ask(NAME, 9))
    site.send(OXO, "192.168.92.99", UDP(sport=5000, dport=53) / ask(NAME, 10))
    site.wait(5)
    site.send(DNS, OXO, UDP(sport=53, dport=5000) / answer(ask(NAME, 9), PCG))
    assert site.texts == [
        f"Web proxy asks DNS for {NAME}: no answer, though it was let out",
        f"PBX asks DNS for {NAME}: no answer, stopped at the firewall",
        f"PBX asks 192.168.92.99 for {NAME}: no answer",
        f"PBX asks DNS for {NAME}: 198.51.100.10, after 5 s",
    ]


def test_an_answer_that_the_firewall_stops(site: Site) -> None:
    query = ask(NAME)
    site.send(OXO, DNS, UDP(sport=5000, dport=53) / query)
    site.frame("wan-dns", IP(src=DNS, dst=WAN) / UDP(sport=53, dport=5000) / answer(query, PCG))
    site.wait(5)
    assert site.texts == [f"PBX asks DNS for {NAME}: no answer, it was stopped at the firewall"]


def test_dns_over_tcp(site: Site) -> None:
    query = ask(NAME)
    short = dns.message.make_response(dns.message.from_wire(query))
    short.flags |= dns.flags.TC
    site.send(OXO, DNS, UDP(sport=5000, dport=53) / query)
    site.send(DNS, OXO, UDP(sport=53, dport=5000) / short.to_wire())
    connection = Connection(site, OXO, DNS, 53).open()
    framed = len(query).to_bytes(2, "big") + query
    connection.says(True, framed[:9])
    connection.says(True, framed[9:])
    whole = answer(query, PCG)
    connection.says(False, len(whole).to_bytes(2, "big") + whole)
    assert site.texts == [
        f"PBX asks DNS for {NAME}: cut short, to be asked again over TCP",
        "PBX opens TCP to DNS:53",
        f"PBX asks DNS over TCP for {NAME}: 198.51.100.10",
    ]


def ike_message(
    exchange: int, number: int, from_initiator: bool, is_response: bool, first: int = 33, body: bytes = b""
) -> bytes:
    flags = 0x08 * from_initiator | 0x20 * is_response
    return (
        b"initiato" + bytes(8) + bytes([first, 0x20, exchange, flags])
        + number.to_bytes(4, "big") + (28 + len(body)).to_bytes(4, "big") + body
    )  # fmt: skip


def to_gateway(site: Site, payload: bytes, port: int = 4500) -> None:
    site.send(OXO, VPN, UDP(sport=port, dport=port) / payload)


def to_pbx(site: Site, payload: bytes, port: int = 4500) -> None:
    site.send(VPN, OXO, UDP(sport=port, dport=port) / payload)


def test_a_vpn_tunnel_from_its_first_packet_to_its_last(site: Site) -> None:
    marker = bytes(4)
    to_gateway(site, ike_message(34, 0, True, False), 500)
    to_pbx(site, ike_message(34, 0, False, True), 500)
    for number in range(1, 5):
        to_gateway(site, marker + ike_message(35, number, True, False))
        to_pbx(site, marker + ike_message(35, number, False, True))
    for _ in range(3):
        to_gateway(site, b"SPI!packet")
        to_pbx(site, b"SPI2packet")
        to_gateway(site, b"\xff")
    to_pbx(site, marker + ike_message(37, 0, False, False))
    to_gateway(site, marker + ike_message(37, 0, True, True))
    site.wait(61)
    to_gateway(site, b"SPI!packet")
    to_gateway(site, marker + ike_message(37, 5, True, False))
    to_pbx(site, marker + ike_message(37, 5, False, True))
    assert [(told.source, told.text) for told in site.told] == [
        ("oxo", "PBX sends IKE_SA_INIT to VPN gateway: answered"),
        ("oxo", "PBX sends IKE_AUTH to VPN gateway: answered"),
        ("oxo", "ESP from PBX to VPN gateway flows"),
        ("vpn", "ESP from VPN gateway to PBX flows"),
        ("vpn", "VPN gateway sends INFORMATIONAL to PBX: answered"),
        ("oxo", "ESP from PBX to VPN gateway has stopped: none for 60 s, after 3 packets"),
        ("vpn", "ESP from VPN gateway to PBX has stopped: none for 60 s, after 3 packets"),
        ("oxo", "ESP from PBX to VPN gateway flows again"),
        ("oxo", "PBX sends INFORMATIONAL to VPN gateway: answered"),
    ]


def test_ike_that_is_refused_or_not_answered(site: Site) -> None:
    to_gateway(site, ike_message(34, 0, True, False), 500)
    to_pbx(site, ike_message(34, 0, False, True, 41, bytes.fromhex("0000000800000011")), 500)
    to_gateway(site, ike_message(34, 0, True, False), 500)
    to_pbx(site, ike_message(34, 0, False, True, 41, bytes.fromhex("0000000c00004006") + bytes(4)), 500)
    site.lets_out = False
    for _ in range(3):
        to_gateway(site, ike_message(34, 0, True, False), 500)
        site.wait(2)
    to_pbx(site, ike_message(34, 0, False, True), 500)
    assert [(told.text, told.result) for told in site.told] == [
        ("PBX sends IKE_SA_INIT to VPN gateway: refused, INVALID_KE_PAYLOAD", Result.FAILED),
        ("PBX sends IKE_SA_INIT to VPN gateway: answered, it is to be sent again", Result.INFO),
        ("PBX sends IKE_SA_INIT to VPN gateway: no answer, stopped at the firewall", Result.FAILED),
        ("PBX sends IKE_SA_INIT to VPN gateway: answered after 6 s", Result.OK),
    ]


BOUND = 12 * (connections.OPEN_LIMIT + questions.OPEN_LIMIT + vpntraffic.OPEN_LIMIT)


def test_a_flood_of_connections_questions_and_requests_is_forgotten() -> None:
    site = Site(lets_out=False)
    kept = Connection(site, OXO, PCG, 443, 9).open()
    for number in range(700):
        Connection(site, OXO, f"198.51.100.{number % 200}", number + 1, number + 1000).from_client("S")
        site.send(OXO, DNS, UDP(sport=5000, dport=53) / ask(f"n{number}.example", number))
        message = bytearray(ike_message(34, 0, True, False))
        message[:2] = number.to_bytes(2, "big")
        to_gateway(site, bytes(message), 500)
        site.frame("lan-oxo", IP(src=f"192.168.93.{number % 250}", dst=VPN) / UDP(sport=4500, dport=4500) / b"SPI!")
        kept.from_client("A")
        assert site.happenings.size < BOUND
    kept.from_client("FA")
    assert site.texts[-1] == "TCP from PBX to PCG:443: closed by PBX"
    site.wait(100)
    assert sum("no answer" in text for text in site.texts) >= 700
    assert all(len(text) <= TEXT_LIMIT for text in site.texts)


_ADDRESSES = st.sampled_from([ipaddress.ip_address(text) for text in (OXO, PROXY, PCG, DNS, VPN, LAN, WAN, "8.8.8.8")])
_PORTS = st.sampled_from([53, 443, 500, 4500, 8080, 40000])
_NUMBERS = st.sampled_from([0, 1, 7, 100, 2**31, 2**32 - 1])
_BYTES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"CONNECT a:443 HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 ",
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01",
            b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
            b"\x17\x03\x03\x00\x13",
            b"\x15\x03\x03\x00\x02\x02\x28",
            b"\x00\x1c" + ask("a.b"),
            ask("a.b"),
            answer(ask("a.b"), PCG),
            ike_message(34, 0, True, False),
            bytes(4) + ike_message(37, 1, False, True),
            b"\xff",
        ]
    ),
)


def segment(ports: tuple[int, int], numbers: tuple[int, int], flags: int, payload: bytes, cut: int) -> Tcp:
    return Tcp(ports[0], ports[1], numbers[0], numbers[1], flags, len(payload) + cut, payload)


_SEGMENTS = st.builds(
    segment,
    st.tuples(_PORTS, _PORTS),
    st.tuples(_NUMBERS, _NUMBERS),
    st.integers(0, 31),
    _BYTES,
    st.sampled_from([0, 0, 0, 5]),
)
_ERRORS = st.builds(
    IcmpError,
    st.integers(0, 5),
    st.integers(0, 15),
    _ADDRESSES,
    _ADDRESSES,
    st.sampled_from([6, 17]),
    _PORTS,
    _PORTS,
)


def any_frame(
    time: float,
    port: str,
    ends: tuple[Address | None, Address | None],
    content: Tcp | Udp | IcmpError | None,
) -> Frame:
    """A frame that carries `content`; with none it is one of ESP."""
    return Frame(time, port, port.partition("-")[0], "", b"", ends[0], ends[1], 50 if content is None else 6, content)


_FRAMES = st.builds(
    any_frame,
    st.floats(0, 1e9),
    st.sampled_from(["lan-oxo", "lan-firewall", "wan-firewall", "wan-pcg", "forged", "x", ""]),
    st.tuples(st.none() | _ADDRESSES, st.none() | _ADDRESSES),
    st.one_of(st.none(), _SEGMENTS, st.builds(Udp, _PORTS, _PORTS, _BYTES), _ERRORS),
)


@given(st.lists(_FRAMES, max_size=60), st.lists(st.binary(max_size=120), max_size=5))
@settings(max_examples=200)
def test_whatever_comes_it_tells_something_short_or_nothing(frames: list[Frame], garbage: list[bytes]) -> None:
    happenings = Happenings(DEFAULT_PLAN)
    told: list[Happening] = []
    for frame in frames:
        told += happenings.see(frame)
    for data in garbage:
        told += happenings.see(decode(1e9, "lan-oxo", data))
    told += happenings.time_passes(2e9)
    assert happenings.time_passes(3e9) == []
    assert happenings.size < BOUND
    assert all(one.text and len(one.text) <= TEXT_LIMIT and one.text.isprintable() for one in told)


@given(st.lists(st.tuples(st.booleans(), _BYTES), max_size=30))
@settings(max_examples=200)
def test_whatever_both_ends_of_a_connection_say(said: list[tuple[bool, bytes]]) -> None:
    site = Site()
    connection = Connection(site, OXO, PROXY, 8080).open()
    for by_client, data in said:
        connection.says(by_client, data)
    connection.from_client("FA")
    assert site.told[-1].kind is Kind.CLOSE
    assert site.happenings.size <= 1

"""The DNS node, asked over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network.dns import CLIENTS, IDLE_TIME, MESSAGE_LIMIT, DnsNode, Query
from node.clock import ClockLoop

HOST = "127.0.0.1"
AGENT, PCG = "agent.openrainbow.com", "198.51.100.10"
DEADLINE = 20.0


@asynccontextmanager
async def running() -> AsyncIterator[DnsNode]:
    node = DnsNode(HOST, {AGENT: PCG}, port=0)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def run(test: Callable[[DnsNode], Awaitable[None]]) -> None:
    """Runs a test against a node, on a node's loop."""

    async def body() -> None:
        async with asyncio.timeout(DEADLINE), running() as node:
            await test(node)

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(body())


async def ask(node: DnsNode, name: str = AGENT, kind: str = "A", tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    send = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await send(query, HOST, timeout=DEADLINE, port=node.port())


def told(answer: dns.message.Message) -> tuple[str, list[str]]:
    return dns.rcode.to_text(answer.rcode()), [record.to_text() for records in answer.answer for record in records]


@pytest.mark.parametrize("tcp", [False, True])
def test_it_answers_for_its_zone(tcp: bool) -> None:
    async def test(node: DnsNode) -> None:
        assert told(await ask(node, tcp=tcp)) == ("NOERROR", [PCG])
        assert told(await ask(node, "AGENT.OpenRainbow.com.", tcp=tcp)) == ("NOERROR", [PCG])
        assert told(await ask(node, kind="AAAA", tcp=tcp)) == ("NOERROR", [])
        assert told(await ask(node, "elsewhere.example", tcp=tcp)) == ("NXDOMAIN", [])
        transport = "tcp" if tcp else "udp"
        assert node.queries()[2:] == [
            Query(AGENT, "AAAA", HOST, transport, "NOERROR"),
            Query("elsewhere.example", "A", HOST, transport, "NXDOMAIN"),
        ]

    run(test)


@pytest.mark.parametrize(
    ("behaviour", "address", "expected"),
    [
        ("answer", None, ("NOERROR", [PCG])),
        ("nxdomain", None, ("NXDOMAIN", [])),
        ("servfail", None, ("SERVFAIL", [])),
        ("wrong-address", None, ("NOERROR", ["192.0.2.1"])),
        ("wrong-address", "198.51.100.99", ("NOERROR", ["198.51.100.99"])),
    ],
)
@pytest.mark.parametrize("name", [None, AGENT])
def test_faults(behaviour: str, address: str | None, expected: tuple[str, list[str]], name: str | None) -> None:
    async def test(node: DnsNode) -> None:
        node.set_behaviour(behaviour, name=name, address=address)
        assert told(await ask(node)) == expected
        assert told(await ask(node, tcp=True)) == expected
        assert node.queries()[0].answered == expected[0]

    run(test)


def test_silence_over_udp() -> None:
    async def test(node: DnsNode) -> None:
        node.set_behaviour("silent", name=AGENT)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(dns.message.make_query(AGENT, "A").to_wire(), (HOST, node.port()))
            # The node reads in the order of arrival, so the first query has been dealt with when this one is answered.
            assert told(await ask(node, "elsewhere.example")) == ("NXDOMAIN", [])
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        assert node.queries()[0] == Query(AGENT, "A", HOST, "udp", None)

    run(test)


def test_silence_over_tcp() -> None:
    async def test(node: DnsNode) -> None:
        node.set_behaviour("silent", name=AGENT)
        reader, writer = await asyncio.open_connection(HOST, node.port())
        for name in (AGENT, "elsewhere.example"):
            query = dns.message.make_query(name, "A").to_wire()
            writer.write(len(query).to_bytes(2, "big") + query)
        first = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        assert told(first) == ("NXDOMAIN", [])
        writer.close()
        assert [query.answered for query in node.queries()] == [None, "NXDOMAIN"]

    run(test)


def test_truncated_over_udp_whole_over_tcp() -> None:
    async def test(node: DnsNode) -> None:
        node.set_behaviour("truncate")
        cut = await ask(node)
        assert cut.flags & dns.flags.TC
        assert told(cut) == ("NOERROR", [])
        assert told(await ask(node, tcp=True)) == ("NOERROR", [PCG])

    run(test)


def test_the_last_word_about_all_names_counts() -> None:
    async def test(node: DnsNode) -> None:
        node.set_behaviour("servfail", name=AGENT + ".")
        assert told(await ask(node))[0] == "SERVFAIL"
        assert told(await ask(node, "elsewhere.example"))[0] == "NXDOMAIN"
        node.set_behaviour("answer")
        assert told(await ask(node)) == ("NOERROR", [PCG])

    run(test)


def test_the_zone_changes() -> None:
    async def test(node: DnsNode) -> None:
        node.set_zone({"agent.example.": "198.51.100.7"})
        assert told(await ask(node)) == ("NXDOMAIN", [])
        assert told(await ask(node, "agent.example")) == ("NOERROR", ["198.51.100.7"])

    run(test)


def test_what_it_does_not_do_is_refused() -> None:
    node = DnsNode(HOST, {})
    with pytest.raises(ValueError, match="no DNS behaviour 'lie'; it is one of answer, nxdomain"):
        node.set_behaviour("lie")
    with pytest.raises(ValueError, match="'nowhere' is not an IPv4 address"):
        node.set_behaviour("wrong-address", address="nowhere")
    with pytest.raises(ValueError, match=r"zone: agent.example has '::1' for its address"):
        node.set_zone({"agent.example": "::1"})


def test_queries_of_other_kinds() -> None:
    node = DnsNode(HOST, {AGENT: PCG})

    def rcode(query: dns.message.Message) -> str:
        data = node.respond(query.to_wire(), HOST, "udp")
        assert data is not None
        return dns.rcode.to_text(dns.message.from_wire(data).rcode())

    notify = dns.message.make_query(AGENT, "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    assert rcode(notify) == "NOTIMP"
    empty = dns.message.make_query(AGENT, "A")
    empty.question.clear()
    assert rcode(empty) == "FORMERR"
    assert rcode(dns.message.make_query(AGENT, "TXT", "CH")) == "REFUSED"


def test_a_port_that_is_taken_is_an_oserror() -> None:
    async def test(node: DnsNode) -> None:
        second = DnsNode(HOST, {}, port=node.port())
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()

    run(test)


def test_garbage_is_dropped_and_counted() -> None:
    async def test(node: DnsNode) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(HOST, node.port()))
        transport.sendto(b"garbage")
        transport.sendto(dns.message.make_response(dns.message.make_query(AGENT, "A")).to_wire())
        assert told(await ask(node)) == ("NOERROR", [PCG])
        assert node.garbage() == 2
        transport.close()
        reader, writer = await asyncio.open_connection(HOST, node.port())
        writer.write((MESSAGE_LIMIT + 1).to_bytes(2, "big"))
        assert await reader.read() == b""
        writer.close()
        assert node.garbage() == 3
        assert len(node.queries()) == 1

    run(test)


def test_tcp_connections_are_bounded_and_may_be_used_again() -> None:
    async def test(node: DnsNode) -> None:
        query = dns.message.make_query(AGENT, "A").to_wire()
        message = len(query).to_bytes(2, "big") + query
        held = []
        for _ in range(CLIENTS):
            reader, writer = await asyncio.open_connection(HOST, node.port())
            for _ in range(2):
                writer.write(message)
                await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            held.append(writer)
        reader, writer = await asyncio.open_connection(HOST, node.port())
        assert await reader.read() == b""
        for one in (*held, writer):
            one.close()

    run(test)


def test_an_idle_tcp_connection_is_closed() -> None:
    async def test(node: DnsNode) -> None:
        reader, writer = await asyncio.open_connection(HOST, node.port())
        writer.write(b"\x00")
        await ask(node, tcp=True)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ClockLoop)
        loop.jump(IDLE_TIME)
        assert await reader.read() == b""
        writer.close()

    async def body() -> None:
        async with running() as node:
            await test(node)

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(body())


SEED = dns.message.make_query(AGENT, "A", use_edns=0).to_wire()


@given(st.binary(max_size=40), st.integers(0, len(SEED)), st.booleans(), st.sampled_from(["udp", "tcp"]))
@settings(max_examples=400, deadline=None)
def test_no_message_is_a_reason_to_fail(garbage: bytes, at: int, replace: bool, transport: str) -> None:
    node = DnsNode(HOST, {AGENT: PCG})
    for message in (garbage, SEED[:at] + garbage + SEED[at + len(garbage) * replace :]):
        answer = node.respond(message, HOST, transport)
        assert answer is None or len(answer) < 1232
        assert node.garbage() + len(node.queries()) <= 2

"""The DNS server of the site's Internet: a small zone over UDP and TCP, and the faults that a DNS server may have."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from node.control import command

PORT = 53
NOBODY = "192.0.2.1"
"""An address where nobody is: of TEST-NET-1 (RFC 5737), which is routed nowhere."""

CLIENTS = 64
"""How many TCP connections are served at once; further ones are closed."""
MESSAGE_LIMIT = 4096
"""The longest query that is read over TCP, in bytes."""
IDLE_TIME = 10.0
"""After how many seconds without a whole query a TCP connection is closed."""
QUERIES_KEPT = 10_000

_TTL = 1
"""Seconds for which an answer may be kept: short, so that a resolver that keeps answers notices a change."""


class Behaviour(enum.Enum):
    """What the server does with a query for an address."""

    ANSWER = "answer"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    SILENT = "silent"
    WRONG_ADDRESS = "wrong-address"
    TRUNCATE = "truncate"
    """Over UDP the answer is empty and says "truncated", so that the client comes again over TCP."""


@dataclass(frozen=True)
class Query:
    """A query that was received; `answered` is the response code (as `NOERROR`), None where nothing was answered."""

    name: str
    type: str
    source: str
    transport: str
    answered: str | None


@dataclass(frozen=True)
class _Rule:
    behaviour: Behaviour
    address: str


class DnsNode:
    """A DNS server on `listen`, an address, with a zone of names and their IPv4 addresses.

    It is authoritative for the names of its zone and knows no others. Raises ValueError for a zone it can't serve.
    """

    def __init__(self, listen: str, zone: Mapping[str, str], port: int = PORT) -> None:
        self._listen = listen
        self._port = port
        self._zone = _read_zone(zone)
        self._default = _Rule(Behaviour.ANSWER, NOBODY)
        self._rules: dict[str, _Rule] = {}
        self._queries: deque[Query] = deque(maxlen=QUERIES_KEPT)
        self._garbage = 0
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens. Raises OSError when the port is taken or the address isn't this machine's."""
        self._server = await asyncio.start_server(self._accept, self._listen, self._port, limit=MESSAGE_LIMIT)
        self._port = self._server.sockets[0].getsockname()[1]
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), (self._listen, self._port)
        )

    async def stop(self) -> None:
        """Closes the sockets and every connection."""
        if self._server is not None:
            self._server.close()
        if self._transport is not None:
            self._transport.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    @command
    def port(self) -> int:
        """The port it listens on, of use when it was started with port 0."""
        return self._port

    @command
    def set_behaviour(self, behaviour: str, name: str | None = None, address: str | None = None) -> None:
        """Sets what is done with queries for one name, or without `name` for all.

        The latter forgets what was set for single names. `address` is the one that `wrong-address` answers with; by
        default nobody is there.
        """
        try:
            rule = _Rule(Behaviour(behaviour), NOBODY if address is None else str(ipaddress.IPv4Address(address)))
        except ipaddress.AddressValueError:
            raise ValueError(f"{address!r} is not an IPv4 address") from None
        except ValueError:
            known = ", ".join(choice.value for choice in Behaviour)
            raise ValueError(f"there is no DNS behaviour {behaviour!r}; it is one of {known}") from None
        if name is None:
            self._default, self._rules = rule, {}
        else:
            self._rules[_key(name)] = rule

    @command
    def set_zone(self, names: Mapping[str, str]) -> None:
        """Replaces the zone: names and their IPv4 addresses."""
        self._zone = _read_zone(names)

    @command
    def queries(self) -> list[Query]:
        """The queries received so far, oldest first, at most the last 10,000."""
        return list(self._queries)

    @command
    def garbage(self) -> int:
        """How many messages were dropped since they weren't DNS queries, connections that were too many included."""
        return self._garbage

    def respond(self, data: bytes, source: str, transport: str) -> bytes | None:
        """The answer to a message, None where there is to be none."""
        try:
            query = dns.message.from_wire(data)
            answer = dns.message.make_response(query)  # which refuses to answer an answer
        except dns.exception.DNSException:
            self._garbage += 1
            return None
        if query.opcode() != dns.opcode.QUERY:
            answer.set_rcode(dns.rcode.NOTIMP)
            return answer.to_wire()
        if len(query.question) != 1:
            answer.set_rcode(dns.rcode.FORMERR)
            return answer.to_wire()
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        answered = self._fill(answer, question, _key(name), transport)
        rcode = dns.rcode.to_text(answer.rcode()) if answered else None
        self._queries.append(Query(name, dns.rdatatype.to_text(question.rdtype), source, transport, rcode))
        return answer.to_wire() if answered else None

    def _fill(self, answer: dns.message.Message, question: dns.rrset.RRset, key: str, transport: str) -> bool:
        """Writes the answer; False where there is to be none."""
        rule = self._rules.get(key, self._default)
        address = self._zone.get(key)
        if rule.behaviour is Behaviour.SILENT:
            return False
        if rule.behaviour is Behaviour.SERVFAIL:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return True
        if question.rdclass != dns.rdataclass.IN:
            answer.set_rcode(dns.rcode.REFUSED)
            return True
        answer.flags |= dns.flags.AA
        if rule.behaviour is Behaviour.TRUNCATE and transport == "udp":
            answer.flags |= dns.flags.TC
        elif rule.behaviour is Behaviour.NXDOMAIN or address is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            told = rule.address if rule.behaviour is Behaviour.WRONG_ADDRESS else address
            answer.answer.append(dns.rrset.from_text(question.name, _TTL, "IN", "A", told))
        return True

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS:
            self._garbage += 1
            writer.close()
            return
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        try:
            while True:
                async with asyncio.timeout(IDLE_TIME):
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    if length > MESSAGE_LIMIT:
                        self._garbage += 1
                        return
                    data = await reader.readexactly(length)
                    answer = self.respond(data, source, "tcp")
                    if answer is not None:
                        writer.write(len(answer).to_bytes(2, "big") + answer)
                        await writer.drain()
        except TimeoutError:
            writer.transport.abort()  # It may be that it doesn't read: closing would wait for it.
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # The client is gone.
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, node: DnsNode) -> None:
        self._node = node

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is no subclass of it before 3.12

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        answer = self._node.respond(data, peer[0], "udp")
        if answer is not None:
            self._transport.sendto(answer, peer)


def _key(name: str) -> str:
    return name.rstrip(".").lower()


def _read_zone(zone: Mapping[str, str]) -> dict[str, str]:
    names = {}
    for name, address in zone.items():
        try:
            names[_key(name)] = str(ipaddress.IPv4Address(address))
        except ipaddress.AddressValueError:
            raise ValueError(f"zone: {name} has {address!r} for its address, which is not an IPv4 address") from None
    return names

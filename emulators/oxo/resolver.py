"""How the PBX resolves host names: by the DNS servers set in it, and in no other way."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from emulators.oxo.failure import Layer, LinkFailure, words
from emulators.oxo.settings import DnsSettings

ADDRESS_LIMIT = 8
"""How many addresses of one name are tried."""


@dataclass(frozen=True)
class Resolver:
    """How the PBX asks its DNS servers: the primary first, then the secondary, all of it `rounds` times.

    `timeout` is how long one server may take, in seconds. Timeout and rounds are not public [?].
    """

    servers: DnsSettings
    port: int = 53
    timeout: float = 5.0
    rounds: int = 2

    async def addresses(self, name: str) -> list[str]:
        """The IPv4 addresses of a host name, at least one; an address is its own answer. Raises LinkFailure."""
        if _is_address(name):
            return [name]
        servers = self.servers.servers
        if not servers:
            raise LinkFailure(Layer.DNS, f"no DNS server is set, so {name} cannot be resolved")
        complaint = ""
        for server in servers * self.rounds:
            try:
                async with asyncio.timeout(self.timeout):
                    response = await self._ask(name, server)
            except TimeoutError:
                complaint = f"DNS server {server} did not answer"
            except (dns.exception.DNSException, OSError, EOFError) as error:
                complaint = f"DNS server {server} could not be asked for {name}: {words(error)}"
            else:
                code = response.rcode()
                if code == dns.rcode.NXDOMAIN:
                    raise LinkFailure(Layer.DNS, f"{name} does not exist, says DNS server {server}")
                if code == dns.rcode.NOERROR:
                    return _addresses(name, server, response)
                complaint = f"DNS server {server} answered {dns.rcode.to_text(code)} for {name}"
        raise LinkFailure(Layer.DNS, complaint)

    async def _ask(self, name: str, server: str) -> dns.message.Message:
        query = dns.message.make_query(dns.name.from_text(name), dns.rdatatype.A)
        response, _ = await dns.asyncquery.udp_with_fallback(
            query, server, timeout=None, port=self.port, ignore_unexpected=True, ignore_errors=True
        )
        return response


def _addresses(name: str, server: str, response: dns.message.Message) -> list[str]:
    if not isinstance(response, dns.message.QueryMessage):
        raise LinkFailure(Layer.DNS, f"DNS server {server} sent no usable answer for {name}")
    try:
        answer = response.resolve_chaining().answer
    except dns.exception.DNSException as error:
        raise LinkFailure(Layer.DNS, f"DNS server {server} sent no usable answer for {name}") from error
    if not answer:
        raise LinkFailure(Layer.DNS, f"{name} has no address, says DNS server {server}")
    return [record.to_text() for record in answer][:ADDRESS_LIMIT]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

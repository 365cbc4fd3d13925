"""The VPN gateway's node program: the gateway, what lies behind it, and its fault switches."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute

from emulators.cci.inner import Connection, InnerNetwork
from emulators.cci.vpngateway import Gateway, Lease, Policy, Tunnel
from emulators.chronicle import Bookmark, Notes
from emulators.ipsec.charon import Retransmission
from emulators.ipsec.vici import ViciError
from emulators.oxo.managementpage import PORT
from node.control import command

T = TypeVar("T")
ENDED_KEPT = 1000
"""How many ends of tunnels are remembered, the latest ones."""

_REQUEST = b"GET / HTTP/1.1\r\nHost: oxo\r\n\r\n"


class VpnGateway:
    """Program of the VPN gateway's node.

    `certificate` is PEM: certificate, those that issued it, and the key; `accounts` are passwords by account. `inner`
    is the address behind the gateway, with a service that echoes at `service_port`; `pool` the first and the last of
    the PBXs' addresses. charon's files are in `folder`, which must be a short path. `answer_within` (the device's
    seconds) is how long a PBX may take to answer what is sent to it. `retransmission` are fields of charon's
    Retransmission; `dead_peer_delay` is after how many seconds of silence a PBX is probed, 0 for never [?].
    """

    def __init__(
        self,
        folder: str,
        certificate: str,
        accounts: Mapping[str, str],
        inner: str = "10.168.92.1",
        pool: tuple[str, str] = ("10.168.92.100", "10.168.92.199"),
        service_port: int = 8080,
        answer_within: float = 10.0,
        proposal: str = "aes256-sha256-ecp256",
        retransmission: Mapping[str, float] | None = None,
        dead_peer_delay: int = 0,
    ) -> None:
        """Raises ValueError for settings that cannot be."""
        first, last = IPv4Address(pool[0]), IPv4Address(pool[1])
        self._inner = inner
        self._network = InnerNetwork(inner, first, last, service_port, answer_within)
        self._gateway = Gateway(
            Path(folder),
            Policy(certificate, accounts, proposal),
            inner,
            f"{first}-{last}",
            self._down,
            Retransmission.read(retransmission or {}),
            dead_peer_delay,
        )
        self._frozen = False
        self._ended: deque[str] = deque(maxlen=ENDED_KEPT)

    async def start(self) -> None:
        """Serves. Raises ValueError when there can be no tunnel on this machine."""
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="vpn: %(message)s")
        # The netlink library runs an event loop of its own, which needs a thread of its own.
        await asyncio.to_thread(_add_address, self._inner)
        await self._network.start()
        await self._gateway.start()

    async def stop(self) -> None:
        """Ends in order."""
        await self._network.stop()
        await self._gateway.stop()

    @command
    async def tunnels(self) -> list[Tunnel]:
        """The tunnels that are up."""
        return await self._asked(self._gateway.tunnels)

    @command
    async def leases(self) -> list[Lease]:
        """The addresses of the pool that are or were assigned."""
        return await self._asked(self._gateway.leases)

    @command
    def notes(self, run: str = "", number: int = 0) -> Notes:
        """What has happened since a note of that run of the node."""
        return self._gateway.chronicle.since(Bookmark(run, number))

    @command
    def ended(self) -> list[str]:
        """The VPN addresses of the tunnels that have ended, in order."""
        return list(self._ended)

    @command
    def served(self) -> list[str]:
        """The addresses that have used the service behind the gateway, in order."""
        return self._network.served

    @command
    def open_page(self, address: str, port: int = PORT) -> int:
        """Begins a TCP connection to a PBX's management page; returns its number."""
        return self._network.open(address, port).number

    @command
    def ask_page(self, number: int) -> None:
        """Sends a request for the page on that connection."""
        self._network.send(number, _REQUEST)

    @command
    def send(self, number: int, text: str) -> None:
        """Sends text on that connection."""
        self._network.send(number, text.encode())

    @command
    def connection(self, number: int) -> Connection:
        """How that connection stands."""
        return self._network.connection(number)

    @command
    def connections(self) -> list[Connection]:
        """How all connections stand, without what they received."""
        return [replace(connection, text="") for connection in self._network.connections]

    @command
    async def set_certificate(self, certificate: str) -> None:
        """Presents another certificate from now on: PEM with certificate, those that issued it, and the key."""
        await self._apply(replace(self._gateway.policy, certificate=certificate))

    @command
    async def set_accounts(self, accounts: dict[str, str]) -> None:
        """Knows these accounts from now on."""
        await self._apply(replace(self._gateway.policy, accounts=accounts))

    @command
    async def set_proposal(self, proposal: str) -> None:
        """Accepts these algorithms only, as `aes128-sha1-modp2048`."""
        await self._apply(replace(self._gateway.policy, proposal=proposal))

    @command
    async def set_refuses(self, refuses: bool) -> None:
        """Refuses all PBXs, or none."""
        await self._apply(replace(self._gateway.policy, refuses=refuses))

    @command
    def freeze(self) -> None:
        """Plays dead."""
        self._frozen = True
        self._gateway.freeze()

    @command
    def thaw(self) -> None:
        """Is alive again."""
        self._frozen = False
        self._gateway.thaw()

    @command
    async def cut(self) -> None:
        """Forgets all tunnels without telling anybody."""
        self._frozen = False
        await self._gateway.cut()

    @command
    async def delete(self) -> int:
        """Closes all tunnels by IKE DELETE; returns how many."""
        return await self._asked(self._gateway.delete)

    @command
    def kill_charon(self) -> None:
        """Kills the gateway's IKE daemon."""
        self._gateway.kill()

    @command
    async def restart_charon(self) -> None:
        """Starts the gateway's IKE daemon anew."""
        self._frozen = False
        await self._gateway.stop()
        await self._gateway.start()

    @command
    def charon(self) -> int | None:
        """The process number of the gateway's IKE daemon."""
        return self._gateway.daemon

    async def _apply(self, policy: Policy) -> None:
        self._check_alive()
        await self._gateway.apply(policy)

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        self._check_alive()
        try:
            return await ask()
        except ViciError as error:
            raise ValueError(f"the VPN gateway does not answer the bench: {error}") from error

    def _check_alive(self) -> None:
        if self._frozen:
            raise ValueError("the VPN gateway plays dead: thaw it first")

    def _down(self, address: str) -> None:
        self._ended.append(address)
        self._network.lost(address)


def _add_address(address: str) -> None:
    """Gives this machine the inner address, on its loopback interface, so that nothing but a tunnel leads to it."""
    with IPRoute() as netlink:
        loopback = netlink.link_lookup(ifname="lo")[0]
        netlink.addr("replace", index=loopback, address=address, prefixlen=32)

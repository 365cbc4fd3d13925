"""What several OXO Connects with a wrong VPN have in common."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import replace
from typing import Any, ClassVar

from pyroute2 import IPRoute

from emulators.cloudconnect.requests import Opened, OpenRequest, VpnParameters
from emulators.oxo.vpnagent import VpnAgent

LEFT_ADDRESS = "10.168.92.99"
"""An address in the VPN that no gateway has given."""
GATEWAY = "198.51.100.30"
IKE = 500
SELDOM = 600.0
"""How often a device that makes tunnels nobody uses looks at the traffic, in seconds: that keeps a test short."""
_INITIATION = bytes(16) + bytes([0, 0x20, 34, 0x08]) + bytes(4) + (28).to_bytes(4, "big")
"""An IKE header (RFC 7296, 3.1) that begins an IKE_SA_INIT exchange."""


class Mistuned(VpnAgent):
    """A VPN agent with rules of its own."""

    others: ClassVar[dict[str, Any]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._rules = replace(self._rules, **self.others)


class ActsAfterALoss(Mistuned):
    """A VPN agent that does something after a tunnel has ended without a request."""

    others: ClassVar[dict[str, Any]] = {"poll": SELDOM}
    last: tuple[OpenRequest, VpnParameters]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        tell = self._on_lost

        def lost() -> None:
            tell()
            self.after_loss()

        self._on_lost = lost

    async def _open(self, request: OpenRequest, login: VpnParameters) -> Opened:
        self.last = request, login
        return await super()._open(request, login)

    def after_loss(self) -> None:
        """What it does."""

    async def again_after(self, seconds: float) -> None:
        """The last request once more."""
        await asyncio.sleep(seconds)
        await self.open(*self.last)


async def leave_an_address() -> None:
    """Gives the PBX an address in the VPN that nobody takes away."""
    await asyncio.to_thread(_add, LEFT_ADDRESS)


def _add(address: str) -> None:
    with IPRoute() as netlink:
        index = next(link["index"] for link in netlink.get_links() if link.get_attr("IFLA_IFNAME") != "lo")
        netlink.addr("add", index=index, address=address, prefixlen=32)


def knock() -> None:
    """Sends the gateway the beginning of an IKE exchange."""
    send(os.urandom(8) + _INITIATION[8:])


def send(data: bytes) -> None:
    """Sends the gateway a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(data, (GATEWAY, IKE))

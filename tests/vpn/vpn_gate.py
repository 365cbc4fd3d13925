"""The VPN gateway's node, with a look at what it leaves in its network namespace."""

from __future__ import annotations

import asyncio

from emulators.cci.vpnnode import VpnGateway
from node.control import command
from tests.vpn.vpn_pbx import look_at_network


class GateHand(VpnGateway):
    @command
    async def network(self) -> dict[str, list[str]]:
        return await asyncio.to_thread(look_at_network)

"""The PCG's node program: how the bench steers Rainbow's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulators.door.node import DoorNode
from emulators.door.record import HISTORY_LIMIT
from emulators.pbxagent.channels import Channel, Move
from emulators.rainbow.gateway import Gateway
from emulators.rainbow.link import Link
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import PbxRecord, new_activation_code
from emulators.session.ending import SessionEnded
from node.control import command


class Rainbow(DoorNode):
    """A PCG and the PBXs it knows. Commands that need the network only begin it; `pbx` shows what came of it."""

    def __init__(
        self,
        certificate: str,
        domains: Sequence[str] = ("openrainbow.com",),
        address: str = "0.0.0.0",
        port: int = 443,
        pbxs: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """`certificate` is chain and key in PEM; `pbxs` are PBX IDs with their activation codes. Raises ValueError."""
        self._gateway = Gateway(address, port, domains, certificate, GatewayParameters.read(parameters or {}))
        for pbx_id, code in (pbxs or {}).items():
            self._gateway.create(pbx_id, code)
        super().__init__("pcg", self._gateway)

    @command
    def pbx(self, pbx_id: str, sessions: int = HISTORY_LIMIT) -> PbxRecord:
        """Everything about a PBX but its codes, with so many of its latest sessions."""
        return self._gateway.pbx(pbx_id).record(sessions)

    @command
    def create(self, pbx_id: str, activation_code: str | None = None) -> None:
        """Makes a PBX known, with the given activation code or one that Rainbow makes."""
        self._gateway.create(pbx_id, activation_code or new_activation_code())

    @command
    def activation_code(self, pbx_id: str) -> str:
        """The activation code, as the portal shows it to whoever installs the PBX."""
        return self._gateway.pbx(pbx_id).public_code

    @command
    def reset(self, pbx_id: str, activation_code: str | None = None) -> None:
        """Issues another activation code, disconnects the PBX and begins its activation anew; the PBX ID stays."""
        self._gateway.reset(pbx_id, activation_code or new_activation_code())

    @command
    def retrieve(self, pbx_id: str) -> None:
        """Retrieves the list of devices now."""
        self._gateway.link(pbx_id).retrieve()

    @command
    def drop(self, pbx_id: str, code: int = 1001, abort: bool = False) -> None:
        """Ends a PBX's session: in order with a WebSocket close code, or with `abort` by a TCP reset."""
        self._gateway.drop(self._gateway.pbx(pbx_id).id, code, abort=abort)

    @command
    def open_channel(self, pbx_id: str, channel: str) -> None:
        """Opens a channel of a PBX that is connected."""
        self._gateway.spawn(_move(self._gateway.link(pbx_id), Move.OPEN, Channel(channel)))

    @command
    def close_channel(self, pbx_id: str, channel: str) -> None:
        """Closes a channel of a PBX that is connected."""
        self._gateway.spawn(_move(self._gateway.link(pbx_id), Move.CLOSE, Channel(channel)))

    @command
    def page_size(self, size: int) -> None:
        """From the next session on asks for that many devices at once."""
        self._gateway.set_page_size(size)


async def _move(link: Link, move: Move, channel: Channel) -> None:
    try:
        await link.move_channel(move, channel)
    except SessionEnded:
        return

"""The PCG: Rainbow's access point for PBXs. Knows the PBXs, and serves each one that has logged in by a Link."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from emulators.chronicle import About
from emulators.door.door import Answer, Door
from emulators.door.record import SessionRecord
from emulators.pbxagent import devices
from emulators.pbxagent.identity import pbx_id
from emulators.rainbow.link import Link
from emulators.rainbow.parameters import DEFAULTS, GatewayParameters
from emulators.rainbow.pbx import Pbx
from emulators.session.ending import Ending
from emulators.session.requests import Asked
from emulators.session.session import Session
from emulators.xmpp.disco import Identity
from emulators.xmpp.element import Element
from emulators.xmpp.sasl import Credential
from emulators.xmpp.stanza import Condition, IqType, StanzaError

_RESET = "reset in Rainbow"
"""Why a session of a PBX that was reset is closed."""


class Gateway(Door):
    """Serves PBXs of the Rainbow domains that it stands for; a PBX calls it by the name `agent.<domain>`."""

    NAME = "the PCG"
    IDENTITY = Identity("gateway", "pbx", "PCG")
    HOST_PREFIX = "agent."
    _parameters: GatewayParameters

    def __init__(
        self,
        address: str,
        port: int,
        domains: Sequence[str],
        certificate: str,
        parameters: GatewayParameters = DEFAULTS,
    ) -> None:
        """`certificate` is chain and key in PEM. Raises ValueError for one that cannot be used."""
        super().__init__(address, port, domains, certificate, parameters)
        self._pbxs: dict[str, Pbx] = {}
        self._links: dict[str, Link] = {}

    def create(self, pbx_id: str, activation_code: str) -> Pbx:
        """Makes a PBX known. Raises ValueError for a bad PBX ID or code, or a PBX that is known already."""
        pbx = Pbx(pbx_id, self._parameters.monitored, activation_code)
        if pbx.id in self._pbxs:
            raise ValueError(f"Rainbow knows {pbx.id} already")
        self._pbxs[pbx.id] = pbx
        return pbx

    def pbx(self, pbx_id: str) -> Pbx:
        """A PBX that is known. Raises ValueError."""
        found = self._pbxs.get(_normal(pbx_id))
        if found is None:
            raise ValueError(f"Rainbow knows no PBX {pbx_id}")
        return found

    def link(self, pbx_id: str) -> Link:
        """The link of a PBX that is connected. Raises ValueError."""
        found = self._links.get(self.pbx(pbx_id).id)
        if found is None:
            raise ValueError(f"{pbx_id} is not connected")
        return found

    def reset(self, pbx_id: str, activation_code: str) -> None:
        """Begins a PBX anew: another activation code, the same PBX ID, and it is disconnected. Raises ValueError."""
        pbx = self.pbx(pbx_id)
        pbx.reset(activation_code, asyncio.get_running_loop().time())
        self.chronicle.note(About.LOGIN, "PBX was reset in Rainbow and has a new activation code")
        if pbx.id in self._links:
            self.spawn(self._links[pbx.id].session.close(1000, _RESET))

    def set_page_size(self, size: int) -> None:
        """From the next session on asks for that many devices at once. Raises ValueError."""
        self._parameters = replace(self._parameters, page_size=size)

    def _name(self, user_name: str) -> str | None:
        try:
            name = pbx_id(user_name)
        except ValueError:
            return None
        return name if name in self._pbxs else None

    def _credentials(self, user_name: str) -> list[Credential]:
        name = self._name(user_name)
        return [] if name is None else self._pbxs[name].credentials()

    def _login_refused(self, name: str) -> None:
        self._pbxs[name].refused_logins += 1

    def _answers(self) -> Mapping[Asked, Answer]:
        return {(IqType.SET, devices.CHANGES_TAG): self._on_changes}

    async def _attend(self, name: str, session: Session, record: SessionRecord) -> Ending:
        """Serves a PBX by a Link, unless it was reset while it was logging in: its code is not good any more."""
        pbx = self._pbxs[name]
        if session.began <= pbx.reset_at:
            await session.close(1000, _RESET)
            return await session.ended()
        link = self._links[name] = Link(pbx, session, self._parameters, self.chronicle)
        pbx.session_began(record)
        try:
            ending = await link.serve()
        finally:
            if self._links.get(name) is link:
                del self._links[name]
        pbx.session_ended(record, asyncio.get_running_loop().time(), ending)
        return ending

    async def _on_changes(self, session: Session, payload: Element) -> None:
        for link in self._links.values():
            if link.session is session:
                link.take_changes(payload)
                return
        raise StanzaError(Condition.UNEXPECTED_REQUEST, "this session has been replaced")


def _normal(pbx: str) -> str:
    return pbx[:3].upper() + pbx[3:].lower()

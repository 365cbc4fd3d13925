"""A PBX as Rainbow knows it: its life cycle and codes, its channels, its devices and its past sessions."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from emulators.door.record import HISTORY_LIMIT, SessionRecord, remember
from emulators.pbxagent.channels import Channel
from emulators.pbxagent.devices import Device
from emulators.pbxagent.identity import pbx_id, user_name
from emulators.rainbow.devicelist import DeviceList
from emulators.session.ending import Ending
from emulators.xmpp.sasl import Credential


class LifeCycle(StrEnum):
    """How far the activation of a PBX has come [P]."""

    CREATED = "created"
    ACTIVATING = "activating"
    ACTIVATED = "activated"


class PortalState(StrEnum):
    """The state of a PBX as Rainbow shows it [P]."""

    PENDING = "Pending"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    ACTIVATED = "Activated"


class CodeKind(StrEnum):
    """What a PBX logged in with: its public code, or its private one."""

    ACTIVATION_CODE = "activation code"
    PRIVATE_CODE = "private code"


_VALID_CODES = {
    LifeCycle.CREATED: (CodeKind.ACTIVATION_CODE,),
    LifeCycle.ACTIVATING: (CodeKind.PRIVATE_CODE, CodeKind.ACTIVATION_CODE),
    LifeCycle.ACTIVATED: (CodeKind.PRIVATE_CODE,),
}


@dataclass(frozen=True)
class PbxRecord:
    """Everything about a PBX that may be shown. No code is in it."""

    pbx_id: str
    state: PortalState
    life_cycle: LifeCycle
    connected: bool
    channels: dict[str, bool]
    devices: list[Device]
    devices_announced: int
    """How many devices the PBX said it has, at the last retrieval."""
    revision: str | None
    retrievals: int
    """How many complete retrievals there have been."""
    pages: int
    """How many pages those took, and the ones that failed."""
    retrieval_failure: str | None
    """Why the last retrieval failed, if it did."""
    refused_logins: int
    sessions: list[SessionRecord]


@dataclass
class Pbx:
    """One PBX. The public code is the activation code; the private one is made at the first login and kept."""

    id: str
    monitored: tuple[Channel, ...]
    public_code: str = field(repr=False)
    private_code: str = field(default="", repr=False)
    life_cycle: LifeCycle = LifeCycle.CREATED
    channels: dict[Channel, bool] = field(default_factory=dict)
    devices: DeviceList = field(default_factory=DeviceList)
    sessions: list[SessionRecord] = field(default_factory=list)
    recovering: bool = False
    """Whether a session has begun and its channels have not all been tried yet."""
    ever_connected: bool = False
    """Whether there was a session since it was created or reset."""
    refused_logins: int = 0
    reset_at: float = float("-inf")
    """When it was reset last, in site time; a session that began before is none of its new life."""

    def __post_init__(self) -> None:
        self.id = pbx_id(user_name(self.id))
        self.public_code = activation_code(self.public_code)

    @property
    def connected(self) -> bool:
        """Whether it is logged in."""
        return self.channels.get(Channel.XMPP, False)

    @property
    def state(self) -> PortalState:
        """Running or Degraded by the monitored channels; Activated while it recovers or is away; Pending before."""
        if self.connected and not self.recovering:
            up = all(self.channels.get(channel, False) for channel in self.monitored)
            return PortalState.RUNNING if up else PortalState.DEGRADED
        return PortalState.ACTIVATED if self.ever_connected else PortalState.PENDING

    def credentials(self) -> list[Credential]:
        """What it may log in with now."""
        codes = {CodeKind.ACTIVATION_CODE: self.public_code, CodeKind.PRIVATE_CODE: self.private_code}
        return [Credential(kind, codes[kind]) for kind in _VALID_CODES[self.life_cycle]]

    def session_began(self, record: SessionRecord) -> None:
        """It has logged in. With the private code that counts as its acknowledgement."""
        remember(self.sessions, record)
        self.channels = {Channel.XMPP: True}
        self.recovering = self.ever_connected = True
        if record.logged_in_with == CodeKind.PRIVATE_CODE:
            self.life_cycle = LifeCycle.ACTIVATED
        elif self.life_cycle is LifeCycle.CREATED:
            self.life_cycle = LifeCycle.ACTIVATING
            self.private_code = secrets.token_urlsafe(24)

    def session_ended(self, record: SessionRecord, at: float, ending: Ending) -> None:
        """A session is over. What is known of the devices is kept."""
        record.end(at, ending)
        if record is self.sessions[-1]:
            self.channels = {}
            self.recovering = False

    def acknowledged(self, code: str) -> None:
        """It has stored its private code; an acknowledgement of a code that a reset took back does not count."""
        if code == self.private_code and self.life_cycle is LifeCycle.ACTIVATING:
            self.life_cycle = LifeCycle.ACTIVATED

    def reset(self, code: str, at: float) -> None:
        """Begins anew with another activation code; the PBX ID stays."""
        self.public_code = activation_code(code)
        self.reset_at = at
        self.private_code = ""
        self.life_cycle = LifeCycle.CREATED
        self.ever_connected = False

    def record(self, sessions: int = HISTORY_LIMIT) -> PbxRecord:
        """What may be shown, with so many of the latest sessions."""
        return PbxRecord(
            pbx_id=self.id,
            state=self.state,
            life_cycle=self.life_cycle,
            connected=self.connected,
            channels={channel.value: up for channel, up in self.channels.items()},
            devices=list(self.devices.devices),
            devices_announced=self.devices.announced,
            revision=self.devices.ver,
            retrievals=self.devices.retrievals,
            pages=self.devices.pages,
            retrieval_failure=self.devices.failure,
            refused_logins=self.refused_logins,
            sessions=self.sessions[-sessions:],
        )


def activation_code(code: str) -> str:
    """An activation code: 1000 to 9999, or a custom one [P], whose form is not public. Raises ValueError."""
    if not code.isprintable() or code != code.strip() or not 4 <= len(code) <= 128:
        raise ValueError("an activation code is a number from 1000 to 9999, or a custom code of 4 to 128 characters")
    if re.fullmatch(r"0[0-9]{3}", code):
        raise ValueError("an activation code of four digits is a number from 1000 to 9999")
    # Raises ValueError for characters that no login can carry.
    return Credential(CodeKind.ACTIVATION_CODE, code).password


def new_activation_code() -> str:
    """An activation code as Rainbow makes them: 1000 to 9999 [P]."""
    return str(1000 + secrets.randbelow(9000))

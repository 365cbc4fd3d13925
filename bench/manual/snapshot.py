"""How the site of the manual bench stands at one moment, as its page and `oxobench status` show it."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Any


class NodeState(enum.Enum):
    """Whether a node's program runs."""

    UP = "up"
    DEAD = "dead"
    """It ran, and ended without having been told to."""
    OFF = "off"
    """It was not started, or has no power."""


@dataclass(frozen=True)
class NodeNow:
    """One node. `why` says in one sentence why it is not up; empty if it is."""

    name: str
    address: str
    state: NodeState
    alive: bool
    why: str


@dataclass(frozen=True)
class Choice:
    """Something that can be chosen: its name in commands, and what it is in words."""

    name: str
    title: str


@dataclass(frozen=True)
class FirewallNow:
    """The policy in force, and those there are."""

    policy: str
    policies: list[Choice]


@dataclass(frozen=True)
class ProxyNow:
    """The web proxy's mode, and whether the PBX is configured to use it, with which account."""

    mode: str
    modes: list[Choice]
    used: bool
    account: str


@dataclass(frozen=True)
class DnsNow:
    """What the DNS server does with every query."""

    mode: str
    modes: list[Choice]


class LinkState(enum.Enum):
    """How the link to Rainbow stands, as Rainbow sees it and OMC says what is wanted."""

    CONNECTED = "connected"
    TRYING = "trying"
    DISABLED = "disabled"
    DOWN = "down"
    """The PBX has no power."""


@dataclass(frozen=True)
class LinkNow:
    """The link. `via` is `direct` or `proxy` while it is connected; `shown` is what OMC shows."""

    state: LinkState
    via: str
    since: str
    shown: str


@dataclass(frozen=True)
class AttemptNow:
    """The last thing that failed on the way to Rainbow, and the node where it ended, if that is known."""

    at: str
    outcome: str
    via: str
    stopped: str | None


@dataclass(frozen=True)
class FaultNow:
    """A fault of the PCG that is on."""

    kind: str
    value: int | None


@dataclass(frozen=True)
class FaultChoice:
    """A fault that the PCG can have, and the value that it needs in words; empty for none."""

    kind: str
    value_hint: str


@dataclass(frozen=True)
class DeviceNow:
    """A set as Rainbow has it."""

    id: str
    number: str
    name: str
    family: str
    rank: str


@dataclass(frozen=True)
class RainbowNow:
    """The PBX as Rainbow knows it."""

    pbx_id: str
    portal_state: str
    life_cycle: str
    channels: list[str]
    activation_code: str
    fault: FaultNow | None
    faults: list[FaultChoice]
    certificate: str
    certificates: list[Choice]
    devices: list[DeviceNow]
    retrievals: int
    retrieved: str | None
    """When it was seen that the devices had been retrieved."""


@dataclass(frozen=True)
class TunnelNow:
    """A VPN tunnel that is up: the PBX's address in it, and the users that share it."""

    address: str
    users: list[str]


@dataclass(frozen=True)
class CloudNow:
    """Cloud Connect. `why` says why there can be no tunnel on this machine; empty if there can."""

    running: bool
    connected: bool
    account: str
    tunnel: TunnelNow | None
    why: str


@dataclass(frozen=True)
class OxoNow:
    """The PBX as its administrator sees it."""

    enabled: bool
    cloud_enabled: bool
    power: bool
    pages: list[str]
    families: list[str]


@dataclass(frozen=True)
class Snapshot:
    """Everything. `time` is the device's; `offset` says how many seconds it is ahead of the machine's."""

    time: str
    offset: float
    fabric: str
    busy: str | None
    nodes: list[NodeNow]
    firewall: FirewallNow
    proxy: ProxyNow
    dns: DnsNow
    link: LinkNow
    attempt: AttemptNow | None
    rainbow: RainbowNow
    cloud: CloudNow
    oxo: OxoNow
    mitmweb: str | None
    capture: str
    evidence: str

    def as_json(self) -> dict[str, Any]:
        """The same of JSON's types."""
        plain: dict[str, Any] = dataclasses.asdict(self, dict_factory=_plain)
        return plain


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, enum.Enum) else value for name, value in items}

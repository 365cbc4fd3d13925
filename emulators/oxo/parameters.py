"""What can be set about the PBX's agents that no page of OMC shows: mostly not public, each with its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from emulators.parameters import Parameters, Reader, each
from emulators.pbxagent.channels import Channel
from emulators.xmpp.sasl import Mechanism


class DelayFrom(StrEnum):
    """Where a retry delay is measured from."""

    FAILURE = "failure"
    START = "start"


@dataclass(frozen=True)
class LinkParameters(Parameters):
    """What CCCtrlA and Cloud Connect's connection agent have in common. Times are in seconds.

    Marks: [M] the manual, [P] public ALE sources, [?] not public, so a default of the bench. Raises ValueError for a
    value that cannot be.
    """

    KIND: ClassVar[str] = "agent parameter"
    READERS: ClassVar[Mapping[str, Reader]] = {
        "retry_ladder": each(float),
        "delay_from": DelayFrom,
        "mechanisms": each(Mechanism),
    }

    retry_ladder: tuple[float, ...] = (10, 30, 60, 120, 240, 480, 960)
    """The delays after failures in a row; the last one is repeated for ever [M]; of the connection agent [?]."""
    delay_from: DelayFrom = DelayFrom.FAILURE
    """Whether a delay runs from the failure or from the start of the attempt [?]. After a lost link: from the loss."""
    attempt_timeout: float = 30.0
    """How long an attempt may take, from the first DNS query to the login [?]."""
    keepalive_interval: float = 60.0
    """After how long a silence the agent pings [?]."""
    server_ping_timeout: float = 120.0
    """After how long a silence the link is dead: `serverPingTimeout` [P]; that it is in seconds is presumed [?]."""
    close_timeout: float = 5.0
    """How long the closing handshake of the WebSocket may take [?]."""
    port: int = 443
    """The port of the service in the cloud [M]."""
    path: str = "/"
    """The path of the WebSocket [?]."""
    resource: str | None = "oxo"
    """The resource that the agent asks for, or None for one of the server's choice [?]."""
    mechanisms: tuple[Mechanism, ...] = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN)
    """SASL mechanisms, the preferred one first [?]."""
    dns_port: int = 53
    dns_timeout: float = 5.0
    """How long one DNS server may take to answer [?]."""
    dns_rounds: int = 2
    """How often the DNS servers are asked, one after the other [?]."""
    user_agent: str = "OXO-Connect"
    """The User-Agent header that proxy and server see [?]."""

    def __post_init__(self) -> None:
        if not self.retry_ladder or any(delay <= 0 for delay in self.retry_ladder):
            raise ValueError(f"{self.KIND} retry_ladder: needs at least one delay, and each more than 0 s")
        for name in ("attempt_timeout", "keepalive_interval", "server_ping_timeout", "close_timeout", "dns_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{self.KIND} {name}: must be more than 0 s")
        if self.keepalive_interval >= self.server_ping_timeout:
            raise ValueError(f"{self.KIND} keepalive_interval: must be less than server_ping_timeout")
        if not self.path.startswith("/"):
            raise ValueError(f"{self.KIND} path: must begin with '/'")
        if not self.mechanisms:
            raise ValueError(f"{self.KIND} mechanisms: needs at least one SASL mechanism")


@dataclass(frozen=True)
class AgentParameters(LinkParameters):
    """The parameters of CCCtrlA."""

    READERS: ClassVar[Mapping[str, Reader]] = {**LinkParameters.READERS, "channels": each(Channel)}

    channels: tuple[Channel, ...] = (Channel.CONF, Channel.CSTA, Channel.HTTP)
    """The channels that the agent lets the PCG open [P]."""
    user_agent: str = "OXO-Connect-CCCtrlA"


@dataclass(frozen=True)
class ConnectionParameters(LinkParameters):
    """The parameters of Cloud Connect's connection agent."""

    KIND: ClassVar[str] = "connection agent parameter"

    keepalive_interval: float = 90.0
    """After how long a silence the agent pings [?]: 90 s is what is told of OmniPCX Enterprise."""
    server_ping_timeout: float = 180.0
    """After how long a silence the link is dead [?]."""
    user_agent: str = "OXO-Connect-CCO"


DEFAULTS = AgentParameters()
CONNECTION_DEFAULTS = ConnectionParameters()

"""What can be set about CCCtrlA that no page of OMC shows: mostly what is not public, each with its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from emulators.pbxagent.channels import Channel
from emulators.xmpp.sasl import Mechanism


class DelayFrom(StrEnum):
    """Where a retry delay is measured from."""

    FAILURE = "failure"
    START = "start"


@dataclass(frozen=True)
class AgentParameters:
    """Times are in seconds. Marks: [M] the manual, [P] public ALE sources, [?] not public, so a default of the bench.

    Raises ValueError for a value that cannot be.
    """

    retry_ladder: tuple[float, ...] = (10, 30, 60, 120, 240, 480, 960)
    """The delays after failures in a row; the last one is repeated for ever [M]."""
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
    """The port of Rainbow's access point [M]."""
    path: str = "/"
    """The path of the WebSocket [?]."""
    resource: str | None = "oxo"
    """The resource that the agent asks for, or None for one of the server's choice [?]."""
    mechanisms: tuple[Mechanism, ...] = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN)
    """SASL mechanisms, the preferred one first [?]."""
    channels: tuple[Channel, ...] = (Channel.CONF, Channel.CSTA, Channel.HTTP)
    """The channels that the agent lets the PCG open [P]."""
    dns_port: int = 53
    dns_timeout: float = 5.0
    """How long one DNS server may take to answer [?]."""
    dns_rounds: int = 2
    """How often the DNS servers are asked, one after the other [?]."""
    user_agent: str = "OXO-Connect-CCCtrlA"
    """The User-Agent header that proxy and server see [?]."""

    def __post_init__(self) -> None:
        if not self.retry_ladder or any(delay <= 0 for delay in self.retry_ladder):
            raise ValueError("agent parameter retry_ladder: needs at least one delay, and each more than 0 s")
        for name in ("attempt_timeout", "keepalive_interval", "server_ping_timeout", "close_timeout", "dns_timeout"):
            if not getattr(self, name) > 0:
                raise ValueError(f"agent parameter {name}: must be more than 0 s")
        if self.keepalive_interval >= self.server_ping_timeout:
            raise ValueError("agent parameter keepalive_interval: must be less than server_ping_timeout")
        if not self.path.startswith("/"):
            raise ValueError("agent parameter path: must begin with '/'")
        if not self.mechanisms:
            raise ValueError("agent parameter mechanisms: needs at least one SASL mechanism")

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> AgentParameters:
        """Reads parameters from JSON's types; what is not named has its default. Raises ValueError."""
        known = {field.name for field in dataclasses.fields(cls)}
        if strange := sorted(values.keys() - known):
            raise ValueError(f"there is no agent parameter {strange[0]!r}; there are: {', '.join(sorted(known))}")
        read = dict(values)
        kinds = {"retry_ladder": float, "mechanisms": Mechanism, "channels": Channel}
        for name in kinds.keys() & read.keys():
            read[name] = tuple(kinds[name](value) for value in read[name])
        if "delay_from" in read:
            read["delay_from"] = DelayFrom(read["delay_from"])
        return cls(**read)


DEFAULTS = AgentParameters()

"""How the PCG behaves, as far as that is not public: each value with the bench's default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulators.pbxagent.channels import Channel
from emulators.pbxagent.devices import PAGE_LIMIT
from emulators.xmpp.sasl import Mechanism


@dataclass(frozen=True)
class GatewayParameters:
    """Times are in seconds. Marks: [P] public ALE sources, [?] not public. Raises ValueError for what cannot be."""

    page_size: int = 100
    """How many devices the PCG asks for at once [?]."""
    ping_interval: float = 60.0
    """After how long a silence the PCG pings [?]."""
    server_ping_timeout: float = 120.0
    """After how long a silence the PCG drops a PBX: `serverPingTimeout` [P]; that it is in seconds is presumed [?]."""
    handshake_timeout: float = 10.0
    """How long TLS and the WebSocket upgrade may take, each [?]."""
    login_timeout: float = 30.0
    """How long a PBX may take from the upgrade to the end of its login [?]."""
    request_timeout: float = 30.0
    """How long a PBX may take to answer a request [?]."""
    close_timeout: float = 5.0
    """How long the closing handshake of the WebSocket may take [?]."""
    connections: int = 500
    """How many connections are served at once; more are refused with 503."""
    monitored: tuple[Channel, ...] = (Channel.XMPP, Channel.CONF, Channel.CSTA)
    """The channels that must be up for the state Running [P]."""
    optional: tuple[Channel, ...] = (Channel.HTTP,)
    """Channels that are opened too, and do not count for the state [P]."""
    mechanisms: tuple[Mechanism, ...] = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN)
    """The SASL mechanisms that are offered [?]."""

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= PAGE_LIMIT:
            raise ValueError(f"PCG parameter page_size: must be from 1 to {PAGE_LIMIT}")
        if self.connections < 1:
            raise ValueError("PCG parameter connections: must be 1 or more")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and value <= 0:
                raise ValueError(f"PCG parameter {field.name}: must be more than 0 s")
        if self.ping_interval >= self.server_ping_timeout:
            raise ValueError("PCG parameter ping_interval: must be less than server_ping_timeout")

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> GatewayParameters:
        """Reads parameters from JSON's types; what is not named has its default. Raises ValueError."""
        known = {field.name for field in dataclasses.fields(cls)}
        if strange := sorted(values.keys() - known):
            raise ValueError(f"there is no PCG parameter {strange[0]!r}; there are: {', '.join(sorted(known))}")
        read = dict(values)
        kinds = {"monitored": Channel, "optional": Channel, "mechanisms": Mechanism}
        for name in kinds.keys() & read.keys():
            read[name] = tuple(kinds[name](value) for value in read[name])
        return cls(**read)


DEFAULTS = GatewayParameters()

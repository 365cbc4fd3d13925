"""How a service in the cloud takes connections, as far as that is not public: each value with the bench's default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from emulators.parameters import Parameters, Reader, each
from emulators.xmpp.sasl import Mechanism


@dataclass(frozen=True)
class DoorParameters(Parameters):
    """Times are in seconds. Marks: [P] public ALE sources, [?] not public. Raises ValueError for what cannot be."""

    KIND: ClassVar[str] = "parameter"
    READERS: ClassVar[Mapping[str, Reader]] = {"mechanisms": each(Mechanism)}

    ping_interval: float = 60.0
    """After how long a silence the service pings [?]."""
    server_ping_timeout: float = 120.0
    """After how long a silence it drops a PBX: `serverPingTimeout` [P]; that it is in seconds is presumed [?]."""
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
    mechanisms: tuple[Mechanism, ...] = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN)
    """The SASL mechanisms that are offered [?]."""

    def __post_init__(self) -> None:
        if self.connections < 1:
            raise ValueError(f"{self.KIND} connections: must be 1 or more")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and value <= 0:
                raise ValueError(f"{self.KIND} {field.name}: must be more than 0 s")
        if self.ping_interval >= self.server_ping_timeout:
            raise ValueError(f"{self.KIND} ping_interval: must be less than server_ping_timeout")

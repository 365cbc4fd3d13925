"""How the connection service behaves, as far as that is not public: each value with the bench's default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from emulators.door.parameters import DoorParameters


@dataclass(frozen=True)
class ServiceParameters(DoorParameters):
    """The parameters of the connection service. Times are in seconds. Raises ValueError for what cannot be."""

    KIND: ClassVar[str] = "connection service parameter"

    ping_interval: float = 90.0
    """After how long a silence the service pings [?]."""
    server_ping_timeout: float = 180.0
    """After how long a silence it drops a PBX [?]."""
    vpn_timeout: float = 120.0
    """How long a PBX may take to acknowledge a request about the VPN [?]."""


DEFAULTS = ServiceParameters()

"""What the VPN agent keeps to, and what it needs of its node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from emulators.oxo.vpntunnel import TunnelParameters
from emulators.parameters import Parameters, Reader


@dataclass(frozen=True)
class VpnRules(Parameters):
    """What the VPN agent keeps to; seconds of the device's time.

    Users and the limits of inactivity are the Installation Manual's. `poll` is how often the traffic counters are
    looked at: the tunnel is closed at most that long after the timeout, never before [?].
    """

    KIND: ClassVar[str] = "VPN parameter"
    READERS: ClassVar[Mapping[str, Reader]] = {"tunnel": TunnelParameters.read}

    users: int = 10
    inactivity: float = 20 * 60.0
    least_inactivity: float = 5 * 60.0
    most_inactivity: float = 60 * 60.0
    poll: float = 60.0
    tunnel: TunnelParameters = field(default_factory=TunnelParameters)

    def __post_init__(self) -> None:
        if self.users < 1 or self.poll <= 0 or not 0 < self.least_inactivity <= self.most_inactivity:
            raise ValueError("the VPN agent has at least one user, and times that are more than 0 seconds")

    def inactivity_timeout(self, asked: float | None) -> float:
        """After how many seconds without traffic the tunnel is closed, when the request asks for `asked`."""
        wanted = self.inactivity if asked is None else asked
        return min(max(wanted, self.least_inactivity), self.most_inactivity)


@dataclass(frozen=True)
class VpnSpec:
    """What the VPN agent needs of its node: a short path of a folder of its own, its log file, and how it behaves."""

    folder: str
    log: str
    rules: VpnRules = field(default_factory=VpnRules)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> VpnSpec:
        """Reads it from JSON's types: folder, log, and parameters of VpnRules. Raises ValueError."""
        rules = {name: value for name, value in values.items() if name not in ("folder", "log")}
        return cls(values["folder"], values["log"], VpnRules.read(rules))

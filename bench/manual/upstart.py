"""How a manual bench is brought up, and where it is once it is up."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from network.fabric import Fabric
from network.firewall import Policy
from proxies.modes import ModeSettings, ProxyMode

NO_PROXY = "none"
"""In place of a proxy mode: the PBX is not configured to use the web proxy."""

PROXY_ACCOUNT = "oxo"

EVERYWHERE = "0.0.0.0"
"""Where page and mitmweb of a bench in a container listen; all the same, they answer to loopback's names only."""


@dataclass(frozen=True)
class Wish:
    """What site is wanted: the firewall's policy, the web proxy's mode or NO_PROXY, and how many users the PBX has.

    Raises ValueError for what cannot be.
    """

    policy: str = "permissive"
    proxy: str = "inspecting"
    users: int = 10
    proxy_password: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    """With PROXY_ACCOUNT, what a web proxy that asks for an account and the PBX agree on."""

    def __post_init__(self) -> None:
        Policy.load(self.policy)
        if self.proxy != NO_PROXY:
            ModeSettings.read(self.mode)
        if not 0 <= self.users <= 300:
            raise ValueError(f"A PBX has 0 to 300 users, not {self.users}.")

    @property
    def mode(self) -> dict[str, str]:
        """The web proxy's mode with what it needs, for its node: a proxy that asks for an account gets one."""
        if self.proxy == ProxyMode.AUTHENTICATING.value:
            return {"mode": self.proxy, "account": PROXY_ACCOUNT, "password": self.proxy_password}
        return {"mode": ProxyMode.TUNNEL.value if self.proxy == NO_PROXY else self.proxy}


@dataclass(frozen=True)
class Upstart:
    """How the bench is brought up. Port 0 is any free one; `listen` is loopback's address, or EVERYWHERE."""

    wish: Wish
    fabric: str
    make_fabric: Callable[[], Fabric] = field(repr=False)
    listen: str = "127.0.0.1"
    port: int = 0
    mitmweb_port: int = 0


@dataclass(frozen=True)
class Running:
    """A bench that is up, and where it is."""

    page: str
    mitmweb: str
    evidence: Path

    def lines(self) -> list[str]:
        """The same, for people."""
        return [f"  page      {self.page}", f"  mitmweb   {self.mitmweb}", f"  evidence  {self.evidence}"]

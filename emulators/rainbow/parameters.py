"""How the PCG behaves, as far as that is not public: each value with the bench's default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from emulators.door.parameters import DoorParameters
from emulators.parameters import Reader, each
from emulators.pbxagent.channels import Channel
from emulators.pbxagent.devices import PAGE_LIMIT


@dataclass(frozen=True)
class GatewayParameters(DoorParameters):
    """The parameters of the PCG. Raises ValueError for what cannot be."""

    KIND: ClassVar[str] = "PCG parameter"
    READERS: ClassVar[Mapping[str, Reader]] = {
        **DoorParameters.READERS,
        "monitored": each(Channel),
        "optional": each(Channel),
    }

    page_size: int = 100
    """How many devices the PCG asks for at once [?]."""
    monitored: tuple[Channel, ...] = (Channel.XMPP, Channel.CONF, Channel.CSTA)
    """The channels that must be up for the state Running [P]."""
    optional: tuple[Channel, ...] = (Channel.HTTP,)
    """Channels that are opened too, and do not count for the state [P]."""

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= PAGE_LIMIT:
            raise ValueError(f"{self.KIND} page_size: must be from 1 to {PAGE_LIMIT}")
        super().__post_init__()


DEFAULTS = GatewayParameters()

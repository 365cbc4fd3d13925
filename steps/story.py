"""What one scenario has to remember between its steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bench.cloud import VPN_GATEWAY
from emulators.oxo.omc import Page
from emulators.oxo.phoneset import PhoneSet
from emulators.pbxagent.devices import Device


@dataclass
class Story:
    """The memory of one scenario. Wire times are the machine's, in seconds since the epoch."""

    pbx_id: str = ""
    activation_code: str = ""
    other_pbx_id: str = ""
    """The ID of a second PBX that Rainbow knows."""
    kept: list[Device] = field(default_factory=list)
    """What Rainbow had under the other PBX ID when the OXO Connect got the one that it has now."""
    link: int = 0
    """The number of the session at the PCG that the scenario took for its link."""
    retrievals: int = 0
    """How many times Rainbow had retrieved the devices when the scenario took its link."""
    since: float = 0.0
    """The wire time of the last thing that was done to the site."""
    shown: dict[Page, dict[str, str | bool]] = field(default_factory=dict)
    """What OMC showed of the connection parameters when the link was brought up."""
    silent_since: float = 0.0
    """The nodes' clock when the PBX lost its power."""
    account: str = ""
    """The one-time account of the PBX at the CCI."""
    cci_session: int = 0
    """The number of the PBX's session at the CCI that the scenario took for its connection."""
    requests: list[int] = field(default_factory=list)
    """The numbers of the requests about the VPN that the scenario has made last."""
    gateway: str = VPN_GATEWAY
    """The VPN gateway that requests name."""
    first_request: int = 0
    """The number of the request that opened the first connection."""
    refusal: str = ""
    """What OMC said when it refused a value."""
    changed_sets: dict[str, PhoneSet | None] = field(default_factory=dict)
    """By ID, the sets that were added or renamed, as they are now, and None for those that were removed."""
    listed: list[tuple[str, ...]] = field(default_factory=list)
    """The sets of a list that was written by hand: number, first name, last name, family and rank."""


@pytest.fixture
def story() -> Story:
    """A new memory for each scenario."""
    return Story()

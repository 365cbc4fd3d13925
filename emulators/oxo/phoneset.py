"""One telephone set of the PBX, and the default numbering plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rank(StrEnum):
    """A user has a primary set, and up to two secondaries that share its number."""

    PRIMARY = "primary"
    SECONDARY_1 = "secondary1"
    SECONDARY_2 = "secondary2"


@dataclass(frozen=True)
class PhoneSet:
    """A set as the PBX knows it. Names belong to the set: a user's secondaries may carry others than the primary."""

    id: str
    number: str
    first_name: str
    last_name: str
    family: str
    rank: Rank = Rank.PRIMARY

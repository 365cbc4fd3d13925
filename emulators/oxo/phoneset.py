"""One telephone set of the PBX, and the default numbering plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from emulators.oxo.fields import FieldRefused, text

USERS_LIMIT = 300
"""The most users an OXO Connect has."""

FIRST_NUMBER = 100
"""The first subscriber of the default plan; 300 users go up to 399, below the hunt groups."""

HUNT_GROUPS = range(500, 526)
"""Hunt groups of the default plan: 500 (voice mail) to 525."""

_NAME_LIMIT = 32
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_NUMBER = re.compile(r"[1-8][0-9]{1,7}")


class Rank(StrEnum):
    """A user has a primary set, and up to two secondaries that share its number."""

    PRIMARY = "primary"
    SECONDARY_1 = "secondary1"
    SECONDARY_2 = "secondary2"


@dataclass(frozen=True)
class PhoneSet:
    """A set as the PBX knows it. Raises FieldRefused for a bad value.

    Names belong to the set: a user's secondaries may carry others than the primary. The number is 2 to 8 digits that
    the default plan leaves free: 0 and 9 begin the main trunk group and the attendant, 500-525 are hunt groups.
    """

    id: str
    number: str
    first_name: str
    last_name: str
    family: str
    rank: Rank = Rank.PRIMARY

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(text("number", self.number)):
            raise FieldRefused("number", "must be 2 to 8 digits, the first not 0 (main trunk group) or 9 (attendant)")
        if len(self.number) == 3 and int(self.number) in HUNT_GROUPS:
            raise FieldRefused("number", f"{self.number} is kept for hunt groups")
        if self.rank not in tuple(Rank):
            raise FieldRefused("rank", f"must be one of {', '.join(Rank)}")
        object.__setattr__(self, "rank", Rank(self.rank))
        if not _ID.fullmatch(text("id", self.id)):
            raise FieldRefused("id", "must be 1 to 32 letters a-z, digits, '.', '_' and '-'")
        text("first_name", self.first_name, limit=_NAME_LIMIT)
        text("last_name", self.last_name, limit=_NAME_LIMIT)
        text("family", self.family)

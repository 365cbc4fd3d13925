"""The sets of the PBX: up to 300 users, each with a primary set and up to two secondaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from emulators.oxo.families import Families
from emulators.oxo.flash import Flash
from emulators.oxo.phoneset import PhoneSet, Rank


class ChangeKind(StrEnum):
    """What happened to a set."""

    ADDED = "added"
    RENAMED = "renamed"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """One change of the catalogue: the set as it is now (as it was, when removed) and the revision that this made."""

    kind: ChangeKind
    set: PhoneSet
    revision: int


class Catalogue:
    """SKELETON: signatures are final, bodies follow within minutes.

    `revision` grows by one with every change and is stored with the sets. `sets` is sorted by number and rank.
    """

    revision: int

    def __init__(self, sets: Iterable[PhoneSet] = (), families: Families | None = None, revision: int = 0) -> None: ...

    @classmethod
    def generate(cls, users: int, secondaries: int = 0, seed: int = 0, families: Families | None = None) -> Catalogue: ...

    @classmethod
    def read(cls, path: Path, families: Families | None = None) -> Catalogue: ...

    @classmethod
    def load(cls, flash: Flash, families: Families | None = None) -> Catalogue | None:
        """None if it was never saved. What it returns keeps itself in this flash."""

    def save(self, flash: Flash) -> None:
        """Saves the catalogue now, and from now on before each change is told to anyone."""

    @property
    def sets(self) -> list[PhoneSet]: ...

    @property
    def devices(self) -> list[PhoneSet]:
        """The sets that Rainbow supports: what CCCtrlA gives Rainbow as the list of devices."""

    def supports(self, phone_set: PhoneSet) -> bool:
        """Whether Rainbow supports the set."""

    def add(self, phone_set: PhoneSet) -> None: ...

    def rename(self, id: str, first_name: str, last_name: str) -> None: ...

    def remove(self, id: str) -> None: ...

    def reset(self, sets: Iterable[PhoneSet]) -> None:
        """Cold reset: other sets altogether. Listeners are not told, as the PBX restarts."""

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Has `listener` told of each change once it is stored; returns what takes that back."""

"""The sets of the PBX: up to 300 users, each with a primary set and up to two secondaries that share its number."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from emulators.oxo.datafile import FileRefused
from emulators.oxo.families import Families
from emulators.oxo.fields import FieldRefused
from emulators.oxo.flash import Flash, FlashDamaged
from emulators.oxo.invention import invent
from emulators.oxo.phoneset import USERS_LIMIT, PhoneSet, Rank
from emulators.oxo.setfile import read_sets

_NAME = "catalogue"
_VERSION = 1
_RANKS = tuple(Rank)


class ChangeKind(StrEnum):
    """What happened to a set."""

    ADDED = "added"
    RENAMED = "renamed"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """One change: the set as it is now (when removed: as it was), and the revision this made of the catalogue."""

    kind: ChangeKind
    set: PhoneSet
    revision: int


Listener = Callable[[Change], None]


class Catalogue:
    """The sets, and the rules that hold among them. Raises FieldRefused where a rule would be broken.

    An id belongs to one set; a number has one set of each rank, and a secondary only beside a primary; a family is one
    that the PBX knows. `families` are the bench's own unless given.
    """

    def __init__(self, sets: Iterable[PhoneSet] = (), families: Families | None = None, revision: int = 0) -> None:
        self._families = families or Families.read()
        self._revision = revision
        self._sets = _Admission(self._families, sets).sets
        self._flash: Flash | None = None
        self._listeners: list[Listener] = []

    @classmethod
    def generate(cls, users: int, secondaries: int = 0, seed: int = 0, families: Families | None = None) -> Catalogue:
        """Invents `users` users with `secondaries` secondary sets among them, of families that Rainbow supports.

        The same numbers and seed give the same sets. Numbers follow the default plan from 100. Raises ValueError for
        more than 300 users, or more than two secondaries a user.
        """
        families = families or Families.read()
        return cls(invent(users, secondaries, seed, families.supported), families)

    @classmethod
    def read(cls, path: Path, families: Families | None = None) -> Catalogue:
        """Reads the sets from a `.csv` or `.toml` file (see setfile.py). Raises FileRefused: file, line, field."""
        families = families or Families.read()
        admission = _Admission(families)
        for entry in sorted(read_sets(path), key=lambda entry: _RANKS.index(entry.set.rank)):
            try:
                admission.admit(entry.set)
            except FieldRefused as error:
                raise FileRefused(path, error.why, place=f"{entry.place}, field {error.field}") from error
        return cls(admission.sets.values(), families)

    @classmethod
    def load(cls, flash: Flash, families: Families | None = None) -> Catalogue | None:
        """The catalogue as last saved, which goes on keeping itself there, or None if it never was.

        Raises FlashDamaged, FlashFailed.
        """
        document = flash.read(_NAME)
        if document is None:
            return None
        try:
            catalogue = cls(_sets(document), families, document["revision"])
        except FieldRefused as error:
            raise FlashDamaged(flash.path(_NAME), f"it has a bad set: {error}") from error
        except _UnreadableError as error:
            raise FlashDamaged(flash.path(_NAME), f"it does not hold a catalogue of version {_VERSION}") from error
        catalogue._flash = flash
        return catalogue

    def save(self, flash: Flash) -> None:
        """Saves the catalogue now, and from now on each change, before anybody is told of it. Raises FlashFailed."""
        self._store(flash, self._sets, self._revision)
        self._flash = flash

    @property
    def revision(self) -> int:
        """Grows by one with each change, and is saved with the sets."""
        return self._revision

    @property
    def sets(self) -> list[PhoneSet]:
        """All sets, sorted by number and rank."""
        return sorted(self._sets.values(), key=_order)

    @property
    def devices(self) -> list[PhoneSet]:
        """The sets that Rainbow is told of: those of a family it supports, sorted by number and rank."""
        return [phone_set for phone_set in self.sets if self.supports(phone_set)]

    def supports(self, phone_set: PhoneSet) -> bool:
        """Whether Rainbow supports a set."""
        return self._families.rainbow[phone_set.family]

    def add(self, phone_set: PhoneSet) -> None:
        """Adds a set."""
        admission = _Admission(self._families, self._sets.values())
        admission.admit(phone_set)
        self._change(admission.sets, ChangeKind.ADDED, phone_set)

    def rename(self, id: str, first_name: str, last_name: str) -> None:
        """Gives the set another name; the other sets of its user keep theirs."""
        renamed = replace(self._find(id), first_name=first_name, last_name=last_name)
        self._change({**self._sets, id: renamed}, ChangeKind.RENAMED, renamed)

    def remove(self, id: str) -> None:
        """Removes a set. A primary that still has secondaries is refused: they go first."""
        removed = self._find(id)
        others = [other.id for other in self.sets if other.number == removed.number and other.id != id]
        if removed.rank is Rank.PRIMARY and others:
            raise FieldRefused("id", f"{id} still has the secondaries {', '.join(others)}: remove them first")
        self._change({key: value for key, value in self._sets.items() if key != id}, ChangeKind.REMOVED, removed)

    def reset(self, sets: Iterable[PhoneSet]) -> None:
        """Puts other sets in the place of all, as a cold reset does. Listeners hear nothing: the PBX restarts."""
        self._replace(_Admission(self._families, sets).sets)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Has `listener` told of each change once it is stored; what is returned takes that back, once."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _find(self, id: str) -> PhoneSet:
        if id not in self._sets:
            raise FieldRefused("id", f"there is no set {id!r:.40}")
        return self._sets[id]

    def _change(self, sets: dict[str, PhoneSet], kind: ChangeKind, phone_set: PhoneSet) -> None:
        self._replace(sets)
        change = Change(kind, phone_set, self._revision)
        for listener in tuple(self._listeners):
            listener(change)

    def _replace(self, sets: dict[str, PhoneSet]) -> None:
        revision = self._revision + 1
        if self._flash is not None:
            self._store(self._flash, sets, revision)
        self._sets, self._revision = sets, revision

    @staticmethod
    def _store(flash: Flash, sets: Mapping[str, PhoneSet], revision: int) -> None:
        rows = [dataclasses.asdict(phone_set) for phone_set in sets.values()]
        flash.write(_NAME, {"version": _VERSION, "revision": revision, "sets": rows})


class _Admission:
    """Lets sets in one by one while the rules hold, a primary before its secondaries; `sets` has them by id."""

    def __init__(self, families: Families, sets: Iterable[PhoneSet] = ()) -> None:
        self.sets: dict[str, PhoneSet] = {}
        self._families = families
        self._ranks: dict[str, set[Rank]] = {}
        for phone_set in sorted(sets, key=_order):
            self.admit(phone_set)

    def admit(self, new: PhoneSet) -> None:
        """Raises FieldRefused, with the field that breaks a rule."""
        if new.family not in self._families.rainbow:
            raise FieldRefused("family", f"there is no family {new.family!r}")
        if new.id in self.sets:
            raise FieldRefused("id", f"{new.id} is taken")
        ranks = self._ranks.get(new.number, set())
        if new.rank in ranks:
            raise FieldRefused("number", f"{new.number} already has a {new.rank} set")
        if new.rank is not Rank.PRIMARY and not ranks:
            raise FieldRefused("rank", f"{new.number} has no primary set to be secondary to")
        if not ranks and len(self._ranks) == USERS_LIMIT:
            raise FieldRefused("number", f"{new.number} would be one user more than the {USERS_LIMIT} of the PBX")
        self.sets[new.id] = new
        self._ranks[new.number] = ranks | {new.rank}


class _UnreadableError(Exception):
    """A document is not one of a catalogue."""


def _order(phone_set: PhoneSet) -> tuple[str, int]:
    return phone_set.number, _RANKS.index(phone_set.rank)


def _sets(document: Mapping[str, Any]) -> list[PhoneSet]:
    rows = document.get("sets")
    keys = {field.name for field in dataclasses.fields(PhoneSet)}
    if document.keys() != {"version", "revision", "sets"} or document["version"] != _VERSION:
        raise _UnreadableError
    if not isinstance(document["revision"], int) or not isinstance(rows, list):
        raise _UnreadableError
    if not all(isinstance(row, dict) and row.keys() == keys for row in rows):
        raise _UnreadableError
    return [PhoneSet(**row) for row in rows]

"""Invents the users of a PBX, the same ones each time it is asked with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from random import Random

from emulators.oxo.phoneset import FIRST_NUMBER, USERS_LIMIT, PhoneSet, Rank

_SECONDARIES = (Rank.SECONDARY_1, Rank.SECONDARY_2)

_FIRST_NAMES = (
    "Aïcha", "Björn", "Chiara", "Dmitri", "Éloïse", "Fatima", "George", "Hélène", "Ivan", "Jürgen",
    "Kamala", "Łukasz", "María", "Nguyễn", "Olga", "Pedro", "Quentin", "Rosa", "Søren", "Xavier",
)  # fmt: skip
_LAST_NAMES = (
    "Andersson", "Bernard", "Çelik", "D'Angelo", "Eriksen", "Fischer", "García", "Haddad", "Ito", "Jansen",
    "Kowalski", "Lefèvre", "Müller", "Novák", "O'Brien", "Peña", "Rossi", "Smith & Sons", "Tran", "Žižka",
)  # fmt: skip


def invent(users: int, secondaries: int, seed: int, families: Sequence[str]) -> list[PhoneSet]:
    """`users` primary sets numbered from 100, no two of one name, and `secondaries` secondary sets spread among them.

    Names are chosen to be hard on encodings and on escaping. Raises ValueError when that many cannot be.
    """
    if not 0 <= users <= USERS_LIMIT:
        raise ValueError(f"the PBX has 0 to {USERS_LIMIT} users, not {users}")
    if not 0 <= secondaries <= len(_SECONDARIES) * users:
        raise ValueError(f"{users} users have 0 to {len(_SECONDARIES) * users} secondary sets, not {secondaries}")
    if users and not families:
        raise ValueError("no family of sets is supported by Rainbow")
    chance = Random(seed)
    names = chance.sample(list(product(_FIRST_NAMES, _LAST_NAMES)), users)
    places = chance.sample(range(len(_SECONDARIES) * users), secondaries)
    sets: list[PhoneSet] = []
    for user, (first_name, last_name) in enumerate(names):
        extra = sum(place % users == user for place in places)
        number = str(FIRST_NUMBER + user)
        for rank in (Rank.PRIMARY, *_SECONDARIES[:extra]):
            sets.append(PhoneSet(f"{number}-{rank}", number, first_name, last_name, chance.choice(families), rank))
    return sets

"""Memory that does not grow: the latest of what is under way, and what is to be looked at when its time has come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Latest(Generic[K, V]):
    """At most `limit` values by their keys; the one that has not been asked for the longest makes room."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value of `key`, which counts as used now; None when there is none."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> V | None:
        """Keeps a value; returns the one that had to make room, or was in its place."""
        replaced = self._values.pop(key, None)
        self._values[key] = value
        if replaced is None and len(self._values) > self._limit:
            return self._values.popitem(last=False)[1]
        return replaced

    def pop(self, key: K) -> V | None:
        """Forgets `key` and returns its value, None when there is none."""
        return self._values.pop(key, None)

    def values(self) -> list[V]:
        """All values, the one that was used last at the end."""
        return list(self._values.values())


class Deadlines(Generic[K]):
    """What is to be looked at after a time that is the same for all, so that the first one in is the first one due."""

    def __init__(self) -> None:
        self._due: OrderedDict[K, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due)

    def put(self, key: K, due: float) -> None:
        """Looks at `key` once `due` has come, and not before, if that was agreed on."""
        self._due[key] = due
        self._due.move_to_end(key)

    def drop(self, key: K) -> None:
        """Does not look at `key` after all."""
        self._due.pop(key, None)

    def over(self, now: float) -> list[tuple[K, float]]:
        """What has fallen due, and when; it is forgotten here."""
        over: list[tuple[K, float]] = []
        while self._due and next(iter(self._due.values())) <= now:
            over.append(self._due.popitem(last=False))
        return over

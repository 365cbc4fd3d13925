"""Parameters of a part: what is not public about it, each value with the bench's default, readable from JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

Reader = Callable[[Any], object]
"""Makes a value out of one of JSON's types. Raises ValueError for one that cannot be."""


def each(read: Reader) -> Reader:
    """Reads a list, each of its values by `read`."""
    return lambda values: tuple(map(read, values))


@dataclass(frozen=True)
class Parameters:
    """Base of the dataclasses of parameters: each field is one of them."""

    KIND: ClassVar[str]
    """What one of them is called in messages."""
    READERS: ClassVar[Mapping[str, Reader]] = {}
    """How those are read, by name, that are not of a type that JSON has."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Reads parameters from JSON's types; what is not named has its default. Raises ValueError."""
        known = {field.name for field in dataclasses.fields(cls)}
        if strange := sorted(values.keys() - known):
            raise ValueError(f"there is no {cls.KIND} {strange[0]!r}; there are: {', '.join(sorted(known))}")
        read = {name: cls.READERS[name](values[name]) for name in cls.READERS.keys() & values.keys()}
        return cls(**{**values, **read})

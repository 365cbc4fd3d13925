"""What a PBX is delivered with: the settings and the sets that its first start puts into the empty flash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.oxo.catalogue import Catalogue
from emulators.oxo.settings import SECTIONS, Settings


@dataclass(frozen=True)
class CatalogueSpec:
    """Where the sets of a new PBX come from: a file, or users and secondaries invented from a seed."""

    file: str | None = None
    users: int = 10
    secondaries: int = 0
    seed: int = 0

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> CatalogueSpec:
        """Reads it from JSON's types. Raises ValueError."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError("the catalogue of a PBX is made from: file, or users, secondaries and seed") from error

    def make(self) -> Catalogue:
        """The catalogue. Raises ValueError: bad file, too many users."""
        if self.file is not None:
            return Catalogue.read(Path(self.file))
        return Catalogue.generate(self.users, self.secondaries, self.seed)


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Reads settings, by section, from JSON's types; what is not named has its default. Raises ValueError."""
    known = [*SECTIONS, "administrator_password"]
    if strange := sorted(values.keys() - set(known)):
        raise ValueError(f"the PBX has no settings {strange[0]!r}; there are: {', '.join(known)}")
    read = dict(values)
    for name in SECTIONS.keys() & read.keys():
        try:
            read[name] = SECTIONS[name](**read[name])
        except TypeError as error:
            raise ValueError(f"the PBX's settings {name!r} hold a field that does not exist") from error
    return Settings(**read)

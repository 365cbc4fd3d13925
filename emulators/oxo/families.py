"""The families of telephone sets, from a data file that a user can edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulators.oxo.datafile import FileRefused, parse_toml, read_text

FAMILIES_FILE = Path(__file__).with_name("families.toml")
"""The families the bench comes with."""

_TABLE = "rainbow"
_NAME_LIMIT = 32


@dataclass(frozen=True)
class Families:
    """Which families there are, by name, and whether Rainbow supports each."""

    rainbow: Mapping[str, bool]

    @classmethod
    def read(cls, path: Path = FAMILIES_FILE) -> Families:
        """Reads a data file: a TOML table `rainbow` with one line a family. Raises FileRefused."""
        document = parse_toml(path, read_text(path))
        table = document.get(_TABLE)
        if document.keys() != {_TABLE} or not isinstance(table, dict) or not table:
            raise FileRefused(path, f"must hold the table [{_TABLE}], with at least one family, and nothing else")
        for name, supported in table.items():
            if not name.isprintable() or not 1 <= len(name) <= _NAME_LIMIT:
                raise FileRefused(
                    path, f"its name must be 1 to {_NAME_LIMIT} printable characters", place=f"family {name!r:.40}"
                )
            if not isinstance(supported, bool):
                raise FileRefused(path, "must be true or false", place=f"family {name!r}")
        return cls(table)

    @property
    def supported(self) -> list[str]:
        """The families that Rainbow supports, in the file's order."""
        return [name for name, supported in self.rainbow.items() if supported]

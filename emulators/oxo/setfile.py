"""Reads a list of telephone sets that a user wrote, as CSV or TOML.

Both have the keys of a PhoneSet: number, first_name, last_name and family must be there; rank is primary unless given,
and id is made from number and rank unless given. CSV has them as its first line; TOML has a table `[[set]]` a set.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.oxo.datafile import FileRefused, parse_toml, read_text
from emulators.oxo.fields import FieldRefused
from emulators.oxo.phoneset import PhoneSet, Rank

_NEEDED = ("number", "first_name", "last_name", "family")
_KNOWN = (*_NEEDED, "rank", "id")
_TABLE = re.compile(r"^[ \t]*\[\[[ \t]*set[ \t]*\]\]", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A set and where it stands in its file, such as "line 7"."""

    set: PhoneSet
    place: str


def read_sets(path: Path) -> list[Entry]:
    """Reads a `.csv` or `.toml` file. Raises FileRefused with file, line and field."""
    readers = {".csv": _csv_rows, ".toml": _toml_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FileRefused(path, "must be a .csv or .toml file")
    return [Entry(_phone_set(path, place, row), place) for place, row in reader(path, read_text(path))]


def _phone_set(path: Path, place: str, row: Mapping[str, Any]) -> PhoneSet:
    if strange := sorted(row.keys() - set(_KNOWN)):
        raise FileRefused(path, f"there is no field {strange[0]!r:.40}", place=place)
    for field in _NEEDED:
        if field not in row:
            raise FileRefused(path, f"the field {field!r} is missing", place=place)
    rank = row.get("rank") or Rank.PRIMARY
    try:
        return PhoneSet(
            id=row.get("id") or f"{row['number']}-{rank}",
            number=row["number"],
            first_name=row["first_name"],
            last_name=row["last_name"],
            family=row["family"],
            rank=rank,
        )
    except FieldRefused as error:
        raise FileRefused(path, error.why, place=f"{place}, field {error.field}") from error


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    header: list[str] | None = None
    try:
        for row in reader:
            place = f"line {reader.line_num}"
            if not row:
                continue
            if header is None:
                header = row
                if len(set(header)) != len(header):
                    raise FileRefused(path, "a field is named twice", place=place)
            elif len(row) != len(header):
                raise FileRefused(path, f"has {len(row)} values for {len(header)} fields", place=place)
            else:
                yield place, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise FileRefused(path, f"is not CSV: {error}", place=f"line {reader.line_num}") from error
    if header is None:
        raise FileRefused(path, f"must begin with a line that names its fields: {','.join(_KNOWN)}")


def _toml_rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    document = parse_toml(path, text)
    tables = document.get("set", [])
    if document.keys() - {"set"} or not isinstance(tables, list) or not all(isinstance(row, dict) for row in tables):
        raise FileRefused(path, "must hold tables [[set]] and nothing else")
    lines = [text.count("\n", 0, match.end()) + 1 for match in _TABLE.finditer(text)]
    if len(lines) == len(tables):
        places = [f"[[set]] at line {line}" for line in lines]
    else:
        places = [f"set {count}" for count in range(1, len(tables) + 1)]
    yield from zip(places, tables, strict=True)

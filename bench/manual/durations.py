"""Durations as people write and read them."""

from __future__ import annotations

import re

from node.control import Refusal

LONGEST_ADVANCE = 7 * 24 * 3600.0
"""The most seconds that time is let pass at once."""

_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|min|m|h)?")


def seconds(text: str) -> float:
    """A duration as people write it, in seconds: `90`, `10s`, `16min`, `1h`, `1h30min`. Raises Refusal."""
    parts = _DURATION.findall(text.replace(" ", ""))
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise Refusal(f"{text!r} is no duration: write it as 10s, 16min or 1h30min.")
    return sum(float(number) * _UNITS.get(unit, 1) for number, unit in parts)


def in_words(seconds: float) -> str:
    """A duration for people: `16 min`, `1 h 30 min`, `10 s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{value:g} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if value]
    return " ".join(parts) or "0 s"

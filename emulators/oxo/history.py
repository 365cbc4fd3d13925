"""The PBX's history: what happened that its installer may want to know. Kept in flash, so it outlives a restart."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from emulators.oxo.flash import Flash, FlashDamaged

LIMIT = 100
"""How many events are kept, the latest ones."""

_NAME = "history"
_VERSION = 1


class EventKind(StrEnum):
    """The events that are written down, by the words that the history shows."""

    UNEXPECTED_CLOSE = "unexpected close"
    """The VPN tunnel went down though nobody had asked for it. Why stands in the VPN agent's log only."""


@dataclass(frozen=True)
class HistoryEvent:
    """One event, and the PBX's time when it was noticed, in seconds."""

    at: float
    kind: EventKind

    def __str__(self) -> str:
        return f"{self.at:.0f} s: {self.kind}"


class History:
    """The events in the flash, the latest last."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash

    def events(self) -> list[HistoryEvent]:
        """What has been written down. Raises FlashError."""
        document = self._flash.read(_NAME)
        if document is None:
            return []
        try:
            return _events(document)
        except ValueError as error:
            raise FlashDamaged(self._flash.path(_NAME), str(error)) from error

    def add(self, event: HistoryEvent) -> None:
        """Writes an event down; the oldest one makes room for it. Raises FlashError."""
        events = [*self.events(), event][-LIMIT:]
        self._flash.write(_NAME, {"version": _VERSION, "events": [dataclasses.asdict(each) for each in events]})


def _events(document: dict[str, Any]) -> list[HistoryEvent]:
    """The events in a document. Raises ValueError."""
    entries = document.get("events")
    if document.get("version") != _VERSION or not isinstance(entries, list) or len(entries) > LIMIT:
        raise ValueError(f"it does not hold a history of version {_VERSION}")
    return [_event(entry) for entry in entries]


def _event(entry: object) -> HistoryEvent:
    match entry:
        case {"at": int() | float() as at, "kind": str(kind)} if kind in set(EventKind) and math.isfinite(at):
            return HistoryEvent(float(at), EventKind(kind))
    raise ValueError(f"{str(entry)[:80]!r} in it is no event")

"""The last thing that failed on the PBX's way to Rainbow: the one that says most about which box is at fault."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from bench.manual.journal import Entry
from bench.manual.snapshot import AttemptNow
from network.plan import Role
from network.wire.happening import Happening, Kind, Result

_ON_THE_WAY = frozenset({Kind.DNS, Kind.TCP, Kind.CONNECT, Kind.TLS, Kind.UPGRADE, Kind.LOGIN})
_SOURCES = frozenset({Role.OXO.value, Role.PROXY.value})


class LastFailure:
    """Reads the time line's entries as they come."""

    def __init__(self) -> None:
        self._last: Happening | None = None

    def see(self, entries: Iterable[Entry]) -> None:
        """Takes note of further entries. What failed before somebody changed the site is of no interest any more."""
        for entry in entries:
            if entry.happening.kind is Kind.BENCH:
                # It is told when it is over, but with the time when it began.
                if self._last is not None and self._last.time <= entry.happening.time:
                    self._last = None
            elif _counts(entry.happening) and not self._hides_more(entry.happening):
                self._last = entry.happening

    def now(self) -> AttemptNow | None:
        """What failed last, None when nothing has."""
        if self._last is None:
            return None
        at = datetime.datetime.fromtimestamp(self._last.time).isoformat(timespec="seconds")
        proxied = Role.PROXY.value in (self._last.source, self._last.target)
        return AttemptNow(at, self._last.text, "proxy" if proxied else "direct", _stopped(self._last))

    def _hides_more(self, new: Happening) -> bool:
        """Whether the failure that is known says more: a proxy that does not answer CONNECT is itself waiting for
        somebody."""
        known = self._last
        return known is not None and _stopped(known) == Role.FIREWALL.value and _stopped(new) == Role.PROXY.value


def _counts(happening: Happening) -> bool:
    toward_rainbow = happening.target != Role.CCI.value
    on_the_way = happening.kind in _ON_THE_WAY and happening.source in _SOURCES
    return happening.result is Result.FAILED and on_the_way and toward_rainbow


def _stopped(happening: Happening) -> str:
    return Role.FIREWALL.value if "firewall" in happening.text else happening.target

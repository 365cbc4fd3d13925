"""The last thing that failed on the PBX's way to Rainbow: the one that says most about which box is at fault."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from bench.manual.journal import Entry
from bench.manual.snapshot import AttemptNow
from network.plan import Role
from network.wire.happening import Happening, Kind, Result

_ON_THE_WAY = frozenset({Kind.DNS, Kind.TCP, Kind.CONNECT, Kind.TLS})
_AT_THE_DOOR = frozenset({Kind.UPGRADE, Kind.LOGIN})


class LastFailure:
    """Reads the time line's entries as they come."""

    def __init__(self) -> None:
        self._last: Happening | None = None
        self._proxied = False
        """Whether the PBX went to the web proxy last."""

    def see(self, entries: Iterable[Entry]) -> None:
        """Takes note of further entries. What failed before somebody changed the site is of no interest any more."""
        for entry in entries:
            new = entry.happening
            if new.kind is Kind.TCP and new.source == Role.OXO.value:
                self._proxied = new.target == Role.PROXY.value
            if new.kind is Kind.BENCH:
                # It is told when it is over, but with the time when it began.
                if self._last is not None and self._last.time <= new.time:
                    self._last = None
            elif _counts(new) and not self._hides_more(new):
                self._last = new

    def now(self) -> AttemptNow | None:
        """What failed last, None when nothing has."""
        if self._last is None:
            return None
        at = datetime.datetime.fromtimestamp(self._last.time).isoformat(timespec="seconds")
        return AttemptNow(at, self._last.text, "proxy" if self._proxied else "direct", _stopped(self._last))

    def _hides_more(self, new: Happening) -> bool:
        """Whether the failure that is known says more: a proxy that does not answer CONNECT is itself waiting for
        somebody."""
        known = self._last
        return known is not None and _stopped(known) == Role.FIREWALL.value and _stopped(new) == Role.PROXY.value


def _counts(new: Happening) -> bool:
    if new.result is not Result.FAILED:
        return False
    on_the_way = new.kind in _ON_THE_WAY and new.source in (Role.OXO.value, Role.PROXY.value)
    refused = new.kind in _AT_THE_DOOR and new.source == Role.PCG.value
    return refused or (on_the_way and new.target != Role.CCI.value)


def _stopped(failure: Happening) -> str:
    """The node where it ended. What happens at Rainbow's door is told by the PCG."""
    if failure.kind in _AT_THE_DOOR:
        return failure.source
    return Role.FIREWALL.value if "firewall" in failure.text else failure.target

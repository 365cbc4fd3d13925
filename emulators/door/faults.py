"""What can be made wrong on purpose with a service in the cloud: the PCG, or the connection service.

Wrong certificates are not among it: they are just certificates.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """The faults, from the bottom of the stack up."""

    SILENT_TCP = "silent tcp"
    """New connections are made by the kernel, and nobody ever answers on them."""
    REFUSE_UPGRADE = "refuse upgrade"
    """New connections get an HTTP status instead of the upgrade; the value is the status, 400 to 599."""
    SILENT_UPGRADE = "silent after upgrade"
    """New connections get their upgrade, and not a word of XMPP."""
    CLOSE = "close"
    """New connections are closed right after the upgrade; the value is the WebSocket close code."""
    REJECT_CREDENTIALS = "reject credentials"
    """Every login is refused."""
    SILENT = "silent"
    """Sessions that are open, and new ones once logged in, stay open and silent for good: no pong, nothing."""


_VALUES = {
    FaultKind.REFUSE_UPGRADE: ("an HTTP status from 400 to 599", range(400, 600)),
    FaultKind.CLOSE: ("a WebSocket close code", (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))),
}


def value_of(kind: FaultKind) -> str:
    """What value a kind of fault needs, in words; empty when it takes none."""
    return _VALUES[kind][0] if kind in _VALUES else ""


@dataclass(frozen=True)
class Fault:
    """A fault, with the value that some kinds need. Raises ValueError when it is missing, wrong or too much."""

    kind: FaultKind
    value: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in _VALUES:
            if self.value is not None:
                raise ValueError(f"the fault {self.kind.value!r} takes no value")
            return
        name, allowed = _VALUES[self.kind]
        if self.value not in allowed:
            raise ValueError(f"the fault {self.kind.value!r} needs {name}, not {self.value}")

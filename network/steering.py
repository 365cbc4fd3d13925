"""What all sites have in common, whatever they are made of: how programs and capture are steered over their sockets."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from network.fabric import FabricError
from network.plan import Role, SitePlan
from node.remote import NodeError, Remote

STOP_ORDER = (Role.OXO, Role.PROXY, Role.PCG, Role.CCI, Role.VPN, Role.DNS, Role.FIREWALL)
"""Nodes that open connections stop before those that serve them, so that every connection ends in order."""


class SteeredSite:
    """The part of a Site that needs the nodes' control sockets only. See Site."""

    def __init__(self, plan: SitePlan, evidence: Path, capture: Remote) -> None:
        self.plan = plan
        self.evidence = evidence
        self._capture = capture
        self._nodes: dict[Role, Remote] = {}
        self._offset = 0.0

    @property
    def offset(self) -> float:
        """See Site."""
        return self._offset

    def next_timer(self) -> float | None:
        """See Site."""
        asked = [(remote, remote.send("clock_next")) for remote in self._nodes.values()]
        due = [when for remote, number in asked if (when := remote.receive(number)) is not None]
        return min(due) - time.monotonic() if due else None

    def jump(self, offset: float) -> None:
        """See Site."""
        self._offset = max(self._offset, offset)
        asked = [(remote, remote.send("clock_jump", offset=self._offset)) for remote in self._nodes.values()]
        for remote, number in asked:
            remote.receive(number)

    def capture(self) -> Path:
        """See Site."""
        lost = self._capture.ask("flush")
        if lost:
            raise FabricError(f"The capture lost {lost} frames, so nothing can be proven from it.")
        return self.evidence / "site.pcapng"

    def wait_for_frame(self, within: float) -> None:
        """See Site."""
        self._capture.ask("wait_for_frame", seconds=within, within=within + 10)

    def inject(self, port: str, frame: bytes) -> None:
        """See Site."""
        self._capture.ask("inject", port=port, frame=frame.hex())

    def _end(self, role: Role) -> None:
        """Has a node's program end in order, if it runs."""
        remote = self._nodes.pop(role, None)
        if remote is not None:
            _hang_up(remote)

    def _forget(self, role: Role) -> None:
        """A node's program was killed."""
        remote = self._nodes.pop(role, None)
        if remote is not None:
            remote.close()

    def _end_all(self) -> None:
        """Has all programs end in order, and completes the capture."""
        for role in STOP_ORDER:
            self._end(role)
        _hang_up(self._capture)


def _hang_up(remote: Remote) -> None:
    # A node that is gone already, or does not stop by itself, is taken away with the site.
    with contextlib.suppress(NodeError):
        remote.hang_up()
    remote.close()

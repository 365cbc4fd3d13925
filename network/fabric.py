"""The seam between the bench and the machine room: what every fabric must offer, whatever it builds sites from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from network.plan import Role, SitePlan
from node.program import ProgramSpec
from node.remote import Remote


class FabricError(Exception):
    """The machine room could not do its part. One sentence; the fault is the bench's, not the device's."""


class NodeLost(FabricError):
    """A node has lost its place on the site, and the fabric can't give it back; the text says who can."""


@dataclass(frozen=True)
class NodeNetwork:
    """A node's IPv4 addresses, those of loopback left out, and its routes: the destination of each, or `default`."""

    addresses: list[str]
    routes: list[str]


class Site(Protocol):
    """A site that has been built: its nodes, its time and its capture. Usable until `close`."""

    plan: SitePlan
    evidence: Path
    """The folder that the capture and the nodes' logs are written to."""

    def start(self, role: Role, spec: ProgramSpec) -> Remote:
        """Starts a node's program without waiting for it; the node says `ready` or `failed` when it knows."""

    def stop(self, role: Role) -> None:
        """Has a node end in order, as far as it can, and waits for that; its addresses stay."""

    def network(self, role: Role) -> NodeNetwork:
        """A node's addresses and routes as its kernel has them now."""

    def shell(self, role: Role) -> list[str]:
        """The command that opens a shell in a node, for a person at a terminal; the node must be running."""

    def kill(self, role: Role) -> None:
        """Ends a node's process at once, as a crash does. The node's kernel lives on, with its addresses, and ends the
        connections."""

    def power_off(self, role: Role) -> None:
        """Ends a node as a power cut does: it says nothing more, not even that its connections end.

        When it is started again it has its links, and knows of no connection.
        """

    def repair(self, role: Role) -> bool:
        """Gives a node its place on the site again, with its addresses, if it has lost it: somebody may have killed its
        container. True if so: then its files are lost too. Starts no program. Raises NodeLost, FabricError."""

    def settle(self, within: float) -> bool:
        """Waits until no node has anything left to do; False when that took longer than `within` seconds."""

    @property
    def offset(self) -> float:
        """How far site time is ahead of the machine's monotonic clock, in seconds."""

    def next_timer(self) -> float | None:
        """The offset at which the next timer of any node falls due, or None when nothing waits for time to pass."""

    def jump(self, offset: float) -> None:
        """Moves site time, in every node at once, to `offset` seconds ahead of the machine's clock."""

    def capture(self) -> Path:
        """The capture file, complete up to now. Raises FabricError when frames were lost."""

    def wait_for_frame(self, within: float) -> None:
        """Waits until any frame is seen on the site, at most `within` seconds of real time."""

    def inject(self, port: str, frame: bytes) -> None:
        """Sends a forged Ethernet frame toward the node behind a segment's port."""

    def close(self) -> None:
        """Stops the nodes in order, completes the capture and takes everything away."""


class Fabric(Protocol):
    """Builds sites. Sites of one fabric do not meet, though each uses the same addresses."""

    def build(self, plan: SitePlan, evidence: Path) -> Site:
        """A new site with its firewall closed and no program running. Raises FabricError when it can't be built."""

    def close(self) -> None:
        """Ends the fabric and whatever is left of its sites."""

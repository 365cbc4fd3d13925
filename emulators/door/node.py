"""What the node programs of the services in the cloud have in common: the commands about their door."""

from __future__ import annotations

import logging
import sys

from emulators.chronicle import Bookmark, Notes
from emulators.door.door import Door
from emulators.door.faults import Fault, FaultKind
from node.control import command


class DoorNode:
    """A service in the cloud. Commands that need the network only begin it."""

    def __init__(self, title: str, door: Door) -> None:
        """`title` begins each line of its log."""
        self._title = title
        self._door = door

    async def start(self) -> None:
        """Listens. Raises ValueError when it cannot."""
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=f"{self._title}: %(message)s")
        logging.getLogger("emulators").setLevel(logging.INFO)
        await self._door.start()

    async def stop(self) -> None:
        """Ends all sessions in order."""
        await self._door.stop()

    @command
    def port(self) -> int:
        """The TCP port it listens on."""
        return self._door.port

    @command
    def notes(self, run: str = "", number: int = 0) -> Notes:
        """What has happened since a note of that run of the node."""
        return self._door.chronicle.since(Bookmark(run, number))

    @command
    async def restart(self) -> None:
        """Ends all sessions in order and listens again; the PBXs stay known."""
        await self._door.stop()
        await self._door.start()

    @command
    def add_domain(self, domain: str) -> None:
        """Stands for one more domain from now on."""
        self._door.serve_domain(domain)

    @command
    def certificate(self, pem: str) -> None:
        """New connections get this certificate: chain and key in PEM."""
        self._door.use_certificate(pem)

    @command
    async def fault_set(self, kind: str, value: int | None = None) -> None:
        """Puts a fault on, in place of the one before; see FaultKind."""
        await self._door.set_fault(Fault(FaultKind(kind), value))

    @command
    async def fault_clear(self) -> None:
        """Takes the fault off; what it has silenced stays silent until the other side gives up."""
        await self._door.set_fault(None)

    @command
    def fault(self) -> Fault | None:
        """The fault that is on."""
        return self._door.fault

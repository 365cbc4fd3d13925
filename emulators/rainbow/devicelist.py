"""What the PCG knows of a PBX's devices: retrieved page by page, and kept up to date by the changes it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from emulators.payload import PayloadRefused
from emulators.pbxagent.devices import Device, DeviceChanges, DevicesPage, DevicesQuery
from emulators.session.session import Session
from emulators.xmpp.paging import PageRequest
from emulators.xmpp.stanza import Condition, StanzaError

DEVICES_LIMIT = 1000
"""How many devices are taken from one PBX; 300 users have 900 at most."""
STARTS = 5
"""How often one retrieval starts over because the catalogue changes under it."""


class RetrievalFailed(Exception):
    """The list could not be retrieved; the text says why. What was known before is kept."""


@dataclass(frozen=True)
class _Retrieved:
    ver: str
    devices: Sequence[Device]
    announced: int


class DeviceList:
    """The devices of one PBX, in the order in which it gave them, and just as it gave them, duplicates included."""

    def __init__(self) -> None:
        self.ver: str | None = None
        """The revision of the PBX's catalogue that the list stands for; None before the first retrieval."""
        self.devices: list[Device] = []
        self.announced = 0
        """How many devices the PBX said it has, at the last retrieval."""
        self.retrievals = 0
        self.pages = 0
        """How many pages have been received, of all retrievals."""
        self.failure: str | None = None
        """Why the last retrieval failed, if it did."""
        self._lock = asyncio.Lock()
        self._told: str | None = None

    async def retrieve(self, session: Session, page_size: int, timeout: float) -> None:
        """Retrieves the whole list, `page_size` devices at a time; a page may take `timeout` seconds.

        Raises RetrievalFailed, SessionEnded.
        """
        async with self._lock:
            try:
                found = await self._retrieve(session, page_size, timeout)
            except RetrievalFailed as error:
                self.failure = str(error)
                raise
            self.ver, self.devices, self.announced = found.ver, list(found.devices), found.announced
            self.failure = None
            self.retrievals += 1

    def apply(self, changes: DeviceChanges) -> bool:
        """Takes a change that the PBX pushed. False when a change is missing before it: then retrieve the list."""
        if self._lock.locked():
            self._told = changes.ver
            return True
        if changes.since != self.ver:
            return changes.ver == self.ver
        updated = {device.id: device for device in changes.updated}
        gone = set(changes.removed)
        kept = [updated.get(device.id, device) for device in self.devices if device.id not in gone]
        if len(kept) + len(changes.added) > DEVICES_LIMIT:
            raise PayloadRefused(f"a PBX has at most {DEVICES_LIMIT} devices")
        self.devices = kept + list(changes.added)
        self.ver = changes.ver
        return True

    async def _retrieve(self, session: Session, page_size: int, timeout: float) -> _Retrieved:
        for _ in range(STARTS):
            self._told = None
            try:
                found = await self._pages(session, page_size, timeout)
            except StanzaError as error:
                raise RetrievalFailed(f"a page was refused or is unusable: {error}") from error
            except TimeoutError as error:
                raise RetrievalFailed(f"a page did not come within {timeout:g} s") from error
            if found is not None and self._told in (None, found.ver):
                return found
        raise RetrievalFailed(f"the list changed during each of {STARTS} retrievals")

    async def _pages(self, session: Session, page_size: int, timeout: float) -> _Retrieved | None:
        """All pages; None when the list changed between two of them. Raises StanzaError, TimeoutError, SessionEnded."""
        devices: list[Device] = []
        ver: str | None = None
        last: str | None = None
        while True:
            query = DevicesQuery(PageRequest(max=page_size, after=last))
            try:
                page = DevicesPage.from_element(await session.request(query.to_element(), timeout=timeout))
            except StanzaError as error:
                if error.condition is Condition.ITEM_NOT_FOUND and last is not None:
                    return None
                raise
            if ver is not None and page.ver != ver:
                return None
            self.pages += 1
            ver = page.ver
            devices += page.devices
            announced = page.page.count or 0
            if len(devices) > DEVICES_LIMIT:
                raise PayloadRefused(f"a PBX has at most {DEVICES_LIMIT} devices")
            if not page.devices or page.page.last is None or page.page.last == last or len(devices) >= announced > 0:
                return _Retrieved(ver, devices, announced)
            last = page.page.last

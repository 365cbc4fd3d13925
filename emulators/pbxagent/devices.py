"""The list of devices: how the PCG retrieves it page by page (XEP-0059), and how the PBX tells it what changed.

Each page and each change carries the revision of the catalogue. A PCG that sees another revision than on the page
before starts over; one that gets a change on top of a revision that it does not hold, retrieves the list again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from emulators.payload import PayloadRefused, expect, number, text
from emulators.xmpp.element import Element
from emulators.xmpp.paging import Page, PageRequest

NAMESPACE = "urn:oxobench:devices:1"
QUERY_TAG = f"{{{NAMESPACE}}}query"
CHANGES_TAG = f"{{{NAMESPACE}}}changes"
PAGE_LIMIT = 1000
"""The most devices that are taken from one page or one change. 300 users have 900 at most."""
TEXT_LIMIT = 64
"""The longest attribute of a device, in characters; the names of a set have 32 at most."""

_DEVICE = f"{{{NAMESPACE}}}device"
_ADDED = f"{{{NAMESPACE}}}added"
_UPDATED = f"{{{NAMESPACE}}}updated"
_REMOVED = f"{{{NAMESPACE}}}removed"


class DeviceType(StrEnum):
    """What a device is to Rainbow, after its public device record."""

    LANDLINE = "landline"
    MOBILE = "mobile"
    FAX = "fax"
    OTHER = "other"


@dataclass(frozen=True)
class Device:
    """One device of a PBX, with the names of Rainbow's public device record where it has one.

    `type` is the family of the set, such as `8068s`; `rank` is 0 for a user's primary set, 1 and 2 for its secondaries.
    """

    id: str
    short_number: str
    first_name: str
    last_name: str
    device_name: str
    type: str
    device_type: DeviceType = DeviceType.LANDLINE
    rank: int = 0

    def to_element(self) -> Element:
        """The element <device/>."""
        return Element(
            _DEVICE,
            {
                "id": self.id,
                "shortNumber": self.short_number,
                "firstName": self.first_name,
                "lastName": self.last_name,
                "deviceName": self.device_name,
                "type": self.type,
                "deviceType": self.device_type,
                "rank": str(self.rank),
            },
        )

    @classmethod
    def from_element(cls, element: Element) -> Device:
        """Reads the element <device/>. Raises PayloadRefused."""
        expect(element, _DEVICE)
        kind = _text(element, "deviceType")
        if kind not in set(DeviceType):
            raise PayloadRefused(f"there is no device type {kind!r}")
        return cls(
            id=_text(element, "id"),
            short_number=_text(element, "shortNumber"),
            first_name=_text(element, "firstName"),
            last_name=_text(element, "lastName"),
            device_name=_text(element, "deviceName"),
            type=_text(element, "type"),
            device_type=DeviceType(kind),
            rank=number(element, "rank", most=2),
        )


@dataclass(frozen=True)
class DevicesQuery:
    """The PCG asks for one page."""

    page: PageRequest

    def to_element(self) -> Element:
        """The payload of the iq get."""
        query = Element(QUERY_TAG)
        query.append(self.page.to_element())
        return query

    @classmethod
    def from_element(cls, element: Element) -> DevicesQuery:
        """Reads the payload; at most PAGE_LIMIT devices can be asked for. Raises StanzaError."""
        page = PageRequest.find(expect(element, QUERY_TAG))
        return cls(page if page.max is not None and page.max <= PAGE_LIMIT else replace(page, max=PAGE_LIMIT))


@dataclass(frozen=True)
class DevicesPage:
    """One page of the list, as it was at the catalogue's revision `ver`."""

    ver: str
    devices: Sequence[Device]
    page: Page

    def to_element(self) -> Element:
        """The payload of the result."""
        query = Element(QUERY_TAG, {"ver": self.ver})
        query.extend(device.to_element() for device in self.devices)
        query.append(self.page.to_element())
        return query

    @classmethod
    def from_element(cls, element: Element | None) -> DevicesPage:
        """Reads the payload. Raises StanzaError."""
        query = expect(element, QUERY_TAG)
        page = Page.find(query)
        if page is None:
            raise PayloadRefused("a page of devices says nothing about its place in the list")
        return cls(text(query, "ver"), _devices(query), page)


@dataclass(frozen=True)
class DeviceChanges:
    """What happened between the revisions `since` and `ver`: devices added, others as they are now, ids of removed."""

    since: str
    ver: str
    added: Sequence[Device] = ()
    updated: Sequence[Device] = ()
    removed: Sequence[str] = ()

    def to_element(self) -> Element:
        """The payload of the iq set."""
        changes = Element(CHANGES_TAG, {"since": self.since, "ver": self.ver})
        for tag, devices in ((_ADDED, self.added), (_UPDATED, self.updated)):
            group = Element(tag)
            group.extend(device.to_element() for device in devices)
            changes.append(group)
        removed = Element(_REMOVED)
        removed.extend(Element(_DEVICE, {"id": id_}) for id_ in self.removed)
        changes.append(removed)
        return changes

    @classmethod
    def from_element(cls, element: Element) -> DeviceChanges:
        """Reads the payload. Raises PayloadRefused."""
        expect(element, CHANGES_TAG)
        removed = element.find(_REMOVED)
        return cls(
            since=text(element, "since"),
            ver=text(element, "ver"),
            added=_devices(element.find(_ADDED)),
            updated=_devices(element.find(_UPDATED)),
            removed=tuple(_text(device, "id") for device in _elements(removed)),
        )


def _text(device: Element, name: str) -> str:
    return text(device, name, limit=TEXT_LIMIT)


def _devices(group: Element | None) -> tuple[Device, ...]:
    return tuple(Device.from_element(element) for element in _elements(group))


def _elements(group: Element | None) -> list[Element]:
    found = [] if group is None else group.findall(_DEVICE)
    if len(found) > PAGE_LIMIT:
        raise PayloadRefused(f"there are more than {PAGE_LIMIT} devices at once")
    return found

"""The channels under the WebSocket: `conf` (configuration), `csta` (telephony), and `http`, which is optional.

The PCG opens and closes them by iq set; the PBX answers with an empty result, or refuses. The channel `xmpp` is the
session itself: it is up while the PBX is logged in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from emulators.payload import PayloadRefused, local_name, text
from emulators.xmpp.element import Element

NAMESPACE = "urn:oxobench:channel:1"


class Channel(StrEnum):
    """The channels of a PBX."""

    XMPP = "xmpp"
    CONF = "conf"
    CSTA = "csta"
    HTTP = "http"


class Move(StrEnum):
    """What is done to a channel; also the name of the payload."""

    OPEN = "open"
    CLOSE = "close"


TAGS = tuple(f"{{{NAMESPACE}}}{move}" for move in Move)


@dataclass(frozen=True)
class ChannelRequest:
    """Opens or closes a channel other than `xmpp`."""

    move: Move
    channel: Channel

    def to_element(self) -> Element:
        """The payload."""
        return Element(f"{{{NAMESPACE}}}{self.move}", {"name": self.channel})

    @classmethod
    def from_element(cls, element: Element) -> ChannelRequest:
        """Reads the payload. Raises PayloadRefused."""
        if element.tag not in TAGS:
            raise PayloadRefused(f"<{local_name(element)}> is nothing that can be done to a channel")
        name = text(element, "name")
        if name not in set(Channel) - {Channel.XMPP}:
            raise PayloadRefused(f"there is no channel {name!r} to open or close")
        return cls(Move(local_name(element)), Channel(name))

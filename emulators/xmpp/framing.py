"""The framing of a stream over WebSocket (RFC 7395): one element a message, <open/> and <close/> instead of tags."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import FRAMING, XML

SUBPROTOCOL = "xmpp"
"""The WebSocket subprotocol (RFC 7395, section 3.1)."""

OPEN = f"{{{FRAMING}}}open"
CLOSE = f"{{{FRAMING}}}close"
_LANG = f"{{{XML}}}lang"


@dataclass(frozen=True)
class Open:
    """The element <open/>: `to` and `from_` are domains (a client's `from_` would be an address)."""

    to: str | None = None
    from_: str | None = None
    id: str | None = None
    version: str | None = "1.0"
    language: str | None = None

    @property
    def is_supported(self) -> bool:
        """Whether the version is one that RFC 6120 covers: 1.0 or a later minor or major one."""
        major, dot, minor = (self.version or "").partition(".")
        return bool(dot) and minor.isdecimal() and major.isdecimal() and major.strip("0") != ""

    def to_element(self) -> Element:
        """The element <open/>."""
        attributes = {
            "from": self.from_,
            "to": self.to,
            "id": self.id,
            "version": self.version,
            _LANG: self.language,
        }
        return Element(OPEN, {key: value for key, value in attributes.items() if value is not None})

    @classmethod
    def from_element(cls, element: Element) -> Open:
        """Reads the element <open/>."""
        return cls(
            element.get("to"), element.get("from"), element.get("id"), element.get("version"), element.get(_LANG)
        )


@dataclass(frozen=True)
class Close:
    """The element <close/>; `see_other_uri` is the WebSocket address to go to instead (RFC 7395, section 3.6.1)."""

    see_other_uri: str | None = None

    def to_element(self) -> Element:
        """The element <close/>."""
        return Element(CLOSE, {} if self.see_other_uri is None else {"see-other-uri": self.see_other_uri})

    @classmethod
    def from_element(cls, element: Element) -> Close:
        """Reads the element <close/>."""
        return cls(element.get("see-other-uri"))

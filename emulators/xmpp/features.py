"""What a server offers at the start of a stream (RFC 6120, section 4.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import BIND, SASL, SESSION, STREAMS

FEATURES = f"{{{STREAMS}}}features"
_MECHANISMS = f"{{{SASL}}}mechanisms"
_MECHANISM = f"{{{SASL}}}mechanism"
_BIND = f"{{{BIND}}}bind"


@dataclass(frozen=True)
class Features:
    """The features of RFC 6120: names of SASL mechanisms, and resource binding. Others are passed over."""

    mechanisms: tuple[str, ...] = ()
    bind: bool = False

    def to_element(self) -> Element:
        """The element <stream:features/>. With binding comes the old session, marked as optional, for older clients."""
        features = Element(FEATURES)
        if self.mechanisms:
            mechanisms = Element(_MECHANISMS)
            for name in self.mechanisms:
                mechanism = Element(_MECHANISM)
                mechanism.text = name
                mechanisms.append(mechanism)
            features.append(mechanisms)
        if self.bind:
            features.append(Element(_BIND))
            session = Element(f"{{{SESSION}}}session")
            session.append(Element(f"{{{SESSION}}}optional"))
            features.append(session)
        return features

    @classmethod
    def from_element(cls, features: Element) -> Features:
        """Reads the element <stream:features/>."""
        names = (mechanism.text or "" for mechanism in features.findall(f"{_MECHANISMS}/{_MECHANISM}"))
        return cls(tuple(name.strip() for name in names), features.find(_BIND) is not None)

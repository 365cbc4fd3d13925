"""The connection service hands a PBX its final account and password, in place of the ones for the first connection.

Sent by iq set. The empty result is the acknowledgement: it says that the PBX has stored them for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emulators.cloudconnect import NAMESPACE
from emulators.payload import PayloadRefused, expect, text
from emulators.xmpp.element import Element

TAG = f"{{{NAMESPACE}}}credentials"
LIMIT = 128
"""The longest account or password, in characters."""


@dataclass(frozen=True)
class Credentials:
    """The final account and password."""

    account: str
    password: str = field(repr=False)

    def to_element(self) -> Element:
        """The payload."""
        return Element(TAG, {"account": self.account, "password": self.password})

    @classmethod
    def from_element(cls, element: Element) -> Credentials:
        """Reads the payload. Raises PayloadRefused, which never repeats what was sent."""
        expect(element, TAG)
        account, password = (text(element, name, limit=LIMIT) for name in ("account", "password"))
        if not all(value and value.isprintable() for value in (account, password)):
            raise PayloadRefused(f"a final account and its password have 1 to {LIMIT} printable characters each")
        return cls(account, password)

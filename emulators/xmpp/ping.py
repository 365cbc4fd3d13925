"""XMPP ping (XEP-0199)."""

from __future__ import annotations

from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import PING

TAG = f"{{{PING}}}ping"
"""The tag of the payload of an iq of type get; the answer is an empty result."""


def ping() -> Element:
    """The payload of a ping."""
    return Element(TAG)

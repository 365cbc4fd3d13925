"""Rainbow proposes a PBX its private code, which the PBX shows as its final password.

Sent by iq set. The empty result is the acknowledgement: it says that the PBX has stored the code for good.
"""

from __future__ import annotations

from emulators.payload import PayloadRefused, expect
from emulators.xmpp.element import Element

NAMESPACE = "urn:oxobench:credentials:1"
TAG = f"{{{NAMESPACE}}}private-code"
CODE_LIMIT = 128
"""The longest private code, in characters."""


def to_element(code: str) -> Element:
    """The proposal of `code`."""
    element = Element(TAG)
    element.text = code
    return element


def from_element(element: Element) -> str:
    """The code that is proposed: one line of printable characters. Raises PayloadRefused, which never repeats it."""
    code = expect(element, TAG).text or ""
    if not 1 <= len(code) <= CODE_LIMIT or not code.isprintable():
        raise PayloadRefused(f"a private code has 1 to {CODE_LIMIT} printable characters")
    return code

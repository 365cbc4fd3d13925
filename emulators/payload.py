"""How the payloads of requests are read: strictly, since they come from the network."""

from __future__ import annotations

import re

from emulators.xmpp.element import Element
from emulators.xmpp.stanza import Condition, StanzaError

TEXT_LIMIT = 256
"""The longest attribute value that is taken, in characters."""


class PayloadRefused(StanzaError):
    """A payload is not what it should be; as an answer to the peer it is `bad-request`."""

    def __init__(self, text: str) -> None:
        super().__init__(Condition.BAD_REQUEST, text)


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def expect(element: Element | None, tag: str) -> Element:
    """The element, if it is there and is called `tag`. Raises PayloadRefused."""
    name = tag.rpartition("}")[2]
    if element is None:
        raise PayloadRefused(f"<{name}> is missing")
    if element.tag != tag:
        raise PayloadRefused(f"<{name}> is expected, not <{local_name(element)}>")
    return element


def text(element: Element, name: str, *, default: str | None = None, limit: int = TEXT_LIMIT) -> str:
    """An attribute; one that is not there must have a default. Raises PayloadRefused."""
    value = element.get(name, default)
    if value is None:
        raise PayloadRefused(f"<{local_name(element)}> has no {name}")
    if len(value) > limit:
        raise PayloadRefused(f"{name} of <{local_name(element)}> has more than {limit} characters")
    return value


def number(element: Element, name: str, *, most: int) -> int:
    """An attribute that is a whole number from 0 to `most`. Raises PayloadRefused."""
    value = text(element, name, limit=20)
    if not re.fullmatch(r"[0-9]+", value) or int(value) > most:
        raise PayloadRefused(f"{name} of <{local_name(element)}> is not a number from 0 to {most}")
    return int(value)

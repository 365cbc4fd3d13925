"""The form that RFC 6120 gives every error: an element with one defined condition in it, and perhaps a text."""

from __future__ import annotations

import enum
from typing import TypeVar

from emulators.xmpp.element import Element

TEXT_LIMIT = 200
"""The longest text for people that is taken from the peer, in characters; what is longer is cut."""

_Condition = TypeVar("_Condition", bound=enum.StrEnum)


def write(error: Element, namespace: str, condition: enum.StrEnum, text: str | None) -> Element:
    """Puts the condition and the text into the element, and returns it."""
    error.append(Element(f"{{{namespace}}}{condition}"))
    if text is not None:
        element = Element(f"{{{namespace}}}text")
        element.text = text
        error.append(element)
    return error


def read(
    error: Element, namespace: str, conditions: type[_Condition], unknown: _Condition
) -> tuple[_Condition, str | None]:
    """The condition and the text in the element; `unknown` stands for a condition that RFC 6120 does not define."""
    names = {child.tag.removeprefix(f"{{{namespace}}}") for child in error}
    condition = next((known for known in conditions if known in names), unknown)
    text = error.findtext(f"{{{namespace}}}text")
    return condition, None if text is None else text[:TEXT_LIMIT]


def sentence(condition: enum.StrEnum, text: str | None) -> str:
    """The error for people."""
    return str(condition) if text is None else f"{condition}: {text}"

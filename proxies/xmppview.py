"""XMPP made readable: one stanza, or one element of RFC 7395's framing, on indented lines, its secrets as stars.

Names, prefixes and namespaces stay as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

SIZE_LIMIT = 256 * 1024
"""The longest message that is read, in bytes."""
DEPTH_LIMIT = 32
"""How deep elements may be nested."""

WIDTH = 68
"""In how many columns the attributes of an element stand; more than fit go on in the next line."""

STARS = "********"
"""What is shown instead of a secret, however long it is."""

_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_SASL_PAYLOADS = frozenset({"auth", "challenge", "response", "success"})
_SECRET = re.compile(r"password|digest|secret|token|(private|activation)-?code", re.IGNORECASE)
"""What the name of an element or an attribute has in it if a secret is inside."""


class NotXmpp(ValueError):
    """A message that is no single XML element as XMPP has them. The text says why, and repeats nothing of it."""


class Part(Enum):
    """What a piece of a line is; the value is how mitmweb 11 colours it."""

    MARKUP = "text"
    NAME = "Token_Name_Tag"
    ATTRIBUTE = "Token_Literal_Number"
    NAMESPACE = "Token_Keyword_Constant"
    VALUE = "Token_Literal_String"
    SECRET = "highlight"
    TEXT = "header"


Line = list[tuple[Part, str]]


@dataclass
class _Element:
    name: str
    attributes: dict[str, str]
    content: list[_Element | str] = field(default_factory=list)


def pretty(message: bytes) -> list[Line]:
    """The lines of one message. Raises NotXmpp for what XMPP forbids, is not XML at all, or is too large."""
    return list(_lines(_Reader().read(message), {}, 0))


def plain(lines: list[Line]) -> str:
    """The same without colours."""
    return "\n".join("".join(text for _, text in line) for line in lines)


class _Reader:
    """Reads one element. Neither document types nor what they could declare, nor comments, are let in."""

    def __init__(self) -> None:
        self._root: _Element | None = None
        self._open: list[_Element] = []

    def read(self, message: bytes) -> _Element:
        if len(message) > SIZE_LIMIT:
            raise NotXmpp(f"the message is longer than {SIZE_LIMIT // 1024} KiB")
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.CommentHandler = self._forbidden
        parser.ProcessingInstructionHandler = self._forbidden
        try:
            parser.Parse(message, True)
        except expat.ExpatError as error:
            raise NotXmpp(f"the message is not XML: {expat.ErrorString(error.code)}") from None
        if self._root is None:
            raise NotXmpp("the message is empty")
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == DEPTH_LIMIT:
            raise NotXmpp(f"elements are nested deeper than {DEPTH_LIMIT}")
        element = _Element(name, attributes)
        if self._open:
            self._open[-1].content.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if text.strip():
            self._open[-1].content.append(text)

    def _forbidden(self, *_: object) -> NoReturn:
        raise NotXmpp("the message holds what XMPP forbids: a document type, a comment or a processing instruction")


def _lines(element: _Element, outer: Mapping[str, str], depth: int) -> Iterator[Line]:
    namespaces = {**outer, **_declared(element)}
    margin = "  " * depth
    *above, start = _start_tag(element, margin)
    yield from above
    end: Line = [(Part.MARKUP, "</"), (Part.NAME, element.name), (Part.MARKUP, ">")]
    if not element.content:
        yield [*start, (Part.MARKUP, "/>")]
        return
    start.append((Part.MARKUP, ">"))
    if _is_secret(element, namespaces):
        yield [*start, (Part.SECRET, STARS), *end]
        return
    match element.content:
        case [str(text)]:
            yield [*start, (Part.TEXT, escape(text)), *end]
            return
    yield start
    for each in element.content:
        if isinstance(each, str):
            yield [(Part.MARKUP, f"{margin}  "), (Part.TEXT, escape(each.strip()))]
        else:
            yield from _lines(each, namespaces, depth + 1)
    yield [(Part.MARKUP, margin), *end]


def _start_tag(element: _Element, margin: str) -> list[Line]:
    """The lines of a start tag, without the bracket that ends it."""
    lines: list[Line] = [[(Part.MARKUP, f"{margin}<"), (Part.NAME, element.name)]]
    under = width = len(margin) + 1 + len(element.name)
    for name, value in element.attributes.items():
        part, shown = _value(name, value)
        needed = len(name) + len(shown) + 2
        if width > under and width + needed > WIDTH:
            lines.append([(Part.MARKUP, " " * under)])
            width = under
        lines[-1] += [(Part.MARKUP, " "), (Part.ATTRIBUTE, name), (Part.MARKUP, "="), (part, shown)]
        width += needed
    return lines


def _declared(element: _Element) -> dict[str, str]:
    """The namespaces that an element declares, by prefix."""
    names = ((name.partition(":"), value) for name, value in element.attributes.items())
    return {prefix: value for (xmlns, _, prefix), value in names if xmlns == "xmlns"}


def _value(name: str, value: str) -> tuple[Part, str]:
    if name.partition(":")[0] == "xmlns":
        return Part.NAMESPACE, quoteattr(value)
    if value and _SECRET.search(name):
        return Part.SECRET, f'"{STARS}"'
    return Part.VALUE, quoteattr(value)


def _is_secret(element: _Element, namespaces: Mapping[str, str]) -> bool:
    prefix, _, local = element.name.rpartition(":")
    return bool(_SECRET.search(local)) or (namespaces.get(prefix) == _SASL and local in _SASL_PAYLOADS)

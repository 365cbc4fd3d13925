"""XML elements: reading them from the network under strict limits, and writing them.

An element is the standard library's, with names in Clark notation: `{namespace}local`. What RFC 6120, section 11.1
forbids (document types, entities, comments, processing instructions) is refused. Names are resolved here and not in
expat: expat copies the namespace into the name of every attribute before anybody can object, which turns a message
of half a megabyte into gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.namespaces import STREAMS, XML

__all__ = ["Element", "Limits", "XmlRefused", "parse", "serialize"]

_XMLNS = "http://www.w3.org/2000/xmlns/"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


class XmlRefused(ValueError):
    """A message is not one well-formed element, holds what XMPP forbids, or is too large.

    `condition` is the stream error that RFC 6120 has for it.
    """

    def __init__(self, reason: str, condition: StreamCondition = StreamCondition.NOT_WELL_FORMED) -> None:
        super().__init__(reason)
        self.condition = condition


@dataclass(frozen=True)
class Limits:
    """The largest message that is read. Lengths of text and names are in characters."""

    message_bytes: int = 512 * 1024
    depth: int = 32
    elements: int = 20_000
    attributes: int = 64
    """In one element, namespace declarations included."""
    name_length: int = 512
    """Of a name with its prefix, and of a namespace."""
    value_length: int = 64 * 1024
    """Of the value of one attribute, and of the text between two tags."""


def parse(text: str | bytes, limits: Limits = Limits()) -> Element:
    """Reads a message that is one element; white space around it is dropped. Raises XmlRefused and nothing else."""
    if len(text) > limits.message_bytes:
        _too_much(f"the message has more than {limits.message_bytes} bytes")
    try:
        data = (text if isinstance(text, bytes) else text.encode()).strip(b" \t\r\n")
        data.decode()
    except UnicodeError as error:
        raise XmlRefused("the message is not UTF-8") from error
    if len(data) > limits.message_bytes:
        _too_much(f"the message has more than {limits.message_bytes} bytes")
    if data.startswith((b"<!", b"<?")):
        # Nothing but an element may come first, so expat never sees a document type.
        _forbidden("the message must begin with an element (no comment, declaration or document type)")
    return _Reader(limits).read(data)


def _too_much(reason: str) -> NoReturn:
    raise XmlRefused(reason, StreamCondition.POLICY_VIOLATION)


def _forbidden(reason: str) -> NoReturn:
    raise XmlRefused(reason, StreamCondition.RESTRICTED_XML)


class _Reader:
    """Reads one element. Expat runs on to the end of the data after a refusal, but calls nothing here any more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._builder = TreeBuilder()
        self._elements = 0
        self._text_length = 0
        self._scopes: list[dict[str, str]] = [{"": "", "xml": XML}]
        self._open: list[str] = []

    def read(self, data: bytes) -> Element:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = self._comment
        parser.ProcessingInstructionHandler = self._instruction
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise XmlRefused(f"the message is not well-formed: {error}") from error
        root = self._builder.close()
        assert isinstance(root, Element)
        return root

    def _start(self, name: str, pairs: list[str]) -> None:
        limits = self._limits
        self._text_length = 0
        self._elements += 1
        if self._elements > limits.elements:
            _too_much(f"the message has more than {limits.elements} elements")
        if len(self._open) >= limits.depth:
            _too_much(f"the message has more than {limits.depth} levels")
        if len(pairs) > 2 * limits.attributes:
            _too_much(f"an element has more than {limits.attributes} attributes")
        if any(len(value) > limits.value_length for value in pairs[1::2]):
            _too_much(f"an attribute has more than {limits.value_length} characters")
        attributes = dict(zip(pairs[::2], pairs[1::2], strict=True))
        scope = self._declare(attributes)
        self._scopes.append(scope)
        resolved = {
            self._clark(scope, key, ""): value
            for key, value in attributes.items()
            if key != "xmlns" and not key.startswith("xmlns:")
        }
        declarations = sum(key == "xmlns" or key.startswith("xmlns:") for key in attributes)
        if len(resolved) + declarations != len(attributes):
            raise XmlRefused(f"the element {name!r} has an attribute twice")
        self._open.append(self._clark(scope, name, scope[""]))
        self._builder.start(self._open[-1], resolved)

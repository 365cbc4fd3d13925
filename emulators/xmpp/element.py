"""XML elements: reading them from the network under strict limits, and writing them.

An element is the standard library's, with names in Clark notation: `{namespace}local`. What RFC 6120, section 11.1
forbids (document types, entities, comments, processing instructions) is refused. Names are resolved here and not in
expat: expat copies the namespace into the name of every attribute before anybody can object, which turns a message
of half a megabyte into gigabytes.
"""

from __future__ import annotations

import re
from collections import ChainMap
from dataclasses import dataclass
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.namespaces import STREAMS, XML

__all__ = ["DEFAULT_LIMITS", "Element", "Limits", "XmlRefused", "parse", "serialize"]

_XMLNS = "http://www.w3.org/2000/xmlns/"
_NOT_NAMESPACE = re.compile(r"[\s{}]")
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
    name_length: int = 256
    """Of a name with its prefix, and of a namespace."""
    value_length: int = 64 * 1024
    """Of the value of one attribute, and of the text between two tags."""


DEFAULT_LIMITS = Limits()


def parse(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Element:
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
    if not data.startswith(b"<"):
        # A byte order mark above all: expat would pass over it, to a document type perhaps.
        raise XmlRefused("the message must begin with an element")
    if data.startswith((b"<!", b"<?")):
        # Nothing but an element may come first, so expat never sees a document type.
        _forbidden("the message must begin with an element (no comment, declaration or document type)")
    return _Reader(limits).read(data)


def _too_much(reason: str) -> NoReturn:
    raise XmlRefused(reason, StreamCondition.POLICY_VIOLATION)


def _forbidden(reason: str) -> NoReturn:
    raise XmlRefused(reason, StreamCondition.RESTRICTED_XML)


class _Reader:
    """Reads one element. After a refusal expat runs on to the end of the data, but calls nothing here any more."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._builder = TreeBuilder()
        self._elements = 0
        self._text_length = 0
        self._scopes: list[ChainMap[str, str]] = [ChainMap({"": "", "xml": XML})]
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
        return self._builder.close()

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
        declared, attributes = {}, {}
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if len(value) > limits.value_length:
                _too_much(f"an attribute has more than {limits.value_length} characters")
            prefix, colon, local = key.partition(":")
            if prefix == "xmlns":
                declared[local] = self._namespace(value, local if colon else None)
            else:
                attributes[key] = value
        scope = self._scopes[-1].new_child(declared) if declared else self._scopes[-1]
        resolved = {self._resolve(scope, key, ""): value for key, value in attributes.items()}
        if len(resolved) < len(attributes):
            raise XmlRefused("an element has the same attribute twice")
        self._scopes.append(scope)
        self._open.append(self._resolve(scope, name, scope[""]))
        self._builder.start(self._open[-1], resolved)

    def _namespace(self, namespace: str, prefix: str | None) -> str:
        """A declared namespace; `prefix` is None for the default one."""
        if len(namespace) > self._limits.name_length:
            _too_much(f"a namespace has more than {self._limits.name_length} characters")
        if prefix in {"", "xmlns"} or (prefix is not None and not namespace):
            raise XmlRefused("a namespace declaration has a prefix or a namespace that may not stand there")
        if (prefix == "xml") != (namespace == XML) or namespace == _XMLNS or _NOT_NAMESPACE.search(namespace):
            raise XmlRefused("a namespace declaration has a prefix or a namespace that may not stand there")
        return namespace

    def _resolve(self, scope: ChainMap[str, str], name: str, default: str) -> str:
        """The name in Clark notation; `default` is the namespace of a name without a prefix."""
        if len(name) > self._limits.name_length:
            _too_much(f"a name has more than {self._limits.name_length} characters")
        prefix, colon, local = name.rpartition(":")
        if not colon:
            return f"{{{default}}}{name}" if default else name
        if not prefix or prefix not in scope or not local:
            raise XmlRefused("a name has a prefix that is not declared")
        return f"{{{scope[prefix]}}}{local}"

    def _end(self, name: str) -> None:
        self._text_length = 0
        self._scopes.pop()
        self._builder.end(self._open.pop())

    def _text(self, text: str) -> None:
        self._text_length += len(text)
        if self._text_length > self._limits.value_length:
            _too_much(f"a text has more than {self._limits.value_length} characters")
        self._builder.data(text)

    def _comment(self, text: str) -> None:
        _forbidden("the message holds a comment")

    def _instruction(self, target: str, text: str) -> None:
        _forbidden("the message holds a processing instruction")


def serialize(element: Element) -> str:
    """Writes an element: namespaces as plain `xmlns=`, but for the stream's own, whose usual prefix is `stream`.

    Raises ValueError when a text holds a character that XML cannot carry.
    """
    parts: list[str] = []
    _write(parts, element, default="", prefixed=False)
    return "".join(parts)


def _write(parts: list[str], element: Element, default: str, prefixed: bool) -> None:
    namespace, name = _split(element.tag)
    attributes = ""
    if namespace == STREAMS:
        name = f"stream:{name}"
        if not prefixed:
            attributes, prefixed = f' xmlns:stream="{STREAMS}"', True
    elif namespace != default:
        attributes, default = f' xmlns="{_escape(namespace)}"', namespace
    for number, (key, value) in enumerate(element.items()):
        space, key = _split(key)
        if space == XML:
            key = f"xml:{key}"
        elif space:
            attributes += f' xmlns:a{number}="{_escape(space)}"'
            key = f"a{number}:{key}"
        attributes += f' {key}="{_escape(value)}"'
    if not element.text and not len(element):
        parts.append(f"<{name}{attributes}/>")
        return
    parts.append(f"<{name}{attributes}>{_escape(element.text or '')}")
    for child in element:
        _write(parts, child, default, prefixed)
        parts.append(_escape(child.tail or ""))
    parts.append(f"</{name}>")


def _split(clark: str) -> tuple[str, str]:
    """Namespace and local name."""
    namespace, _, local = clark.rpartition("}")
    return namespace.removeprefix("{"), local


def _escape(text: str) -> str:
    if wrong := _NOT_XML.search(text):
        raise ValueError(f"XML cannot carry the character U+{ord(wrong.group()):04X}")
    return text.translate(_ESCAPES)

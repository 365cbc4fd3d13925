"""The error that ends a stream (RFC 6120, section 4.9)."""

from __future__ import annotations

from emulators.xmpp import condition_element
from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import STREAM_ERRORS, STREAMS

ERROR = f"{{{STREAMS}}}error"


class StreamError(Exception):
    """The stream must end: `condition` says why, `text` is for people."""

    def __init__(self, condition: StreamCondition, text: str | None = None) -> None:
        super().__init__(condition, text)
        self.condition = condition
        self.text = text

    def __str__(self) -> str:
        return condition_element.sentence(self.condition, self.text)

    def to_element(self) -> Element:
        """The element <stream:error/>."""
        return condition_element.write(Element(ERROR), STREAM_ERRORS, self.condition, self.text)

    @classmethod
    def from_element(cls, error: Element) -> StreamError:
        """Reads the element <stream:error/>; a condition that RFC 6120 does not define is read as undefined."""
        condition, text = condition_element.read(
            error, STREAM_ERRORS, StreamCondition, StreamCondition.UNDEFINED_CONDITION
        )
        return cls(condition, text)

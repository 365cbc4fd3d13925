"""What both sides of a stream share: taking messages apart, closing, failing, and the order of things."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod

from emulators.xmpp import framing, stream_error
from emulators.xmpp.conditions import StreamCondition
from emulators.xmpp.element import Element, Limits, XmlRefused, parse, serialize
from emulators.xmpp.events import Event, StanzaReceived, StreamClosed, StreamFailed
from emulators.xmpp.framing import Close, Open
from emulators.xmpp.jid import Jid
from emulators.xmpp.namespaces import FRAMING, STREAMS
from emulators.xmpp.stanza import REQUESTS, STANZAS, Iq, IqType, Stanza, StanzaError, read_stanza
from emulators.xmpp.stream_error import StreamError


class StreamState(enum.Enum):
    """How far a stream has come."""

    NEW = "new"
    """Nothing was said yet."""
    OPENING = "opening"
    """An <open/> is awaited: the server's answer, or the one with which the client starts again after logging in."""
    NEGOTIATING = "negotiating"
    """Open. Features are awaited (client), or the choice of a mechanism (server)."""
    AUTHENTICATING = "authenticating"
    """In a SASL exchange."""
    BINDING = "binding"
    """Authenticated; the request or the answer that binds a resource is awaited."""
    BOUND = "bound"
    """Stanzas may flow."""
    CLOSING = "closing"
    """This side has closed and waits for the other; stanzas may still arrive."""
    CLOSED = "closed"
    """Over. Nothing is read or sent any more; the WebSocket may be closed."""


class NotBound(ValueError):
    """A stanza cannot be sent now: the stream is not bound yet, or has ended."""


class Stream(ABC):
    """One side of an XMPP stream over WebSocket, without the WebSocket.

    Give every text message that arrives to `receive` and act on its events; send what `outgoing` returns after each
    call of any method, one text message each. `state` says how far the stream has come, `jid` is the client's full
    address once it is bound.
    """

    def __init__(self, limits: Limits) -> None:
        self.state = StreamState.NEW
        self.jid: Jid | None = None
        self._limits = limits
        self._outgoing: list[str] = []
        self._events: list[Event] = []

    def outgoing(self) -> list[str]:
        """The text messages to send now, in order. Each is handed out once."""
        messages, self._outgoing = self._outgoing, []
        return messages

    def receive(self, text: str) -> list[Event]:
        """Takes a text message and returns what came of it.

        Whatever the peer sends, this raises nothing: what is wrong ends the stream with the stream error that RFC 6120
        has for it, and a StreamFailed. White space and whatever comes after the end are passed over.
        """
        if self.state is not StreamState.CLOSED and text.strip(" \t\r\n"):
            try:
                self._take(parse(text, self._limits))
            except (XmlRefused, StreamError) as error:
                reason = error.text if isinstance(error, StreamError) else str(error)
                self.fail(error.condition, reason)
                self._events.append(StreamFailed(error.condition, reason))
        events, self._events = self._events, []
        return events

    def send(self, stanza: Stanza) -> None:
        """Sends a stanza.

        Raises NotBound when the stream is not bound, another ValueError when XML cannot carry a text in the stanza.
        """
        if self.state is not StreamState.BOUND:
            raise NotBound(f"a stanza cannot be sent: the stream is {self.state.value}, not bound")
        self._put(stanza.to_element())

    def close(self) -> None:
        """Closes this side in order; StreamClosed follows when the peer has closed too. Twice is once."""
        if self.state is StreamState.NEW:
            self.state = StreamState.CLOSED
        elif self.state not in {StreamState.CLOSING, StreamState.CLOSED}:
            self._put(Close().to_element())
            self.state = StreamState.CLOSING

    def fail(self, condition: StreamCondition, text: str | None = None) -> None:
        """Ends the stream at once with a stream error, unless it is over."""
        if self.state is not StreamState.CLOSED:
            self._put(StreamError(condition, text).to_element())
            self._end()

    def _put(self, element: Element) -> None:
        self._outgoing.append(serialize(element))

    def _end(self) -> None:
        if self.state is not StreamState.CLOSING:
            self._put(Close().to_element())
        self.state = StreamState.CLOSED

    def _take(self, element: Element) -> None:
        match element.tag:
            case framing.CLOSE:
                self._end()
                self._events.append(StreamClosed(Close.from_element(element).see_other_uri))
            case stream_error.ERROR:
                error = StreamError.from_element(element)
                self._end()
                self._events.append(StreamFailed(error.condition, error.text, from_peer=True))
            case framing.OPEN:
                self._take_open(Open.from_element(element))
            case tag if tag in STANZAS:
                self._take_stanza(element)
            case _ if self.state is not StreamState.CLOSING:
                self._take_other(element)

    def _take_open(self, opening: Open) -> None:
        if self.state is StreamState.CLOSING:
            return
        if self.state not in self._opening_states():
            raise StreamError(StreamCondition.POLICY_VIOLATION, "an <open/> has no place here now")
        if not opening.is_supported:
            raise StreamError(StreamCondition.UNSUPPORTED_VERSION, "the version of XMPP must be 1.0")
        self._opened(opening)

    def _take_stanza(self, element: Element) -> None:
        if self.state is StreamState.BINDING:
            self._binding(element)
        elif self.jid is not None:
            try:
                stanza = self._admit(read_stanza(element))
            except StanzaError as error:
                self._refuse(element, error)
            else:
                if stanza is not None:
                    self._events.append(StanzaReceived(stanza))
        elif self.state is not StreamState.CLOSING:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "a stanza came before the stream was bound")

    def _refuse(self, element: Element, error: StanzaError) -> None:
        """Answers a malformed request; a malformed stanza that asks for no answer is passed over."""
        kind, id_ = element.get("type"), element.get("id")
        if kind in REQUESTS and id_ and self.state is not StreamState.CLOSING:
            self._put(Iq(IqType.ERROR, id_, error=error).to_element())

    def _unexpected(self, element: Element) -> StreamError:
        """The stream error for an element that has no place here."""
        name = element.tag.rpartition("}")[2]
        if name == "open" or element.tag == f"{{{STREAMS}}}stream":
            return StreamError(StreamCondition.INVALID_NAMESPACE, f"the stream is opened by <open/> of {FRAMING}")
        if name in {"iq", "message", "presence"}:
            return StreamError(StreamCondition.INVALID_NAMESPACE, "stanzas belong to the namespace jabber:client")
        if self.state in {StreamState.NEW, StreamState.OPENING}:
            return StreamError(StreamCondition.NOT_AUTHORIZED, "the stream is not open yet")
        return StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "there is no use for such an element here")

    @abstractmethod
    def _opening_states(self) -> frozenset[StreamState]:
        """The states in which an <open/> may come."""

    @abstractmethod
    def _opened(self, opening: Open) -> None:
        """The peer opened its side, for the first time or after authentication."""

    @abstractmethod
    def _binding(self, element: Element) -> None:
        """A stanza came while the resource is being bound."""

    @abstractmethod
    def _admit(self, stanza: Stanza) -> Stanza | None:
        """What becomes of a stanza on a bound stream; None when it was dealt with."""

    @abstractmethod
    def _take_other(self, element: Element) -> None:
        """Neither framing nor a stream error nor a stanza."""

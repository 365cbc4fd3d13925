"""Stanzas: iq, message and presence, and the errors they carry (RFC 6120, section 8)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from emulators.xmpp import condition_element
from emulators.xmpp.element import Element
from emulators.xmpp.jid import Jid
from emulators.xmpp.namespaces import CLIENT, STANZA_ERRORS

_ERROR = f"{{{CLIENT}}}error"
_BODY = f"{{{CLIENT}}}body"


class ErrorKind(enum.StrEnum):
    """What the sender may do about a stanza error (RFC 6120, section 8.3.2)."""

    AUTH = "auth"
    CANCEL = "cancel"
    CONTINUE = "continue"
    MODIFY = "modify"
    WAIT = "wait"


class Condition(enum.StrEnum):
    """What went wrong with a stanza (RFC 6120, section 8.3.3)."""

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"

    @property
    def usual_kind(self) -> ErrorKind:
        """The error type that RFC 6120, section 8.3.3 associates with the condition."""
        return _USUAL_KINDS.get(self, ErrorKind.CANCEL)


_USUAL_KINDS = {
    Condition.BAD_REQUEST: ErrorKind.MODIFY,
    Condition.FORBIDDEN: ErrorKind.AUTH,
    Condition.JID_MALFORMED: ErrorKind.MODIFY,
    Condition.NOT_ACCEPTABLE: ErrorKind.MODIFY,
    Condition.NOT_AUTHORIZED: ErrorKind.AUTH,
    Condition.POLICY_VIOLATION: ErrorKind.MODIFY,
    Condition.RECIPIENT_UNAVAILABLE: ErrorKind.WAIT,
    Condition.REDIRECT: ErrorKind.MODIFY,
    Condition.REGISTRATION_REQUIRED: ErrorKind.AUTH,
    Condition.REMOTE_SERVER_TIMEOUT: ErrorKind.WAIT,
    Condition.RESOURCE_CONSTRAINT: ErrorKind.WAIT,
    Condition.SUBSCRIPTION_REQUIRED: ErrorKind.AUTH,
    Condition.UNEXPECTED_REQUEST: ErrorKind.WAIT,
}


class StanzaError(Exception):
    """A stanza was refused: `condition` says what went wrong, `kind` what to do about it, `text` is for people.

    Raise it from whatever answers a request; `Iq.refuse` turns it into the answer.
    """

    def __init__(self, condition: Condition, text: str | None = None, *, kind: ErrorKind | None = None) -> None:
        super().__init__(condition, text)
        self.condition = condition
        self.kind = condition.usual_kind if kind is None else kind
        self.text = text

    def __str__(self) -> str:
        return condition_element.sentence(self.condition, self.text)

    def to_element(self) -> Element:
        """The element <error/>."""
        return condition_element.write(Element(_ERROR, {"type": self.kind}), STANZA_ERRORS, self.condition, self.text)

    @classmethod
    def from_element(cls, error: Element) -> StanzaError:
        """Reads the element <error/>; a condition or kind that RFC 6120 does not define is read as undefined."""
        condition, text = condition_element.read(error, STANZA_ERRORS, Condition, Condition.UNDEFINED_CONDITION)
        kind = error.get("type")
        return cls(condition, text, kind=ErrorKind(kind) if kind in set(ErrorKind) else None)


class IqType(enum.StrEnum):
    """What an iq does."""

    GET = "get"
    SET = "set"
    RESULT = "result"
    ERROR = "error"


REQUESTS = frozenset({IqType.GET, IqType.SET})
"""The types of iq that must be answered."""


class MessageType(enum.StrEnum):
    """What a message belongs to (RFC 6121, section 5.2.2)."""

    NORMAL = "normal"
    CHAT = "chat"
    GROUPCHAT = "groupchat"
    HEADLINE = "headline"
    ERROR = "error"


class PresenceType(enum.StrEnum):
    """What a presence says or asks (RFC 6121, section 4.7.1); `available` is written by leaving the type out."""

    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    PROBE = "probe"
    SUBSCRIBE = "subscribe"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBE = "unsubscribe"
    UNSUBSCRIBED = "unsubscribed"
    ERROR = "error"


@dataclass(frozen=True, eq=False)
class Iq:
    """A request or its answer. A request has one payload, a result none or one, an error has `error`."""

    type: IqType
    id: str
    payload: Element | None = None
    to: Jid | None = None
    from_: Jid | None = None
    error: StanzaError | None = None

    def result(self, payload: Element | None = None) -> Iq:
        """The answer to this request."""
        return Iq(IqType.RESULT, self.id, payload, to=self.from_, from_=self.to)

    def refuse(self, error: StanzaError) -> Iq:
        """The answer that refuses this request."""
        return Iq(IqType.ERROR, self.id, to=self.from_, from_=self.to, error=error)

    def to_element(self) -> Element:
        """The element <iq/>."""
        element = _stanza_element("iq", self.type, self.id, self.to, self.from_)
        if self.payload is not None:
            element.append(self.payload)
        if self.error is not None:
            element.append(self.error.to_element())
        return element


@dataclass(frozen=True, eq=False)
class Message:
    """A message: text in `body`, anything else in `payloads`."""

    type: MessageType = MessageType.NORMAL
    id: str | None = None
    body: str | None = None
    payloads: tuple[Element, ...] = ()
    to: Jid | None = None
    from_: Jid | None = None
    error: StanzaError | None = None

    def to_element(self) -> Element:
        """The element <message/>."""
        element = _stanza_element("message", self.type, self.id, self.to, self.from_)
        if self.body is not None:
            body = Element(_BODY)
            body.text = self.body
            element.append(body)
        element.extend(self.payloads)
        if self.error is not None:
            element.append(self.error.to_element())
        return element


@dataclass(frozen=True, eq=False)
class Presence:
    """A presence."""

    type: PresenceType = PresenceType.AVAILABLE
    id: str | None = None
    payloads: tuple[Element, ...] = ()
    to: Jid | None = None
    from_: Jid | None = None
    error: StanzaError | None = None

    def to_element(self) -> Element:
        """The element <presence/>."""
        kind = None if self.type is PresenceType.AVAILABLE else self.type
        element = _stanza_element("presence", kind, self.id, self.to, self.from_)
        element.extend(self.payloads)
        if self.error is not None:
            element.append(self.error.to_element())
        return element


Stanza = Iq | Message | Presence

STANZAS = frozenset(f"{{{CLIENT}}}{name}" for name in ("iq", "message", "presence"))
"""The tags of stanzas."""


def read_stanza(element: Element) -> Stanza:
    """Reads a stanza. Raises StanzaError (bad-request or jid-malformed) when it breaks RFC 6120, section 8."""
    to, from_ = _address(element, "to"), _address(element, "from")
    error = next((StanzaError.from_element(child) for child in element if child.tag == _ERROR), None)
    if error is None and element.get("type") == "error":
        error = StanzaError(Condition.UNDEFINED_CONDITION)
    payloads = tuple(child for child in element if child.tag != _ERROR)
    match element.tag.removeprefix(f"{{{CLIENT}}}"):
        case "iq":
            return _read_iq(element, payloads, to, from_, error)
        case "message":
            # RFC 6121, section 5.2.2: an unknown type of message is read as normal.
            kind = element.get("type")
            message_type = MessageType(kind) if kind in set(MessageType) else MessageType.NORMAL
            bodies = [child.text or "" for child in payloads if child.tag == _BODY]
            others = tuple(child for child in payloads if child.tag != _BODY)
            return Message(message_type, element.get("id"), bodies[0] if bodies else None, others, to, from_, error)
        case "presence":
            kind = element.get("type", "available")
            if kind not in set(PresenceType):
                raise StanzaError(Condition.BAD_REQUEST, "there is no such type of presence")
            return Presence(PresenceType(kind), element.get("id"), payloads, to, from_, error)
    raise StanzaError(Condition.BAD_REQUEST, "this is not a stanza")


def _read_iq(
    element: Element, payloads: tuple[Element, ...], to: Jid | None, from_: Jid | None, error: StanzaError | None
) -> Iq:
    kind, id_ = element.get("type"), element.get("id")
    if kind not in set(IqType):
        raise StanzaError(Condition.BAD_REQUEST, "an iq must have the type get, set, result or error")
    if not id_:
        raise StanzaError(Condition.BAD_REQUEST, "an iq must have an id")
    iq_type = IqType(kind)
    if iq_type in REQUESTS and len(payloads) != 1:
        raise StanzaError(Condition.BAD_REQUEST, "an iq of type get or set must hold exactly one element")
    if iq_type is IqType.RESULT and len(payloads) > 1:
        raise StanzaError(Condition.BAD_REQUEST, "an iq of type result must hold at most one element")
    payload = payloads[0] if payloads else None
    return Iq(iq_type, id_, payload, to, from_, error if iq_type is IqType.ERROR else None)


def _address(element: Element, name: str) -> Jid | None:
    text = element.get(name)
    if text is None:
        return None
    try:
        return Jid.parse(text)
    except ValueError as error:
        raise StanzaError(Condition.JID_MALFORMED, str(error)) from error


def _stanza_element(name: str, kind: str | None, id_: str | None, to: Jid | None, from_: Jid | None) -> Element:
    attributes = {"type": kind, "id": id_, "to": to, "from": from_}
    return Element(f"{{{CLIENT}}}{name}", {key: str(value) for key, value in attributes.items() if value is not None})

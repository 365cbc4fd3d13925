"""What both sides of a SASL exchange share (RFC 6120, section 6): mechanisms, credentials, failures, encoding."""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from scramp import ScramException
from scramp.utils import saslprep

from emulators.xmpp import condition_element
from emulators.xmpp.conditions import SaslCondition
from emulators.xmpp.element import Element
from emulators.xmpp.namespaces import SASL

AUTH = f"{{{SASL}}}auth"
CHALLENGE = f"{{{SASL}}}challenge"
RESPONSE = f"{{{SASL}}}response"
ABORT = f"{{{SASL}}}abort"
SUCCESS = f"{{{SASL}}}success"
FAILURE = f"{{{SASL}}}failure"

MIN_ITERATIONS = 4096
"""The fewest rounds of hashing that SCRAM allows (RFC 7677, section 4)."""
MAX_ITERATIONS = 600_000
"""The most rounds of hashing a client does for a server: about half a second of work."""


class Mechanism(enum.StrEnum):
    """The SASL mechanisms that are spoken here, strongest first."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"  # RFC 7677
    SCRAM_SHA_1 = "SCRAM-SHA-1"  # RFC 5802
    PLAIN = "PLAIN"  # RFC 4616

    @property
    def needs_tls(self) -> bool:
        """Whether it shows the password to whoever reads the connection."""
        return self is Mechanism.PLAIN


def strongest_first(mechanisms: Iterable[str], *, tls: bool) -> tuple[Mechanism, ...]:
    """Those of the named mechanisms that are known here and safe on a connection with or without TLS."""
    named = set(mechanisms)
    return tuple(known for known in Mechanism if known in named and (tls or not known.needs_tls))


@dataclass(frozen=True)
class Credential:
    """One of the passwords with which a user may log in; `label` says which one it is.

    Raises ValueError when the password is empty or holds a character that SASLprep (RFC 4013) forbids.
    """

    label: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        prepared(self.password)


def prepared(text: str, what: str = "password") -> str:
    """A password or user name in the form in which it is compared (SASLprep, RFC 4013).

    Raises ValueError, without showing the text.
    """
    try:
        form = str(saslprep(text))
    except ScramException:
        raise ValueError(f"the {what} holds a character that a {what} must not hold") from None
    if not form or "\0" in form:
        raise ValueError(f"the {what} must not be empty")
    return form


class SaslFailure(Exception):
    """Authentication failed: `condition` says why, `text` is for people."""

    def __init__(self, condition: SaslCondition, text: str | None = None) -> None:
        super().__init__(condition, text)
        self.condition = condition
        self.text = text

    def __str__(self) -> str:
        return condition_element.sentence(self.condition, self.text)

    def to_element(self) -> Element:
        """The element <failure/>."""
        return condition_element.write(Element(FAILURE), SASL, self.condition, self.text)

    @classmethod
    def from_element(cls, failure: Element) -> SaslFailure:
        """Reads the element <failure/>; a condition that RFC 6120 does not define is read as not-authorized."""
        condition, text = condition_element.read(failure, SASL, SaslCondition, SaslCondition.NOT_AUTHORIZED)
        return cls(condition, text)


def carry(tag: str, data: bytes | None = None) -> Element:
    """An element that carries data in base64: nothing when it is None, `=` when it is empty (section 6.4.2)."""
    element = Element(tag)
    if data is not None:
        element.text = base64.b64encode(data).decode() or "="
    return element


def carried(element: Element) -> bytes | None:
    """The data that an element carries, None when it carries nothing. Raises SaslFailure (incorrect-encoding)."""
    text = (element.text or "").strip()
    if not text:
        return None
    if text == "=":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SaslFailure(SaslCondition.INCORRECT_ENCODING, "the data is not base64") from None

"""Why a request about the VPN could not be met: the code that the PBX logs and sends back through the CCI.

That there is an error code says the Installation Manual; its values are not public [?], so these are the bench's.
"""

from __future__ import annotations

from enum import StrEnum

from emulators.cloudconnect import NAMESPACE
from emulators.payload import PayloadRefused, expect, text
from emulators.xmpp.element import Element

TAG = f"{{{NAMESPACE}}}failure"
TEXT_LIMIT = 256
"""The longest explanation, in characters; what is longer is cut when it is written."""


class FailureCode(StrEnum):
    """The error codes."""

    UNKNOWN_GATEWAY = "unknown-gateway"
    """The VPN gateway that the request names cannot be found."""
    GATEWAY_UNREACHABLE = "gateway-unreachable"
    """The VPN gateway does not answer."""
    GATEWAY_REFUSED_CERTIFICATE = "gateway-refused-certificate"
    """The VPN gateway's certificate is not good."""
    WRONG_PASSWORD = "wrong-password"
    """The VPN gateway did not take the PBX's account and password."""
    NO_PROPOSAL = "no-proposal"
    """The VPN gateway and the PBX have no algorithms in common."""
    TOO_MANY_USERS = "too-many-users"
    """The tunnel is up and has as many users as it can have."""
    NO_TUNNEL = "no-tunnel"
    """There is nothing to close."""
    BUSY = "busy"
    """The tunnel is being closed, or was while it was being set up."""
    TUNNEL_UNAVAILABLE = "tunnel-unavailable"
    """The PBX cannot make a tunnel at all."""


class Failure(Exception):
    """A request could not be met: `code` says why to a program, `text` in one sentence to people."""

    def __init__(self, code: FailureCode, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else str(code))
        self.code = code
        self.text = text

    def to_element(self) -> Element:
        """The payload."""
        return Element(TAG, {"code": self.code, "text": self.text[:TEXT_LIMIT]})

    @classmethod
    def from_element(cls, element: Element) -> Failure:
        """Reads the payload. Raises PayloadRefused."""
        expect(element, TAG)
        code = text(element, "code")
        if code not in set(FailureCode):
            raise PayloadRefused(f"there is no failure code {code!r}")
        return cls(FailureCode(code), text(element, "text", default="", limit=TEXT_LIMIT))

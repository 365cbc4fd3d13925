"""What the connection service asks about the VPN, by iq set, and what the PBX answers in the result.

`OpenRequest` is answered with `Opened`, `CloseRequest` with `Closed`, and either with `Failure` when it cannot be met.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from emulators.cloudconnect import NAMESPACE
from emulators.payload import PayloadRefused, expect, number, text
from emulators.xmpp.element import Element

OPEN = f"{{{NAMESPACE}}}open"
OPENED = f"{{{NAMESPACE}}}opened"
CLOSE = f"{{{NAMESPACE}}}close"
CLOSED = f"{{{NAMESPACE}}}closed"
PARAMETERS = f"{{{NAMESPACE}}}vpn"

NAME_LIMIT = 128
"""The longest user, gateway id, account, password or connection ID, in characters."""
INACTIVITY_LIMIT = 1_000_000.0
"""The longest inactivity timeout that can be asked for, in seconds; the PBX keeps to much less."""
CONNECTIONS_LIMIT = 1000

_SECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,3})?")


@dataclass(frozen=True)
class VpnParameters:
    """The VPN parameters of a request: what the PBX logs in to the VPN gateway with (EAP). Empty: as it is set up."""

    account: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class OpenRequest:
    """Asks for a VPN connection.

    `user` is the user or organisation, for information only; `gateway` is the VPN gateway's id; `inactivity` is the
    timeout in seconds, None for the PBX's default. Raises ValueError for what cannot be sent.
    """

    user: str
    gateway: str
    inactivity: float | None = None
    parameters: VpnParameters = VpnParameters()

    def __post_init__(self) -> None:
        for what, value in (("user", self.user), ("VPN gateway", self.gateway)):
            if not 1 <= len(value) <= NAME_LIMIT or not value.isprintable():
                raise ValueError(f"the {what} of a request has 1 to {NAME_LIMIT} printable characters")
        for value in (self.parameters.account, self.parameters.password):
            if len(value) > NAME_LIMIT or not (value == "" or value.isprintable()):
                raise ValueError(f"the VPN account and password of a request have at most {NAME_LIMIT} characters each")
        if self.inactivity is not None and not 0 <= self.inactivity <= INACTIVITY_LIMIT:
            raise ValueError(f"the inactivity timeout of a request is from 0 to {INACTIVITY_LIMIT:g} s")

    def to_element(self) -> Element:
        """The payload; the timeout is sent to the millisecond."""
        element = Element(OPEN, {"user": self.user, "gateway": self.gateway})
        if self.inactivity is not None:
            element.set("inactivity", f"{self.inactivity:.3f}")
        if self.parameters != VpnParameters():
            login = {"account": self.parameters.account, "password": self.parameters.password}
            element.append(Element(PARAMETERS, login))
        return element

    @classmethod
    def from_element(cls, element: Element) -> OpenRequest:
        """Reads the payload. Raises PayloadRefused, which never repeats a password."""
        expect(element, OPEN)
        parameters = VpnParameters()
        if len(element):
            login = expect(element[0], PARAMETERS)
            parameters = VpnParameters(*(text(login, name, limit=NAME_LIMIT) for name in ("account", "password")))
        user, gateway = (text(element, name, limit=NAME_LIMIT) for name in ("user", "gateway"))
        try:
            return cls(user, gateway, _seconds(element), parameters)
        except ValueError as error:
            raise PayloadRefused(str(error)) from error


@dataclass(frozen=True)
class Opened:
    """The acknowledgement of a request: the PBX's VPN address, and the ID of the new connection."""

    address: str
    connection: str

    def to_element(self) -> Element:
        """The payload."""
        return Element(OPENED, {"address": self.address, "connection": self.connection})

    @classmethod
    def from_element(cls, element: Element) -> Opened:
        """Reads the payload. Raises PayloadRefused."""
        expect(element, OPENED)
        connection = text(element, "connection", limit=NAME_LIMIT)
        if not connection or not connection.isprintable():
            raise PayloadRefused(f"a connection ID has 1 to {NAME_LIMIT} printable characters")
        try:
            address = ipaddress.ip_address(text(element, "address", limit=45))
        except ValueError as error:
            raise PayloadRefused("the VPN address is not an IP address") from error
        return cls(str(address), connection)


@dataclass(frozen=True)
class CloseRequest:
    """Asks for all the active connections and the VPN tunnel to be closed (Installation Manual p. 42)."""

    def to_element(self) -> Element:
        """The payload."""
        return Element(CLOSE)

    @classmethod
    def from_element(cls, element: Element) -> CloseRequest:
        """Reads the payload. Raises PayloadRefused."""
        expect(element, CLOSE)
        return cls()


@dataclass(frozen=True)
class Closed:
    """The acknowledgement of a close request: how many connections were closed with the tunnel."""

    connections: int

    def to_element(self) -> Element:
        """The payload."""
        return Element(CLOSED, {"connections": str(self.connections)})

    @classmethod
    def from_element(cls, element: Element) -> Closed:
        """Reads the payload. Raises PayloadRefused."""
        return cls(number(expect(element, CLOSED), "connections", most=CONNECTIONS_LIMIT))


def _seconds(element: Element) -> float | None:
    """The inactivity timeout. Raises PayloadRefused."""
    value = text(element, "inactivity", default="", limit=20)
    if value == "":
        return None
    if not _SECONDS.fullmatch(value):
        raise PayloadRefused("the inactivity timeout of a request is no number of seconds")
    return float(value)

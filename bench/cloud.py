"""The Cloud Connect infrastructure as the bench asks it: the connection service, and the VPN gateway."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from bench.notes import read_notes
from emulators.cci.account import AccountRecord, Acknowledgement, LifeCycle, Outcome, RequestKind
from emulators.cci.inner import Connection, ConnectionState
from emulators.cci.vpngateway import Lease, Tunnel
from emulators.chronicle import Bookmark, Notes
from emulators.door.faults import FaultKind
from emulators.door.record import SessionRecord
from node.remote import Remote

VPN_GATEWAY = "vpn.cloudconnect.example"
"""The name of the site's VPN gateway, as requests give it."""

VPN_ACCOUNT = "pbx-vpn"
"""The account with which requests for a VPN connection let the PBX in at the gateway."""

OTHER_ALGORITHMS = "aes128-sha1-modp2048"
"""Algorithms that the PBX does not offer."""


@dataclass(frozen=True)
class Registration:
    """What an installer is told of a PBX that Cloud Connect has just made known."""

    account: str
    one_time_password: str


class ConnectionService:
    """The CCI's connection service, asked and steered out of band."""

    def __init__(self, node: Remote) -> None:
        self.node = node

    def create(self) -> Registration:
        """Makes a new PBX known to Cloud Connect."""
        registration = Registration(f"pbx-{secrets.token_hex(4)}", secrets.token_urlsafe(12))
        self.node.ask("create", account=registration.account, one_time_password=registration.one_time_password)
        return registration

    def pbx(self, account: str) -> AccountRecord:
        """Everything that the CCI may show of a PBX."""
        record: dict[str, Any] = self.node.ask("pbx", account=account)
        return AccountRecord(
            **{
                **record,
                "life_cycle": LifeCycle(record["life_cycle"]),
                "sessions": [SessionRecord(**session) for session in record["sessions"]],
                "acknowledgements": [
                    Acknowledgement(**{**one, "kind": RequestKind(one["kind"]), "outcome": Outcome(one["outcome"])})
                    for one in record["acknowledgements"]
                ],
            }
        )

    def notes(self, bookmark: Bookmark) -> Notes:
        """What has happened there since a bookmark."""
        return read_notes(self.node, bookmark)

    def open(self, account: str, user: str, gateway: str, password: str, inactivity: float | None = None) -> int:
        """An application asks for a VPN connection; returns the request's number in the PBX's acknowledgements.

        `password` is that of VPN_ACCOUNT; `inactivity` is in seconds, None leaves it to the PBX.
        """
        number: int = self.node.ask(
            "open",
            account=account,
            user=user,
            gateway=gateway,
            inactivity=inactivity,
            vpn_account=VPN_ACCOUNT,
            vpn_password=password,
        )
        return number

    def close(self, account: str) -> int:
        """An application asks for the VPN to be closed; returns the request's number."""
        number: int = self.node.ask("close", account=account)
        return number

    def drop(self, account: str) -> None:
        """Ends the PBX's permanent connection."""
        self.node.ask("drop", account=account)

    def certificate(self, pem: str) -> None:
        """Changes the certificate that is shown to whoever connects from now on."""
        self.node.ask("certificate", pem=pem)

    def set_fault(self, kind: FaultKind) -> None:
        """Makes something wrong with the CCI on purpose."""
        self.node.ask("fault_set", kind=kind.value)

    def clear_fault(self) -> None:
        """Makes the CCI work again."""
        self.node.ask("fault_clear")


class VpnGateway:
    """The VPN gateway and what stands behind it, asked and steered out of band."""

    def __init__(self, node: Remote) -> None:
        self.node = node
        self.dead = False
        """Whether it plays dead."""

    def freeze(self) -> None:
        """Has it play dead: whatever comes, it does not answer."""
        self.node.ask("freeze")
        self.dead = True

    def tunnels(self) -> list[Tunnel]:
        """The tunnels that are up."""
        return [Tunnel(**one) for one in self.node.ask("tunnels")]

    def notes(self, bookmark: Bookmark) -> Notes:
        """What has happened there since a bookmark."""
        return read_notes(self.node, bookmark)

    def leases(self) -> list[Lease]:
        """The addresses that are or were given out."""
        return [Lease(**one) for one in self.node.ask("leases")]

    def open_page(self, address: str) -> int:
        """An application behind the gateway connects to the PBX's management page; returns the connection's number."""
        number: int = self.node.ask("open_page", address=address)
        return number

    def ask_page(self, number: int) -> None:
        """The application asks for the page on that connection."""
        self.node.ask("ask_page", number=number)

    def connections(self) -> list[Connection]:
        """How the applications' connections stand."""
        return [Connection(**{**one, "state": ConnectionState(one["state"])}) for one in self.node.ask("connections")]

    def served(self) -> list[str]:
        """The addresses that have used the service behind the gateway."""
        served: list[str] = self.node.ask("served")
        return served

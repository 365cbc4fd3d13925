"""The connection service's node program: how the bench steers the CCI's side of Cloud Connect."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from emulators.cci import service
from emulators.cci.account import AccountRecord
from emulators.cci.parameters import ServiceParameters
from emulators.cloudconnect.requests import OpenRequest, VpnParameters
from emulators.door.node import DoorNode
from node.control import command

DEFAULT_DOMAIN = "connection.cloudconnect.example"
"""The name by which PBXs call the connection service; the real one is not public [?]."""


class ConnectionService(DoorNode):
    """A connection service and the PBXs it knows, by their one-time accounts.

    Commands that need the network only begin it; `pbx` shows what came of it.
    """

    def __init__(
        self,
        certificate: str,
        domains: Sequence[str] = (DEFAULT_DOMAIN,),
        address: str = "0.0.0.0",
        port: int = 443,
        accounts: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """`certificate` is chain and key in PEM; `accounts` are one-time accounts with their passwords.

        Raises ValueError.
        """
        known = ServiceParameters.read(parameters or {})
        self._service = service.ConnectionService(address, port, domains, certificate, known)
        for account, password in (accounts or {}).items():
            self._service.create(account, password)
        super().__init__("cci", self._service)

    @command
    def create(self, account: str, one_time_password: str | None = None) -> str:
        """Makes a PBX known; returns the one-time password, the given one or one that the CCI makes."""
        password = one_time_password or secrets.token_urlsafe(9)
        self._service.create(account, password)
        return password

    @command
    def accounts(self) -> list[str]:
        """The one-time accounts of the PBXs that are known."""
        return self._service.accounts

    @command
    def pbx(self, account: str) -> AccountRecord:
        """Everything about a PBX but its passwords."""
        return self._service.account(account).record()

    @command
    def open(
        self,
        account: str,
        user: str,
        gateway: str,
        inactivity: float | None = None,
        vpn_account: str = "",
        vpn_password: str = "",
    ) -> int:
        """Asks a PBX for a VPN connection; returns the request's number, and `pbx` shows the acknowledgement later."""
        request = OpenRequest(user, gateway, inactivity, VpnParameters(vpn_account, vpn_password))
        return self._service.request_open(account, request).number

    @command
    def close(self, account: str) -> int:
        """Asks a PBX to close all its VPN connections and the tunnel; returns the request's number."""
        return self._service.request_close(account).number

    @command
    def drop(self, account: str, code: int = 1001, abort: bool = False) -> None:
        """Ends a PBX's session: in order with a WebSocket close code, or with `abort` by a TCP reset."""
        self._service.drop(self._service.account(account).name, code, abort=abort)

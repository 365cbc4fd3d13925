"""What the PBX is configured with, as far as its links to the cloud need it. A value that exists is a valid one.

Making any of these dataclasses checks every value and stores it in one form (host names in small letters, and so on);
a bad value raises FieldRefused with the field's name as OMC shows it. Empty text means: not configured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from emulators.oxo import fields
from emulators.oxo.fields import FieldRefused

DEFAULT_DOMAIN = "openrainbow.com"
DEFAULT_CONNECTION_SERVICE = "connection.cloudconnect.example"
"""Where Cloud Connect's connection service is: the real name is not public, so it is a setting."""
DEFAULT_ADMINISTRATOR_PASSWORD = "kilo1987"
"""The bench's default for the administrator session; the PBX's own is not in the manual, so it is a setting."""

_AGENT_HOST = "agent."


class Field(StrEnum):
    """The fields that can be edited, by the names OMC shows them under."""

    RAINBOW_ENABLED = "Rainbow enabled"
    DOMAIN = "Domain"
    PBX_ID = "PBX ID"
    ACTIVATION_CODE = "Activation code"
    CLOUD_CONNECT_ENABLED = "Cloud Connect enabled"
    CONNECTION_SERVICE = "Connection service"
    ACTIVATION_ACCOUNT = "Activation account"
    ACTIVATION_PASSWORD = "Activation password"
    PROXY_HOST = "Host name or address"
    PROXY_PORT = "Port"
    PROXY_ACCOUNT = "Account"
    PROXY_PASSWORD = "Password"
    DNS_PRIMARY = "Primary"
    DNS_SECONDARY = "Secondary"
    LAN_ADDRESS = "IP address"
    LAN_NETMASK = "Subnet mask"
    LAN_GATEWAY = "Default gateway"


def _store(settings: object, name: str, value: object) -> None:
    """Puts the checked form of a value into a frozen dataclass while it is being made."""
    object.__setattr__(settings, name, value)


@dataclass(frozen=True)
class RainbowSettings:
    """OMC's page Cloud > Rainbow, and the final password, which Rainbow sends and OMC never shows."""

    enabled: bool = False
    domain: str = DEFAULT_DOMAIN
    pbx_id: str = ""
    activation_code: str = field(default="", repr=False)
    final_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        domain_limit = fields.HOST_LIMIT - len(_AGENT_HOST)
        _store(self, "enabled", fields.switch(Field.RAINBOW_ENABLED, self.enabled))
        _store(self, "domain", fields.host_name(Field.DOMAIN, self.domain, limit=domain_limit))
        if self.pbx_id != "":
            _store(self, "pbx_id", fields.pbx_id(Field.PBX_ID, self.pbx_id))
        if self.activation_code != "":
            _store(self, "activation_code", fields.activation_code(Field.ACTIVATION_CODE, self.activation_code))
        fields.text("Final password", self.final_password, limit=fields.SECRET_LIMIT)

    @property
    def agent_host(self) -> str:
        """The name under which the PBX looks for Rainbow: `agent.<domain>`."""
        return _AGENT_HOST + self.domain

    def missing(self) -> list[Field]:
        """The parameters that must be configured when Rainbow is enabled and are not yet (manual p. 42, 3.5.2.3)."""
        needed = {Field.PBX_ID: self.pbx_id, Field.ACTIVATION_CODE: self.activation_code}
        return [name for name, value in needed.items() if not value]

    def committed(self, edited: RainbowSettings) -> RainbowSettings:
        """These settings after OMC has committed `edited`.

        Another domain, PBX ID or activation code begins a new activation, so it discards the final password: the manual
        is silent on that, it follows from the activation code being for the first connection only. The same values
        again, or enabling and disabling, discard nothing (manual p. 42, 3.5.2.2: the connection parameters are not
        reinitialised).
        """
        same = (self.domain, self.pbx_id, self.activation_code) == (
            edited.domain,
            edited.pbx_id,
            edited.activation_code,
        )
        return replace(edited, final_password=self.final_password if same else "")


@dataclass(frozen=True)
class CloudConnectSettings:
    """OMC's page Cloud > Cloud Connect Operation, and the final credentials, which the CCI sends and OMC never shows.

    `account` and `one_time_password` are for the activation; `service` is the host name of the connection service.
    """

    enabled: bool = False
    service: str = DEFAULT_CONNECTION_SERVICE
    account: str = ""
    one_time_password: str = field(default="", repr=False)
    final_account: str = ""
    final_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _store(self, "enabled", fields.switch(Field.CLOUD_CONNECT_ENABLED, self.enabled))
        _store(self, "service", fields.host_name(Field.CONNECTION_SERVICE, self.service))
        _store(self, "account", fields.account(Field.ACTIVATION_ACCOUNT, self.account))
        fields.text(Field.ACTIVATION_PASSWORD, self.one_time_password)
        fields.text("Final account", self.final_account)
        fields.text("Final password", self.final_password, limit=fields.SECRET_LIMIT)

    @property
    def activation(self) -> tuple[str, str, str]:
        """What another activation begins with when it is another."""
        return self.service, self.account, self.one_time_password

    def missing(self) -> list[Field]:
        """The parameters without which there can be no connection. Final credentials stand in for those of OMC."""
        if self.final_account:
            return []
        needed = {Field.ACTIVATION_ACCOUNT: self.account, Field.ACTIVATION_PASSWORD: self.one_time_password}
        return [name for name, value in needed.items() if not value]

    def committed(self, edited: CloudConnectSettings) -> CloudConnectSettings:
        """These settings after OMC has committed `edited`.

        Another service, account or one-time password begins a new activation, so it discards the final credentials
        [?]; the same values again, or enabling and disabling, discard nothing.
        """
        if self.activation != edited.activation:
            return replace(edited, final_account="", final_password="")
        return replace(edited, final_account=self.final_account, final_password=self.final_password)


@dataclass(frozen=True)
class WebProxySettings:
    """OMC's page Web proxy. An empty host means that the site has none; the default port is not public."""

    host: str = ""
    port: int = 8080
    account: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.host != "":
            _store(self, "host", fields.host(Field.PROXY_HOST, self.host))
        _store(self, "port", fields.port(Field.PROXY_PORT, self.port))
        _store(self, "account", fields.account(Field.PROXY_ACCOUNT, self.account))
        _store(self, "password", fields.text(Field.PROXY_PASSWORD, self.password))


@dataclass(frozen=True)
class DnsSettings:
    """OMC's page DNS: the servers the PBX asks, in this order. Empty text means none."""

    primary: str = ""
    secondary: str = ""

    def __post_init__(self) -> None:
        if self.primary != "":
            _store(self, "primary", fields.address(Field.DNS_PRIMARY, self.primary))
        if self.secondary != "":
            _store(self, "secondary", fields.address(Field.DNS_SECONDARY, self.secondary))

    @property
    def servers(self) -> list[str]:
        """The servers that are configured, the primary first."""
        return [server for server in (self.primary, self.secondary) if server]


@dataclass(frozen=True)
class LanSettings:
    """OMC's page LAN/IP. The defaults are the factory's (Installation Manual); an empty gateway means none."""

    address: str = "192.168.92.246"
    netmask: str = "255.255.255.0"
    gateway: str = ""

    def __post_init__(self) -> None:
        _store(self, "address", fields.address(Field.LAN_ADDRESS, self.address))
        _store(self, "netmask", fields.netmask(Field.LAN_NETMASK, self.netmask))
        network = IPv4Interface((self.address, self.netmask)).network
        ends = (network.network_address, network.broadcast_address)
        if IPv4Address(self.address) in ends:
            raise FieldRefused(Field.LAN_ADDRESS, f"must not be the first or last address of its network {network}")
        if self.gateway == "":
            return
        _store(self, "gateway", fields.address(Field.LAN_GATEWAY, self.gateway))
        gateway = IPv4Address(self.gateway)
        if gateway not in network or gateway in ends:
            raise FieldRefused(Field.LAN_GATEWAY, f"must be the address of a machine in the PBX's network {network}")
        if self.gateway == self.address:
            raise FieldRefused(Field.LAN_GATEWAY, "must not be the PBX's own address")


@dataclass(frozen=True)
class Settings:
    """Everything the PBX is configured with."""

    rainbow: RainbowSettings = RainbowSettings()
    cloud_connect: CloudConnectSettings = field(default=CloudConnectSettings(), kw_only=True)
    web_proxy: WebProxySettings = WebProxySettings()
    dns: DnsSettings = DnsSettings()
    lan: LanSettings = LanSettings()
    administrator_password: str = field(default=DEFAULT_ADMINISTRATOR_PASSWORD, repr=False)

    def __post_init__(self) -> None:
        if fields.text("Administrator password", self.administrator_password) == "":
            raise FieldRefused("Administrator password", "must not be empty")

    def after_cold_reset(self, *, keep_rainbow: bool = True) -> Settings:
        """What a cold reset leaves: network settings and Cloud Connect data; a warm one leaves everything.

        Whether Rainbow's settings count as Cloud Connect data is not public, hence `keep_rainbow`.
        """
        rainbow = self.rainbow if keep_rainbow else RainbowSettings()
        return Settings(
            rainbow=rainbow,
            cloud_connect=self.cloud_connect,
            web_proxy=self.web_proxy,
            dns=self.dns,
            lan=self.lan,
        )


SECTIONS: Mapping[str, type[Any]] = {
    section.name: type(section.default)
    for section in dataclasses.fields(Settings)
    if dataclasses.is_dataclass(section.default)
}
"""The kinds of the settings' sections, by name."""

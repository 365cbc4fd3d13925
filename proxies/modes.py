"""How the web proxy behaves: its modes and their parameters, as data."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field


class ModeRefused(ValueError):
    """A mode or a parameter that the web proxy cannot have. The text is one sentence that names it."""


class ProxyMode(enum.Enum):
    """What kind of web proxy stands on the site."""

    TUNNEL = "tunnel"
    """CONNECT opens a tunnel; TLS passes through untouched."""
    INSPECTING = "inspecting"
    """TLS is intercepted with the CA that the PBX trusts: WebSocket messages are visible in the flow file."""
    INSPECTING_UNTRUSTED = "inspecting-untrusted"
    """TLS is intercepted with a CA that the PBX does not trust."""
    AUTHENTICATING = "authenticating"
    """Basic authentication: 407 without the right account and password. Needs `account` and `password`."""
    REFUSING = "refusing"
    """CONNECT is answered with 403; with `allowed_ports`, only CONNECT to another port is."""
    NO_WEBSOCKET = "no-websocket"
    """Not WebSocket-capable: drops `Upgrade`, as Squid does by default. Intercepts TLS with the CA that the PBX trusts,
    since a proxy that passes TLS through cannot see the header."""
    IDLE_CUT = "idle-cut"
    """A tunnel in which nothing passed for `idle` seconds is cut."""
    SLOW = "slow"
    """CONNECT is answered only after `delay` seconds."""
    SILENT = "silent"
    """Accepts the connection and never answers CONNECT."""
    UNREACHABLE = "unreachable"
    """Does not listen: the machine answers a connection with a TCP reset."""


_TRUSTED = frozenset({ProxyMode.INSPECTING, ProxyMode.NO_WEBSOCKET})
_PASSING = frozenset({ProxyMode.TUNNEL, ProxyMode.UNREACHABLE})


@dataclass(frozen=True)
class ModeSettings:
    """A mode and its parameters. Every parameter works in every mode, unless said otherwise.

    `inspect` intercepts TLS, with the CA that the PBX trusts, in a mode that would pass it through.
    `account` and `password` turn Basic authentication on.
    `allowed_ports` are the ports that CONNECT may reach; None is any (in mode refusing: none).
    `idle` is after how many seconds without traffic a connection is cut; None is never (in mode idle-cut: 60).
    `delay` is how many seconds CONNECT waits for its answer (in mode slow: 10 unless given).
    `connect_timeout` is how many seconds the proxy waits for the server's TCP connection, name look-up included, before
    it answers 502. The default is Squid's.

    Raises ModeRefused when parameters contradict each other or are out of range.
    """

    mode: ProxyMode = ProxyMode.TUNNEL
    inspect: bool = False
    account: str | None = None
    password: str | None = field(default=None, repr=False)
    allowed_ports: tuple[int, ...] | None = None
    idle: float | None = None
    delay: float | None = None
    connect_timeout: float = 60.0

    def __post_init__(self) -> None:
        if self.inspect and self.mode in _PASSING:
            raise ModeRefused(f"web proxy mode {self.mode.value} does not inspect TLS: set mode inspecting instead")
        if (self.account is None) != (self.password is None):
            raise ModeRefused("a web proxy account needs both account and password")
        if self.mode is ProxyMode.AUTHENTICATING and self.account is None:
            raise ModeRefused("web proxy mode authenticating needs account and password")
        if self.account == "" or (self.account is not None and ":" in self.account):
            raise ModeRefused("a web proxy account must not be empty or contain a colon (RFC 7617)")
        if self.mode is ProxyMode.IDLE_CUT and self.idle is None:
            object.__setattr__(self, "idle", 60.0)
        if self.mode is ProxyMode.SLOW and self.delay is None:
            object.__setattr__(self, "delay", 10.0)
        for name, seconds in (("idle", self.idle), ("delay", self.delay), ("connect_timeout", self.connect_timeout)):
            if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
                raise ModeRefused(f"the web proxy's {name} must be more than 0 seconds, not {seconds:g}")
        for port in self.allowed_ports or ():
            if not 1 <= port <= 65535:
                raise ModeRefused(f"the web proxy's allowed_ports must be from 1 to 65535, not {port}")

    @property
    def listens(self) -> bool:
        """Whether the proxy listens at all."""
        return self.mode is not ProxyMode.UNREACHABLE

    @property
    def intercepts(self) -> bool:
        """Whether TLS is intercepted, with either CA."""
        return self.inspect or self.mode in _TRUSTED or self.mode is ProxyMode.INSPECTING_UNTRUSTED

    @classmethod
    def read(cls, values: Mapping[str, object]) -> ModeSettings:
        """Makes settings from JSON's types, `{"mode": "slow", "delay": 20}`.

        Raises ModeRefused.
        """
        known = {each.name for each in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ModeRefused(f"the web proxy has no parameter {unknown[0]!r}: it has {', '.join(sorted(known))}")
        name = values.get("mode", ProxyMode.TUNNEL.value)
        try:
            mode = ProxyMode(name)
        except ValueError:
            modes = ", ".join(each.value for each in ProxyMode)
            raise ModeRefused(f"there is no web proxy mode {name!r}: choose one of {modes}") from None
        return cls(
            mode=mode,
            inspect=_flag(values, "inspect"),
            account=_text(values, "account"),
            password=_text(values, "password"),
            allowed_ports=_ports(values, "allowed_ports"),
            idle=_seconds(values, "idle"),
            delay=_seconds(values, "delay"),
            connect_timeout=_seconds(values, "connect_timeout") or cls.connect_timeout,
        )


def _flag(values: Mapping[str, object], name: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise ModeRefused(f"the web proxy's {name} must be true or false")
    return value


def _text(values: Mapping[str, object], name: str) -> str | None:
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise ModeRefused(f"the web proxy's {name} must be text")
    return value


def _seconds(values: Mapping[str, object], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModeRefused(f"the web proxy's {name} must be a number of seconds")
    if value == 0:
        raise ModeRefused(f"the web proxy's {name} must be more than 0 seconds")
    return float(value)


def _ports(values: Mapping[str, object], name: str) -> tuple[int, ...] | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        raise ModeRefused(f"the web proxy's {name} must be a list of port numbers")
    ports = []
    for port in value:
        if isinstance(port, bool) or not isinstance(port, int):
            raise ModeRefused(f"the web proxy's {name} must be a list of port numbers, and {port!r} is none")
        ports.append(port)
    return tuple(ports)

"""The keeper of a node's container: gives it its links to the site's segments, and puts everything back after use."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute, NFCTSocket

from network import connections
from network.addressing import (
    PERMANENT,
    add_default_route,
    add_nobody,
    configure_link,
    index_of,
    is_down,
    look,
    take_down,
)
from network.docker import doors, ipsec
from network.docker.capabilities import Capability, needed_by
from network.docker.keeper import Keeper
from network.fabric import NodeNetwork
from network.firewall import CLOSED, find_nft
from network.plan import Role
from node.control import command

_LOOPBACK = "127.0.0.1"
_OWNER_PID = 1
"""The owner's process in the PID namespace that all containers of a site share."""

_IFF_RUNNING = 0x40
"""The kernel sets this flag of a link some time after the link is up."""

_TABLE_LOCAL, _TABLE_MAIN, _TABLE_DEFAULT = 255, 254, 253
_PLACE = Path("/run/oxobench")
"""The nodes' place for files. A container can be written to nowhere else but in /run, and in the evidence."""


@dataclass(frozen=True)
class Wire:
    """A link as the bench asks for it: the segment's name, the address that it is to have, and what it is called in the
    capture."""

    segment: str
    address: str
    port: str


class NodeKeeper(Keeper):
    """Keeper of a node's container."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._administers = Capability.NET_ADMIN in needed_by(name)
        self._wires: list[Wire] = []
        self._gateway: IPv4Address | None = None
        self._nobody = False
        self._new: dict[str, list[str]] | None = None
        """What `state` was when the node had been wired."""
        _PLACE.mkdir(exist_ok=True)

    @command
    def wire(self, links: list[dict[str, str]], gateway: str | None, nobody: bool) -> None:
        """Gives the node its links, addresses and routes; `nobody` has the gateway's address. Does nothing the second
        time, unless the first one failed."""
        if self._new is None:
            self._gateway = None if gateway is None else IPv4Address(gateway)
            self._nobody = nobody
            with IPRoute() as inside:
                for wire in (Wire(**link) for link in links):
                    if wire not in self._wires:
                        self._connect(inside, wire)
                        self._wires.append(wire)
                self._configure(inside)
            self._clear()
            self._new = self.state()

    @command
    def network(self) -> NodeNetwork:
        """The node's addresses and routes as its kernel has them now."""
        with IPRoute() as inside:
            return look(inside)

    @command
    def power_off(self) -> None:
        """Ends the node's program as a power cut does: its links go down first."""
        with IPRoute() as inside:
            for wire in self._wires:
                take_down(inside, wire.segment)
        self.kill(self.name)

    def prepare(self) -> None:
        """Brings links up that went down with the power, and forgets what was connected by them."""
        with IPRoute() as inside:
            if any(is_down(inside, wire.segment) for wire in self._wires):
                connections.destroy()
                self._configure(inside)

    @command
    def restore(self) -> list[str]:
        """Ends all programs and puts the container back to what it was when it was new. Returns what could not be."""
        self.end_programs()
        self._clear()
        if self._new is None:
            return ["the node was never wired"]
        now = self.state()
        return [
            f"{what}: {line} {'is left' if line in now[what] else 'is gone'}"
            for what, before in self._new.items()
            for line in sorted({*before} ^ {*now[what]})
        ]

    @command
    def state(self) -> dict[str, list[str]]:
        """What a scenario could have changed in the container: everything of its network, its files, its processes."""
        with IPRoute() as inside:
            state = {
                "link": [f"flags={one['flags'] & ~_IFF_RUNNING} "
                         + _text(one, ("index", "IFLA_IFNAME", "IFLA_MTU", "IFLA_ADDRESS", "IFLA_PROMISCUITY"))
                         for one in inside.get_links()],
                "address": [_text(one, ("index", "prefixlen", "scope", "IFA_ADDRESS", "IFA_LABEL"))
                            for one in inside.get_addr()],
                "route": [_text(one, ("type", "scope", "dst_len", "RTA_TABLE", "RTA_DST", "RTA_GATEWAY", "RTA_OIF",
                                      "RTA_PREFSRC", "RTA_PRIORITY", "RTA_METRICS"))
                          for one in inside.get_routes(family=socket.AF_INET)],
                "rule": [_text(one, ("action", "src_len", "dst_len", "FRA_TABLE", "FRA_PRIORITY", "FRA_SRC", "FRA_DST",
                                     "FRA_FWMARK"))
                         for one in inside.get_rules(family=socket.AF_INET)],
                "neighbour": [_text(one, ("ifindex", "NDA_DST", "NDA_LLADDR"))
                              for one in inside.get_neighbours(family=socket.AF_INET)],
                "traffic control": [_text(one, ("index", "TCA_KIND"))
                                    for one in inside.get_qdiscs() if one["index"] != 1],
            }  # fmt: skip
        state["nft rule"] = _nft("list ruleset").splitlines() if self._administers else []
        state["connection"] = connections.describe()
        state["file"] = [str(path) for path in (*_PLACE.parent.iterdir(), *_PLACE.rglob("*"))]
        state["program"] = sorted(self._pids)
        return {what: sorted(lines) for what, lines in state.items()}

    def _connect(self, inside: IPRoute, link: Wire) -> None:
        # In the owner's namespace the port's own name may be that of a container that has just ended.
        end = f"{os.getpid()}-{link.segment}"
        address = IPv4Interface(link.address)
        inside.link(
            "add",
            ifname=link.segment,
            kind="veth",
            address=_ethernet(address),
            peer={"ifname": end, "net_ns_pid": _OWNER_PID},
        )
        wish = {"door": "port", "end": end, "port": link.port, "segment": link.segment}
        with doors.knock(self.folder, doors.OWNER, wish) as owner:
            if owner.recv(1) != doors.PLUGGED:
                raise ValueError(f"the owner could not plug {link.port} in: its log says why")

    def _configure(self, inside: IPRoute) -> None:
        for wire in self._wires:
            configure_link(inside, index_of(inside, wire.segment), IPv4Interface(wire.address))
        if self._gateway is not None:
            add_default_route(inside, self._gateway)
            for wire in self._wires:
                if self._nobody and self._gateway in IPv4Interface(wire.address).network:
                    add_nobody(inside, index_of(inside, wire.segment), self._gateway)

    def _clear(self) -> None:
        if self._administers:
            _nft("flush ruleset")
        if self.name == Role.FIREWALL.value:
            # The container forwards from its beginning; and what it passed on now would fill its neighbour table again.
            _nft(CLOSED)
        self.prepare()
        connections.destroy()
        with IPRoute() as inside:
            for one in inside.get_neighbours(family=socket.AF_INET):
                if one["state"] == PERMANENT:
                    continue
                inside.neigh("del", dst=one.get_attr("NDA_DST"), ifindex=one["ifindex"])
            if self._administers:
                ipsec.flush()
                _clear_tables(inside)
                self._clear_addresses(inside)
        if self.name == Role.FIREWALL.value:
            with NFCTSocket() as conntrack:
                conntrack.flush()
        for path in _PLACE.iterdir():
            _remove(path)
        (_PLACE / "tmp").mkdir()

    def _clear_addresses(self, inside: IPRoute) -> None:
        """Takes away the addresses that a VPN has added."""
        segments = {wire.segment for wire in self._wires}
        for one in inside.get_addr(family=socket.AF_INET):
            own = one.get_attr("IFA_LABEL") in segments or one.get_attr("IFA_ADDRESS") == _LOOPBACK
            if not own:
                inside.addr("del", index=one["index"], address=one.get_attr("IFA_ADDRESS"), prefixlen=one["prefixlen"])


def _ethernet(address: IPv4Interface) -> str:
    """A node's Ethernet address: always the same one, so that the others find a node again whose container was made
    anew."""
    return (b"\x02\x00" + address.ip.packed).hex(":")


def _clear_tables(inside: IPRoute) -> None:
    """Takes away the routing tables that a VPN has added, and the rules that lead there."""
    for rule in inside.get_rules(family=socket.AF_INET):
        table = rule.get_attr("FRA_TABLE")
        if table not in (_TABLE_LOCAL, _TABLE_MAIN, _TABLE_DEFAULT):
            inside.flush_rules(family=socket.AF_INET, table=table)
            inside.flush_routes(family=socket.AF_INET, table=table)


def _text(message: Any, fields: tuple[str, ...]) -> str:
    values = [message.get_attr(name) if name.isupper() else message[name] for name in fields]
    return " ".join(f"{name}={value}" for name, value in zip(fields, values, strict=True) if value is not None)


def _nft(commands: str) -> str:
    nft = find_nft()
    if nft is None:
        raise FileNotFoundError("the image has no nft")
    return subprocess.run([nft, commands], capture_output=True, text=True, timeout=5, check=True).stdout


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

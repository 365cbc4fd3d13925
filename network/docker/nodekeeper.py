"""The keeper of a node's container: makes the engine's network into the site plan's, and puts it back after use."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute, NFCTSocket

from network.addressing import UNREACHABLE, add_default_route, configure_link, look
from network.capture import EVERY_PROTOCOL, open_tap
from network.docker import connections, doors, ipsec
from network.docker.capabilities import Capability, needed_by
from network.docker.keeper import Keeper
from network.docker.onlysent import see_only_sent
from network.fabric import NodeNetwork
from network.firewall import find_nft
from network.plan import Role
from node.control import command

_LOOPBACK = "127.0.0.1"

ENGINE_DNS = "127.0.0.11"
"""Where the engine answers DNS queries in each of its containers, also for names outside of the site."""

_TABLE_LOCAL, _TABLE_MAIN, _TABLE_DEFAULT = 255, 254, 253
_PLACE = Path("/run/oxobench")
"""The nodes' place for files. A container can be written to nowhere else but in /run, and in the evidence."""


@dataclass(frozen=True)
class Wire:
    """A link as the bench asks for it: the address by which the engine knows it, the segment's name, the address that
    it is to have, and what it is called in the capture."""

    engine: str
    segment: str
    address: str
    port: str


class NodeKeeper(Keeper):
    """Keeper of a node's container."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._administers = Capability.NET_ADMIN in needed_by(name)
        self._addresses: dict[str, str] = {}
        self._segments: set[str] = set()
        self._taps: list[socket.socket] = []
        self._new: dict[str, list[str]] = {}
        _PLACE.mkdir(exist_ok=True)

    @command
    def wire(self, links: list[dict[str, str]], gateway: str | None) -> dict[str, str]:
        """Gives the node its addresses in place of the engine's, with a tap on each link before it is used. Returns the
        Ethernet addresses by port. Does nothing the second time."""
        if not self._addresses:
            with IPRoute() as inside:
                for link in links:
                    self._connect(inside, Wire(**link))
                if gateway is not None:
                    add_default_route(inside, IPv4Address(gateway))
                # The engine's own DNS would be a way round the site's, and round the firewall.
                inside.route("add", dst=f"{ENGINE_DNS}/32", type=UNREACHABLE, table=_TABLE_LOCAL)
            self._clear()
            self._new = self.state()
        return self._addresses

    @command
    def network(self) -> NodeNetwork:
        """The node's addresses and routes as its kernel has them now."""
        with IPRoute() as inside:
            return look(inside)

    @command
    def restore(self) -> list[str]:
        """Ends all programs and puts the container back to what it was when it was new. Returns what could not be."""
        self.end_programs()
        self._clear()
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
                "link": [_text(one, ("index", "flags", "IFLA_IFNAME", "IFLA_MTU", "IFLA_ADDRESS", "IFLA_PROMISCUITY"))
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
        state["nft rule"] = _nft("list", "ruleset").splitlines() if self._administers else []
        state["connection"] = connections.describe()
        state["file"] = [str(path) for path in (*_PLACE.parent.iterdir(), *_PLACE.rglob("*"))]
        state["program"] = sorted(self._pids)
        return {what: sorted(lines) for what, lines in state.items()}

    def _connect(self, inside: IPRoute, link: Wire) -> None:
        (index,) = (
            one["index"] for one in inside.get_addr(family=socket.AF_INET) if one.get_attr("IFA_ADDRESS") == link.engine
        )
        inside.flush_addr(index=index)
        inside.link("set", index=index, state="down")
        inside.link("set", index=index, ifname=link.segment)
        inside.link("set", index=index, state="up")
        tap = open_tap()
        see_only_sent(tap)
        tap.bind((link.segment, EVERY_PROTOCOL))
        wish = {"door": "tap", "port": link.port, "device": link.segment}
        doors.knock(self.folder, doors.OWNER, wish, [tap.fileno()], within=doors.WITHIN).close()
        tap.close()
        configure_link(inside, index, IPv4Interface(link.address))
        (this,) = inside.get_links(index)
        self._segments.add(link.segment)
        self._addresses[link.port] = this.get_attr("IFLA_ADDRESS")

    def _clear(self) -> None:
        connections.destroy()
        with IPRoute() as inside:
            for one in inside.get_neighbours(family=socket.AF_INET):
                inside.neigh("del", dst=one.get_attr("NDA_DST"), ifindex=one["ifindex"])
            if self._administers:
                _nft("flush", "ruleset")
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
        for one in inside.get_addr(family=socket.AF_INET):
            own = one.get_attr("IFA_LABEL") in self._segments or one.get_attr("IFA_ADDRESS") == _LOOPBACK
            if not own:
                inside.addr("del", index=one["index"], address=one.get_attr("IFA_ADDRESS"), prefixlen=one["prefixlen"])


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


def _nft(*arguments: str) -> str:
    nft = find_nft()
    if nft is None:
        raise FileNotFoundError("the image has no nft")
    return subprocess.run([nft, *arguments], capture_output=True, text=True, timeout=5, check=True).stdout


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

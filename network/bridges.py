"""A site's segments as bridges of the network namespace that this process is in, by netlink; for every fabric."""

from __future__ import annotations

from pyroute2 import IPRoute

from network.addressing import index_of


def add_bridge(netlink: IPRoute, name: str) -> None:
    """Makes the bridge of a segment, which floods multicasts, as a plain switch does."""
    netlink.link("add", ifname=name, kind="bridge", br_mcast_snooping=0)
    netlink.link("set", index=index_of(netlink, name), state="up")


def plug(netlink: IPRoute, port: str, bridge: str) -> None:
    """Makes a link a port of a bridge, both by their names."""
    netlink.link("set", index=index_of(netlink, port), master=index_of(netlink, bridge), state="up")

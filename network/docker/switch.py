"""The site's segments: a bridge each, in the owner's network namespace, where the machine has no part in them.

The engine's own networks would not do. The machine itself is on their bridges: it answers ARP there for each of its
addresses, takes what is sent to it, forwards what is not, and has its own firewall look at every frame.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from pyroute2 import IPRoute

from network.addressing import index_of
from network.bridges import add_bridge, plug
from network.capture import open_port_tap

_SO_ATTACH_FILTER = 26
_LOAD, _INTERFACE = 0x20, 0xFFFFF000 + 8
_JUMP_IF_EQUAL, _RETURN = 0x15, 0x06
_WHOLE = 0xFFFFFFFF


class Switch:
    """Bridges and their ports, whose names are `ports`. `tap` sees every frame from the first moment on."""

    def __init__(self) -> None:
        with IPRoute() as netlink:
            self.tap = open_port_tap()
            _leave_out(self.tap, index_of(netlink, "lo"))
        self.ports: list[str] = []
        self._segments: set[str] = set()

    def plug(self, end: str, port: str, segment: str) -> None:
        """Connects a link whose end a node's keeper has brought into this namespace, and gives it its port's name."""
        with IPRoute() as netlink:
            if segment not in self._segments:
                add_bridge(netlink, segment)
                self._segments.add(segment)
            for stale in netlink.link_lookup(ifname=port):
                # Of a container that has ended: the kernel takes its time.
                netlink.link("del", index=stale)
            netlink.link("set", index=index_of(netlink, end), ifname=port)
            plug(netlink, port, segment)
        if port not in self.ports:
            self.ports.append(port)


def _leave_out(tap: socket.socket, index: int) -> None:
    """Keeps the tap from seeing, and waking for, what goes over an interface: a filter (classic BPF) in the kernel."""
    instructions = (
        (_LOAD, 0, 0, _INTERFACE),
        (_JUMP_IF_EQUAL, 0, 1, index),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _WHOLE),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in instructions))
    tap.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(instructions), ctypes.addressof(program))
    )

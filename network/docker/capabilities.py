"""Which capabilities a container has, and how a program gives up what it does not need."""

from __future__ import annotations

import ctypes
import enum
import os
import struct
from collections.abc import Iterable

from network.plan import Role


class Capability(enum.IntEnum):
    """The kernel's capabilities that a site uses at all (linux/capability.h)."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    FOWNER = 3
    KILL = 5
    SETPCAP = 8
    NET_BIND_SERVICE = 10
    NET_ADMIN = 12
    NET_RAW = 13


CONTAINER = tuple(Capability)
"""What the keeper of a container has: it gives the node its addresses, and has to take everything back later."""

_PROGRAM = frozenset({Capability.CHOWN, Capability.DAC_OVERRIDE, Capability.FOWNER, Capability.KILL,
                      Capability.NET_BIND_SERVICE})  # fmt: skip
_ADMINISTRATORS = frozenset({Role.FIREWALL.value, Role.OXO.value, Role.VPN.value})
"""Nodes whose program changes its own network: nftables, or the addresses and TUN device of a VPN."""

_PR_CAPBSET_DROP = 24
_VERSION_3 = 0x20080522
_HIGHEST = 40

_libc = ctypes.CDLL(None, use_errno=True)


def needed_by(name: str) -> frozenset[Capability]:
    """What the program of that node needs."""
    if name in _ADMINISTRATORS:
        return _PROGRAM | {Capability.NET_ADMIN, Capability.NET_RAW}
    return _PROGRAM


def keep_only(capabilities: Iterable[Capability]) -> None:
    """Gives up all others, for good and for whatever this process starts. Raises OSError."""
    kept = sum(1 << capability for capability in capabilities)
    for number in range(_HIGHEST + 1):
        if not kept >> number & 1:
            # What this kernel does not know, nobody has.
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    header = struct.pack("=Ii", _VERSION_3, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    if _libc.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")

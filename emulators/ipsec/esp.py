"""Who can encrypt a tunnel's packets on this machine: the kernel, or charon itself in user space over a TUN device."""

from __future__ import annotations

import errno
import os
import socket
import struct
from enum import StrEnum
from pathlib import Path

TUN = Path("/dev/net/tun")

_NETLINK_XFRM = 6
_NEW_SA, _DELETE_SA, _FLUSH_SA, _FLUSH_POLICY = 0x10, 0x11, 0x1C, 0x1D
_REQUEST_AND_ACK = 0x5
_CREATE = 0x600
_ATTR_CRYPT, _ATTR_AUTH = 2, 20
_ESP = 50
_NO_ESP = {errno.EPROTONOSUPPORT, errno.ENOSYS, errno.EAFNOSUPPORT, errno.ENOENT}


class TunnelUnavailable(ValueError):
    """No IPsec tunnel can be made on this machine. The text is one sentence that says what is missing."""


class EspBackend(StrEnum):
    """Who does ESP, the encryption of IPsec's packets (RFC 4303)."""

    KERNEL = "kernel"
    USER_SPACE = "user space"


def esp_backend() -> EspBackend:
    """Who does ESP here: the kernel where it can, and else strongSwan's kernel-libipsec over TUN.

    To be asked where the tunnel will be: in a network namespace whose administrator the process is. Raises
    TunnelUnavailable where neither can be had.
    """
    if kernel_has_esp():
        return EspBackend.KERNEL
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise TunnelUnavailable(
            f"No VPN tunnel can be made here: the kernel has no ESP, and {TUN} cannot be opened "
            f"({(error.strerror or 'unknown error').lower()})."
        ) from error
    return EspBackend.USER_SPACE


def flush_ipsec() -> None:
    """Takes every security association and policy of this network namespace out of the kernel.

    For what a charon that was killed has left there. Raises OSError where that is not allowed.
    """
    for kind, body in ((_FLUSH_SA, bytes(8)), (_FLUSH_POLICY, b"")):
        error = _ask_kernel(kind, 0, body)
        if error not in {0, errno.ESRCH}:
            raise OSError(error, f"The IPsec state cannot be flushed: {os.strerror(error)}")


def kernel_has_esp() -> bool:
    """Whether the kernel does ESP in this network namespace, whose administrator the process is.

    It is asked to take a security association between nobody and nobody, which it gives back.
    """
    everywhere = socket.inet_aton("127.0.0.1") + bytes(12)
    spi = 0x0F00D00D
    identity = everywhere + struct.pack("!IB3x", spi, _ESP)
    forever = struct.pack("=8Q", *[2**64 - 1] * 4, *[0] * 4)
    tunnel = struct.pack("=IIHBBB7x", 0, 0, socket.AF_INET, 1, 0, 0)
    # struct xfrm_usersa_info: selector, identity, source, limits, counters, statistics, how it is used.
    info = bytes(56) + identity + everywhere + forever + bytes(32) + bytes(12) + tunnel
    crypt = _attribute(_ATTR_CRYPT, struct.pack("=64sI", b"cbc(aes)", 256) + bytes(32))
    auth = _attribute(_ATTR_AUTH, struct.pack("=64sII", b"hmac(sha256)", 256, 128) + bytes(32))
    try:
        error = _ask_kernel(_NEW_SA, _CREATE, info + crypt + auth)
    except OSError as failure:
        if failure.errno in _NO_ESP:
            return False
        raise
    if error == 0:
        _ask_kernel(_DELETE_SA, 0, everywhere + struct.pack("!I", spi) + struct.pack("=HBx", socket.AF_INET, _ESP))
    return error == 0


def _ask_kernel(kind: int, flags: int, body: bytes) -> int:
    """Sends one message about IPsec to the kernel; returns the number of the error it answers with, 0 for none."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_XFRM) as netlink:
        netlink.bind((0, 0))
        netlink.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_AND_ACK | flags, 1, 0) + body)
        answer = netlink.recv(65536)
    return -int(struct.unpack_from("=i", answer, 16)[0])


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

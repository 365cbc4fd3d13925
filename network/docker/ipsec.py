"""Takes what a VPN has left in this network namespace's IPsec tables out of the kernel (xfrm)."""

from __future__ import annotations

import errno
import os
import socket
import struct

_NETLINK_XFRM = 6
_FLUSH_SA, _FLUSH_POLICY = 0x1C, 0x1D
_REQUEST_AND_ACK = 0x5
_HEADER = struct.Struct("=IHHII")


def flush() -> None:
    """Flushes security associations and policies. Raises OSError where that is not allowed; a kernel without IPsec has
    none."""
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_XFRM)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return
        raise
    with netlink:
        for kind, body in ((_FLUSH_SA, bytes(8)), (_FLUSH_POLICY, b"")):
            netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST_AND_ACK, 1, 0) + body)
            (failed,) = struct.unpack_from("=i", netlink.recv(4096), _HEADER.size)
            # There was nothing to flush.
            if failed and -failed != errno.ESRCH:
                raise OSError(-failed, f"the IPsec tables cannot be flushed: {os.strerror(-failed)}")

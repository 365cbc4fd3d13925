"""Messages with file descriptors between the bench, the parent of all sandboxes, and a sandbox.

Each message is one packet on a SOCK_SEQPACKET pair that the bench made: a pickled object and the descriptors that go
with it. Both ends are this program's own processes.
"""

from __future__ import annotations

import pickle
import socket
from typing import Any

_LARGEST = 128 * 1024
_MOST_FDS = 4


def pair() -> tuple[socket.socket, socket.socket]:
    """A new connected pair of sockets for messages."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, message: object, fds: list[int] | None = None) -> None:
    """Sends one message. Raises ValueError when it is too large for a packet, OSError when the other end is gone."""
    data = pickle.dumps(message)
    if len(data) > _LARGEST:
        raise ValueError(f"a message of {len(data)} bytes is too large for a sandbox (at most {_LARGEST})")
    socket.send_fds(sock, [data], fds or [])


def receive(sock: socket.socket) -> tuple[Any, list[int]]:
    """Waits for one message. Raises EOFError when the other end is gone."""
    data, fds, _, _ = socket.recv_fds(sock, _LARGEST, _MOST_FDS)
    if not data:
        raise EOFError("the other end is gone")
    return pickle.loads(data), fds

"""How the bench and a container reach each other: by a Unix socket in the site's control folder, its *door*.

Whoever connects first says what for: the length of a JSON object as four bytes, then the object. `{"door": "control"}`
leads to the container's keeper itself, which answers as a node does (`node/control.py`). `{"door": "program", ...}`
starts a program, whose control socket the connection becomes. `{"door": "tap", ...}` brings a packet socket.
Nothing of this is on the network under test; a program's settings, which may hold secrets, go no other way.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node.control import LINE_LIMIT
from node.socketpath import short_path

CONTROL = Path("/control")
"""Where the site's control folder stands in its containers."""

OWNER = "owner"
"""The name of the container that the others depend on."""

WITHIN = 10.0
"""Seconds that either side may take to say what it wants."""

_LENGTH = struct.Struct("!I")


class DoorShut(OSError):
    """A container's door does not open: it has ended, or hasn't begun."""


def door(folder: Path, name: str) -> Path:
    """The socket of the container called `name`."""
    return folder / f"{name}.sock"


def knock(folder: Path, name: str, wish: dict[str, Any], fds: Sequence[int] = (), within: float = 0.0) -> socket.socket:
    """A connection to a container, for that wish; waits up to `within` seconds for it to open. Raises DoorShut."""
    deadline = time.monotonic() + within
    body = json.dumps(wish).encode()
    if len(body) > LINE_LIMIT:
        raise ValueError(f"a program's settings of {len(body)} bytes are too long (at most {LINE_LIMIT})")
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(WITHIN)
            with short_path(door(folder, name)) as path:
                sock.connect(path)
            socket.send_fds(sock, [_LENGTH.pack(len(body))], list(fds))
            sock.sendall(body)
            return sock
        except OSError as error:
            sock.close()
            if time.monotonic() >= deadline:
                raise DoorShut(f"the container {name} does not answer ({error.strerror or error})") from error
            time.sleep(0.01)


def hear(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What a new connection is for, and the descriptors that came with it. Raises OSError, EOFError or ValueError when
    it does not say, or says nonsense."""
    sock.settimeout(WITHIN)
    head, fds, _, _ = socket.recv_fds(sock, _LENGTH.size, 1)
    while len(head) < _LENGTH.size:
        head += _more(sock, _LENGTH.size - len(head))
    (length,) = _LENGTH.unpack(head)
    if length > LINE_LIMIT:
        raise ValueError(f"a wish of {length} bytes is too long")
    body = b""
    while len(body) < length:
        body += _more(sock, length - len(body))
    wish = json.loads(body)
    if not isinstance(wish, dict):
        raise ValueError("a wish must be an object")
    return wish, list(fds)


def _more(sock: socket.socket, wanted: int) -> bytes:
    data = sock.recv(min(wanted, 65536))
    if not data:
        raise EOFError("the connection ended before it said what it is for")
    return data

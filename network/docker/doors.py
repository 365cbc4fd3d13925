"""How the bench and a container reach each other: by a Unix socket in the site's control folder, its *door*.

Whoever connects first says what for: the length of a JSON object as four bytes, then the object. `{"door": "control"}`
leads to the container's keeper itself, which answers as a node does (`node/control.py`). `{"door": "program", ...}`
starts a program, whose control socket the connection becomes. `{"door": "port", ...}` at the owner has it plug in a
link whose end was brought into its namespace; it answers with the byte PLUGGED.
Nothing of this is on the network under test; a program's settings, which may hold secrets, go no other way.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from pathlib import Path
from typing import Any

from node.control import LINE_LIMIT
from node.socketpath import short_path

CONTROL = Path("/control")
"""Where the site's control folder stands in its containers."""

OWNER = "owner"
"""The name of the container that the others depend on."""

PLUGGED = b"+"
"""What the owner says when a link has been plugged in; it hangs up when that failed."""

WITHIN = 10.0
"""Seconds that either side may take to say what it wants."""

_LENGTH = struct.Struct("!I")


class DoorShut(OSError):
    """A container's door does not open: it has ended, or hasn't begun."""


def door(folder: Path, name: str) -> Path:
    """The socket of the container called `name`."""
    return folder / f"{name}.sock"


def knock(folder: Path, name: str, wish: dict[str, Any], within: float = 0.0) -> socket.socket:
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
            sock.sendall(_LENGTH.pack(len(body)) + body)
            return sock
        except OSError as error:
            sock.close()
            if time.monotonic() >= deadline:
                raise DoorShut(f"the container {name} does not answer ({error.strerror or error})") from error
            time.sleep(0.01)


def hear(sock: socket.socket) -> dict[str, Any]:
    """What a new connection is for. Raises OSError, EOFError or ValueError when it does not say, or says nonsense."""
    sock.settimeout(WITHIN)
    (length,) = _LENGTH.unpack(_read(sock, _LENGTH.size))
    if length > LINE_LIMIT:
        raise ValueError(f"a wish of {length} bytes is too long")
    wish = json.loads(_read(sock, length))
    if not isinstance(wish, dict):
        raise ValueError("a wish must be an object")
    return wish


def _read(sock: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        data = sock.recv(min(size - len(read), 65536))
        if not data:
            raise EOFError("the connection ended before it said what it is for")
        read += data
    return read

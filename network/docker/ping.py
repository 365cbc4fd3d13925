"""Asks whether a Docker engine answers, as `DOCKER_HOST` names it or at its usual places."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

_WITHIN = 10.0
"""Seconds that an engine may take to answer, on a machine that is busy. Where there is none, it is known at once."""


class EngineSilent(Exception):
    """No engine answers; the text says why."""


USUAL = "unix:///var/run/docker.sock"
"""Where the machine's engine is."""


def ping(environment: Mapping[str, str], usual: str = USUAL) -> str:
    """The address of the engine that answers: the named one, the machine's, or the user's own. Raises EngineSilent."""
    if named := environment.get("DOCKER_HOST"):
        return _ping(named)
    own = f"unix://{environment.get('XDG_RUNTIME_DIR', f'/run/user/{os.getuid()}')}/docker.sock"
    try:
        return _ping(usual)
    except EngineSilent as refused:
        try:
            return _ping(own)
        except EngineSilent:
            raise refused from None


def _ping(address: str) -> str:
    try:
        with _connect(address) as engine:
            engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            answer = engine.recv(4096)
    except FileNotFoundError:
        raise EngineSilent("not running") from None
    except OSError as error:
        raise EngineSilent(f"{address}: {error.strerror or error}") from error
    if not answer.startswith(b"HTTP/1.") or b" 200 " not in answer.partition(b"\r\n")[0]:
        raise EngineSilent(f"{address}: what answers is not a Docker engine")
    return address


def _connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    host, _, port = parts.netloc.rpartition(":")
    if parts.scheme == "tcp" and host and port.isdecimal():
        return socket.create_connection((host.strip("[]"), int(port)), timeout=_WITHIN)
    if parts.scheme != "unix":
        raise EngineSilent(f"{address}: only unix:// and tcp://host:port can be asked")
    engine = socket.socket(socket.AF_UNIX)
    engine.settimeout(_WITHIN)
    try:
        engine.connect(parts.path)
    except OSError:
        engine.close()
        raise
    return engine

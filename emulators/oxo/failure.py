"""Why a link to Rainbow could not be made, or was lost: the layer it happened in, and one sentence."""

from __future__ import annotations

import os
import ssl
from enum import Enum


class Layer(Enum):
    """How far an attempt has come, from the bottom up; the value is what the status line calls it."""

    DNS = "DNS"
    TCP = "TCP"
    PROXY = "web proxy"
    TLS = "TLS"
    WEBSOCKET = "WebSocket"
    LOGIN = "login"
    LINK = "link"


class LinkFailure(Exception):
    """The link could not be made, or was lost. `layer` is where, the text one sentence that says what happened."""

    def __init__(self, layer: Layer, text: str) -> None:
        super().__init__(f"{layer.value}: {text}")
        self.layer = layer


def words(error: Exception) -> str:
    """What went wrong in the system's words, without its numbers and its module names."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "handshake failed").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__

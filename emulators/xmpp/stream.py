"""What both sides of a stream share (skeleton)."""

from __future__ import annotations

import enum


class StreamState(enum.Enum):
    """How far a stream has come."""

    NEW = "new"
    OPENING = "opening"
    AUTHENTICATING = "authenticating"
    REOPENING = "reopening"
    BINDING = "binding"
    BOUND = "bound"
    CLOSING = "closing"
    CLOSED = "closed"

"""Marks: an emoji on each flow that says at a glance what it is, in mitmweb and in the saved flows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from fnmatch import fnmatchcase


class Mark(Enum):
    """What a flow is; the value is mitmproxy's name of the emoji that stands for it."""

    TUNNEL = ":left_right_arrow:"
    """A CONNECT that opened a tunnel."""
    REFUSED = ":no_entry:"
    """A CONNECT that the proxy does not allow."""
    ACCOUNT = ":key:"
    """A request without the right account, answered with 407."""
    FAILED = ":x:"
    """The server could not be reached."""
    UNANSWERED = ":hourglass:"
    """A CONNECT whose client gave up before there was an answer."""
    TLS_FAILED = ":unlock:"
    """TLS broke off, with the client or with the server."""
    RAINBOW = ":rainbow:"
    """A WebSocket to Rainbow."""
    CLOUD_CONNECT = ":cloud:"
    """A WebSocket to the connection service."""
    WEBSOCKET = ":electric_plug:"
    """Any other WebSocket."""

    @classmethod
    def refusal(cls, status: int) -> Mark:
        """What a CONNECT was that got this status instead of 200."""
        return {407: cls.ACCOUNT, 502: cls.FAILED}.get(status, cls.REFUSED)


class Links:
    """Which server is whose: a mark by the name of its host.

    `names` has a host's name as its key, in which `*` stands for anything, and "rainbow" or "cloud-connect" as value.
    Raises ValueError for any other value.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._marks: dict[str, Mark] = {}
        for pattern, name in names.items():
            if name not in ("rainbow", "cloud-connect"):
                raise ValueError(f"a link of the web proxy goes to rainbow or cloud-connect, not to {name!r}")
            self._marks[pattern.lower()] = Mark.RAINBOW if name == "rainbow" else Mark.CLOUD_CONNECT

    def mark(self, host: str) -> Mark:
        """The mark of a WebSocket to that host."""
        matching = (mark for pattern, mark in self._marks.items() if fnmatchcase(host.lower(), pattern))
        return next(matching, Mark.WEBSOCKET)

"""The content view that shows XMPP in mitmweb's WebSocket messages, for mitmproxy 11 and 12."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache

from mitmproxy.http import HTTPFlow

from proxies.xmppview import NotXmpp, plain, pretty

SUBPROTOCOL = "xmpp"
"""The name of XMPP as a subprotocol of WebSocket (RFC 7395)."""

_FIRST_CHOICE, _NO_CHOICE = 2.0, -2.0
"""Priorities that no other view has: mitmproxy 11 cannot choose among views of the same one."""


class XmppView:
    """Shows each message as indented XML. What is no XMPP is shown as it is.

    mitmproxy 11 calls the view and takes styled lines; mitmproxy 12 calls `prettify` and takes text.
    """

    name = "XMPP"
    syntax_highlight = "xml"

    def __call__(self, data: bytes, **known: object) -> tuple[str, Iterator[list[tuple[str, str]]]] | None:
        """A description and the lines; None has mitmproxy show the data as they are."""
        try:
            lines = pretty(data)
        except NotXmpp:
            return None
        return self.name, iter([[(part.value, text) for part, text in line] for line in lines])

    def prettify(self, data: bytes, metadata: object) -> str:
        """The text; that of the data themselves if they are no XMPP."""
        try:
            return plain(pretty(data))
        except NotXmpp:
            return data.decode("utf-8", "backslashreplace")

    def render_priority(self, data: bytes, metadata: object = None, **known: object) -> float:
        """How fit the view is for the data: it is the first choice for the messages of a WebSocket that carries XMPP.

        mitmproxy 11 tells what is known of the data by keywords, mitmproxy 12 by `metadata`.
        """
        flow = known.get("flow", getattr(metadata, "flow", None))
        message = known.get("websocket_message", getattr(metadata, "websocket_message", None))
        if message is None or not isinstance(flow, HTTPFlow) or flow.response is None:
            return _NO_CHOICE
        chosen = flow.response.headers.get("Sec-WebSocket-Protocol", "")
        return _FIRST_CHOICE if chosen.lower() == SUBPROTOCOL and data.lstrip()[:1] == b"<" else _NO_CHOICE


@cache
def add_view() -> None:
    """Makes the view known to mitmproxy, once for a process."""
    # What the function takes has another type in each version of mitmproxy.
    importlib.import_module("mitmproxy.contentviews").add(XmppView())

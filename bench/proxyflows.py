"""Reads the flows that the web proxy has saved, as mitmweb would."""

from __future__ import annotations

from pathlib import Path

from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader


def websocket_messages(path: str) -> list[str]:
    """The text messages of every WebSocket in a flow file, in the order of the flows."""
    with Path(path).open("rb") as file:
        flows = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
    return [
        message.text
        for flow in flows
        if flow.websocket is not None
        for message in flow.websocket.messages
        if message.is_text
    ]

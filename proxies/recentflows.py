"""What mitmweb shows: the last few hundred flows, CONNECT and failed TLS included."""

from __future__ import annotations

from collections.abc import Sequence

from mitmproxy import flow, http
from mitmproxy.addons.view import View

KEPT = 500
"""How many flows are shown; the oldest that are over go first. They stay in the flow file."""


class RecentFlows(View):
    """mitmproxy's view, which also has a flow for each CONNECT, and a limit."""

    name = "view"

    def __init__(self, kept: int = KEPT) -> None:
        super().__init__()
        self._kept = kept

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel; mitmproxy's own view leaves that out."""
        self.add([flow])

    def add(self, flows: Sequence[flow.Flow]) -> None:
        """As mitmproxy's, and drops the oldest flows above the limit."""
        super().add(flows)
        surplus = len(self._store) - self._kept
        if surplus > 0:
            over = [each for each in self._store.values() if _is_over(each)]
            for each in over[:surplus]:
                # One by one: of more than one mitmproxy makes a message to the user. It would also kill what is alive.
                each.live = False
                self.remove([each])


def _is_over(each: flow.Flow) -> bool:
    # To mitmproxy a CONNECT is alive as long as its tunnel.
    return not each.live or (isinstance(each, http.HTTPFlow) and each.request.method == "CONNECT")

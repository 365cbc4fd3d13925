"""Mode authenticating: Basic authentication of the proxy's clients (RFC 7235, RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import hmac

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

REALM = "web proxy"


class Authentication:
    """Addon that demands an account of clients, and takes credentials off every request before it can be saved."""

    def load(self, loader: Loader) -> None:
        """Declares the options."""
        loader.add_option("proxy_account", str, "", "Account that clients must give; empty asks for none.")
        loader.add_option("proxy_password", str, "", "Password of the account.")

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """A client asks for a tunnel."""
        self._check(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A client asks for a page; inside an intercepted tunnel it has shown its credentials at the CONNECT."""
        if not flow.client_conn.tls:
            self._check(flow)

    def _check(self, flow: http.HTTPFlow) -> None:
        header = flow.request.headers.pop("Proxy-Authorization", "")
        account: str = ctx.options.proxy_account
        if not account or flow.response is not None:
            return
        expected = f"{account}:{ctx.options.proxy_password}".encode()
        if hmac.compare_digest(_credentials(header), expected):
            flow.metadata["account"] = account
        else:
            flow.response = http.Response.make(
                407,
                "The web proxy asks for an account and a password.\n",
                {"Proxy-Authenticate": f'Basic realm="{REALM}", charset="UTF-8"', "Content-Type": "text/plain"},
            )


def _credentials(header: str) -> bytes:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""

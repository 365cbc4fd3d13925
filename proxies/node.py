"""The program of the web proxy's node."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.flow import Flow
from mitmproxy.master import Master
from mitmproxy.options import Options

from node.control import command
from proxies.authentication import Authentication
from proxies.authorities import Authorities
from proxies.delay import Delay
from proxies.flowfile import FlowFile
from proxies.journal import ConnectionSeen, Journal
from proxies.listener import Listener
from proxies.marks import Links
from proxies.modes import ModeSettings, ProxyMode
from proxies.nowebsocket import NoWebSocket
from proxies.pagesocket import PageSettings
from proxies.refusal import Refusal
from proxies.tunnel import Tunnel
from proxies.upstream import Upstream

if TYPE_CHECKING:
    from proxies.mitmweb import MitmwebMaster

_LOG = logging.getLogger("mitmproxy")


@dataclass(frozen=True)
class Address:
    """Where the proxy listens."""

    host: str
    port: int


class WebProxy:
    """A web proxy as a node's program: mitmproxy with the few addons that a forward proxy needs.

    `ca_pem` and `other_ca_pem` are a private key and its CA certificate in PEM: the CA with which TLS is intercepted,
    and one that the PBX does not trust. `upstream_ca_pem` are the certificates by which servers are judged when TLS is
    intercepted. `confdir` is a folder that mitmproxy may have for itself, `flows` the path of the flow file. `port` 0
    is any free one. `mode` is what `ModeSettings.read` takes. `links` tells whose a server is, as `Links` takes it, for
    the marks of flows. `web` has mitmweb served, as `PageSettings.read` takes it.

    mitmproxy opens the connection to the server before it answers CONNECT with 200, as Squid does.
    """

    def __init__(
        self,
        listen: str,
        port: int,
        confdir: str,
        flows: str,
        ca_pem: str,
        other_ca_pem: str | None,
        upstream_ca_pem: str,
        mode: Mapping[str, object],
        links: Mapping[str, str] | None = None,
        web: Mapping[str, str] | None = None,
    ) -> None:
        self._listen = listen
        self._port = port
        self._authorities = Authorities(Path(confdir), ca_pem, other_ca_pem, upstream_ca_pem)
        self._settings = ModeSettings.read(mode)
        self._master: Master | None = None
        self._mitmweb: MitmwebMaster | None = None
        self._journal = Journal()
        self._listener = Listener(self._journal)
        self._tls = TlsConfig()
        self._page = None if web is None else PageSettings.read(web)
        self._flows = FlowFile(flows, Links(links or {}), self._show)
        self._log = logging.StreamHandler()

    async def start(self) -> None:
        """Writes mitmproxy's folder, loads the addons and listens.

        Raises OSError when the port or a file cannot be had, ValueError for a CA or a mode that cannot be used.
        """
        self._check(self._settings)
        _LOG.addHandler(self._log)
        self._authorities.write()
        self._flows.open()
        options = Options(confdir=self._authorities.trusted)
        self._master = Master(options) if self._page is None else self._make_mitmweb(options)
        # Hooks run in this order: a request is decided on and freed of credentials before it can be saved, and what
        # is saved is what the client gets. The delay comes after, so that a client that gives up is saved as well.
        self._master.addons.add(
            self._journal,
            Refusal(),
            Authentication(),
            NoWebSocket(),
            Upstream(),
            self._flows,
            Delay(),
            Tunnel(self._journal),
            NextLayer(),
            self._listener,
            self._tls,
        )
        if self._mitmweb is not None:
            self._mitmweb.add_page(self._listener)
        options.update(
            server=False,
            connection_strategy="eager",
            http2=False,
            http3=False,
            listen_host=self._listen,
            listen_port=self._port,
            ssl_verify_upstream_trusted_ca=self._authorities.servers,
        )
        await self._master.running()
        self._apply(self._settings)
        await self._update_listening()
        if self._mitmweb is not None and self._page is not None:
            self._mitmweb.serve(self._page.listen(), self._page.token)

    async def stop(self) -> None:
        """Closes everything and completes the flow file."""
        if self._master is not None:
            await self._listener.listen(False)
            await self._listener.cut_all("the proxy stopped")
            await self._master.done()
            self._master = None
        if self._page is not None:
            self._page.remove()
        _LOG.removeHandler(self._log)

    @command
    async def set_mode(self, mode: str, cut: bool = False, **parameters: object) -> None:
        """Changes the mode and all parameters for new connections; `cut` also cuts the live ones."""
        settings = ModeSettings.read({"mode": mode, **parameters})
        self._check(settings)
        self._apply(settings)
        self._settings = settings
        await self._update_listening()
        if cut:
            await self._listener.cut_all("cut by the proxy: its mode changed")

    @command
    async def restart(self) -> None:
        """Cuts everything and listens again, unless its mode is not to listen, as a proxy that is restarted."""
        await self._listener.listen(False)
        await self._listener.cut_all("the proxy restarted")
        await self._update_listening()

    @command
    async def cut_all(self) -> int:
        """Cuts every live connection; says how many they were."""
        return await self._listener.cut_all("cut by the proxy")

    @command
    def address(self) -> Address:
        """Where the proxy listens. Refused when it doesn't."""
        if self._listener.address is None:
            raise ValueError("the web proxy does not listen")
        return Address(*self._listener.address)

    @command
    def connections(self, since: int = 0) -> list[ConnectionSeen]:
        """What the proxy saw, oldest first; only entries with a number above `since`."""
        return self._journal.since(since)

    @command
    def live(self) -> list[ConnectionSeen]:
        """The connections that are open now."""
        return self._journal.live

    @command
    def flows_saved(self) -> int:
        """Brings the flow file up to date, open flows included; says how many flows it has."""
        return self._flows.flush()

    def _make_mitmweb(self, options: Options) -> Master:
        # Imported only where it was asked for: a scenario's site must start quickly.
        from proxies.mitmweb import MitmwebMaster

        self._mitmweb = MitmwebMaster(options)
        return self._mitmweb

    def _show(self, each: Flow) -> None:
        if self._mitmweb is not None:
            self._mitmweb.view.add([each])

    def _check(self, settings: ModeSettings) -> None:
        if settings.mode is ProxyMode.INSPECTING_UNTRUSTED and not self._authorities.has_other:
            raise ValueError("web proxy mode inspecting-untrusted needs a second CA, and this proxy has none")

    def _apply(self, settings: ModeSettings) -> None:
        assert self._master is not None
        untrusted = settings.mode is ProxyMode.INSPECTING_UNTRUSTED
        self._master.options.update(
            confdir=self._authorities.other if untrusted else self._authorities.trusted,
            tls_interception=settings.intercepts,
            drop_upgrade=settings.mode is ProxyMode.NO_WEBSOCKET,
            proxy_account=settings.account or "",
            proxy_password=settings.password or "",
            connect_refused=settings.mode is ProxyMode.REFUSING or settings.allowed_ports is not None,
            connect_ports=[str(port) for port in settings.allowed_ports or ()],
            connect_delay=settings.delay or 0.0,
            connect_silent=settings.mode is ProxyMode.SILENT,
            connect_timeout=settings.connect_timeout,
            idle_cut=settings.idle or 0.0,
        )

    async def _update_listening(self) -> None:
        try:
            await self._listener.listen(self._settings.listens)
        except OSError as error:
            await self._listener.listen(False)
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OSError(f"the web proxy cannot listen on {self._listen}:{self._port}: {reason}") from error
        if self._master is not None and self._listener.address is not None:
            self._port = self._listener.address[1]
            self._master.options.update(listen_port=self._port)

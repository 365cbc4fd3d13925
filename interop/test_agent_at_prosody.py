"""The PBX's agent at a standard XMPP server that is not the bench's own: Prosody, over a real WebSocket and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from emulators.oxo.catalogue import Catalogue
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.flash import Flash
from emulators.oxo.parameters import AgentParameters
from emulators.oxo.settings import DnsSettings, RainbowSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from emulators.pbxagent.identity import user_name
from emulators.xmpp.sasl import Mechanism
from interop.prosody import Prosody, prosody
from tests.agent.rig import CODE, DOMAIN, HOST, PBX_ID, addresses, authority, dns_server, jump, run, settle, until

CONNECTED = "Connected with activation code"
KEEPALIVE = AgentParameters().keepalive_interval


@dataclass
class Pbx:
    """A PBX whose Rainbow is a Prosody."""

    server: Prosody
    store: SettingsStore
    agent: CCCtrlA

    def shows(self, beginning: str) -> bool:
        """Whether OMC shows a connection status that begins so."""
        return self.agent.status.startswith(beginning)

    def disable(self) -> None:
        """As OMC does on OK."""
        self.agent.settings_changed(*self.store.update(lambda s: replace(s, rainbow=replace(s.rainbow, enabled=False))))


@asynccontextmanager
async def pbx(folder: Path, mechanism: Mechanism, code: str = CODE) -> AsyncIterator[Pbx]:
    """An enabled PBX with `code` in its settings; the account at Prosody has CODE for its password."""
    ca = authority("the Prosody's CA")
    leaf = ca.issue_cert(HOST)
    certificate = (
        leaf.private_key_pem.bytes().decode(),
        "".join(pem.bytes().decode() for pem in leaf.cert_chain_pems),
    )
    (folder / "prosody").mkdir()
    with prosody(folder / "prosody", DOMAIN, certificate, (user_name(PBX_ID), CODE), mechanism) as server:
        async with dns_server(addresses("127.0.0.1")) as names:
            store = SettingsStore(Flash(folder / "flash"))
            rainbow = RainbowSettings(True, DOMAIN, PBX_ID, code)
            store.save(Settings(rainbow, WebProxySettings(), DnsSettings("127.0.0.1")))
            parameters = AgentParameters(
                port=server.port, path="/xmpp-websocket", dns_port=names.port, mechanisms=(mechanism,)
            )
            agent = CCCtrlA(store, Catalogue.generate(3), ca.cert_pem.bytes().decode(), parameters)
            life = asyncio.create_task(agent.run())
            try:
                yield Pbx(server, store, agent)
            finally:
                life.cancel()
                await asyncio.wait({life})
                if not life.cancelled():
                    life.result()


@pytest.mark.parametrize("mechanism", Mechanism)
def test_agent_logs_in_pings_and_closes_in_order(tmp_path: Path, mechanism: Mechanism) -> None:
    async def scenario() -> None:
        async with pbx(tmp_path, mechanism) as here:
            await until(lambda: here.agent.status == CONNECTED)
            jid = f"{user_name(PBX_ID)}@{DOMAIN}/oxo"
            assert f"mechanism='{mechanism.value}'" in here.server.log()
            assert f"Resource bound: {jid}" in here.server.log()
            # A ping without an answer, and the link is dead after a second silence: three show that they are answered.
            for number in (1, 2, 3):
                await settle()
                jump(KEEPALIVE)
                await until(partial(here.server.has_answered, f"p{number}"))
            assert here.agent.status == CONNECTED
            here.disable()
            await until(lambda: here.agent.status == "Disabled")
            await until(lambda: f"c2s stream for {jid} closed: session closed" in here.server.log())

    run(scenario())


def test_a_wrong_code_climbs_the_ladder(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pbx(tmp_path, Mechanism.SCRAM_SHA_256, code="1234") as here:
            for attempts, delay in enumerate((10, 30, 60, 120, 240, 480, 960, 960), start=1):
                refused = f"Waiting, next attempt in {delay} s (last failure: login: Rainbow refused the PBX ID or"
                await until(partial(here.shows, refused))
                assert here.server.log().count("<failure xmlns=") == attempts
                jump(delay)

    run(scenario())

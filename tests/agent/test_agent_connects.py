from __future__ import annotations

from pathlib import Path

from emulators.pbxagent.channels import Channel
from emulators.rainbow.pbx import LifeCycle, PortalState
from tests.agent.rig import run, site, until


def test_first_connection_with_the_activation_code_then_the_final_password(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            assert here.pbx.record().state is PortalState.RUNNING
            assert here.pbx.life_cycle is LifeCycle.ACTIVATED
            assert here.pbx.sessions[0].logged_in_with == "activation code"
            assert here.status == "Connected with final password"
            assert here.store.load().rainbow.final_password
            assert here.agent.channels == {Channel.CONF, Channel.CSTA, Channel.HTTP}
            await here.enable(False)
            await until(lambda: not here.pbx.connected)
            assert (here.pbx.sessions[0].ended_by, here.pbx.sessions[0].close_code) == ("the peer", 1000)
            assert here.pbx.state is PortalState.ACTIVATED
            assert here.status == "Disabled"
            await here.enable()
            await here.running()
            assert here.pbx.sessions[1].logged_in_with == "private code"

    run(scenario())


def test_all_devices_are_retrieved_page_by_page(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, users=300) as here:
            await here.running()
            got = here.pbx.devices.devices
            assert [(d.id, d.short_number, d.first_name, d.last_name, d.type) for d in got] == [
                (s.id, s.number, s.first_name, s.last_name, s.family) for s in here.catalogue.devices
            ]
            assert len(got) == here.pbx.devices.announced == 300

    run(scenario())

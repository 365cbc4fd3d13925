from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emulators.door.faults import Fault, FaultKind
from emulators.oxo.catalogue import Catalogue
from emulators.oxo.ccctrla import CCCtrlA
from emulators.oxo.flash import Flash
from emulators.oxo.parameters import AgentParameters
from emulators.oxo.phoneset import PhoneSet
from emulators.oxo.store import SettingsStore
from emulators.pbxagent import credentials
from emulators.pbxagent.channels import Channel, ChannelRequest, Move
from emulators.pbxagent.devices import DevicesPage
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import LifeCycle, PortalState
from emulators.session.ending import Ending
from emulators.session.session import Session
from emulators.xmpp.element import Element
from emulators.xmpp.paging import PageRequest
from emulators.xmpp.stanza import IqType, StanzaError
from tests.agent.rig import PBX_ID, Site, clock, jump, run, settle, site, until


def names(here: Site) -> list[tuple[str, str]]:
    return sorted((device.id, device.last_name) for device in here.pbx.devices.devices)


def expected(here: Site) -> list[tuple[str, str]]:
    return sorted((phone_set.id, phone_set.last_name) for phone_set in here.catalogue.devices)


def test_changes_are_pushed_while_connected_and_not_lost_while_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, users=5) as here:
            await here.running()
            family = here.catalogue.devices[0].family
            here.catalogue.add(PhoneSet("new-1", "190", "Ada", "Lovelace", family))
            here.catalogue.rename(here.catalogue.devices[0].id, "Grace", "Hopper")
            here.catalogue.remove(here.catalogue.devices[1].id)
            await until(lambda: names(here) == expected(here))
            assert here.pbx.devices.retrievals == 1
            here.gateway.link(PBX_ID).session.abort("test", reset=True)
            await until(lambda: here.status.startswith("Waiting"))
            known = names(here)
            here.catalogue.add(PhoneSet("new-2", "191", "Alan", "Turing", family))
            await settle()
            assert names(here) == known
            jump(10)
            await here.running()
            assert names(here) == expected(here)

    run(scenario())


def test_a_change_between_two_pages_makes_the_pcg_start_over(tmp_path: Path) -> None:
    class ChangesUnderway(CCCtrlA):
        changed = False

        def _page_of_devices(self, request: PageRequest) -> DevicesPage:
            page = super()._page_of_devices(request)
            if not self.changed:
                self.changed = True
                self._catalogue.remove(self._catalogue.devices[0].id)
            return page

    async def scenario() -> None:
        parameters = GatewayParameters(page_size=4)
        async with site(tmp_path, users=10, agent=ChangesUnderway, gateway_parameters=parameters) as here:
            await here.running()
            assert names(here) == expected(here)
            assert len(names(here)) == 9
            assert here.pbx.devices.retrievals == 1

    run(scenario())


def test_a_silent_pcg_is_noticed_by_site_time_and_recovered_from(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            await here.gateway.set_fault(Fault(FaultKind.SILENT))
            jump(60)
            await settle()
            jump(59)
            await settle()
            assert here.status.startswith("Connected")
            await here.gateway.set_fault(None)
            jump(1)
            await until(lambda: here.status.startswith("Waiting"))
            assert "link: closed by this side without a close code: nothing was heard for 120 s" in here.status
            jump(10)
            await here.running()
            await until(lambda: here.pbx.sessions[0].ended is not None)
            assert here.pbx.sessions[1].replaced_another

    run(scenario())


def test_a_quiet_link_is_kept_by_pings(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            for _ in range(60):
                jump(60)
                await settle()
            assert here.status.startswith("Connected")
            assert len(here.pbx.sessions) == 1

    run(scenario())


class CanBeMuted(CCCtrlA):
    session: Session | None = None

    async def _hold(self, session: Session) -> Ending:
        self.session = session
        return await super()._hold(session)


def test_the_pcg_drops_a_pbx_that_is_silent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, agent=CanBeMuted) as here:
            await here.running()
            assert isinstance(here.agent, CanBeMuted)
            assert here.agent.session is not None
            here.agent.session.mute()
            jump(60)
            await settle()
            jump(60)
            await until(lambda: not here.pbx.connected)
            assert here.pbx.sessions[0].why == "nothing was heard for 120 s"
            assert here.pbx.state is PortalState.ACTIVATED

    run(scenario())


def test_a_wrong_code_is_refused_and_the_right_one_then_taken_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, code="1234") as here:
            await until(lambda: here.status.startswith("Waiting"))
            assert "1234" not in here.status
            assert here.pbx.refused_logins == 1
            assert here.pbx.state is PortalState.PENDING
            await here.change(lambda s: replace(s, rainbow=replace(s.rainbow, activation_code="4711")))
            await here.running()

    run(scenario())


def test_a_reset_in_rainbow_disconnects_and_asks_for_the_new_code(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            here.gateway.reset(PBX_ID, "5822")
            await until(lambda: here.status.startswith("Waiting"))
            assert here.pbx.record().life_cycle is LifeCycle.CREATED
            assert here.pbx.state is PortalState.PENDING
            jump(10)
            await until(lambda: here.pbx.refused_logins == 1)
            await here.change(
                lambda s: replace(s, rainbow=s.rainbow.committed(replace(s.rainbow, activation_code="5822")))
            )
            await here.running()
            assert here.pbx.sessions[-1].logged_in_with == "activation code"
            assert here.pbx.life_cycle is LifeCycle.ACTIVATED

    run(scenario())


def test_a_pbx_that_stored_its_code_but_could_not_say_so_is_activated_by_its_next_login(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, enabled=False) as here:
            here.pbx.private_code = "kept-until-acknowledged"
            here.pbx.life_cycle = LifeCycle.ACTIVATING
            final = here.pbx.private_code
            await here.change(lambda s: replace(s, rainbow=replace(s.rainbow, final_password=final, enabled=True)))
            await here.running()
            assert here.pbx.life_cycle is LifeCycle.ACTIVATED
            assert here.pbx.sessions[0].logged_in_with == "private code"

    run(scenario())


def test_what_is_missing_is_said_and_nothing_is_attempted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, enabled=False) as here:
            await here.change(lambda s: replace(s, rainbow=replace(s.rainbow, enabled=True, pbx_id="")))
            await until(lambda: here.status == "Not configured: PBX ID")
            jump(3600)
            await settle()
            assert not here.dns.asked

    run(scenario())


@pytest.mark.parametrize("fault", [FaultKind.SILENT_TCP, FaultKind.SILENT_UPGRADE])
def test_disabling_in_the_middle_of_an_attempt_ends_it_at_once(tmp_path: Path, fault: FaultKind) -> None:
    async def scenario() -> None:
        async with site(tmp_path, prepare=lambda gateway: gateway.set_fault(Fault(fault))) as here:
            await until(lambda: here.dns.asked)
            await settle()
            assert here.status == "Connecting"
            before = clock().time()
            await here.enable(False)
            await until(lambda: here.status == "Disabled")
            assert len(here.dns.asked) == 1
            await here.enable()
            await until(lambda: len(here.dns.asked) == 2)
            assert clock().time() - before < 2

    run(scenario())


@pytest.mark.parametrize(
    "payload", [credentials.to_element("8899"), ChannelRequest(Move.CLOSE, Channel.CSTA).to_element()]
)
def test_what_is_to_be_set_cannot_be_got(tmp_path: Path, payload: Element) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            final = here.store.load().rainbow.final_password
            with pytest.raises(StanzaError, match="bad-request"):
                await here.gateway.session(PBX_ID).request(payload, kind=IqType.GET)
            assert here.store.load().rainbow.final_password == final
            assert Channel.CSTA in here.agent.channels

    run(scenario())


def test_a_channel_that_is_down_degrades_the_pbx(tmp_path: Path) -> None:
    async def scenario() -> None:
        parameters = AgentParameters(channels=(Channel.CONF,))
        async with site(tmp_path, parameters=parameters) as here:
            await here.running()
            assert here.pbx.state is PortalState.DEGRADED
            assert here.pbx.record().channels == {"xmpp": True, "conf": True, "csta": False, "http": False}

    run(scenario())


def test_a_change_of_dns_servers_reconnects_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            before = clock().time()
            await here.change(lambda s: replace(s, dns=replace(s.dns, secondary="")))
            await here.running()
            assert clock().time() - before < 5
            assert here.pbx.sessions[0].close_code == 1000

    run(scenario())


def test_the_pcg_says_goodbye_when_it_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            await here.gateway.stop()
            await until(lambda: here.status.startswith("Waiting"))
            assert "closed by the peer with code 1001" in here.status

    run(scenario())


def test_a_channel_that_rainbow_closes_is_down(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await here.running()
            await here.gateway.link(PBX_ID).move_channel(Move.CLOSE, Channel.CSTA)
            assert here.agent.channels == {Channel.CONF, Channel.HTTP}
            assert here.pbx.state is PortalState.DEGRADED

    run(scenario())


def test_a_private_code_for_a_pbx_that_was_configured_anew_is_not_stored(tmp_path: Path) -> None:
    class ConfiguredMeanwhile(CCCtrlA):
        def _on_success(self) -> None:
            super()._on_success()
            self._store.update(lambda s: replace(s, rainbow=replace(s.rainbow, activation_code="7777")))

    async def scenario() -> None:
        async with site(tmp_path, agent=ConfiguredMeanwhile) as here:
            await here.running()
            assert here.store.load().rainbow.final_password == ""
            assert here.pbx.life_cycle is LifeCycle.ACTIVATING
            assert here.status == "Connected with activation code"

    run(scenario())


def test_authorities_that_are_no_certificates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be in PEM"):
        CCCtrlA(SettingsStore(Flash(tmp_path)), Catalogue(), "nobody")

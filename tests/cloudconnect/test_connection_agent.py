from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from emulators.cci.account import CredentialKind, LifeCycle, Outcome
from emulators.cci.parameters import ServiceParameters
from emulators.cloudconnect.failure import Failure, FailureCode
from emulators.cloudconnect.requests import Closed, CloseRequest, OpenRequest, VpnParameters
from emulators.door.faults import Fault, FaultKind
from emulators.oxo.cloudconnect import ConnectionAgent, WithoutVpn
from emulators.oxo.flash import Flash, FlashFailed
from emulators.oxo.history import EventKind, History, HistoryEvent
from emulators.oxo.settings import CloudConnectSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore
from emulators.session.ending import Ending
from emulators.session.session import Session
from emulators.xmpp import ping
from emulators.xmpp.element import Element
from emulators.xmpp.stanza import IqType, StanzaError
from tests.agent.rig import clock, jump, run, settle, until, web_proxy
from tests.cloudconnect.cco_rig import ACCOUNT, GATEWAY, ONCE, SERVICE, cco_site


def test_the_first_connection_brings_the_final_credentials_and_later_ones_use_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            assert here.account.life_cycle is LifeCycle.ACTIVATED
            settings = here.store.load().cloud_connect
            assert here.account.final is not None
            assert (settings.final_account, settings.final_password) == (
                here.account.final.account,
                here.account.final.password,
            )
            assert here.status == "Connected with final credentials"
            await here.enable(False)
            await until(lambda: not here.account.connected and here.status == "Disabled")
            assert here.store.load().cloud_connect == replace(settings, enabled=False)
            await here.enable()
            await here.connected()
            assert [session.logged_in_with for session in here.account.sessions] == [
                CredentialKind.ONE_TIME,
                CredentialKind.FINAL,
            ]
            assert here.account.sessions[0].close_code == 1000

    run(scenario())


def test_final_credentials_that_were_stored_but_not_acknowledged_still_count(tmp_path: Path) -> None:
    class AcknowledgesNothing(ConnectionAgent):
        async def _on_final_credentials(self, used: CloudConnectSettings, payload: Element) -> None:
            await super()._on_final_credentials(used, payload)
            await asyncio.Event().wait()

    async def scenario() -> None:
        async with cco_site(tmp_path, agent=AcknowledgesNothing) as here:
            await until(lambda: here.store.load().cloud_connect.final_account)
            assert here.account.life_cycle is LifeCycle.ACTIVATING
            here.service.drop(ACCOUNT, 1001)
            await until(lambda: here.status.startswith("Waiting"))
            jump(10)
            await until(lambda: here.account.life_cycle is LifeCycle.ACTIVATED)
            assert here.account.sessions[-1].logged_in_with == CredentialKind.FINAL

    run(scenario())


def test_one_tunnel_carries_ten_users_and_a_close_request_closes_them_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            await here.opened(*(f"user {number}" for number in range(11)))
            asked = here.account.acknowledgements
            assert [each.outcome for each in asked] == [Outcome.OPENED] * 10 + [Outcome.FAILED]
            assert {each.address for each in asked[:10]} == {"10.168.92.100"}
            assert len({each.connection for each in asked[:10]}) == 10
            assert asked[10].failure == FailureCode.TOO_MANY_USERS
            assert [each.user for each in asked[:2]] == ["user 0", "user 1"]
            close = here.service.request_close(ACCOUNT)
            await until(lambda: close.answered)
            assert (close.outcome, close.connections) == (Outcome.CLOSED, 10)
            assert here.tunnel.closed == [10]
            assert here.history.events() == []
            again = here.service.request_close(ACCOUNT)
            await until(lambda: again.answered)
            assert (again.number, again.outcome, again.failure) == (13, Outcome.FAILED, FailureCode.NO_TUNNEL)
            await here.opened("later")
            assert here.tunnel.users == ["later"]
            assert here.account.unasked == []

    run(scenario())


def test_what_a_request_asks_for_reaches_the_vpn_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            request = OpenRequest("ACME", GATEWAY, 600, VpnParameters("vpn-account", "vpn-password"))
            asked = here.service.request_open(ACCOUNT, request)
            await until(lambda: asked.answered)
            assert here.account.final is not None
            login = VpnParameters(here.account.final.account, here.account.final.password)
            assert here.tunnel.asked == [(request, login)]
            await here.opened("ACME", gateway="nowhere")
            failed = here.account.acknowledgements[-1]
            assert (failed.outcome, failed.failure) == (Outcome.FAILED, FailureCode.UNKNOWN_GATEWAY)
            assert failed.text == "there is no gateway nowhere"

    run(scenario())


def test_a_long_set_up_holds_nothing_else_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path, parameters=ServiceParameters(vpn_timeout=1000)) as here:
            await here.connected()
            here.tunnel.ready.clear()
            asked = [here.service.request_open(ACCOUNT, OpenRequest(user, GATEWAY)) for user in ("one", "two")]
            await until(lambda: len(here.tunnel.asked) == 2)
            assert await here.service.session(ACCOUNT).request(ping.ping()) is None
            close = here.service.request_close(ACCOUNT)
            await until(lambda: close.answered)
            assert close.failure == FailureCode.NO_TUNNEL
            for _ in range(3):
                jump(90)
                await settle()
            here.tunnel.ready.set()
            await until(lambda: all(each.answered for each in asked))
            assert [each.outcome for each in asked] == [Outcome.OPENED] * 2
            assert len(here.account.sessions) == 1

    run(scenario())


def test_a_request_that_is_not_answered_in_time_or_whose_session_ends_is_unanswered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            here.tunnel.ready.clear()
            first = here.service.request_open(ACCOUNT, OpenRequest("one", GATEWAY))
            await until(lambda: here.tunnel.asked)
            jump(120)
            await until(lambda: first.answered)
            assert (first.outcome, first.text) == (Outcome.UNANSWERED, "no answer within 120 s")
            second = here.service.request_open(ACCOUNT, OpenRequest("two", GATEWAY))
            await until(lambda: len(here.tunnel.asked) == 2)
            await here.enable(False)
            await until(lambda: second.answered)
            assert second.outcome is Outcome.UNANSWERED
            assert "the session ended before the answer" in second.text
            assert here.status == "Disabled"
            assert here.tunnel.users == []

    run(scenario())


def test_a_tunnel_that_goes_down_by_itself_stands_in_the_history_and_is_not_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            await here.opened("one", "two")
            jump(1200)
            before = clock().time()
            here.tunnel.cut()
            (event,) = here.history.events()
            assert event.kind is EventKind.UNEXPECTED_CLOSE
            assert before <= event.at <= clock().time()
            await settle()
            assert here.account.unasked == []
            assert len(here.account.acknowledgements) == 2
            assert History(Flash(tmp_path)).events() == [event]

    run(scenario())


class TellsAboutTheClose(ConnectionAgent):
    """A wrong device: it tells the CCI that its tunnel is down."""

    session: Session | None = None

    async def _hold(self, session: Session) -> Ending:
        self.session = session
        return await super()._hold(session)

    def _on_unexpected_close(self) -> None:
        super()._on_unexpected_close()
        assert self.session is not None
        self.telling = asyncio.create_task(self.session.request(Closed(1).to_element(), kind=IqType.SET))


def test_the_cci_notes_what_it_is_told_unasked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path, agent=TellsAboutTheClose) as here:
            await here.connected()
            await here.opened("one")
            here.tunnel.cut()
            await until(lambda: here.account.unasked == ["closed"])

    run(scenario())


def test_disabling_closes_link_and_tunnel_and_a_change_of_the_way_out_only_the_link(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            await here.opened("one", "two")
            await here.change(lambda s: replace(s, dns=replace(s.dns, secondary="127.0.0.1")))
            await until(lambda: len(here.account.sessions) == 2)
            await here.connected()
            assert here.tunnel.users == ["one", "two"]
            await here.enable(False)
            await until(lambda: here.tunnel.closed == [2])
            await until(lambda: not here.account.connected)
            assert here.account.sessions[-1].close_code == 1000
            assert here.history.events() == []
            await here.enable()
            await here.connected()
            assert here.tunnel.users == []

    run(scenario())


def test_a_restart_closes_link_and_tunnel_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            await here.opened("one")
            tunnel, account = here.tunnel, here.account
        assert tunnel.closed == [1]
        assert account.sessions[0].close_code == 1000

    run(scenario())


def test_a_wrong_password_is_refused_and_the_ladder_is_climbed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path, password="wrong-one") as here:
            await until(lambda: here.status.startswith("Waiting, next attempt in 10 s"))
            assert "the CCI refused the activation account or its password" in here.status
            assert "wrong-one" not in here.status
            assert here.account.refused_logins == 1
            jump(10)
            await until(lambda: "next attempt in 30 s" in here.status)
            jump(30)
            await until(lambda: "next attempt in 60 s" in here.status)
            await here.change(
                lambda s: replace(s, cloud_connect=replace(s.cloud_connect, one_time_password=ONCE)),
            )
            await here.connected()

    run(scenario())


def test_a_silent_connection_service_is_noticed_after_the_keepalive(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            await here.service.set_fault(Fault(FaultKind.SILENT))
            jump(90)
            await settle()
            jump(89)
            await settle()
            assert here.status.startswith("Connected")
            jump(1)
            await until(lambda: here.status.startswith("Waiting"))
            assert "nothing was heard for 180 s" in here.status
            await here.service.set_fault(None)
            jump(10)
            await here.connected()

    run(scenario())


def test_the_link_goes_through_the_web_proxy_of_omc(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path, enabled=False) as here, web_proxy(here.service.port) as proxy:
            set_proxy = WebProxySettings("127.0.0.1", proxy.port)
            await here.change(
                lambda s: replace(s, web_proxy=set_proxy, cloud_connect=replace(s.cloud_connect, enabled=True))
            )
            await here.connected()
            assert proxy.requests == [f"CONNECT {SERVICE}:{here.service.port} HTTP/1.1"]
            assert here.dns.asked == []
            await here.change(lambda s: replace(s, web_proxy=WebProxySettings()))
            await until(lambda: len(here.account.sessions) == 2)
            await here.connected()
            assert len(proxy.requests) == 1
            await here.enable(False)
            await until(lambda: here.status == "Disabled")

    run(scenario())


def test_final_credentials_for_a_pbx_that_was_configured_anew_are_not_stored(tmp_path: Path) -> None:
    class ConfiguredMeanwhile(ConnectionAgent):
        def _on_success(self) -> None:
            super()._on_success()
            self._store.update(lambda s: replace(s, cloud_connect=replace(s.cloud_connect, account="another")))

    async def scenario() -> None:
        async with cco_site(tmp_path, agent=ConfiguredMeanwhile) as here:
            await until(lambda: here.account.connected)
            await settle()
            assert here.status == "Connected with activation credentials"
            assert here.store.load().cloud_connect.final_account == ""
            assert here.account.life_cycle is LifeCycle.ACTIVATING

    run(scenario())


def test_final_credentials_that_cannot_be_stored_are_not_acknowledged(tmp_path: Path) -> None:
    class Full(SettingsStore):
        def save(self, settings: Settings) -> None:
            raise FlashFailed(tmp_path, "written", OSError(28, "No space left on device"))

    class StoresNothing(ConnectionAgent):
        def _on_success(self) -> None:
            super()._on_success()
            self._store = Full(Flash(tmp_path))

    async def scenario() -> None:
        async with cco_site(tmp_path, agent=StoresNothing) as here:
            await until(lambda: here.account.connected)
            await settle()
            assert here.account.life_cycle is LifeCycle.ACTIVATING
            assert here.status == "Connected with activation credentials"

    run(scenario())


def test_a_history_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    class Broken(History):
        def add(self, event: HistoryEvent) -> None:
            raise FlashFailed(tmp_path, "written", OSError(5, "Input/output error"))

    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            here.agent._history = Broken(Flash(tmp_path))
            await here.connected()
            await here.opened("one")
            here.tunnel.cut()
            await here.opened("two")
            assert here.tunnel.users == ["two"]

    run(scenario())


@pytest.mark.parametrize("tag", ["{urn:oxobench:cco:1}open", "{urn:oxobench:cco:1}reopen", "{urn:other:1}close"])
def test_what_is_no_request_is_refused(tmp_path: Path, tag: str) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            with pytest.raises(StanzaError):
                await here.service.session(ACCOUNT).request(Element(tag), kind=IqType.SET)
            await here.opened("one")
            assert here.tunnel.users == ["one"]

    run(scenario())


def test_a_close_request_that_is_only_a_question_closes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cco_site(tmp_path) as here:
            await here.connected()
            await here.opened("one")
            with pytest.raises(StanzaError, match="bad-request"):
                await here.service.session(ACCOUNT).request(CloseRequest().to_element(), kind=IqType.GET)
            assert here.tunnel.users == ["one"]

    run(scenario())


def test_a_pbx_without_a_vpn_says_so() -> None:
    async def scenario() -> None:
        vpn = WithoutVpn(lambda: None)
        with pytest.raises(Failure, match="tunnel-unavailable"):
            await vpn.open(OpenRequest("u", "g"), VpnParameters())
        with pytest.raises(Failure, match="no-tunnel"):
            await vpn.close()
        await vpn.stop()

    run(scenario())

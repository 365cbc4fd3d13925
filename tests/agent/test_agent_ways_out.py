from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from emulators.door.faults import Fault, FaultKind
from emulators.oxo.failure import LinkFailure
from emulators.oxo.resolver import Resolver
from emulators.oxo.settings import DnsSettings, Settings, WebProxySettings
from emulators.rainbow.gateway import Gateway
from tests.agent.rig import (
    DOMAIN,
    HOST,
    DnsServer,
    Site,
    addresses,
    certificate,
    dns_server,
    jump,
    run,
    settle,
    site,
    until,
    web_proxy,
)


def refusing(code: dns.rcode.Rcode) -> Callable[[dns.message.Message], dns.message.Message]:
    def answer(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.set_rcode(code)
        return response

    return answer


def _asked(server: DnsServer, times: int) -> bool:
    return len(server.asked) == times


def _waits(here: Site, delay: int) -> bool:
    return f"next attempt in {delay} s" in here.status


def test_the_secondary_dns_server_is_asked_when_the_primary_fails() -> None:
    async def scenario() -> None:
        async with (
            dns_server(refusing(dns.rcode.SERVFAIL)) as primary,
            dns_server(addresses("192.0.2.7"), "127.0.0.2", primary.port) as secondary,
        ):
            resolver = Resolver(DnsSettings("127.0.0.1", "127.0.0.2"), primary.port)
            assert await resolver.addresses(HOST) == ["192.0.2.7"]
            assert (len(primary.asked), len(secondary.asked)) == (1, 1)

    run(scenario())


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    async def scenario() -> None:
        def answer(query: dns.message.Message) -> dns.message.Message:
            if not server.asked_by_tcp:
                truncated = dns.message.make_response(query)
                truncated.flags |= dns.flags.TC
                return truncated
            return addresses("192.0.2.1", "192.0.2.2")(query)

        async with dns_server(answer) as server:
            found = await Resolver(DnsSettings("127.0.0.1"), server.port).addresses(HOST)
            assert sorted(found) == ["192.0.2.1", "192.0.2.2"]
            assert server.asked_by_tcp == 1

    run(scenario())


@pytest.mark.parametrize(
    ("servers", "answer", "said"),
    [
        (DnsSettings(), addresses(), "no DNS server is set"),
        (DnsSettings("127.0.0.1"), addresses(), "does not exist"),
        (DnsSettings("127.0.0.1"), refusing(dns.rcode.SERVFAIL), "answered SERVFAIL"),
        (DnsSettings("127.0.0.1"), dns.message.make_response, "has no address"),
    ],
)
def test_what_is_said_when_a_name_is_not_resolved(
    servers: DnsSettings, answer: Callable[[dns.message.Message], dns.message.Message], said: str
) -> None:
    async def scenario() -> None:
        async with dns_server(answer) as server:
            with pytest.raises(LinkFailure, match=said):
                await Resolver(servers, server.port).addresses(HOST)

    run(scenario())


def test_a_silent_dns_server_is_given_up_on_site_time() -> None:
    async def scenario() -> None:
        async with dns_server(lambda query: None) as server:
            asking = asyncio.create_task(Resolver(DnsSettings("127.0.0.1"), server.port).addresses(HOST))
            for number in (1, 2):
                await until(partial(_asked, server, number))
                jump(5)
            with pytest.raises(LinkFailure, match="did not answer"):
                await asking

    run(scenario())


def test_the_first_address_that_answers_is_used(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, answer=addresses("127.0.0.9", "127.0.0.1")) as here:
            await here.running()

    run(scenario())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "agent.elsewhere.test"}, "Hostname mismatch"),
        ({"ca": "Some Proxy CA"}, "unable to get local issuer certificate"),
        ({"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "certificate has expired"),
    ],
    ids=["wrong name", "unknown authority", "expired"],
)
def test_a_certificate_that_is_refused(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    async def scenario() -> None:
        async def prepare(gateway: Gateway) -> None:
            gateway.use_certificate(certificate(wrong.pop("name", HOST), **wrong))

        async with site(tmp_path, prepare=prepare) as here:
            await until(lambda: here.status.startswith("Waiting"))
            assert f"TLS: certificate of {HOST} refused: {said}" in here.status
            assert not here.pbx.sessions
            here.gateway.use_certificate(certificate())
            jump(10)
            await here.running()

    run(scenario())


@pytest.mark.parametrize(
    ("fault", "wait", "said"),
    [
        (Fault(FaultKind.REFUSE_UPGRADE, 503), 0, "WebSocket: agent.rainbow.test refused the upgrade with 503"),
        (Fault(FaultKind.SILENT_TCP), 30, "TLS: no answer within 30 s"),
        (Fault(FaultKind.SILENT_UPGRADE), 30, "login: no answer within 30 s"),
        (Fault(FaultKind.CLOSE, 1013), 0, "login: closed by the peer with code 1013"),
        (Fault(FaultKind.REJECT_CREDENTIALS), 0, "login: Rainbow refused the PBX ID or the activation code"),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Fault) else "",
)
def test_a_fault_of_the_pcg_is_named_and_recovered_from(tmp_path: Path, fault: Fault, wait: float, said: str) -> None:
    async def scenario() -> None:
        async with site(tmp_path, prepare=lambda gateway: gateway.set_fault(fault)) as here:
            if wait:
                await until(lambda: here.status == "Connecting" and here.dns.asked)
                await settle()
                jump(wait)
            await until(lambda: here.status.startswith("Waiting"))
            assert said in here.status
            await here.gateway.set_fault(None)
            jump(10)
            await here.running()
            assert here.pbx.refused_logins == (1 if fault.kind is FaultKind.REJECT_CREDENTIALS else 0)

    run(scenario())


def through(port: int, account: str = "", password: str = "") -> Callable[[Settings], Settings]:
    return lambda settings: replace(settings, web_proxy=WebProxySettings("127.0.0.1", port, account, password))


def test_with_a_proxy_only_the_proxy_is_contacted_and_it_gets_the_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, enabled=False) as here, web_proxy(here.gateway.port) as proxy:
            await here.change(through(proxy.port))
            await here.enable()
            await here.running()
            assert proxy.requests == [f"CONNECT agent.{DOMAIN}:{here.gateway.port} HTTP/1.1"]
            assert not here.dns.asked

    run(scenario())


def test_the_proxys_own_name_is_resolved_by_the_pbx(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, enabled=False) as here, web_proxy(here.gateway.port) as proxy:
            await here.change(lambda s: replace(s, web_proxy=WebProxySettings("proxy.customer.test", proxy.port)))
            await here.enable()
            await here.running()
            assert len(here.dns.asked) == len(proxy.requests) == 1

    run(scenario())


def test_proxy_account(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, enabled=False) as here, web_proxy(here.gateway.port) as proxy:
            proxy.account = "oxo@site:p:ss/%"
            await here.change(through(proxy.port))
            await here.enable()
            await until(lambda: here.status.startswith("Waiting"))
            assert "web proxy: the web proxy answered CONNECT with 407" in here.status
            await here.change(through(proxy.port, "oxo@site", "p:ss/%"))
            await here.running()

    run(scenario())


def test_a_proxy_that_fails_is_never_gone_round(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, enabled=False) as here, web_proxy(here.gateway.port) as proxy:
            proxy.status = "403 Forbidden"
            await here.change(through(proxy.port))
            await here.enable()
            for delay in (10, 30, 60):
                await until(partial(_waits, here, delay))
                assert "answered CONNECT with 403 Forbidden" in here.status
                jump(delay)
            assert not here.pbx.sessions
            assert not here.dns.asked
        await settle()

    run(scenario())


def test_an_unreachable_proxy_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path, proxy=WebProxySettings("127.0.0.1", 1)) as here:
            await until(lambda: here.status.startswith("Waiting"))
            assert "web proxy: the web proxy cannot be reached: connection refused" in here.status

    run(scenario())

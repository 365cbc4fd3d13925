"""Steps about the customer's web proxy and about its page in OMC."""

from __future__ import annotations

from typing import Any

from pytest_bdd import given, parsers, then, when

from bench.bench import PROXY_NAME, PROXY_PORT, Bench
from bench.proxyflows import websocket_messages
from emulators.oxo.omc import Page
from network.plan import Role
from steps.rainbow import link_is_up
from steps.story import Story

ACCOUNT, PASSWORD = "oxo", "s3cret of the site"

MODES: dict[str, dict[str, Any]] = {
    "tunnelling": {"mode": "tunnel"},
    "limited to port 443": {"mode": "refusing", "allowed_ports": [443]},
    "inspecting with a trusted authority": {"mode": "inspecting"},
    "inspecting with an untrusted authority": {"mode": "inspecting-untrusted"},
    "refusing": {"mode": "refusing"},
    "not WebSocket-capable": {"mode": "no-websocket"},
    "slow": {"mode": "slow", "delay": 8.0},
    "unreachable": {"mode": "unreachable"},
    "silent": {"mode": "silent"},
}
"""What a scenario calls the proxy -> the mode and parameters of the proxy's node."""

IN_OMC = {
    "that account": (ACCOUNT, PASSWORD),
    "no account": ("", ""),
    "a wrong password": (ACCOUNT, "wrong"),
    "an unknown account": ("somebody", PASSWORD),
}


def set_mode(bench: Bench, story: Story, cut: bool = False, **mode: Any) -> None:
    """Changes how the proxy behaves from now on."""
    bench.time.rest()
    bench.nodes[Role.PROXY].ask("set_mode", cut=cut, **mode)
    story.since = bench.wire.now()


_ANY_MODE = "|".join(MODES)


@given(parsers.re(f"the web proxy is (?P<proxy>{_ANY_MODE})"))
@when(parsers.re(f"the web proxy becomes (?P<proxy>{_ANY_MODE})"))
def proxy_is(bench: Bench, story: Story, proxy: str) -> None:
    """Gives the proxy one of the modes that scenarios name."""
    set_mode(bench, story, **MODES[proxy])


@given("the web proxy asks for an account")
def proxy_asks_for_account(bench: Bench, story: Story) -> None:
    """The proxy answers 407 to whoever has not the right account."""
    set_mode(bench, story, mode="authenticating", account=ACCOUNT, password=PASSWORD)


@given(parsers.parse("the web proxy cuts tunnels that are idle for {number:d} {unit}"))
def proxy_cuts_idle(bench: Bench, story: Story, number: int, unit: str) -> None:
    """The proxy ends tunnels in which nothing has passed for that long."""
    set_mode(bench, story, mode="idle-cut", idle=number * {"seconds": 1, "minutes": 60}[unit])


def configure_proxy(bench: Bench, host: str, account: str = "", password: str = "") -> None:
    """Fills in OMC's page for the web proxy."""
    values: dict[str, str | bool] = {
        "Host name or address": host,
        "Port": str(PROXY_PORT),
        "Account": account,
        "Password": password,
    }
    bench.oxo.omc(Page.WEB_PROXY, values)


@given("the web proxy is configured in OMC")
def proxy_configured(bench: Bench) -> None:
    """The page has the proxy's address."""
    configure_proxy(bench, str(bench.plan.address(Role.PROXY)))


@given("the web proxy is configured in OMC by its host name")
def proxy_configured_by_name(bench: Bench) -> None:
    """The page has the proxy's name, which the PBX must look up."""
    configure_proxy(bench, PROXY_NAME)


@given(parsers.parse("the web proxy is configured in OMC with {what}"))
def proxy_configured_with(bench: Bench, what: str) -> None:
    """The page has the proxy's address and an account."""
    configure_proxy(bench, str(bench.plan.address(Role.PROXY)), *IN_OMC[what])


@when("the web proxy is removed in OMC")
def proxy_removed(bench: Bench, story: Story) -> None:
    """The page is emptied."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.omc(Page.WEB_PROXY, {"Host name or address": ""})


@when("the web proxy restarts")
def proxy_restarts(bench: Bench, story: Story) -> None:
    """Every tunnel is cut, then the proxy serves again."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.nodes[Role.PROXY].ask("restart")


@then("the link runs through the web proxy")
def link_through_proxy(bench: Bench) -> None:
    """The connection that is open goes from the PBX to the proxy, and from there to Rainbow."""
    link_is_up_to(bench, Role.PROXY)


@then("the link runs directly")
def link_direct(bench: Bench) -> None:
    """The connection that is open goes from the PBX to the PCG."""
    link_is_up_to(bench, Role.PCG)


def link_is_up_to(bench: Bench, role: Role) -> None:
    """The PBX has exactly one open connection, and it goes to that node."""
    wanted = bench.plan.address(role)

    def destinations() -> list[str]:
        return [str(attempt.destination) for attempt in bench.wire.attempts() if attempt.is_open]

    bench.expect(
        lambda: destinations() == [str(wanted)],
        f"one open connection of the PBX, to {wanted}",
        lambda: f"its open connections go to {destinations()}",
    )


@then(parsers.parse('the PBX asked the web proxy for port 443 of "{name}"'))
def asked_proxy_for(bench: Bench, name: str) -> None:
    """Every CONNECT line on the LAN names the agent's host and port."""
    oxo = bench.plan.address(Role.OXO)

    def targets() -> list[str]:
        return [line.target for line in bench.wire.capture().connect_lines(segment="lan", source=oxo)]

    bench.expect(
        lambda: bool(targets()) and set(targets()) == {f"{name}:443"},
        f"CONNECT {name}:443 and nothing else",
        lambda: f"the PBX asked the proxy for {targets()}",
    )


@then("the web proxy answered every request with 407")
def all_answered_407(bench: Bench) -> None:
    """The proxy wants credentials and got none, or wrong ones."""
    oxo = bench.plan.address(Role.OXO)

    def statuses() -> list[int | None]:
        return [line.status for line in bench.wire.capture().connect_lines(segment="lan", source=oxo)]

    bench.expect(
        lambda: bool(statuses()) and set(statuses()) == {407},
        "407 as the answer to every CONNECT",
        lambda: f"the proxy answered {statuses()}",
    )


@then("the PBX sends nothing to the Internet itself")
def nothing_direct(bench: Bench) -> None:
    """No packet of the PBX is addressed beyond the LAN."""
    bench.expect(
        lambda: not bench.wire.beyond_the_lan(),
        "no packet from the PBX to an address beyond the LAN",
        lambda: f"it sent to {sorted({str(frame.destination) for frame in bench.wire.beyond_the_lan()})}",
    )


@then("the web proxy's flows show the WSS messages of the link")
def flows_show_messages(bench: Bench) -> None:
    """The saved flows hold the WebSocket's messages in clear."""
    flows = saved_flows(bench)
    bench.expect(
        lambda: any("urn:ietf:params:xml:ns:xmpp-framing" in message for message in websocket_messages(flows)),
        "XMPP in the WebSocket messages of the saved flows",
        lambda: f"{len(websocket_messages(flows))} messages in {flows}",
    )


@then("the web proxy's flows show no WSS messages")
def flows_show_nothing(bench: Bench, story: Story) -> None:
    """The tunnel's content is closed to the proxy."""
    link_is_up(bench, story)
    flows = saved_flows(bench)
    bench.expect(
        lambda: not websocket_messages(flows),
        "no WebSocket message in the saved flows",
        lambda: f"{len(websocket_messages(flows))} messages in {flows}",
    )


def saved_flows(bench: Bench) -> str:
    """The flow file, brought up to date."""
    bench.nodes[Role.PROXY].ask("flows_saved")
    return str(bench.evidence / "proxy.flows")

"""Steps about Cloud Connect: the PBX's permanent connection to the CCI, as the CCI sees it, and its page in OMC."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from emulators.cci.account import AccountRecord, CredentialKind
from emulators.door.faults import FaultKind
from emulators.oxo.omc import Page
from emulators.oxo.settings import DEFAULT_CONNECTION_SERVICE
from network.plan import Role
from steps.installation import known_by_rainbow, plug_in
from steps.oxo import brought_up, enable_by_omc
from steps.proxy import proxy_configured, proxy_removed
from steps.rainbow import ATTEMPT, CERTIFICATES, FIRST_DELAY, LONGEST_DELAY, MOMENT, link_comes_up
from steps.story import Story

ENABLED = "Cloud Connect enabled"

KEEPALIVE_TIMEOUT = 180.0
"""After how long a silence either side gives the connection up, in seconds: a parameter, not a fact."""


def record(bench: Bench, story: Story) -> AccountRecord:
    """What the CCI knows of the scenario's PBX now."""
    return bench.cci.pbx(story.account)


def told(bench: Bench, story: Story) -> str:
    """What the CCI knows of the connection, for a message."""
    now = record(bench, story)
    state = "connected" if now.connected else "not connected"
    return f"the CCI has it {state}, {len(now.sessions)} sessions, {now.refused_logins} refused logins"


@given("an OXO Connect that Cloud Connect knows")
def known_by_cloud_connect(bench: Bench, story: Story) -> None:
    """A PBX with a one-time account in OMC; Cloud Connect is not enabled yet."""
    register(bench, story, {})


@given(parsers.parse("an OXO Connect that Cloud Connect knows, which probes its VPN gateway after {seconds:d} second"))
def known_with_probes(bench: Bench, story: Story, seconds: int) -> None:
    """The same, with a dead peer noticed sooner than by default."""
    repeated = {"timeout": 0.5, "base": 1.0, "tries": 3}
    register(bench, story, {"tunnel": {"dead_peer_delay": seconds, "retransmission": repeated}})


def register(bench: Bench, story: Story, vpn: dict[str, object]) -> None:
    """Has the CCI know the PBX, plugs it in, and fills in OMC's pages without enabling anything."""
    registration = bench.cci.create()
    story.account = registration.account
    plug_in(bench, {"users": 3}, vpn)
    bench.oxo.omc(
        Page.CLOUD_CONNECT,
        {
            "Connection service": DEFAULT_CONNECTION_SERVICE,
            "Activation account": registration.account,
            "Activation password": registration.one_time_password,
        },
    )


@given("Rainbow knows the PBX too")
def rainbow_knows_too(bench: Bench, story: Story) -> None:
    """The page Cloud > Rainbow is filled in as well."""
    known_by_rainbow(bench, story)


@given("Cloud Connect was enabled in OMC")
@when("Cloud Connect is enabled in OMC")
def enable(bench: Bench, story: Story) -> None:
    """Checks the box and clicks OK."""
    story.since = bench.wire.now()
    bench.oxo.omc(Page.CLOUD_CONNECT, {ENABLED: True})
    bench.time.rest()


@when("Cloud Connect is disabled in OMC")
def disable(bench: Bench, story: Story) -> None:
    """Unchecks the box and clicks OK."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.oxo.omc(Page.CLOUD_CONNECT, {ENABLED: False})
    bench.time.rest()


@when("Cloud Connect is disabled and enabled again in OMC")
def disable_and_enable(bench: Bench, story: Story) -> None:
    """Off and on again."""
    disable(bench, story)
    enable(bench, story)


@when("Cloud Connect and Rainbow are enabled in OMC")
def enable_both(bench: Bench, story: Story) -> None:
    """Both boxes."""
    enable(bench, story)
    enable_by_omc(bench, story)


@given("the PBX was connected to the CCI")
def was_connected(bench: Bench, story: Story) -> None:
    """Enables Cloud Connect and waits for the connection."""
    enable(bench, story)
    is_connected(bench, story)


@given("both links were brought up")
def both_brought_up(bench: Bench, story: Story) -> None:
    """The connection to the CCI and the link to Rainbow."""
    was_connected(bench, story)
    brought_up(bench, story)


@then("the PBX is connected to the CCI")
def is_connected(bench: Bench, story: Story) -> None:
    """The PBX is logged in at the connection service."""
    bench.expect(
        lambda: record(bench, story).connected, "a connection to the CCI", lambda: told(bench, story), FIRST_DELAY - 1
    )
    story.cci_session = len(record(bench, story).sessions)


@then("the PBX becomes connected to the CCI")
@then("the PBX is connected to the CCI again")
def is_connected_again(bench: Bench, story: Story) -> None:
    """A new session has begun, at the latest after the ladder's longest delay."""
    before = story.cci_session

    def again() -> bool:
        now = record(bench, story)
        return now.connected and len(now.sessions) > before

    within = LONGEST_DELAY + ATTEMPT + KEEPALIVE_TIMEOUT
    bench.expect(again, "a new connection to the CCI", lambda: told(bench, story), within)
    story.cci_session = len(record(bench, story).sessions)


@then("the PBX is not connected to the CCI")
def not_connected(bench: Bench, story: Story) -> None:
    """There is no session."""
    bench.expect(lambda: not record(bench, story).connected, "no connection to the CCI", lambda: told(bench, story))


@then("no PBX has logged in at the CCI")
def nobody_logged_in(bench: Bench, story: Story) -> None:
    """There was never a session."""
    bench.expect(lambda: not record(bench, story).sessions, "no session ever", lambda: told(bench, story))


@then("the connection to the CCI is still the same")
def same_connection(bench: Bench, story: Story) -> None:
    """The session has never ended, and does not end a moment later."""
    bench.time.advance(MOMENT)

    def same() -> bool:
        now = record(bench, story)
        return now.connected and len(now.sessions) == story.cci_session

    bench.expect(same, f"session {story.cci_session} still open", lambda: told(bench, story))


@then(parsers.parse("the PBX registered with its {what}"))
def registered_with(bench: Bench, story: Story, what: str) -> None:
    """Which credentials opened the latest session."""
    kinds = {"one-time account": CredentialKind.ONE_TIME, "final credentials": CredentialKind.FINAL}
    bench.expect(
        lambda: record(bench, story).sessions[-1].logged_in_with == kinds[what],
        f"a login with the {what}",
        lambda: f"a login with {record(bench, story).sessions[-1].logged_in_with}",
    )


@then(parsers.parse('OMC shows "{text}" for Cloud Connect'))
def omc_shows(bench: Bench, text: str) -> None:
    """The status on the page Cloud > Cloud Connect Operation."""
    bench.expect(
        lambda: bench.oxo.omc_page(Page.CLOUD_CONNECT)["Connection status"] == text,
        f"{text!r} on the page",
        lambda: f"the page shows {bench.oxo.omc_page(Page.CLOUD_CONNECT)['Connection status']!r}",
    )


@given("the one-time password in OMC is wrong")
def wrong_password(bench: Bench) -> None:
    """Another one than the CCI gave."""
    bench.oxo.omc(Page.CLOUD_CONNECT, {"Activation password": "not the password"})


@when("the CCI drops the PBX")
def drop(bench: Bench, story: Story) -> None:
    """The CCI closes the connection."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.cci.drop(story.account)


@given(parsers.parse("the CCI shows a certificate of {kind}"))
def wrong_certificate(bench: Bench, kind: str) -> None:
    """From now on the CCI shows a certificate that the PBX must not take."""
    bench.cci.certificate(bench.pki.certificate(CERTIFICATES[kind], DEFAULT_CONNECTION_SERVICE))


@when("the CCI goes silent")
def silent(bench: Bench, story: Story) -> None:
    """The open session gets no answer to anything any more."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.cci.set_fault(FaultKind.SILENT)


@when("the CCI works again")
def works(bench: Bench) -> None:
    """Nothing is wrong with it any more."""
    bench.cci.clear_fault()


@when("the web proxy is configured in OMC and both links come up again")
def proxy_configured_both_again(bench: Bench, story: Story) -> None:
    """One page of OMC, and both agents follow."""
    bench.time.rest()
    story.since = bench.wire.now()
    proxy_configured(bench)
    is_connected_again(bench, story)
    link_comes_up(bench, story)


@when("the web proxy is removed in OMC and both links come up again")
def proxy_removed_both_again(bench: Bench, story: Story) -> None:
    """One page of OMC, and both agents follow."""
    proxy_removed(bench, story)
    is_connected_again(bench, story)
    link_comes_up(bench, story)


@then("the PBX asked the web proxy for both links")
def proxy_for_both(bench: Bench) -> None:
    """The open connections of the PBX go to the proxy, which was asked for both hosts."""
    oxo, proxy = bench.plan.address(Role.OXO), bench.plan.address(Role.PROXY)

    def seen() -> tuple[set[str], list[str]]:
        lines = bench.wire.capture().connect_lines(segment="lan", source=oxo)
        return {line.target for line in lines}, open_connections(bench)

    bench.expect(
        lambda: len(seen()[0]) == 2 and seen()[1] == [str(proxy)] * 2,
        "two open connections, both to the proxy, one for each host",
        lambda: f"CONNECT for {sorted(seen()[0])}, open connections to {seen()[1]}",
    )


@then("both links run directly")
def both_direct(bench: Bench) -> None:
    """The open connections of the PBX go to the CCI and to the PCG."""
    wanted = sorted(str(bench.plan.address(role)) for role in (Role.CCI, Role.PCG))
    bench.expect(
        lambda: open_connections(bench) == wanted,
        f"open connections to {wanted}",
        lambda: f"open connections to {open_connections(bench)}",
    )


def open_connections(bench: Bench) -> list[str]:
    """Where the PBX's open connections go."""
    return sorted(str(attempt.destination) for attempt in bench.wire.attempts() if attempt.is_open)

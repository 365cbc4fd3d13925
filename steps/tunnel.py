"""Steps about the VPN tunnel: as gateway, wire and kernels show it, the traffic through it, and its end."""

from __future__ import annotations

import time

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from bench.passage import NotSeen
from bench.wire import VpnPacket
from emulators.cci.account import Outcome
from emulators.cci.inner import ConnectionState
from emulators.cloudconnect.failure import FailureCode
from emulators.oxo.omc import Page
from network.plan import Role
from network.wire.ike import Carried, Exchange
from steps.cloud_connect import record
from steps.passing_time import seconds
from steps.story import Story
from steps.vpn import SETUP, VPN_NETWORK, answer, described, latest, opened_many

PROBE = 30.0
"""After how long a silence the gateway is probed, in seconds (Installation Manual)."""

NOTICED_WITHIN = 15.0
"""Seconds of real time within which a dead gateway is noticed by a PBX that was told to probe often."""

TUNNEL_DOWN = "tunnel down"
"""What the VPN log says when a tunnel has ended that nobody has closed."""

PAGE_TITLE = b"<title>OXO Connect</title>"
"""What stands in the PBX's management page, and must not be seen in clear."""


@given(
    parsers.re(r"(?P<number>\d+) VPN connections? (was|were) opened with traffic flowing"), converters={"number": int}
)
def opened_with_traffic(bench: Bench, story: Story, number: int) -> None:
    """Each user has a TCP connection to the management page, on which bytes have gone both ways."""
    opened_many(bench, story, number)
    address = latest(bench, story)[0].address
    connect_and_ask(bench, address, number)
    bytes_arrived(bench)


def connect_and_ask(bench: Bench, address: str, number: int) -> None:
    """Applications behind the gateway connect to the management page, and ask for it."""
    connections = [bench.vpn.open_page(address) for _ in range(number)]

    def states() -> list[ConnectionState]:
        return [bench.vpn.connections()[connection].state for connection in connections]

    bench.expect(
        lambda: all(state is ConnectionState.OPEN for state in states()),
        f"{number} connections to the PBX's management page",
        lambda: ", ".join(states()),
    )
    for connection in connections:
        bench.vpn.ask_page(connection)


@then("the tunnel is up")
def is_up(bench: Bench) -> None:
    """The gateway has exactly one tunnel."""
    bench.expect(lambda: len(bench.vpn.tunnels()) == 1, "one tunnel", lambda: f"the gateway has {bench.vpn.tunnels()}")


@then("the tunnel is down")
def is_down(bench: Bench) -> None:
    """The PBX has no address of the VPN any more, and the gateway no tunnel, unless it plays dead."""
    bench.expect(
        lambda: not vpn_addresses(bench, Role.OXO) and not tunnels_at_gateway(bench),
        "no tunnel",
        lambda: f"the PBX has {vpn_addresses(bench, Role.OXO)}, the gateway has {tunnels_at_gateway(bench)}",
    )


def vpn_addresses(bench: Bench, role: Role) -> list[str]:
    """The addresses that a node has in the VPN."""
    return [one for one in bench.site.network(role).addresses if one.startswith(VPN_NETWORK)]


def tunnels_at_gateway(bench: Bench) -> list[str]:
    """The VPN addresses of the tunnels at the gateway; none where nobody can be asked."""
    return [] if bench.vpn.dead else [tunnel.address for tunnel in bench.vpn.tunnels()]


@then("IKE is seen at the firewall")
def ike_seen(bench: Bench) -> None:
    """The exchanges that set a tunnel up came out of the firewall."""

    def seen() -> list[VpnPacket]:
        return bench.wire.vpn_packets_let_out()

    bench.expect(
        lambda: {Exchange.IKE_SA_INIT, Exchange.IKE_AUTH} <= {packet.exchange for packet in seen()},
        "IKE_SA_INIT and IKE_AUTH behind the firewall",
        lambda: ", ".join(sorted({packet.title for packet in seen()})) or "nothing of the VPN",
    )


@then("the firewall let nothing of the VPN out")
def vpn_stopped(bench: Bench) -> None:
    """The PBX tried, and nothing came out: UDP cannot use the web proxy."""
    tried, out = bench.wire.vpn_packets(), bench.wire.vpn_packets_let_out()
    bench.expect(
        lambda: bool(tried) and not out,
        "packets of the VPN on the LAN, and none behind the firewall",
        lambda: f"{len(tried)} packets on the LAN, {len(out)} behind the firewall",
    )


@then("only one tunnel was ever set up")
def one_tunnel(bench: Bench) -> None:
    """One initiator's SPI on the wire."""
    messages = [packet.ike for packet in bench.wire.vpn_packets() if packet.ike is not None]
    begun = {message.initiator for message in messages if message.exchange is Exchange.IKE_SA_INIT}
    bench.expect(lambda: len(begun) == 1, "one set-up on the wire", lambda: f"{len(begun)} set-ups")
    is_up(bench)


@when("the application exchanges bytes with the PBX's management page")
def exchange(bench: Bench, story: Story) -> None:
    """A TCP connection through the tunnel, a request and its answer."""
    connect_and_ask(bench, answer(bench, story, story.first_request).address, 1)
    bench.time.rest()


@when(parsers.parse("the application exchanges bytes every {pause:d} minutes for {whole:d} minutes"))
def exchange_often(bench: Bench, story: Story, pause: int, whole: int) -> None:
    """Traffic that comes again and again."""
    for _ in range(whole // pause):
        exchange(bench, story)
        bench.time.advance(pause * 60.0)


@then("the bytes arrive, both ways")
def bytes_arrived(bench: Bench) -> None:
    """Every connection has sent and received."""

    def flowing() -> bool:
        connections = bench.vpn.connections()
        return bool(connections) and all(
            one.state is ConnectionState.OPEN and one.sent > 0 and one.received > 0 for one in connections
        )

    bench.expect(flowing, "bytes both ways on every connection", lambda: f"{bench.vpn.connections()}")


@then("the firewall saw encrypted traffic and nothing of the bytes")
def encrypted(bench: Bench) -> None:
    """ESP went by, and no frame has the page in it."""
    esp = [packet for packet in bench.wire.vpn_packets_let_out() if packet.carried is Carried.ESP]
    bench.expect(
        lambda: bool(esp) and not bench.wire.seen_in_clear(PAGE_TITLE),
        "ESP behind the firewall, and not the page",
        lambda: f"{len(esp)} packets of ESP, the page {'seen' if bench.wire.seen_in_clear(PAGE_TITLE) else 'not seen'}",
    )


@then("nothing of the PBX went to the VPN gateway since")
def nothing_since(bench: Bench, story: Story) -> None:
    """No IKE and no ESP."""
    sent = bench.wire.vpn_packets(story.since)
    bench.expect(lambda: not sent, "nothing of the VPN", lambda: f"{len(sent)} packets: {sent[0].title} first")


@then(parsers.parse("nothing of the PBX goes to the VPN gateway for {number:d} {unit}"))
def nothing_for(bench: Bench, story: Story, number: int, unit: str) -> None:
    """No IKE and no ESP in that time."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.time.advance(seconds(number, unit))
    nothing_since(bench, story)


@then("the PBX probes the VPN gateway every 30 seconds")
def probes(bench: Bench, story: Story) -> None:
    """On real time the probes are on the wire; where time jumps, charon's own does not: its configuration counts."""
    if not bench.options.real_time:
        wanted = f"dead peer probes every {PROBE:g} s"
        bench.expect(lambda: wanted in bench.oxo.vpn_log(), f"{wanted!r} in the VPN log", bench.oxo.vpn_log)
        return
    since = bench.wire.now()
    bench.time.advance(2 * PROBE + 10)
    seen = [packet.time for packet in bench.wire.vpn_packets(since) if _informs(packet)]
    bench.expect(
        lambda: len(seen) >= 2 and abs(seen[1] - seen[0] - PROBE) < 3,
        f"probes {PROBE:g} s apart",
        lambda: f"probes at {[round(one - since) for one in seen]} s",
    )


@then("the dead gateway is noticed and the tunnel is down")
def dead_noticed(bench: Bench) -> None:
    """charon's own time cannot jump, so this is waited for, until the PBX has written it down."""
    deadline = time.monotonic() + NOTICED_WITHIN
    while vpn_addresses(bench, Role.OXO) or TUNNEL_DOWN not in bench.oxo.vpn_log():
        if time.monotonic() > deadline:
            raise NotSeen(f"Awaited within {NOTICED_WITHIN:g} s: the dead gateway noticed. Evidence: {bench.evidence}")
        bench.site.wait_for_frame(0.5)
    is_down(bench)


@when(parsers.re(r"(?P<number>\d+) (?P<unit>minutes?|hours?) pass without traffic"), converters={"number": int})
def quiet_time(bench: Bench, number: int, unit: str) -> None:
    """Time in which nobody uses the tunnel."""
    bench.time.advance(seconds(number, unit))


@then("the CCI was told nothing")
def cci_told_nothing(bench: Bench, story: Story) -> None:
    """The PBX has sent the CCI nothing about its VPN that it was not asked for."""
    unasked = record(bench, story).unasked
    bench.expect(lambda: not unasked, "nothing sent to the CCI unasked", lambda: f"{unasked}")


@then(parsers.parse('the history has "{text}"'))
def history_has(bench: Bench, text: str) -> None:
    """The PBX's history, in OMC."""
    bench.expect(
        lambda: text in history(bench), f"{text!r} in the history", lambda: f"the history is {history(bench)!r}"
    )


@then(parsers.parse('the history says no more than "{text}"'))
def history_says_only(bench: Bench, text: str) -> None:
    """Each line of the PBX's history is a time and this text."""
    bench.expect(
        lambda: all(line.partition(" s: ")[2] == text for line in history(bench).splitlines()),
        f"{text!r} and no more in each line",
        lambda: f"the history is {history(bench)!r}",
    )


def history(bench: Bench) -> str:
    """What OMC shows of the history."""
    return str(bench.oxo.omc_page(Page.CLOUD_CONNECT)["History"])


@then(parsers.parse('the PBX\'s VPN log has "{text}"'))
def log_has(bench: Bench, text: str) -> None:
    """The VPN agent's own log."""
    bench.expect(lambda: text in bench.oxo.vpn_log(), f"{text!r} in the VPN log", bench.oxo.vpn_log)


@then('the close request is answered and the other one fails with "busy" or brings a new tunnel')
def closed_and_busy(bench: Bench, story: Story) -> None:
    """Whichever came first, nothing is left in between."""
    first, second = latest(bench, story)
    bench.expect(
        lambda: (
            first.outcome is Outcome.CLOSED and (second.outcome is Outcome.OPENED or second.failure == FailureCode.BUSY)
        ),
        "the one closed, the other busy or opened anew",
        lambda: described([first, second]),
    )
    (is_up if second.outcome is Outcome.OPENED else is_down)(bench)


@then("the PBX told the VPN gateway on the wire")
def told_gateway(bench: Bench, story: Story) -> None:
    """An IKE INFORMATIONAL exchange, which carries the DELETE, went out after the request."""

    def told() -> list[VpnPacket]:
        return bench.wire.vpn_packets(story.since)

    bench.expect(
        lambda: any(_informs(packet) for packet in told()),
        "an INFORMATIONAL exchange of the PBX",
        lambda: ", ".join(packet.title for packet in told()) or "nothing of the VPN",
    )


def _informs(packet: VpnPacket) -> bool:
    """Whether the PBX asks the gateway something in an INFORMATIONAL exchange: a DELETE, or a probe."""
    return packet.exchange is Exchange.INFORMATIONAL and packet.ike is not None and not packet.ike.is_response


@then("every connection's next byte fails")
def next_byte_fails(bench: Bench) -> None:
    """What is sent on a connection that was open comes to nothing."""
    for one in bench.vpn.connections():
        if one.state is ConnectionState.OPEN:
            bench.vpn.ask_page(one.number)
    bench.expect(
        lambda: all(one.state is ConnectionState.ENDED for one in bench.vpn.connections()),
        "every connection ended",
        lambda: f"{bench.vpn.connections()}",
        SETUP,
    )


@then("the VPN address and the routes are gone on both ends")
def gone_on_both_ends(bench: Bench) -> None:
    """As the kernels of both have it, and the gateway's list of addresses given out."""

    def left() -> list[str]:
        network = bench.site.network(Role.OXO)
        pbx = [one for one in (*network.addresses, *network.routes) if one.startswith(VPN_NETWORK)]
        gateway = [one for one in bench.site.network(Role.VPN).routes if one.startswith(VPN_NETWORK)]
        return [*pbx, *gateway, *(lease.address for lease in bench.vpn.leases() if lease.online)]

    bench.expect(lambda: not left(), "nothing of the tunnel left", lambda: f"{left()}")
    is_down(bench)

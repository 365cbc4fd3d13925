"""Steps about what is seen on the wire: attempts, their order and delays, silence, and connections cut on the way."""

from __future__ import annotations

from itertools import pairwise

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from bench.wire import LINK_PORT
from emulators.session.ending import Party
from network.firewall import Policy
from network.forge import forge_resets
from network.wire.attempts import Closing, End, Outcome
from steps.passing_time import seconds
from steps.rainbow import FIRST_DELAY, PING_TIMEOUT, TOLERANCE
from steps.story import Story


@then("every attempt of the PBX goes to port 443")
def attempts_go_to_443(bench: Bench) -> None:
    """No other port is tried."""
    ports = {attempt.destination_port for attempt in bench.wire.attempts()}
    bench.expect(lambda: ports == {LINK_PORT}, f"attempts to port {LINK_PORT}", lambda: f"attempts to {sorted(ports)}")


@then(parsers.parse('the PBX asks for the server name "{name}" in TLS'))
def asks_for_server_name(bench: Bench, story: Story, name: str) -> None:
    """The latest ClientHello names the agent's host."""
    names = bench.wire.server_names(story.since)
    bench.expect(lambda: names[-1:] == [name], f"the server name {name} in TLS", lambda: f"the wire shows {names}")


@then("nothing of the PBX reaches Rainbow")
def nothing_reaches_rainbow(bench: Bench) -> None:
    """No connection came out of the firewall toward the PCG, though the PBX did try."""
    tried, out = bench.wire.attempts(), bench.wire.reached_rainbow()
    asked = bench.wire.names_asked()
    bench.expect(
        lambda: not out and bool(tried or asked),
        "attempts of the PBX on the LAN, and nothing behind the firewall",
        lambda: (
            f"{len(tried)} attempts and {len(asked)} DNS queries on the LAN, {len(out)} connections behind the firewall"
        ),
    )


@then("every attempt of the PBX is left unanswered")
def attempts_unanswered(bench: Bench) -> None:
    """Nothing came back for any SYN."""
    attempts_came_to(bench, Outcome.UNANSWERED)


@then("every attempt of the PBX is reset")
def attempts_reset(bench: Bench) -> None:
    """A reset came back for every SYN."""
    attempts_came_to(bench, Outcome.RESET)


def attempts_came_to(bench: Bench, outcome: Outcome) -> None:
    """The PBX tried, and every attempt had that outcome."""
    outcomes = [attempt.outcome for attempt in bench.wire.attempts()]
    bench.expect(
        lambda: bool(outcomes) and set(outcomes) == {outcome},
        f"attempts that are all {outcome.value}",
        lambda: f"{[seen.value for seen in outcomes]}",
    )


@then(parsers.parse("the PBX tried at least {times:d} times"))
def tried_at_least(bench: Bench, times: int) -> None:
    """That many connections were attempted."""
    tried = len(bench.wire.attempts())
    bench.expect(lambda: tried >= times, f"at least {times} attempts", lambda: f"{tried} attempts")


@then("the PBX attempts at once")
def attempts_at_once(bench: Bench, story: Story) -> None:
    """An attempt came without any delay after the last thing that was done."""
    done = bench.time.on_the_wall(story.since)
    tries = bench.wire.tries(story.since)
    bench.expect(
        lambda: bool(tries) and tries[0].begun - done < TOLERANCE,
        "an attempt at once",
        lambda: f"the first attempt came after {tries[0].begun - done:.1f} s" if tries else "no attempt",
    )


def ladder(text: str) -> list[float]:
    """A list of delays as scenarios write it."""
    return [float(delay) for delay in text.split(",")]


def waits(bench: Bench, since: float) -> list[float]:
    """The delays between the failure of each attempt and the beginning of the next, as the wire shows them.

    Where nothing on the wire ends an attempt, it failed by its own timeout, whose length is a parameter of the agent.
    """
    tries = bench.wire.tries(since)
    timeout = bench.attempt_timeout
    return [later.begun - (one.ended or one.begun + timeout) for one, later in pairwise(tries)]


@then(parsers.re(r"(from there )?the PBX waits (?P<delays>[\d, ]+) seconds after its failures"))
def waits_are(bench: Bench, story: Story, delays: str) -> None:
    """From the last thing that was done on, the delays are these, in this order."""
    wanted = ladder(delays)
    longest = sum(wanted) + len(wanted) * bench.attempt_timeout + 60

    def as_wanted() -> bool:
        seen = waits(bench, story.since)
        return len(seen) >= len(wanted) and all(
            abs(one - other) <= TOLERANCE for one, other in zip(seen, wanted, strict=False)
        )

    bench.expect(
        as_wanted,
        f"delays of {delays} s",
        lambda: f"delays of {', '.join(f'{delay:.1f}' for delay in waits(bench, story.since))} s",
        0.0 if len(waits(bench, story.since)) >= len(wanted) else longest,
    )


@then(parsers.parse("since it lost the link the PBX waits {delays} seconds after its failures"))
def waits_since_loss(bench: Bench, story: Story, delays: str) -> None:
    """The first delay runs from the loss, the others from failures."""
    wanted = ladder(delays)
    lost = bench.time.on_the_wall(story.since)
    tries = bench.wire.tries(story.since)
    seen = [tries[0].begun - lost, *waits(bench, story.since)] if tries else []
    bench.expect(
        lambda: (
            len(seen) >= len(wanted)
            and all(abs(one - other) <= TOLERANCE for one, other in zip(seen, wanted, strict=False))
        ),
        f"delays of {delays} s",
        lambda: f"delays of {', '.join(f'{delay:.1f}' for delay in seen)} s",
    )


@then("the WebSocket is closed cleanly by the PBX")
def closed_cleanly(bench: Bench, story: Story) -> None:
    """The PCG got the closing handshake from the PBX, and the connection ended with a FIN and no reset."""
    session = bench.rainbow.pbx(story.pbx_id).sessions[story.link - 1]
    normal = 1000
    bench.expect(
        lambda: session.ended_by == Party.PEER.value and session.close_code == normal,
        f"the WebSocket closed by the PBX with code {normal}",
        lambda: f"ended by {session.ended_by} with code {session.close_code}: {session.why}",
    )
    no_open_connection(bench)
    closes = bench.wire.attempts()[-1].closes
    bench.expect(
        lambda: {(close.by, close.how) for close in closes} == {(end, Closing.FIN) for end in End},
        "a FIN of each end of the connection, and no reset",
        lambda: ", ".join(f"{close.how.value} of the {close.by.value}" for close in closes),
    )


@then("the PBX has no open connection")
def no_open_connection(bench: Bench) -> None:
    """The wire shows an end of each of its connections."""

    def still_open() -> int:
        return sum(attempt.is_open for attempt in bench.wire.attempts())

    bench.expect(lambda: still_open() == 0, "no open connection of the PBX", lambda: f"{still_open()} open connections")


@then(parsers.parse("the PBX is silent for {number:d} {unit}"))
def silent(bench: Bench, number: int, unit: str) -> None:
    """Not one IP packet of the PBX is on the wire in that time."""
    bench.time.rest()
    since = bench.wire.now()
    bench.time.advance(seconds(number, unit))
    sent = bench.wire.sent(since)
    bench.expect(
        lambda: not sent,
        f"silence of the PBX for {number} {unit}",
        lambda: f"{len(sent)} packets, the first to {sent[0].destination}",
    )


@then("the PBX gives the link up within the ping timeout")
def gives_up(bench: Bench, story: Story) -> None:
    """The PBX closes or resets its side of the connection, or begins anew, though nobody told it to.

    The first delay of the ladder is added for where only the next attempt shows it.
    """
    bench.expect(
        lambda: given_up(bench, story.since),
        "the PBX ends its connection",
        lambda: f"the wire shows {len(bench.wire.attempts())} connections, none ended by the PBX since",
        PING_TIMEOUT + FIRST_DELAY + TOLERANCE,
    )


def given_up(bench: Bench, since: float) -> bool:
    """Whether the PBX has ended its connection, or begun anew, since then."""
    attempts = bench.wire.attempts()
    # A FIN behind bytes that nobody acknowledges stays in the kernel; then a new attempt, or the DNS query that begins
    # one, shows that the old link is given up.
    return (
        any(attempt.time >= since for attempt in attempts)
        or bool(bench.wire.names_asked(since))
        or any(close.by is End.CLIENT and close.time >= since for attempt in attempts for close in attempt.closes)
    )


@given("the link has just been cut")
def cut_link_now(bench: Bench, story: Story) -> None:
    """The firewall forgets the connection and lets no new one out, which nobody has noticed yet."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.set_policy(Policy.load("deny-all"), cut=True)


@given("the link was cut")
@when("the link is cut")
def cut_link(bench: Bench, story: Story) -> None:
    """The firewall forgets the connection and lets no new one out; both ends have given the link up."""
    cut_link_now(bench, story)
    bench.expect(
        lambda: not bench.rainbow.pbx(story.pbx_id).connected and given_up(bench, story.since),
        "the link given up by Rainbow and by the PBX",
        lambda: "one of them still has it",
        2 * PING_TIMEOUT,
    )


@when("the link can be made again")
def uncut_link(bench: Bench, story: Story) -> None:
    """The firewall lets everything out again."""
    bench.time.rest()
    bench.set_policy(Policy.load("permissive"))
    story.since = bench.wire.now()


@when(parsers.parse("the connection is reset toward {end}"))
def reset_on_the_way(bench: Bench, story: Story, end: str) -> None:
    """Somebody between the ends forges resets for the open connection, with the sequence numbers of the wire."""
    toward = {"the PBX": {"lan-oxo"}, "Rainbow": {"lan-firewall"}, "both ends": {"lan-oxo", "lan-firewall"}}[end]
    bench.time.rest()
    (link,) = [attempt for attempt in bench.wire.attempts() if attempt.is_open]
    story.since = bench.wire.now()
    for port, frame in forge_resets(link):
        if port in toward:
            bench.site.inject(port, frame)
    bench.time.rest()


@when("the PCG restarts")
def pcg_restarts(bench: Bench, story: Story) -> None:
    """The PCG's process is stopped and starts again; what Rainbow knows of its PBXs is kept."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.rainbow.restart()

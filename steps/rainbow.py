"""Steps about Rainbow: the link as the PCG sees it, what it knows of the PBX, and what can be done there."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from bench.pki import CertificateKind
from emulators.door.faults import FaultKind
from emulators.rainbow.pbx import CodeKind, LifeCycle, PbxRecord
from network.plan import Role
from steps.story import Story

FIRST_DELAY = 10.0
"""The first step of the retry ladder, in seconds."""

LONGEST_DELAY = 960.0
"""The last step of the retry ladder, in seconds."""

ATTEMPT = 60.0
"""More than an attempt may take, in seconds."""

PING_TIMEOUT = 120.0
"""`serverPingTimeout`, in seconds (public ALE sources; that it is in seconds is presumed)."""

MOMENT = 5.0
"""Within so many seconds a PBX does what it does because of something that was just done to it."""

TOLERANCE = 2.0
"""How far a delay may be off, in seconds: the device's clock runs on while an attempt is made."""

CERTIFICATES = {
    "a wrong name": CertificateKind.WRONG_NAME,
    "an expired date": CertificateKind.EXPIRED,
    "an unknown authority": CertificateKind.UNKNOWN_AUTHORITY,
}

FAULTS: dict[str, tuple[FaultKind, int | None]] = {
    "refuses the upgrade with 403": (FaultKind.REFUSE_UPGRADE, 403),
    "refuses the upgrade with 503": (FaultKind.REFUSE_UPGRADE, 503),
    "accepts connections and is silent": (FaultKind.SILENT_TCP, None),
    "is silent after the upgrade": (FaultKind.SILENT_UPGRADE, None),
    "rejects every login": (FaultKind.REJECT_CREDENTIALS, None),
}


def record(bench: Bench, story: Story) -> PbxRecord:
    """What Rainbow knows of the scenario's PBX now."""
    return bench.rainbow.pbx(story.pbx_id)


def told(bench: Bench, story: Story) -> str:
    """What Rainbow knows of the link, for a message."""
    now = record(bench, story)
    return (
        f"Rainbow shows {now.state.value}, {'connected' if now.connected else 'not connected'}, "
        f"{len(now.sessions)} sessions, {now.refused_logins} refused logins, {len(now.devices)} devices"
        + (f", last retrieval failed: {now.retrieval_failure}" if now.retrieval_failure else "")
    )


def complete(bench: Bench, story: Story) -> bool:
    """Whether there is a link that the scenario has not taken for its own yet, and Rainbow has retrieved the devices
    over it."""
    now = record(bench, story)
    return now.connected and now.retrievals > story.retrievals


def take_link(bench: Bench, story: Story) -> None:
    """Takes the link that is up now for the scenario's link."""
    now = record(bench, story)
    story.link, story.retrievals = len(now.sessions), now.retrievals


def bring_up(bench: Bench, story: Story, within: float = 0.0) -> None:
    """Waits until the link is up with its devices, and takes it for the scenario's link."""
    bench.expect(
        lambda: complete(bench, story), "the WSS link up and the devices retrieved", lambda: told(bench, story), within
    )
    take_link(bench, story)


@then("the WSS link is up")
def link_is_up(bench: Bench, story: Story) -> None:
    """The PBX is logged in at the PCG, and Rainbow has its devices."""
    if story.link == 0:
        bring_up(bench, story, FIRST_DELAY - 1)
    bench.expect(lambda: record(bench, story).connected, "the WSS link up", lambda: told(bench, story))


@then("the WSS link is down")
@given("the WSS link is down")
def link_is_down(bench: Bench, story: Story) -> None:
    """The PBX is not logged in at the PCG."""
    bench.expect(lambda: not record(bench, story).connected, "no WSS link", lambda: told(bench, story))


@then("the WSS link is still the same")
def link_is_same(bench: Bench, story: Story) -> None:
    """The session that was brought up has never ended, and does not end a moment later."""
    bench.time.advance(MOMENT)

    def same() -> bool:
        now = record(bench, story)
        return now.connected and len(now.sessions) == story.link

    bench.expect(same, f"session {story.link} still open", lambda: told(bench, story))


@then("the WSS link was lost")
def link_was_lost(bench: Bench, story: Story) -> None:
    """The session that was brought up has ended."""
    bench.expect(
        lambda: record(bench, story).sessions[story.link - 1].ended is not None,
        f"session {story.link} ended",
        lambda: told(bench, story),
    )


@given("the WSS link came up")
@then("the WSS link comes up")
@then("the WSS link comes up again")
def link_comes_up(bench: Bench, story: Story) -> None:
    """A new session begins, at the latest after the ladder's longest delay."""
    before = story.link

    def again() -> bool:
        return len(record(bench, story).sessions) > before and complete(bench, story)

    bench.expect(again, "a new WSS link", lambda: told(bench, story), LONGEST_DELAY + ATTEMPT + PING_TIMEOUT)
    take_link(bench, story)


@then(parsers.parse("the WSS link comes up within {minutes:d} minute"))
def link_comes_up_within(bench: Bench, story: Story, minutes: int) -> None:
    """The link is up, a little later."""
    bring_up(bench, story, minutes * 60.0)


@then("the WSS link comes up at the next attempt")
def link_comes_up_at_next_attempt(bench: Bench, story: Story) -> None:
    """Since the obstacle went, the first attempt is the one that succeeds."""
    bring_up(bench, story, LONGEST_DELAY + ATTEMPT)
    attempts = bench.wire.attempts(story.since)
    bench.expect(
        lambda: len(attempts) == 1,
        "exactly one attempt since the obstacle went",
        lambda: f"the wire shows {len(attempts)} attempts",
    )


@then(parsers.parse("the WSS link comes up again after {delay:d} seconds"))
def link_comes_up_after(bench: Bench, story: Story, delay: int) -> None:
    """The loss was noticed at once, and the next attempt came after the first delay of the ladder."""
    begun = bench.time.on_the_wall(story.since)
    link_comes_up(bench, story)
    waited = bench.wire.tries(story.since)[0].begun - begun
    bench.expect(
        lambda: delay <= waited < delay + 5,
        f"the next attempt {delay} s after the loss",
        lambda: f"it came after {waited:.1f} s",
    )


@then("the WSS link comes up again when Rainbow answers")
def link_comes_up_when_answered(bench: Bench, story: Story) -> None:
    """Rainbow answers again, and the ladder leads to a new link."""
    bench.rainbow.clear_fault()
    link_comes_up(bench, story)


@then(parsers.parse("Rainbow shows the PBX as {state:w}"))
def rainbow_shows(bench: Bench, story: Story, state: str) -> None:
    """The portal state of the PBX."""
    bench.expect(lambda: record(bench, story).state.value == state, f"the state {state}", lambda: told(bench, story))


@then("no PBX has logged in")
@given("no PBX has logged in")
def nobody_logged_in(bench: Bench, story: Story) -> None:
    """There was never a session."""
    bench.expect(lambda: not record(bench, story).sessions, "no session ever", lambda: told(bench, story))


@then(parsers.parse("the PBX logged in with the {what}"))
def logged_in_with(bench: Bench, story: Story, what: str) -> None:
    """Which of its codes opened the latest session."""
    wanted = {"activation code": CodeKind.ACTIVATION_CODE, "final password": CodeKind.PRIVATE_CODE}[what]
    bench.expect(
        lambda: record(bench, story).sessions[-1].logged_in_with is wanted,
        f"a login with the {what}",
        lambda: f"the PBX logged in with the {record(bench, story).sessions[-1].logged_in_with}",
    )


@then("Rainbow has the PBX as activated")
def activated(bench: Bench, story: Story) -> None:
    """The PBX has acknowledged its private code."""
    bench.expect(
        lambda: record(bench, story).life_cycle is LifeCycle.ACTIVATED,
        "the PBX activated",
        lambda: f"it is {record(bench, story).life_cycle.value}",
    )


@given("the PBX was reset in Rainbow")
@when("the PBX is reset in Rainbow")
def reset(bench: Bench, story: Story) -> None:
    """A new activation code; the old credentials are worth nothing any more."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.rainbow.reset(story.pbx_id)
    bench.time.rest()


@then("the PBX has not logged in since the reset")
def not_since_reset(bench: Bench, story: Story) -> None:
    """No session but the one from before, and logins were tried and refused."""

    def refused() -> bool:
        now = record(bench, story)
        return len(now.sessions) == story.link and now.refused_logins > 0

    bench.expect(refused, "refused logins and no new session", lambda: told(bench, story))


@given(parsers.parse("the PCG shows a certificate of {kind}"))
def wrong_certificate(bench: Bench, kind: str) -> None:
    """From now on the PCG shows a certificate that the PBX must not take."""
    bench.set_certificate(CERTIFICATES[kind])


@when("the PCG shows its right certificate")
def right_certificate(bench: Bench, story: Story) -> None:
    """The PCG shows its own certificate again."""
    bench.time.rest()
    bench.set_certificate(CertificateKind.RIGHT)
    story.since = bench.wire.now()


@given(parsers.re("the PCG (?P<fault>refuses the upgrade with .*|accepts .*|is silent .*|rejects every login)"))
def pcg_fault(bench: Bench, fault: str) -> None:
    """Something is wrong with the PCG."""
    bench.rainbow.set_fault(*FAULTS[fault])


@when("the PCG works again")
def pcg_works(bench: Bench, story: Story) -> None:
    """Nothing is wrong with it any more."""
    bench.time.rest()
    bench.rainbow.clear_fault()
    story.since = bench.wire.now()


@when("Rainbow goes silent")
def pcg_silent(bench: Bench, story: Story) -> None:
    """The open session gets no answer to anything any more."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.rainbow.set_fault(FaultKind.SILENT)


@when("Rainbow drops the PBX")
def pcg_drops(bench: Bench, story: Story) -> None:
    """The PCG closes the WebSocket: it is going away."""
    pcg_closes(bench, story, 1001)


@when(parsers.parse("Rainbow closes the WebSocket with code {code:d}"))
def pcg_closes(bench: Bench, story: Story, code: int) -> None:
    """The PCG closes the WebSocket with that code."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.rainbow.drop(story.pbx_id, code)


@when("Rainbow aborts the connection")
def pcg_aborts(bench: Bench, story: Story) -> None:
    """The PCG resets the TCP connection."""
    bench.time.rest()
    story.since = bench.wire.now()
    bench.rainbow.abort(story.pbx_id)


@given(parsers.parse('Rainbow is also at the domain "{domain}"'))
def another_domain(bench: Bench, domain: str) -> None:
    """The PCG serves a second domain, with a certificate for it, under a name that DNS knows."""
    bench.add_name(f"agent.{domain}", Role.PCG)
    bench.rainbow.serve_domain(domain)
    bench.set_certificate(CertificateKind.RIGHT, domain)


@then("Rainbow notices within the ping timeout")
def rainbow_noticed(bench: Bench, story: Story) -> None:
    """The session of the PBX that is gone was given up in time."""
    session = record(bench, story).sessions[story.link - 1]
    bench.expect(
        lambda: session.ended is not None and session.ended - story.silent_since <= PING_TIMEOUT + TOLERANCE,
        f"the session given up within {PING_TIMEOUT:g} s",
        lambda: f"it is {session}",
    )

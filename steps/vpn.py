"""Steps about the requests for VPN connections that applications make, and what the PBX answers through the CCI."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from bench.cloud import VPN_GATEWAY
from emulators.cci.account import Acknowledgement, Outcome
from emulators.cloudconnect.failure import FailureCode
from steps.cloud_connect import record
from steps.passing_time import seconds
from steps.story import Story

SETUP = 60.0
"""More than the PBX takes to answer a request, in seconds."""

VPN_NETWORK = "10.168.92."
"""Where the VPN's addresses lie."""


def ask(bench: Bench, story: Story, user: str = "application", inactivity: float | None = None) -> int:
    """An application asks for a connection; returns the request's number."""
    _ = bench.vpn
    return bench.cci.open(story.account, user, story.gateway, bench.vpn_password, inactivity)


def answer(bench: Bench, story: Story, number: int) -> Acknowledgement:
    """What the PBX answered to a request."""
    return next(one for one in record(bench, story).acknowledgements if one.number == number)


def await_answers(bench: Bench, story: Story, numbers: list[int]) -> list[Acknowledgement]:
    """Waits until requests are answered, and makes them the scenario's latest."""
    story.requests = numbers

    def answers() -> list[Acknowledgement]:
        return [answer(bench, story, number) for number in numbers]

    bench.expect(
        lambda: all(one.outcome is not Outcome.WAITING for one in answers()),
        "answers to all requests",
        lambda: ", ".join(one.outcome for one in answers()),
        SETUP,
    )
    return answers()


def latest(bench: Bench, story: Story) -> list[Acknowledgement]:
    """The answers to the scenario's latest requests."""
    return [answer(bench, story, number) for number in story.requests]


def described(answers: list[Acknowledgement]) -> str:
    """Answers, for a message."""
    return ", ".join(
        f"{one.outcome} {one.address}{one.failure} {one.text}{'' if one.connections is None else one.connections}"
        for one in answers
    )


@when("an application asks for a VPN connection")
@when("another application asks for a VPN connection")
@given("an application asked for a VPN connection in vain")
def ask_once(bench: Bench, story: Story) -> None:
    """One request, and its answer."""
    bench.time.rest()
    story.since = bench.wire.now()
    await_answers(bench, story, [ask(bench, story)])


@when(parsers.parse("{number:d} applications ask for a VPN connection, one after the other"))
def ask_often(bench: Bench, story: Story, number: int) -> None:
    """Several requests, each after the answer to the one before."""
    numbers = []
    for count in range(number):
        numbers.append(ask(bench, story, f"application {count}"))
        await_answers(bench, story, numbers)


@when(parsers.parse("{number:d} applications ask for a VPN connection at once"))
def ask_at_once(bench: Bench, story: Story, number: int) -> None:
    """Several requests before any answer."""
    await_answers(bench, story, [ask(bench, story, f"application {count}") for count in range(number)])


@given("a VPN connection was opened")
def opened(bench: Bench, story: Story) -> None:
    """One request, which was met."""
    opened_many(bench, story, 1)


@given(parsers.re(r"(?P<number>\d+) VPN connections were opened"), converters={"number": int})
def opened_many(bench: Bench, story: Story, number: int, inactivity: float | None = None) -> None:
    """Several requests, which were all met."""
    bench.time.rest()
    story.since = bench.wire.now()
    numbers = [ask(bench, story, f"application {count}", inactivity) for count in range(number)]
    await_answers(bench, story, numbers)
    story.first_request = numbers[0]
    all_opened(bench, story)


@given(parsers.parse("a VPN connection was opened with an inactivity timeout of {asked}"))
def opened_with_inactivity(bench: Bench, story: Story, asked: str) -> None:
    """A request that names a time, or none."""
    opened_many(bench, story, 1, None if asked == "nothing" else seconds(int(asked.split()[0]), asked.split()[1]))


def all_opened(bench: Bench, story: Story) -> None:
    """The scenario's latest requests were all met."""
    bench.expect(
        lambda: all(one.outcome is Outcome.OPENED for one in latest(bench, story)),
        "every request answered with a connection",
        lambda: described(latest(bench, story)),
    )


@then("the request is answered with a VPN address and a connection ID")
def answered(bench: Bench, story: Story) -> None:
    """An address of the gateway's pool, and an ID."""
    all_opened(bench, story)
    (one,) = latest(bench, story)
    bench.expect(
        lambda: one.address.startswith(VPN_NETWORK) and bool(one.connection),
        "a VPN address and a connection ID",
        lambda: described([one]),
    )


@then("the request is answered with the same VPN address and a new connection ID")
@then("all requests are answered with the same VPN address and different connection IDs")
def same_address(bench: Bench, story: Story) -> None:
    """One address for all, an ID for each."""
    all_opened(bench, story)
    answers = latest(bench, story)
    if story.first_request:
        answers.append(answer(bench, story, story.first_request))
    bench.expect(
        lambda: len({one.address for one in answers}) == 1 and len({one.connection for one in answers}) == len(answers),
        "the same address and different IDs",
        lambda: ", ".join(f"{one.address} {one.connection}" for one in answers),
    )


@then(parsers.parse('the request fails with "{code}"'))
def fails(bench: Bench, story: Story, code: str) -> None:
    """The failure code that came through the CCI."""
    (one,) = latest(bench, story)
    bench.expect(
        lambda: one.outcome is Outcome.FAILED and one.failure == FailureCode(code),
        f"a failure with the code {code}",
        lambda: described([one]),
    )


@given("the request names an unknown gateway")
def unknown_gateway(story: Story) -> None:
    """A name that DNS does not know."""
    story.gateway = "nowhere." + VPN_GATEWAY


@given("a close request came through the CCI")
@when("a close request comes through the CCI")
@when("a close request of another application comes through the CCI")
def close(bench: Bench, story: Story) -> None:
    """One request to close, and its answer."""
    bench.time.rest()
    story.since = bench.wire.now()
    await_answers(bench, story, [bench.cci.close(story.account)])


@when("a close request and a request for a connection come at once")
def close_and_open(bench: Bench, story: Story) -> None:
    """Two requests before any answer: the gateway takes part in the end of the tunnel only when the PBX has both."""
    bench.vpn.node.ask("freeze")
    asked = [bench.cci.close(story.account), ask(bench, story)]
    bench.time.rest()
    bench.vpn.node.ask("thaw")
    await_answers(bench, story, asked)


@then(parsers.re(r"the request is answered with (?P<number>\d+) closed connections?"), converters={"number": int})
def closed(bench: Bench, story: Story, number: int) -> None:
    """The PBX says how many connections it has closed."""
    (one,) = latest(bench, story)
    bench.expect(
        lambda: one.outcome is Outcome.CLOSED and one.connections == number,
        f"{number} closed connections",
        lambda: described([one]),
    )

"""Steps about the firewall."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from bench.bench import Bench
from network.firewall import Policy
from steps.story import Story

FIREWALL_IS = parsers.parse("the firewall is {policy:S}")


@given(FIREWALL_IS)
@given(parsers.parse("the firewall became {policy:S}"))
@when(parsers.parse("the firewall becomes {policy:S}"))
def set_policy(bench: Bench, story: Story, policy: str) -> None:
    """Puts a named policy into force; established connections stay."""
    bench.time.rest()
    bench.set_policy(Policy.load(policy))
    story.since = bench.wire.now()


@when(parsers.parse("the firewall becomes {policy:S} and cuts established connections"))
def set_policy_and_cut(bench: Bench, story: Story, policy: str) -> None:
    """Puts a named policy into force and forgets every connection."""
    bench.time.rest()
    bench.set_policy(Policy.load(policy), cut=True)
    story.since = bench.wire.now()


@given("the firewall follows the customer's own rules:")
def set_own_policy(bench: Bench, docstring: str) -> None:
    """Puts the rules in the step's text into force."""
    bench.set_policy(Policy("customer", docstring))


@when(parsers.parse("the firewall becomes {policy:S} and Rainbow drops the PBX"))
def set_policy_and_drop(bench: Bench, story: Story, policy: str) -> None:
    """Shuts the way, then has the PCG end the link."""
    set_policy(bench, story, policy)
    bench.rainbow.drop(story.pbx_id)

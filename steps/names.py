"""Steps about the DNS server and about its page in OMC."""

from __future__ import annotations

from pytest_bdd import given, parsers, then, when

from bench.bench import Bench
from emulators.oxo.omc import Page
from network.plan import Role
from steps.story import Story

BEHAVIOURS = {
    "says that the name does not exist": "nxdomain",
    "fails": "servfail",
    "is silent": "silent",
    "gives a wrong address": "wrong-address",
    "answers over TCP only": "truncate",
    "answers": "answer",
}

DEAD_SERVER = "198.51.100.54"
"""An address of the site's Internet where nobody is."""


@given(parsers.parse("the DNS server {behaviour}"))
@when(parsers.parse("the DNS server {behaviour}"))
def dns_behaves(bench: Bench, story: Story, behaviour: str) -> None:
    """Gives the DNS server one of the behaviours that scenarios name."""
    bench.time.rest()
    bench.nodes[Role.DNS].ask("set_behaviour", behaviour=BEHAVIOURS[behaviour])
    story.since = bench.wire.now()


@given("the DNS servers in OMC are a dead one and then the site's own")
def first_server_dead(bench: Bench) -> None:
    """The page names two servers, of which only the second exists."""
    bench.oxo.omc(Page.DNS, {"Primary": DEAD_SERVER, "Secondary": str(bench.plan.dns_server)})


@then(parsers.parse('the PBX asked its DNS server for "{name}"'))
def asked_for(bench: Bench, story: Story, name: str) -> None:
    """A query of the PBX for that name was on the wire."""
    bench.expect(
        lambda: name in bench.wire.names_asked(),
        f"a DNS query of the PBX for {name}",
        lambda: f"it asked for {sorted(set(bench.wire.names_asked()))}",
    )

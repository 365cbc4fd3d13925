"""Steps about the VPN gateway: what is wrong with it, and that it ends a tunnel by itself."""

from __future__ import annotations

from pytest_bdd import given, parsers, when

from bench.bench import Bench
from bench.cloud import OTHER_ALGORITHMS, VPN_ACCOUNT, VPN_GATEWAY
from steps.rainbow import CERTIFICATES
from steps.story import Story


@given("the VPN gateway is dead")
@when("the VPN gateway is dead")
def gateway_dead(bench: Bench, story: Story) -> None:
    """It answers nothing any more."""
    bench.vpn.freeze()
    story.since = bench.wire.now()


@given(parsers.parse("the VPN gateway shows a certificate of {kind}"))
def gateway_wrong_certificate(bench: Bench, kind: str) -> None:
    """One that the PBX must not take."""
    bench.vpn.node.ask("set_certificate", certificate=bench.pki.certificate(CERTIFICATES[kind], VPN_GATEWAY))


@given("the VPN gateway expects another password")
def gateway_other_password(bench: Bench) -> None:
    """The account is known, with another password."""
    bench.vpn.node.ask("set_accounts", accounts={VPN_ACCOUNT: "another password"})


@when("the VPN gateway expects the right password")
def gateway_right_password(bench: Bench) -> None:
    """The password that requests bring."""
    bench.vpn.node.ask("set_accounts", accounts={VPN_ACCOUNT: bench.vpn_password})


@given("the VPN gateway accepts other algorithms only")
def gateway_other_algorithms(bench: Bench) -> None:
    """None that the PBX offers."""
    bench.vpn.node.ask("set_proposal", proposal=OTHER_ALGORITHMS)


@given("the VPN gateway cut the tunnel")
@when("the VPN gateway cuts the tunnel")
def gateway_cuts(bench: Bench, story: Story) -> None:
    """The gateway ends the tunnel by itself."""
    bench.time.rest()
    bench.vpn.node.ask("delete")
    bench.time.rest()
    story.since = bench.wire.now()

"""How a tunnel ends without a request, and that it does not come back by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.control import Refusal
from tests.vpn.conftest import CLEAN, VpnSite

Build = Callable[..., VpnSite]
QUICK = {"tunnel": {"dead_peer_delay": 1, "retransmission": {"timeout": 0.1, "base": 1, "tries": 2}}}


def _reason(site: VpnSite) -> str:
    return str(site.pbx.ask("log")[-1])


def _stays_down(site: VpnSite) -> None:
    assert site.pbx.ask("network") == CLEAN
    sent = (site.site.evidence / "oxo.log").read_text().count("sending packet")
    site.pass_time(7200)
    state = site.state()
    assert (state["state"], state["users"], state["charon"], state["lost"]) == ("down", [], None, 1)
    assert (site.site.evidence / "oxo.log").read_text().count("sending packet") == sent
    assert site.open()["address"]


def test_the_gateway_closes_it(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    assert site.gateway.ask("delete") == 1
    site.pbx.ask("await_loss")
    assert "the VPN gateway closed the tunnel" in _reason(site)
    _stays_down(site)


def test_charon_dies(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    site.open()
    assert site.pbx.ask("kill_charon")
    site.pbx.ask("await_loss")
    assert "the PBX's IKE daemon ended" in _reason(site)
    _stays_down(site)


@pytest.mark.parametrize("how", ["freeze", "cut"])
def test_dead_peer_detection_notices_a_gateway_that_is_gone(vpn_site: Build, how: str) -> None:
    site = vpn_site(QUICK)
    site.open()
    site.gateway.ask(how)
    site.pbx.ask("await_loss")
    assert "the VPN gateway no longer answers" in _reason(site)
    if how == "freeze":
        site.gateway.ask("thaw")
    _stays_down(site)


def test_a_connection_to_the_page_notices_that_the_tunnel_was_cut(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    number = site.talk_to_page()
    site.gateway.ask("cut")
    assert (site.page(number)["state"], site.page(number)["why"]) == ("ended", "the tunnel is gone")
    with pytest.raises(Refusal, match="connection 0 is ended"):
        site.gateway.ask("ask_page", number=number)


@pytest.mark.parametrize(
    ("asked", "timeout"),
    [(None, 1200), (10.0, 300), (900.0, 900), (86400.0, 3600)],
    ids=["none", "short", "fit", "long"],
)
def test_an_inactive_tunnel_is_closed_after_the_clamped_time(
    vpn_site: Build, asked: float | None, timeout: int
) -> None:
    site = vpn_site()
    site.open(inactivity=asked)
    site.pass_time(timeout - 1)
    assert site.state()["state"] == "up"
    site.pass_time(2)
    site.pbx.ask("await_loss")
    assert f"no traffic for {timeout} s" in _reason(site)
    site.assert_nothing_left()


def test_traffic_keeps_it_up(vpn_site: Build) -> None:
    site = vpn_site()
    site.open(inactivity=300)
    number = site.talk_to_page()
    for _ in range(3):
        site.pass_time(250)
        received = site.page(number)["received"]
        site.gateway.ask("ask_page", number=number)
        site.until(lambda received=received: site.page(number)["received"] > received, "an answer")  # type: ignore[misc]
    site.pass_time(299)
    assert site.state()["state"] == "up"
    # Traffic is noticed at the next look, at most a minute later.
    site.pass_time(62)
    site.pbx.ask("await_loss")
    assert site.state()["state"] == "down"


def test_waiting_for_inactivity_costs_one_timer(vpn_site: Build) -> None:
    site = vpn_site({"poll": 3600})
    site.open()
    site.site.settle(10)
    due = site.site.next_timer()
    assert due is not None
    assert 1190 < due - site.site.offset < 1201

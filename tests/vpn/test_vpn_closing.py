"""A close request closes all active connections and the tunnel, whoever opened them (Installation Manual p. 42)."""

from __future__ import annotations

from collections.abc import Callable

from node.remote import Remote
from tests.vpn.conftest import CLEAN, VpnSite

Build = Callable[..., VpnSite]


def _ended(site: VpnSite, number: int) -> bool:
    return bool(site.page(number)["state"] == "ended")


def test_everything_is_closed_whoever_opened_it(vpn_site: Build) -> None:
    site = vpn_site()
    for n in range(3):
        site.open(user=f"user {n}")
    pages = [site.talk_to_page() for _ in range(3)]
    assert site.close()["closed"] == 3
    for number in pages:
        site.until(lambda number=number: _ended(site, number), "the end of a connection")  # type: ignore[misc]
        assert site.page(number)["why"] == "Connection reset by peer"
    site.assert_nothing_left()
    assert site.gateway.ask("ended") == ["10.168.92.100"]
    assert "received DELETE for IKE_SA" in (site.site.evidence / "pcg.log").read_text()
    assert site.state()["lost"] == 0


def test_nothing_is_sent_for_an_hour_after_it(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    site.close()
    sent = (site.site.evidence / "oxo.log").read_text().count("sending packet")
    site.pass_time(3600)
    assert site.site.next_timer() is None
    assert (site.site.evidence / "oxo.log").read_text().count("sending packet") == sent
    site.assert_nothing_left()


def test_a_close_without_a_tunnel_is_an_error_and_harmless(vpn_site: Build) -> None:
    site = vpn_site()
    assert site.close()["code"] == "no-tunnel"
    assert site.open()["address"]
    assert site.close()["closed"] == 1
    assert site.close()["code"] == "no-tunnel"


def test_the_next_request_brings_a_new_tunnel(vpn_site: Build) -> None:
    site = vpn_site()
    first = site.open()
    site.close()
    second = site.open()
    assert second["address"]
    assert second["connection"] != first["connection"]


def test_requests_while_it_is_being_closed_are_refused(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    site.gateway.ask("freeze")
    site.note_packets()
    closing = site.begin_close()
    site.await_packet_of_charon()
    assert site.state()["state"] == "closing"
    assert site.open()["code"] == "busy"
    assert site.close()["code"] == "busy"
    site.pass_time(5.1)
    assert closing()["closed"] == 1
    assert site.pbx.ask("network") == CLEAN
    site.gateway.ask("thaw")
    assert site.open()["address"]


def test_a_close_breaks_off_a_set_up_that_takes_long(vpn_site: Build) -> None:
    site = vpn_site(policy="udp dport 53 accept")
    opening = site.begin_open_and_wait()
    assert site.state()["state"] == "setting up"
    closing = site.begin_close()
    site.pass_time(5.1)
    assert closing()["closed"] == 0
    assert opening()["code"] == "busy"
    site.assert_nothing_left()


def test_a_pbx_that_powers_down_in_order_closes_its_tunnel(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    pbx: Remote = site.pbx
    pbx.hang_up(within=10)
    site.until(lambda: bool(site.gateway.ask("ended")), "the end of the tunnel at the gateway")
    assert site.gateway.ask("ended") == ["10.168.92.100"]
    assert site.gateway.ask("tunnels") == []


def test_a_power_cut_takes_charon_with_it_and_the_pbx_can_open_again(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    site.power_cut()
    site.until(lambda: site.pbx.ask("charons") == 1, "the end of the PBX's charon")
    assert site.pbx.ask("network") == CLEAN
    assert site.open()["address"]
    assert site.close()["closed"] == 1
    assert site.pbx.ask("network") == CLEAN

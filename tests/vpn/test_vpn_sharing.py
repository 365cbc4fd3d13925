"""One tunnel, shared: who gets what, and who is refused."""

from __future__ import annotations

from collections.abc import Callable

from tests.vpn.conftest import INNER, VpnSite

Build = Callable[..., VpnSite]


def test_the_first_request_creates_the_tunnel_and_bytes_go_both_ways(vpn_site: Build) -> None:
    site = vpn_site()
    opened = site.open(user="ALE support")
    assert opened["address"] == "10.168.92.100"
    assert opened["connection"]
    assert site.state()["users"] == ["ALE support"]
    [tunnel] = site.gateway.ask("tunnels")
    assert (tunnel["account"], tunnel["address"]) == ("oxo", "10.168.92.100")
    assert site.pbx.ask("echo", host=INNER, port=8080, text="hello") == "hello"
    assert site.gateway.ask("served") == ["10.168.92.100"]
    assert "OXO Connect" in site.page(site.talk_to_page())["text"]
    [tunnel] = site.gateway.ask("tunnels")
    assert tunnel["received"] > 0
    assert tunnel["sent"] > 0


def test_ten_users_share_one_address_and_the_eleventh_is_refused(vpn_site: Build) -> None:
    site = vpn_site()
    opened = [site.open(user=f"user {n}") for n in range(10)]
    assert {one["address"] for one in opened} == {"10.168.92.100"}
    assert len({one["connection"] for one in opened}) == 10
    assert site.open(user="one too many")["code"] == "too-many-users"
    assert site.state()["users"] == [f"user {n}" for n in range(10)]
    assert len(site.gateway.ask("tunnels")) == 1
    assert any("too-many-users" in line for line in site.pbx.ask("log"))


def test_two_requests_at_once_share_one_set_up(vpn_site: Build) -> None:
    site = vpn_site()
    first, second = site.begin_open(user="a"), site.begin_open(user="b")
    opened = [first(), second()]
    assert [one["address"] for one in opened] == ["10.168.92.100"] * 2
    assert len({one["connection"] for one in opened}) == 2
    assert sum("up, VPN address" in line for line in site.pbx.ask("log")) == 1


def test_two_requests_at_once_fail_together(vpn_site: Build) -> None:
    site = vpn_site()
    site.gateway.ask("set_proposal", proposal="aes128-sha1-modp2048")
    first, second = site.begin_open(user="a"), site.begin_open(user="b")
    assert [first()["code"], second()["code"]] == ["no-proposal"] * 2
    site.assert_nothing_left()


def test_a_tunnel_to_another_gateway_is_not_shared(vpn_site: Build) -> None:
    site = vpn_site()
    site.open()
    assert site.open(gateway="nowhere.example")["code"] == "busy"
    assert site.state()["users"] == ["support"]


def test_secrets_stand_in_no_log(vpn_site: Build) -> None:
    site = vpn_site()
    site.open(password="secret")
    site.close()
    logs = [*site.site.evidence.glob("*.log"), *site.site.evidence.glob("*.txt")]
    assert len(logs) >= 3
    assert not [path.name for path in logs if b"secret" in path.read_bytes()]


def test_esp_is_done_by_the_kernel_or_in_user_space(vpn_site: Build) -> None:
    site = vpn_site()
    backend = site.pbx.ask("flush")
    site.open()
    assert ("ipsec0" in site.pbx.ask("network")["interfaces"]) == (backend == "user space")

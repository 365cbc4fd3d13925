"""Each way in which a set-up fails has a code of its own, leaves nothing behind, and spoils no later request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import trustme

from tests.vpn.conftest import ALL, NAME, Pki, VpnSite

Build = Callable[..., VpnSite]


def _expired(pki: Pki) -> str:
    leaf = pki.ca.issue_cert(NAME, not_after=datetime(2001, 1, 1, tzinfo=UTC))
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


CERTIFICATES: dict[str, Callable[[Pki], str]] = {
    "of another authority": lambda pki: pki.issue(NAME, trustme.CA()),
    "for another name": lambda pki: pki.issue("other.example"),
    "expired": _expired,
}


@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_a_gateway_with_a_bad_certificate(vpn_site: Build, pki: Pki, certificate: str) -> None:
    site = vpn_site()
    site.gateway.ask("set_certificate", certificate=CERTIFICATES[certificate](pki))
    assert site.open()["code"] == "gateway-refused-certificate"
    site.assert_nothing_left()
    site.gateway.ask("set_certificate", certificate=pki.issue(NAME))
    assert site.open()["address"]


def test_wrong_algorithms(vpn_site: Build) -> None:
    site = vpn_site(proposal="aes128-sha1-modp2048")
    assert site.open()["code"] == "no-proposal"
    site.assert_nothing_left()
    site.gateway.ask("set_proposal", proposal="aes256-sha256-ecp256")
    assert site.open()["address"]


@pytest.mark.parametrize("request_", [{"password": "wrong"}, {"account": "nobody"}], ids=["password", "account"])
def test_a_wrong_login(vpn_site: Build, request_: dict[str, str]) -> None:
    site = vpn_site()
    opening = site.begin_open(**request_)
    # strongSwan lets whoever fails wait for two seconds, in real time: site time must not run away meanwhile.
    log = site.site.evidence / "pcg.log"
    site.until(lambda: "verification failed" in log.read_text(), "the gateway's refusal")
    site.until(lambda: (site.site.next_timer() or 1e9) < site.site.offset + 1, "a timer of the gateway")
    assert opening()["code"] == "wrong-password"
    site.assert_nothing_left()
    assert site.open()["address"]


def test_a_gateway_that_refuses(vpn_site: Build) -> None:
    site = vpn_site()
    site.gateway.ask("set_refuses", refuses=True)
    assert site.open()["code"] == "wrong-password"
    site.gateway.ask("set_refuses", refuses=False)
    assert site.open()["address"]


def test_a_gateway_that_nobody_knows(vpn_site: Build) -> None:
    site = vpn_site()
    assert site.open(gateway="unknown.example")["code"] == "unknown-gateway"
    site.assert_nothing_left()
    assert site.open()["address"]


POLICIES = {"all of it": "tcp dport 443 accept", "port 4500": "udp dport 500 accept"}


@pytest.mark.parametrize("blocked", POLICIES)
def test_a_firewall_that_blocks_ipsec(vpn_site: Build, blocked: str) -> None:
    site = vpn_site(policy=POLICIES[blocked])
    opening = site.begin_open_and_wait()
    if blocked == "port 4500":
        log = site.site.evidence / "oxo.log"
        site.until(lambda: "[4500] to" in log.read_text(), "a packet to port 4500")
    site.pass_time(30.1)
    failed = opening()
    assert failed["code"] == "gateway-unreachable"
    assert ("4500" in failed["text"]) == (blocked == "port 4500")
    site.policy(ALL)
    assert site.open()["address"]


@pytest.mark.parametrize("gateway", ["nowhere.example", NAME], ids=["no machine", "dead"])
def test_a_gateway_that_does_not_answer(vpn_site: Build, gateway: str) -> None:
    site = vpn_site()
    site.gateway.ask("freeze")
    opening = site.begin_open_and_wait(gateway=gateway)
    begun = site.pbx.ask("now")
    site.pass_time(29)
    assert site.state()["state"] == "setting up"
    site.pass_time(1.1)
    assert opening()["code"] == "gateway-unreachable"
    assert 29 < site.pbx.ask("now") - begun < 32
    site.gateway.ask("thaw")
    site.assert_nothing_left()
    assert site.open()["address"]


def test_a_machine_without_tun(vpn_site: Build) -> None:
    site = vpn_site(tun="/nonexistent/tun")
    failed = site.open()
    assert failed["code"] == "tunnel-unavailable"
    assert "/nonexistent/tun cannot be opened (no such file or directory)" in failed["text"]
    site.assert_nothing_left()


def test_every_failure_is_logged(vpn_site: Build) -> None:
    site = vpn_site()
    site.open(user="someone", gateway="unknown.example")
    [line] = site.pbx.ask("log")
    assert "request of someone for unknown.example: error unknown-gateway" in line

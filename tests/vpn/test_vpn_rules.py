"""The rules that need no tunnel: limits of inactivity, reasons from charon's log, the agent's own log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.cci.vpngateway import Policy
from emulators.cci.vpnnode import VpnGateway
from emulators.cloudconnect.failure import FailureCode
from emulators.ipsec.charon import Charon, Retransmission
from emulators.oxo import vpnlog
from emulators.oxo.vpnlog import VpnLog
from emulators.oxo.vpnrules import VpnRules, VpnSpec
from emulators.oxo.vpntunnel import TunnelParameters, why_down, why_not_up


@settings(max_examples=100)
@given(st.floats(0, 1e6))
def test_the_timeout_is_what_was_asked_within_five_minutes_and_an_hour(asked: float) -> None:
    timeout = VpnRules().inactivity_timeout(asked)
    assert 300 <= timeout <= 3600
    assert timeout == asked or not 300 <= asked <= 3600


def test_the_timeout_is_twenty_minutes_when_none_is_asked() -> None:
    assert VpnRules().inactivity_timeout(None) == 1200


@settings(max_examples=100)
@given(st.lists(st.text(max_size=80)))
def test_any_log_gives_a_reason(lines: list[str]) -> None:
    assert why_not_up(lines).code in FailureCode
    assert why_down(lines)


def test_only_what_ike_says_counts() -> None:
    lines = ["[ENC] parsed IKE_AUTH: received NO_PROPOSAL_CHOSEN", "[NET] received packet: from 198.51.100.30"]
    assert why_not_up(lines).code is FailureCode.GATEWAY_UNREACHABLE


def test_the_log_is_bounded_and_keeps_what_came_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vpnlog, "LIMIT", 200)
    log = VpnLog(tmp_path / "vpn.log")

    async def write() -> None:
        for number in range(20):
            log.write(f"event {number}\nin two lines")

    asyncio.run(write())
    assert (tmp_path / "vpn.log").stat().st_size <= 200
    assert log.lines()[-1].endswith("event 19 in two lines")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_peer_counts_as_dead_after_165_seconds_by_default() -> None:
    assert round(Retransmission().total) == 165


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"base": 0.5}, {"tries": -1}])
def test_retransmission_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="IKE messages are repeated"):
        Retransmission(**wrong)


def test_times_and_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="dead_peer_delay"):
        TunnelParameters(dead_peer_delay=0.5)
    with pytest.raises(ValueError, match="at least one user"):
        VpnRules(users=0)


def test_every_parameter_can_be_set_and_only_those() -> None:
    where = {"folder": "/run/oxo", "log": "/run/oxo.log"}
    tunnel = {"dead_peer_delay": 60.0, "networks": ["10.0.0.0/8"], "retransmission": {"tries": 2}}
    spec = VpnSpec.read({**where, "users": 3, "tunnel": {"setup_timeout": 5.0, **tunnel}})
    assert (spec.folder, spec.log, spec.rules.users, spec.rules.poll) == ("/run/oxo", "/run/oxo.log", 3, 60)
    assert spec.rules.tunnel == TunnelParameters(5.0, 5.0, 60.0, Retransmission(tries=2), networks=("10.0.0.0/8",))
    for wrong in ({"user": 3}, {"tunnel": {"proposals": ""}}, {"tunnel": {"retransmission": {"delay": 1}}}):
        with pytest.raises(ValueError, match=r"there is no .*'(user|proposals|delay)'; there are: "):
            VpnSpec.read({**where, **wrong})
    with pytest.raises(ValueError, match="there is no parameter of the retransmission of IKE messages 'delay'"):
        VpnGateway("/run/vpn", "", {}, retransmission={"delay": 1})


def test_a_folder_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="too long a path"):
        Charon(Path("/" + "x" * 120))


def test_a_policy_shows_no_secrets() -> None:
    shown = repr(Policy("-----BEGIN PRIVATE KEY-----", {"oxo": "secret"}))
    assert "oxo" in shown
    assert "secret" not in shown
    assert "PRIVATE KEY" not in shown

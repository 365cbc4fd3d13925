"""Modes of the web proxy as data: what is read, what is refused and how the refusal reads."""

from __future__ import annotations

import math

import pytest

from proxies.modes import ModeRefused, ModeSettings, ProxyMode


def test_a_proxy_is_a_plain_tunnel_unless_told_otherwise() -> None:
    settings = ModeSettings.read({})
    assert settings == ModeSettings(mode=ProxyMode.TUNNEL)
    assert settings.listens
    assert not settings.intercepts


def test_each_mode_is_read_by_its_name() -> None:
    account = {"account": "oxo", "password": "secret"}
    for mode in ProxyMode:
        assert ModeSettings.read({"mode": mode.value, **account}).mode is mode


def test_modes_with_a_time_have_one_by_default() -> None:
    assert ModeSettings.read({"mode": "idle-cut"}).idle == 60.0
    assert ModeSettings.read({"mode": "slow"}).delay == 10.0
    assert ModeSettings.read({"mode": "slow", "delay": 3}).delay == 3.0
    assert ModeSettings.read({"mode": "tunnel"}).idle is None


def test_parameters_combine() -> None:
    settings = ModeSettings.read(
        {
            "mode": "authenticating",
            "account": "oxo",
            "password": "secret",
            "allowed_ports": [443],
            "idle": 30,
            "inspect": True,
        }
    )
    assert settings.allowed_ports == (443,)
    assert settings.intercepts


@pytest.mark.parametrize("mode", ["inspecting", "inspecting-untrusted", "no-websocket"])
def test_modes_that_look_into_tls_intercept_it(mode: str) -> None:
    assert ModeSettings.read({"mode": mode}).intercepts


def test_the_password_is_not_shown() -> None:
    settings = ModeSettings(mode=ProxyMode.AUTHENTICATING, account="oxo", password="secret")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "socks"}, "there is no web proxy mode 'socks': choose one of tunnel, inspecting"),
        ({"mode": 3}, "there is no web proxy mode 3"),
        ({"port": 443}, "the web proxy has no parameter 'port'"),
        ({"mode": "authenticating"}, "web proxy mode authenticating needs account and password"),
        ({"account": "oxo"}, "needs both account and password"),
        ({"account": "o:xo", "password": "secret"}, "must not be empty or contain a colon"),
        ({"account": 7, "password": "secret"}, "the web proxy's account must be text"),
        ({"inspect": True}, "web proxy mode tunnel does not inspect TLS"),
        ({"mode": "slow", "inspect": 1}, "the web proxy's inspect must be true or false"),
        ({"idle": 0}, "the web proxy's idle must be more than 0 seconds"),
        ({"delay": -1}, "the web proxy's delay must be more than 0 seconds, not -1"),
        ({"delay": math.inf}, "the web proxy's delay must be more than 0 seconds, not inf"),
        ({"connect_timeout": "60"}, "the web proxy's connect_timeout must be a number of seconds"),
        ({"allowed_ports": 443}, "the web proxy's allowed_ports must be a list of port numbers"),
        ({"allowed_ports": ["https"]}, "and 'https' is none"),
        ({"allowed_ports": [0]}, "must be from 1 to 65535, not 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(ModeRefused) as refusal:
        ModeSettings.read(values)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)

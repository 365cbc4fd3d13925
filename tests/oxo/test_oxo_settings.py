"""The PBX's settings: what is accepted, what is kept, what a restart leaves."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.oxo.fields import FieldRefused
from emulators.oxo.flash import Flash, FlashDamaged, Power, PowerCut
from emulators.oxo.settings import (
    CloudConnectSettings,
    DnsSettings,
    LanSettings,
    RainbowSettings,
    Settings,
    WebProxySettings,
)
from emulators.oxo.store import SettingsStore

PBX_ID = "PBX1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809"
CONFIGURED = Settings(
    rainbow=RainbowSettings(True, "openrainbow.com", PBX_ID, "4711", "final-secret"),
    web_proxy=WebProxySettings("proxy.customer.example", 3128, "oxo", "proxy-secret"),
    dns=DnsSettings("198.51.100.53", "198.51.100.54"),
    lan=LanSettings("192.168.92.246", "255.255.255.0", "192.168.92.1"),
    administrator_password="admin-secret",
    cloud_connect=CloudConnectSettings(True, "cci.example", "customer-1", "once-secret", "final-1", "last-secret"),
)

labels = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?", fullmatch=True)
domains = st.builds(lambda parts, last: ".".join([*parts, last + "a"]), st.lists(labels, max_size=4), labels)
printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
texts = st.text(printable, max_size=128)
codes = st.integers(1000, 9999).map(str) | st.from_regex(r"[a-zA-Z][a-zA-Z0-9 ]{0,20}[a-z]", fullmatch=True)
groups = st.lists(st.from_regex(r"[0-9a-fA-F]{4}", fullmatch=True), min_size=8, max_size=8)
pbx_ids = st.just("") | groups.map(lambda parts: "PBX" + "-".join(parts))
machines = st.integers(int(IPv4Address("1.0.0.0")), int(IPv4Address("223.255.255.255"))).map(IPv4Address).map(str)


@st.composite
def lans(draw: st.DrawFn) -> LanSettings:
    network = IPv4Network((draw(machines), draw(st.integers(8, 30))), strict=False)
    inside = st.integers(int(network.network_address) + 1, int(network.broadcast_address) - 1)
    first, second = draw(inside), draw(inside)
    gateway = "" if first == second else str(IPv4Address(second))
    return LanSettings(str(IPv4Address(first)), str(network.netmask), gateway)


all_settings = st.builds(
    Settings,
    rainbow=st.builds(RainbowSettings, st.booleans(), domains, pbx_ids, st.just("") | codes, texts),
    cloud_connect=st.builds(
        CloudConnectSettings,
        st.booleans(),
        domains,
        texts.map(lambda text: text.replace(":", ".")),
        texts,
        texts,
        texts,
    ),
    web_proxy=st.builds(
        WebProxySettings,
        st.just("") | domains | machines,
        st.integers(1, 65535),
        texts.map(lambda text: text.replace(":", ".")),
        texts,
    ),
    dns=st.builds(DnsSettings, st.just("") | machines, st.just("") | machines),
    lan=lans(),
    administrator_password=st.text(printable, min_size=1, max_size=128),
)


@settings(max_examples=60, database=None, deadline=None)
@given(all_settings)
def test_settings_are_read_as_they_were_saved(saved: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        SettingsStore(Flash(Path(folder))).save(saved)
        assert SettingsStore(Flash(Path(folder))).load() == saved


@settings(max_examples=4, database=None, deadline=None)
@given(all_settings, all_settings)
def test_settings_survive_a_cut_at_any_byte(old: Settings, new: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        power = Power()
        store = SettingsStore(Flash(Path(folder), power))
        store.save(new)
        size = Flash(Path(folder)).path("settings").stat().st_size
        store.save(old)
        for count in range(size + 1):
            power.cut_after(count)
            with pytest.raises(PowerCut):
                store.save(new)
            assert SettingsStore(Flash(Path(folder))).load() == old
        power.cut_after(size + 1)
        with pytest.raises(PowerCut):
            store.save(new)
        assert SettingsStore(Flash(Path(folder))).load() == new


def test_a_new_pbx_has_factory_settings(tmp_path: Path) -> None:
    loaded = SettingsStore(Flash(tmp_path)).load()
    assert loaded == Settings()
    assert not loaded.rainbow.enabled
    assert loaded.rainbow.agent_host == "agent.openrainbow.com"
    assert loaded.lan.address == "192.168.92.246"
    assert loaded.web_proxy.host == ""


def test_update_works_on_what_is_there_by_now(tmp_path: Path) -> None:
    store = SettingsStore(Flash(tmp_path))
    store.save(CONFIGURED)
    old, new = store.update(lambda now: replace(now, dns=DnsSettings("192.0.2.1")))
    assert (old, new) == (CONFIGURED, replace(CONFIGURED, dns=DnsSettings("192.0.2.1")))
    assert store.load() == new
    assert new.dns.servers == ["192.0.2.1"]


RAINBOW_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"enabled": "yes"}, "Rainbow enabled"),
    ({"domain": ""}, "Domain"),
    ({"domain": "open rainbow.com"}, "Domain"),
    ({"domain": "-a.com"}, "Domain"),
    ({"domain": "a..com"}, "Domain"),
    ({"domain": "a.com."}, "Domain"),
    ({"domain": "a.com\n"}, "Domain"),
    ({"domain": "\N{KELVIN SIGN}.com"}, "Domain"),
    ({"domain": "192.168.92.1"}, "Domain"),
    ({"domain": "a" * 64 + ".com"}, "Domain"),
    ({"domain": ".".join(["a" * 49] * 5)}, "Domain"),
    ({"domain": 7}, "Domain"),
    ({"pbx_id": "1a2b"}, "PBX ID"),
    ({"pbx_id": PBX_ID[:-1]}, "PBX ID"),
    ({"pbx_id": PBX_ID + "-0000"}, "PBX ID"),
    ({"pbx_id": PBX_ID.replace("a", "g")}, "PBX ID"),
    ({"pbx_id": PBX_ID + "\n"}, "PBX ID"),
    ({"activation_code": "999"}, "Activation code"),
    ({"activation_code": "0999"}, "Activation code"),
    ({"activation_code": " 4711"}, "Activation code"),
    ({"activation_code": "47\x0011"}, "Activation code"),
    ({"activation_code": "x" * 129}, "Activation code"),
    ({"final_password": "x" * 1025}, "Final password"),
]
OTHERS_REFUSED: list[tuple[type[Any], dict[str, Any], str]] = [
    (CloudConnectSettings, {"enabled": "yes"}, "Cloud Connect enabled"),
    (CloudConnectSettings, {"service": ""}, "Connection service"),
    (CloudConnectSettings, {"account": "a:b"}, "Activation account"),
    (CloudConnectSettings, {"one_time_password": "x" * 129}, "Activation password"),
    (CloudConnectSettings, {"final_account": "a\n"}, "Final account"),
    (CloudConnectSettings, {"final_password": "x" * 1025}, "Final password"),
    (WebProxySettings, {"host": "proxy_1"}, "Host name or address"),
    (WebProxySettings, {"host": "300.1.2.3"}, "Host name or address"),
    (WebProxySettings, {"host": "http://proxy"}, "Host name or address"),
    (WebProxySettings, {"host": "::1"}, "Host name or address"),
    (WebProxySettings, {"port": 0}, "Port"),
    (WebProxySettings, {"port": 65536}, "Port"),
    (WebProxySettings, {"port": True}, "Port"),
    (WebProxySettings, {"port": "80 80"}, "Port"),
    (WebProxySettings, {"port": ""}, "Port"),
    (WebProxySettings, {"account": "a:b"}, "Account"),
    (WebProxySettings, {"password": "a\nb"}, "Password"),
    (DnsSettings, {"primary": "dns.example"}, "Primary"),
    (DnsSettings, {"primary": "0.0.0.0"}, "Primary"),
    (DnsSettings, {"secondary": "224.0.0.1"}, "Secondary"),
    (DnsSettings, {"secondary": "1.2.3"}, "Secondary"),
    (LanSettings, {"address": ""}, "IP address"),
    (LanSettings, {"address": "192.168.92.255"}, "IP address"),
    (LanSettings, {"address": "192.168.92.0"}, "IP address"),
    (LanSettings, {"netmask": "255.0.255.0"}, "Subnet mask"),
    (LanSettings, {"netmask": "255.255.255.255"}, "Subnet mask"),
    (LanSettings, {"netmask": "0.0.0.255"}, "Subnet mask"),
    (LanSettings, {"netmask": "24"}, "Subnet mask"),
    (LanSettings, {"gateway": "192.168.93.1"}, "Default gateway"),
    (LanSettings, {"gateway": "192.168.92.246"}, "Default gateway"),
    (LanSettings, {"gateway": "192.168.92.255"}, "Default gateway"),
    (LanSettings, {"gateway": "x"}, "Default gateway"),
    (Settings, {"administrator_password": ""}, "Administrator password"),
]


@pytest.mark.parametrize(
    ("kind", "values", "field"), [(RainbowSettings, *row) for row in RAINBOW_REFUSED] + OTHERS_REFUSED
)
def test_a_bad_value_is_refused_with_the_field_named(kind: type[Any], values: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        kind(**values)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "\n" not in str(refused.value)


def test_a_refused_secret_is_not_repeated() -> None:
    for make in (
        lambda: RainbowSettings(activation_code=" hush-hush"),
        lambda: WebProxySettings(password="hush-hush\n"),
    ):
        with pytest.raises(FieldRefused) as refused:
            make()
        assert "hush" not in str(refused.value)


def test_values_are_stored_in_one_form() -> None:
    rainbow = RainbowSettings(domain="OpenRainbow.COM", pbx_id=PBX_ID.upper(), activation_code="my own code")
    assert rainbow.domain == "openrainbow.com"
    assert rainbow.pbx_id == PBX_ID
    assert rainbow.activation_code == "my own code"
    typed: Any = "3128"
    assert WebProxySettings(port=typed).port == 3128
    assert RainbowSettings(domain="a" * 63 + ".test").agent_host == "agent." + "a" * 63 + ".test"


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(CONFIGURED)
    assert "4711" not in repr(CONFIGURED)


def test_missing_parameters_are_named() -> None:
    assert RainbowSettings(enabled=True).missing() == ["PBX ID", "Activation code"]
    assert CONFIGURED.rainbow.missing() == []


@pytest.mark.parametrize(
    "edit", [{"domain": "other.example"}, {"pbx_id": PBX_ID.replace("1a", "2a")}, {"activation_code": "4712"}]
)
def test_another_domain_pbx_id_or_code_discards_the_final_password(edit: dict[str, Any]) -> None:
    edited = replace(CONFIGURED.rainbow, **edit)
    assert CONFIGURED.rainbow.committed(edited) == replace(edited, final_password="")


@pytest.mark.parametrize("edit", [{}, {"enabled": False}, {"pbx_id": PBX_ID.upper()}])
def test_the_same_values_and_disabling_keep_the_final_password(edit: dict[str, Any]) -> None:
    edited = replace(CONFIGURED.rainbow, **edit)
    assert CONFIGURED.rainbow.committed(edited).final_password == "final-secret"


def test_a_cold_reset_keeps_network_settings() -> None:
    kept = CONFIGURED.after_cold_reset()
    assert kept == replace(CONFIGURED, administrator_password=Settings().administrator_password)
    forgotten = CONFIGURED.after_cold_reset(keep_rainbow=False)
    assert forgotten == replace(kept, rainbow=RainbowSettings())
    assert forgotten.cloud_connect == CONFIGURED.cloud_connect


def document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        flash = Flash(Path(folder))
        SettingsStore(flash).save(CONFIGURED)
        read = flash.read("settings")
    assert read is not None
    return read


def spoiled() -> list[tuple[dict[str, Any], str]]:
    good = document()
    return [
        ({**good, "version": 2}, "version 2, and this PBX reads version 1"),
        ({key: value for key, value in good.items() if key != "version"}, "version None"),
        ({**good, "colour": "red"}, "the file has the unknown key 'colour'"),
        ({key: value for key, value in good.items() if key != "dns"}, "the file lacks the key 'dns'"),
        ({**good, "dns": []}, "'dns' is not an object"),
        ({**good, "dns": {"primary": ""}}, "'dns' lacks the key 'secondary'"),
        ({**good, "lan": {**good["lan"], "mtu": 1500}}, "'lan' has the unknown key 'mtu'"),
        ({**good, "web_proxy": {**good["web_proxy"], "port": 0}}, "bad value: Port: must be"),
        ({**good, "rainbow": {**good["rainbow"], "enabled": 1}}, "bad value: Rainbow enabled: must be"),
        ({**good, "administrator_password": None}, "bad value: Administrator password: must be text"),
    ]


@pytest.mark.parametrize(("document", "why"), spoiled())
def test_a_document_that_is_not_settings_is_refused(tmp_path: Path, document: dict[str, Any], why: str) -> None:
    flash = Flash(tmp_path)
    flash.write("settings", document)
    with pytest.raises(FlashDamaged) as refused:
        SettingsStore(flash).load()
    assert why in str(refused.value)
    assert "settings.flash" in str(refused.value)

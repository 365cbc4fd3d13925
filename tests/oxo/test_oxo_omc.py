"""OMC: pages that are committed on OK, discarded on Cancel, and refuse bad values."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.oxo.fields import FieldRefused
from emulators.oxo.flash import Flash, FlashFailed, Power, PowerCut
from emulators.oxo.omc import CONNECTION_STATUS, HISTORY, STARS, OmcRefused, OmcSession, Page, Value
from emulators.oxo.settings import CloudConnectSettings, Field, LanSettings, RainbowSettings, Settings, WebProxySettings
from emulators.oxo.store import SettingsStore

PBX_ID = "PBX1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809"
CONFIGURED = Settings(
    rainbow=RainbowSettings(False, "openrainbow.com", PBX_ID, "4711", "final"),
    web_proxy=WebProxySettings("proxy.example", 3128, "oxo", "hush"),
    cloud_connect=CloudConnectSettings(False, "cci.example", "customer-1", "once", "final-1", "for good"),
)
READINGS = {
    Page.RAINBOW: lambda: {CONNECTION_STATUS: "Not connected"},
    Page.CLOUD_CONNECT: lambda: {CONNECTION_STATUS: "Disabled", HISTORY: "100 s: unexpected close"},
}


class Site:
    """A PBX's store, and what its listener heard."""

    def __init__(self, folder: Path, power: Power | None = None) -> None:
        self.store = SettingsStore(Flash(folder, power))
        self.store.save(CONFIGURED)
        self.heard: list[tuple[Settings, Settings]] = []
        self.omc = OmcSession(self.store, lambda old, new: self.heard.append((old, new)), READINGS)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_page_shows_its_fields_with_secrets_as_stars(site: Site) -> None:
    assert site.omc.open(Page.RAINBOW) == {
        "Rainbow enabled": False,
        "Domain": "openrainbow.com",
        "PBX ID": PBX_ID,
        "Activation code": STARS,
        CONNECTION_STATUS: "Not connected",
    }
    site.omc.cancel()
    assert site.omc.open(Page.WEB_PROXY) == {
        "Host name or address": "proxy.example",
        "Port": 3128,
        "Account": "oxo",
        "Password": STARS,
    }
    site.omc.set("Password", "another")
    site.omc.set("Port", "8080")
    assert site.omc.show()["Password"] == STARS
    assert site.omc.show()["Port"] == "8080"
    site.omc.set("Password", "")
    assert site.omc.show()["Password"] == ""
    site.omc.cancel()
    assert site.omc.open(Page.CLOUD_CONNECT) == {
        "Cloud Connect enabled": False,
        "Connection service": "cci.example",
        "Activation account": "customer-1",
        "Activation password": STARS,
        CONNECTION_STATUS: "Disabled",
        HISTORY: "100 s: unexpected close",
    }
    site.omc.cancel()
    assert site.omc.open(Page.DNS) == {"Primary": "", "Secondary": ""}
    site.omc.cancel()
    assert set(site.omc.open(Page.LAN)) == {"IP address", "Subnet mask", "Default gateway"}


def test_every_field_is_on_one_page(site: Site) -> None:
    shown: list[str] = []
    for page in Page:
        shown += site.omc.open(page)
        site.omc.cancel()
    assert sorted(shown) == sorted([*Field, CONNECTION_STATUS, CONNECTION_STATUS, HISTORY])


def test_ok_commits_the_whole_page_and_tells(site: Site) -> None:
    site.omc.open(Page.WEB_PROXY)
    site.omc.set("Host name or address", "192.168.92.10")
    site.omc.set("Port", "8080")
    site.omc.set("Account", "oxo")
    assert site.store.load() == CONFIGURED
    assert site.omc.ok() == [Field.PROXY_HOST, Field.PROXY_PORT]
    new = replace(CONFIGURED, web_proxy=WebProxySettings("192.168.92.10", 8080, "oxo", "hush"))
    assert site.store.load() == new
    assert site.heard == [(CONFIGURED, new)]
    assert site.omc.page is None


def test_cancel_discards(site: Site) -> None:
    site.omc.open(Page.DNS)
    site.omc.set("Primary", "192.0.2.1")
    site.omc.cancel()
    assert site.store.load() == CONFIGURED
    assert site.heard == []
    assert site.omc.open(Page.DNS)["Primary"] == ""


def test_a_bad_value_refuses_the_page_which_can_be_corrected(site: Site) -> None:
    site.omc.open(Page.LAN)
    site.omc.set("IP address", "10.0.0.2")
    site.omc.set("Default gateway", "10.0.1.1")
    with pytest.raises(FieldRefused, match=r"^Default gateway: must be .* 10\.0\.0\.0/24$"):
        site.omc.ok()
    assert site.store.load() == CONFIGURED
    assert site.heard == []
    assert site.omc.page is Page.LAN
    assert site.omc.show()["Default gateway"] == "10.0.1.1"
    site.omc.set("Default gateway", "10.0.0.1")
    assert site.omc.ok() == [Field.LAN_ADDRESS, Field.LAN_GATEWAY]
    assert site.store.load().lan == LanSettings("10.0.0.2", "255.255.255.0", "10.0.0.1")


def test_rainbow_needs_its_parameters_when_enabled(site: Site) -> None:
    site.store.save(Settings())
    site.omc.open(Page.RAINBOW)
    site.omc.set("Rainbow enabled", True)
    with pytest.raises(FieldRefused, match=r"^PBX ID: must be configured when Rainbow is enabled"):
        site.omc.ok()
    site.omc.set("PBX ID", PBX_ID)
    with pytest.raises(FieldRefused, match=r"^Activation code: must be configured"):
        site.omc.ok()
    site.omc.set("Activation code", "4711")
    site.omc.ok()
    assert site.store.load().rainbow == RainbowSettings(True, "openrainbow.com", PBX_ID, "4711")


def test_enabling_and_the_same_values_keep_the_final_password(site: Site) -> None:
    for enabled in (True, False):
        site.omc.open(Page.RAINBOW)
        site.omc.set("Rainbow enabled", enabled)
        site.omc.set("Domain", "OPENRAINBOW.com")
        site.omc.set("PBX ID", PBX_ID)
        site.omc.set("Activation code", "4711")
        assert site.omc.ok() == [Field.RAINBOW_ENABLED]
    assert site.store.load() == CONFIGURED
    assert len(site.heard) == 2


def test_another_activation_code_discards_the_final_password(site: Site) -> None:
    site.omc.open(Page.RAINBOW)
    site.omc.set("Activation code", "4712")
    assert site.omc.ok() == [Field.ACTIVATION_CODE]
    assert site.store.load().rainbow == RainbowSettings(False, "openrainbow.com", PBX_ID, "4712", "")


def test_ok_without_a_change_tells_nobody(site: Site) -> None:
    site.omc.open(Page.RAINBOW)
    assert site.omc.ok() == []
    assert site.heard == []


def test_a_page_does_not_undo_what_was_committed_meanwhile(site: Site) -> None:
    site.omc.open(Page.RAINBOW)
    site.omc.set("Domain", "other.example")
    meanwhile = replace(CONFIGURED.rainbow, enabled=True)
    site.store.save(replace(CONFIGURED, rainbow=meanwhile))
    assert site.omc.ok() == [Field.DOMAIN]
    assert site.store.load().rainbow == replace(meanwhile, domain="other.example", final_password="")


def test_a_final_password_that_came_meanwhile_is_kept(site: Site) -> None:
    site.omc.open(Page.RAINBOW)
    site.omc.set("Rainbow enabled", True)
    site.store.save(replace(CONFIGURED, rainbow=replace(CONFIGURED.rainbow, final_password="newer")))
    site.omc.ok()
    assert site.store.load().rainbow == replace(CONFIGURED.rainbow, enabled=True, final_password="newer")


def test_omc_is_on_one_page_at_a_time(site: Site) -> None:
    site.omc.open(Page.DNS)
    with pytest.raises(OmcRefused, match="> DNS is open: end it with OK or Cancel first"):
        site.omc.open(Page.RAINBOW)
    with pytest.raises(OmcRefused, match="has no field 'Domain'; it has: Primary, Secondary"):
        site.omc.set("Domain", "x")
    site.omc.cancel()
    for act in (site.omc.ok, site.omc.cancel, site.omc.show, lambda: site.omc.set("Primary", "")):
        with pytest.raises(OmcRefused, match="no page of OMC is open"):
            act()


def test_the_connection_status_cannot_be_edited(site: Site) -> None:
    site.omc.open(Page.RAINBOW)
    with pytest.raises(OmcRefused, match="shown only"):
        site.omc.set(CONNECTION_STATUS, "Connected")


def test_a_page_that_cannot_be_stored_stays_open(tmp_path: Path) -> None:
    power = Power()
    site = Site(tmp_path, power)
    site.omc.open(Page.DNS)
    site.omc.set("Primary", "192.0.2.1")
    (tmp_path / "settings.flash.new").mkdir()
    with pytest.raises(FlashFailed):
        site.omc.ok()
    assert site.omc.page is Page.DNS
    (tmp_path / "settings.flash.new").rmdir()
    power.cut_after(100)
    with pytest.raises(PowerCut):
        site.omc.ok()
    assert site.heard == []
    assert site.store.load() == CONFIGURED


values = st.text(max_size=300) | st.integers() | st.booleans() | st.sampled_from(["4711", PBX_ID, "a.b", "10.0.0.1"])


@settings(max_examples=150, database=None, deadline=None)
@given(st.sampled_from(Page), st.lists(st.tuples(st.sampled_from(list(Field)), values), max_size=5))
def test_arbitrary_values_are_committed_or_refused(page: Page, edits: list[tuple[Field, Value]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        fields = site.omc.open(page)
        for field, value in edits:
            if field in fields:
                site.omc.set(field, value)
            else:
                with pytest.raises(OmcRefused):
                    site.omc.set(field, value)
        site.omc.show()
        refused = None
        changed: list[Field] = []
        try:
            changed = site.omc.ok()
        except FieldRefused as error:
            refused = error
        if refused is not None:
            assert refused.field in fields
            assert "\n" not in str(refused)
            assert site.store.load() == CONFIGURED
        else:
            assert set(changed) <= {field for field, _ in edits}
            assert bool(changed) == (site.store.load() != CONFIGURED)


def test_enabling_cloud_connect_needs_an_activation_or_final_credentials(site: Site) -> None:
    assert commit(site, {"Cloud Connect enabled": True}) == [Field.CLOUD_CONNECT_ENABLED]
    assert commit(site, {"Cloud Connect enabled": False, "Activation password": "once"}) != []
    assert site.store.load().cloud_connect == CONFIGURED.cloud_connect
    commit(site, {"Activation password": "another"})
    assert site.store.load().cloud_connect == CloudConnectSettings(False, "cci.example", "customer-1", "another")
    commit(site, {"Activation password": ""})
    with pytest.raises(FieldRefused, match="Activation password: must be configured when Cloud Connect is enabled"):
        commit(site, {"Cloud Connect enabled": True})
    assert not site.store.load().cloud_connect.enabled
    site.omc.cancel()
    site.omc.open(Page.CLOUD_CONNECT)
    with pytest.raises(OmcRefused, match="History: is shown only"):
        site.omc.set(HISTORY, "")


def commit(site: Site, values: dict[str, Value]) -> list[Field]:
    site.omc.open(Page.CLOUD_CONNECT)
    for field, value in values.items():
        site.omc.set(field, value)
    return site.omc.ok()

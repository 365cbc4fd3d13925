"""MMC: an administrator at a phone's display, who can enable and disable Rainbow and no more."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.oxo.flash import Flash
from emulators.oxo.mmc import Key, MmcRefused, MmcSession, Screen
from emulators.oxo.settings import RainbowSettings, Settings
from emulators.oxo.store import SettingsStore

CONFIGURED = Settings(
    rainbow=RainbowSettings(False, "a.example", "PBX1a2b-3c4d-5e6f-7081-92a3-b4c5-d6e7-f809", "4711", "final"),
    administrator_password="1954",
)


DESK_PHONE = Screen(4, 32)


@pytest.fixture
def store(tmp_path: Path) -> SettingsStore:
    store = SettingsStore(Flash(tmp_path))
    store.save(CONFIGURED)
    return store


def logged_in(store: SettingsStore, screen: Screen = DESK_PHONE) -> MmcSession:
    session = MmcSession(store, screen=screen)
    session.type("1954")
    session.press(Key.OK)
    return session


def test_choice_toggles_rainbow_and_nothing_else(store: SettingsStore) -> None:
    heard: list[tuple[Settings, Settings]] = []
    session = MmcSession(store, lambda old, new: heard.append((old, new)))
    assert session.display() == ["Administrator", "Password: ", "", "OK"]
    session.type("19")
    session.type("54")
    assert session.display()[1] == "Password: ****"
    session.press("OK")
    assert session.display() == ["Administrator", "", "", "System  Back"]
    session.press("System")
    assert session.display() == ["System", "", "", "Rainbow  Back"]
    session.press("Rainbow")
    assert session.display() == ["System > Rainbow", "CCCtrlA: disabled", "", "Choice  Back"]
    session.press("Choice")
    assert session.display()[1] == "CCCtrlA: enabled"
    enabled = replace(CONFIGURED, rainbow=replace(CONFIGURED.rainbow, enabled=True))
    assert store.load() == enabled
    session.press("Choice")
    assert session.display()[1] == "CCCtrlA: disabled"
    assert store.load() == CONFIGURED
    assert heard == [(CONFIGURED, enabled), (enabled, CONFIGURED)]


def test_the_display_shows_what_omc_has_changed_meanwhile(store: SettingsStore) -> None:
    session = logged_in(store)
    session.press(Key.SYSTEM)
    session.press(Key.RAINBOW)
    store.save(replace(CONFIGURED, rainbow=replace(CONFIGURED.rainbow, enabled=True)))
    assert session.display()[1] == "CCCtrlA: enabled"


def test_back_leads_out(store: SettingsStore) -> None:
    session = logged_in(store)
    session.press(Key.SYSTEM)
    session.press(Key.RAINBOW)
    session.press(Key.BACK)
    assert session.display()[0] == "System"
    session.press(Key.BACK)
    session.press(Key.BACK)
    assert session.closed
    assert session.display() == ["Session closed", "", "", ""]
    with pytest.raises(MmcRefused, match="the session is closed"):
        session.press(Key.BACK)


def test_three_wrong_passwords_close_the_session(store: SettingsStore) -> None:
    session = MmcSession(store)
    session.press(Key.OK)
    assert session.display()[1] == "Wrong: 2 tries left"
    session.type("1955")
    assert session.display()[1] == "Password: ****"
    session.press(Key.OK)
    session.type("19544")
    session.press(Key.OK)
    assert session.closed
    with pytest.raises(MmcRefused, match="asks for no text"):
        session.type("1954")


def test_a_wrong_password_can_be_followed_by_the_right_one(store: SettingsStore) -> None:
    session = MmcSession(store)
    session.type("0000")
    session.press(Key.OK)
    session.type("1954")
    session.press(Key.OK)
    assert session.display()[-1] == "System  Back"


def test_only_the_keys_on_the_display_can_be_pressed(store: SettingsStore) -> None:
    session = MmcSession(store)
    with pytest.raises(MmcRefused, match="there is no key 'Choice' on the display now; the keys are: OK"):
        session.press("Choice")
    with pytest.raises(MmcRefused, match="at most 128"):
        session.type("1" * 129)


@pytest.mark.parametrize(("lines", "columns"), [(1, 20), (6, 20), (2, 19), (2, 41)])
def test_a_phone_has_a_small_display(lines: int, columns: int) -> None:
    with pytest.raises(ValueError, match="2 to 5 lines"):
        Screen(lines, columns)


def test_the_smallest_display_shows_the_state(store: SettingsStore) -> None:
    session = logged_in(store, Screen(2, 20))
    session.press(Key.SYSTEM)
    session.press(Key.RAINBOW)
    assert session.display() == ["CCCtrlA: disabled", "Choice  Back"]


@settings(max_examples=60, database=None, deadline=None)
@given(
    st.builds(Screen, st.integers(2, 5), st.integers(20, 40)),
    st.lists(st.sampled_from(["1954", *Key]) | st.text(max_size=50), max_size=15),
)
def test_any_keys_leave_a_display_that_fits_and_all_but_the_switch(screen: Screen, presses: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SettingsStore(Flash(Path(folder)))
        store.save(CONFIGURED)
        session = MmcSession(store, screen=screen)
        for press in presses:
            with suppress(MmcRefused):
                session.press(press) if press in tuple(Key) else session.type(press)
            shown = session.display()
            assert len(shown) == screen.lines
            assert all(len(line) <= screen.columns for line in shown)
        rainbow = replace(CONFIGURED.rainbow, enabled=store.load().rainbow.enabled)
        assert store.load() == replace(CONFIGURED, rainbow=rainbow)

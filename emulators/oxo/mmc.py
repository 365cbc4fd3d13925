"""MMC: configuration on a desk phone's display, in a session of the administrator: it can switch Rainbow, no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from emulators.oxo.fields import TEXT_LIMIT
from emulators.oxo.settings import Settings
from emulators.oxo.store import SettingsStore

PASSWORD_TRIES = 3
"""Wrong passwords after which the session closes; the PBX's own number is not public."""


class Key(StrEnum):
    """The keys of the phone that MMC gives a meaning, by their labels."""

    OK = "OK"
    SYSTEM = "System"
    RAINBOW = "Rainbow"
    CHOICE = "Choice"
    BACK = "Back"


class MmcRefused(ValueError):
    """The phone has no such key at the moment, or takes no text."""


@dataclass(frozen=True)
class Screen:
    """How much the phone shows: 2 to 5 lines of 20 to 40 characters. Raises ValueError for anything else."""

    lines: int = 4
    columns: int = 32

    def __post_init__(self) -> None:
        if not 2 <= self.lines <= 5 or not 20 <= self.columns <= 40:
            raise ValueError("a phone shows 2 to 5 lines of 20 to 40 characters")


@dataclass(frozen=True)
class Shown:
    """What an administrator sees at a phone: the lines of its display, the keys that have a meaning now, and whether
    the session is over."""

    display: list[str]
    keys: list[str]
    closed: bool


class _Place(Enum):
    PASSWORD = auto()
    MENU = auto()
    SYSTEM = auto()
    RAINBOW = auto()
    CLOSED = auto()


_KEYS = {
    _Place.PASSWORD: (Key.OK,),
    _Place.MENU: (Key.SYSTEM, Key.BACK),
    _Place.SYSTEM: (Key.RAINBOW, Key.BACK),
    _Place.RAINBOW: (Key.CHOICE, Key.BACK),
    _Place.CLOSED: (),
}
_MENU = {Key.SYSTEM: _Place.SYSTEM, Key.RAINBOW: _Place.RAINBOW}
_BACK = {_Place.RAINBOW: _Place.SYSTEM, _Place.SYSTEM: _Place.MENU, _Place.MENU: _Place.CLOSED}
_TITLES = {
    _Place.PASSWORD: "Administrator",
    _Place.MENU: "Administrator",
    _Place.SYSTEM: "System",
    _Place.RAINBOW: "System > Rainbow",
    _Place.CLOSED: "Session closed",
}


class MmcSession:
    """One administrator at a phone, from the question for the password until the session closes.

    `changed` is told the settings before and after each change.
    """

    def __init__(
        self,
        store: SettingsStore,
        changed: Callable[[Settings, Settings], None] = lambda old, new: None,
        screen: Screen = Screen(),
    ) -> None:
        self._store = store
        self._changed = changed
        self._screen = screen
        self._place = _Place.PASSWORD
        self._typed = ""
        self._wrong = 0

    @property
    def closed(self) -> bool:
        """True once the session is over: left by Back, or after too many wrong passwords."""
        return self._place is _Place.CLOSED

    def type(self, text: str) -> None:
        """Types text where the display asks for it. Raises MmcRefused where it does not, or for more than it takes."""
        if self._place is not _Place.PASSWORD:
            raise MmcRefused("the display asks for no text")
        if len(self._typed) + len(text) > TEXT_LIMIT:
            raise MmcRefused(f"a password has at most {TEXT_LIMIT} characters")
        self._typed += text

    def press(self, key: str) -> None:
        """Presses a key of the display. Raises MmcRefused for one it does not have, FlashError."""
        keys = _KEYS[self._place]
        if key not in keys:
            there = f"the keys are: {', '.join(keys)}" if keys else "the session is closed"
            raise MmcRefused(f"there is no key {key!r} on the display now; {there}")
        if key == Key.OK:
            self._enter()
        elif key == Key.CHOICE:
            self._toggle()
        elif key == Key.BACK:
            self._place = _BACK[self._place]
        else:
            self._place = _MENU[Key(key)]

    def display(self) -> list[str]:
        """What the phone shows: as many lines as it has, none longer than it is wide, the keys on the last one.

        Raises FlashError.
        """
        body = [line for line in (_TITLES[self._place], self._body()) if line]
        room = self._screen.lines - 1
        shown = body[-room:]
        shown += [""] * (room - len(shown)) + ["  ".join(_KEYS[self._place])]
        return [line[: self._screen.columns] for line in shown]

    def shown(self) -> Shown:
        """What the administrator sees now. Raises FlashError."""
        return Shown(self.display(), [key.value for key in _KEYS[self._place]], self.closed)

    def _body(self) -> str:
        if self._place is _Place.PASSWORD:
            if self._wrong and not self._typed:
                return f"Wrong: {PASSWORD_TRIES - self._wrong} tries left"
            return "Password: " + "*" * len(self._typed)
        if self._place is _Place.RAINBOW:
            return "CCCtrlA: " + ("enabled" if self._store.load().rainbow.enabled else "disabled")
        return ""

    def _enter(self) -> None:
        typed, self._typed = self._typed, ""
        if typed == self._store.load().administrator_password:
            self._place = _Place.MENU
            return
        self._wrong += 1
        if self._wrong == PASSWORD_TRIES:
            self._place = _Place.CLOSED

    def _toggle(self) -> None:
        old, new = self._store.update(_toggled)
        self._changed(old, new)


def _toggled(settings: Settings) -> Settings:
    return replace(settings, rainbow=replace(settings.rainbow, enabled=not settings.rainbow.enabled))

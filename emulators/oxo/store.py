"""Keeps the PBX's settings in its flash."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from emulators.oxo.fields import FieldRefused
from emulators.oxo.flash import Flash, FlashDamaged
from emulators.oxo.settings import SECTIONS, Settings

_NAME = "settings"
_VERSION = 1


class SettingsStore:
    """The one place where the settings are: each `load` reads them anew, so nobody works with old ones."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash

    def load(self) -> Settings:
        """The settings as last saved, or the factory's if they never were.

        Raises FlashDamaged when the file is not what the PBX wrote, FlashFailed when it cannot be read.
        """
        document = self._flash.read(_NAME)
        if document is None:
            return Settings()
        try:
            return _settings(document)
        except _UnreadableError as error:
            raise FlashDamaged(self._flash.path(_NAME), str(error)) from error
        except FieldRefused as error:
            raise FlashDamaged(self._flash.path(_NAME), f"it has a bad value: {error}") from error

    def save(self, settings: Settings) -> None:
        """Stores the settings: all of them, or none if this raises. Raises FlashFailed."""
        self._flash.write(_NAME, {"version": _VERSION, **dataclasses.asdict(settings)})

    def update(self, change: Callable[[Settings], Settings]) -> tuple[Settings, Settings]:
        """Applies `change` to the settings as they are now, saves the result if it differs; returns old and new."""
        old = self.load()
        new = change(old)
        if new != old:
            self.save(new)
        return old, new


class _UnreadableError(ValueError):
    """The document is not one of settings; the text says why."""


def _settings(document: Mapping[str, Any]) -> Settings:
    version = document.get("version")
    if version != _VERSION:
        raise _UnreadableError(f"it has version {version!r}, and this PBX reads version {_VERSION}")
    _keys("the file", document, {"version"} | {field.name for field in dataclasses.fields(Settings)})
    sections = {name: kind(**_section(document, name, kind)) for name, kind in SECTIONS.items()}
    return Settings(**sections, administrator_password=document["administrator_password"])


def _section(document: Mapping[str, Any], name: str, kind: type[Any]) -> Mapping[str, Any]:
    section = document[name]
    if not isinstance(section, dict):
        raise _UnreadableError(f"{name!r} is not an object")
    _keys(repr(name), section, {field.name for field in dataclasses.fields(kind)})
    return section


def _keys(where: str, found: Mapping[str, Any], known: set[str]) -> None:
    if strange := sorted(found.keys() - known):
        raise _UnreadableError(f"{where} has the unknown key {strange[0]!r}")
    if missing := sorted(known - found.keys()):
        raise _UnreadableError(f"{where} lacks the key {missing[0]!r}")

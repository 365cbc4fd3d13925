"""OMC in its Expert view: the installer's tool edits a page, commits it on OK and forgets it on Cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from emulators.oxo.fields import FieldRefused
from emulators.oxo.settings import Field, Settings
from emulators.oxo.store import SettingsStore

STARS = "********"
"""What stands for a secret that is set; its length says nothing."""

CONNECTION_STATUS = "Connection status"
"""The read-only line of the pages Cloud > Rainbow and Cloud > Cloud Connect Operation."""

HISTORY = "History"
"""The read-only lines of the page Cloud > Cloud Connect Operation: one event a line, the latest last."""

Value = str | int | bool
"""What a field holds: text, a port number, or whether a box is checked."""


class Page(StrEnum):
    """The pages, by their place in OMC's menu."""

    RAINBOW = "Cloud > Rainbow"
    CLOUD_CONNECT = "Cloud > Cloud Connect Operation"
    WEB_PROXY = "Hardware and Limits > LAN / IP Configuration > Web proxy"
    DNS = "Hardware and Limits > LAN / IP Configuration > DNS"
    LAN = "Hardware and Limits > LAN / IP Configuration > LAN/IP"


class OmcRefused(ValueError):
    """OMC cannot do that now: no page is open, another one is, or the page has no such field."""


@dataclass(frozen=True)
class _Section:
    """Where a page's values are: an attribute of Settings, and in it one attribute for each field."""

    name: str
    fields: Mapping[Field, str]


_SECTIONS: Mapping[Page, _Section] = {
    Page.RAINBOW: _Section(
        "rainbow",
        {
            Field.RAINBOW_ENABLED: "enabled",
            Field.DOMAIN: "domain",
            Field.PBX_ID: "pbx_id",
            Field.ACTIVATION_CODE: "activation_code",
        },
    ),
    Page.CLOUD_CONNECT: _Section(
        "cloud_connect",
        {
            Field.CLOUD_CONNECT_ENABLED: "enabled",
            Field.CONNECTION_SERVICE: "service",
            Field.ACTIVATION_ACCOUNT: "account",
            Field.ACTIVATION_PASSWORD: "one_time_password",
        },
    ),
    Page.WEB_PROXY: _Section(
        "web_proxy",
        {
            Field.PROXY_HOST: "host",
            Field.PROXY_PORT: "port",
            Field.PROXY_ACCOUNT: "account",
            Field.PROXY_PASSWORD: "password",
        },
    ),
    Page.DNS: _Section("dns", {Field.DNS_PRIMARY: "primary", Field.DNS_SECONDARY: "secondary"}),
    Page.LAN: _Section(
        "lan", {Field.LAN_ADDRESS: "address", Field.LAN_NETMASK: "netmask", Field.LAN_GATEWAY: "gateway"}
    ),
}

_SECRETS = frozenset({Field.ACTIVATION_CODE, Field.ACTIVATION_PASSWORD, Field.PROXY_PASSWORD})
_NEEDED_WHEN = {Page.RAINBOW: "Rainbow", Page.CLOUD_CONNECT: "Cloud Connect"}
"""The pages of a link that can be enabled, and the link's name."""

Readings = Callable[[], Mapping[str, str]]
"""Gives the read-only lines of a page: each one's name and text."""


class OmcSession:
    """One installer at OMC, on at most one page at a time.

    `changed` is told the settings before and after each commit that changed something. `readings` gives the read-only
    lines that a page has, such as the connection status "Connected with final password".
    """

    def __init__(
        self,
        store: SettingsStore,
        changed: Callable[[Settings, Settings], None] = lambda old, new: None,
        readings: Mapping[Page, Readings] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._changed = changed
        self._readings = readings
        self._page: Page | None = None
        self._opened = Settings()
        self._edited: dict[Field, Value] = {}

    @property
    def page(self) -> Page | None:
        """The page that is open."""
        return self._page

    def open(self, page: Page) -> dict[str, Value]:
        """Opens a page and returns what it shows. Raises OmcRefused while another one is open, FlashError."""
        if self._page is not None:
            raise OmcRefused(f"the page {self._page} is open: end it with OK or Cancel first")
        self._opened = self._store.load()
        self._page = Page(page)
        return self.show()

    def show(self) -> dict[str, Value]:
        """What the open page shows: each field's name and value, edits included and secrets as stars."""
        page, section = self._section()
        stored = getattr(self._opened, section.name)
        shown: dict[str, Value] = {}
        for field, attribute in section.fields.items():
            value: Value = self._edited.get(field, getattr(stored, attribute))
            shown[field.value] = (STARS if value else "") if field in _SECRETS else value
        return {**shown, **self._read_only(page)}

    def set(self, field: str, value: Value) -> None:
        """Types a value into a field of the open page, or checks its box; what it is worth shows on OK.

        Raises OmcRefused for a field that the page does not have or does not let anyone edit.
        """
        page, section = self._section()
        for known in section.fields:
            if known == field:
                self._edited[known] = value
                return
        if field in self._read_only(page):
            raise OmcRefused(f"{field}: is shown only and cannot be edited")
        raise OmcRefused(f"the page {page} has no field {field!r}; it has: {', '.join(section.fields)}")

    def ok(self) -> list[Field]:
        """Commits the page at once and closes it; returns the fields whose value is another now.

        Only what was edited is committed, on top of the settings as they are by now. Raises FieldRefused for the first
        bad value, FlashError if it cannot be stored: then nothing has changed and the page stays open.
        """
        _, section = self._section()
        old, new = self._store.update(self._commit)
        before, after = getattr(old, section.name), getattr(new, section.name)
        self._close()
        if new != old:
            self._changed(old, new)
        return [name for name, attr in section.fields.items() if getattr(before, attr) != getattr(after, attr)]

    def cancel(self) -> None:
        """Closes the page and forgets what was edited."""
        self._section()
        self._close()

    def _section(self) -> tuple[Page, _Section]:
        if self._page is None:
            raise OmcRefused("no page of OMC is open")
        return self._page, _SECTIONS[self._page]

    def _read_only(self, page: Page) -> Mapping[str, str]:
        return self._readings[page]() if page in self._readings else {}

    def _commit(self, settings: Settings) -> Settings:
        page, section = self._section()
        edits: dict[str, Any] = {section.fields[field]: value for field, value in self._edited.items()}
        before = getattr(settings, section.name)
        edited = replace(before, **edits)
        if page in _NEEDED_WHEN:
            edited = before.committed(edited)
            if edited.enabled and (missing := edited.missing()):
                raise FieldRefused(missing[0], f"must be configured when {_NEEDED_WHEN[page]} is enabled")
        return replace(settings, **{section.name: edited})

    def _close(self) -> None:
        self._page = None
        self._edited = {}

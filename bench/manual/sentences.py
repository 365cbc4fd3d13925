"""What was done by hand on the manual bench, in sentences for its time line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Given = Mapping[str, Any]

_SENTENCES: Mapping[str, Callable[[Given], str]] = {
    "firewall": lambda given: f"Firewall policy: {given['policy']}{_cut(given)}",
    "proxy": lambda given: f"Web proxy mode: {given['mode']}{_cut(given)}",
    "proxy_restart": lambda given: "Web proxy restarted",
    "dns": lambda given: f"DNS server: {given['mode']}",
    "oxo_enable": lambda given: f"Rainbow enabled by {given.get('way', 'omc').upper()}",
    "oxo_disable": lambda given: f"Rainbow disabled by {given.get('way', 'omc').upper()}",
    "oxo_omc": lambda given: f"OMC, {given['page']}: {given.get('button', 'OK')}{_fields(given)}",
    "oxo_restart": lambda given: f"PBX restarted ({given.get('kind', 'warm')})",
    "oxo_power_off": lambda given: "PBX without power",
    "oxo_add_set": lambda given: f"Set {given['number']} added",
    "oxo_remove_set": lambda given: f"Set {given['id']} removed",
    "rainbow_retrieve": lambda given: "Rainbow is to retrieve the devices",
    "rainbow_reset": lambda given: "PBX reset in Rainbow",
    "rainbow_fault": lambda given: f"PCG's fault: {given.get('kind') or 'none'} {given.get('value') or ''}".rstrip(),
    "rainbow_certificate": lambda given: f"PCG's certificate: {given['kind']}",
    "rainbow_drop": lambda given: f"PCG closes the WebSocket with {given.get('code', 1001)}",
    "cloud_open": lambda given: f"VPN connection asked for by {given.get('user', 'technician')}",
    "cloud_close": lambda given: "VPN to be closed",
}


def sentence(verb: str, given: Given) -> str | None:
    """What a verb did, with the parameters that it was given; None for one that did nothing worth telling.

    That time passes is told when it begins, and that a node runs again when it is seen. Values of OMC's fields are not
    told, since some are secret.
    """
    told = _SENTENCES.get(verb)
    return None if told is None else told(given)


def _cut(given: Given) -> str:
    return ", established connections cut" if given.get("cut") else ""


def _fields(given: Given) -> str:
    return f" ({', '.join(sorted(given['values']))})" if given["values"] else ""

"""The commands that operate the site of the manual bench, one a verb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.manual.copying import copy_capture
from bench.manual.durations import LONGEST_ADVANCE, in_words, seconds
from bench.manual.keeping import Refused
from bench.manual.place import Place
from bench.pki import CertificateKind
from emulators.door.faults import FaultKind
from emulators.oxo.omc import Page
from network.dns import Behaviour
from network.firewall import Policy, PolicyRefused, policy_names
from node.remote import NodeError
from proxies.modes import ProxyMode

_MODES = [mode.value for mode in ProxyMode]
_SHORT_PAGES = [page.rpartition(" > ")[2] for page in Page]
_REAL_WAIT = 60.0
"""How many seconds of real time a verb may take, before the command gives up on it."""


def call_verb(verb: str, within: float = _REAL_WAIT, **parameters: Any) -> Any:
    """Has the bench that runs here carry a verb out; gives up on it after `within` seconds of real time. Raises
    Refused."""
    try:
        return Place().call(verb, within, **parameters)
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error


def show(result: object) -> None:
    """Prints what came of a verb."""
    click.echo(result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False))


@click.command()
@click.argument("policy", metavar=f"[{'|'.join(policy_names())}|FILE.nft]")
@click.option("--cut", is_flag=True, help="Cut established connections too.")
def firewall(policy: str, cut: bool) -> None:
    """Put a firewall policy into force: one of the bench's, or a file of nft rules."""
    try:
        chosen = Policy.load(policy)
    except PolicyRefused as error:
        raise Refused(str(error)) from error
    call_verb("firewall", policy=chosen.name, cut=cut, rules=chosen.rules)


@click.command()
@click.argument("mode", type=click.Choice([*_MODES, "restart"]))
@click.option("--account", help="For authentication.")
@click.option("--password", help="For authentication (asked for unless given).")
@click.option("--idle", type=float, metavar="SECONDS", help="Cut tunnels in which nothing passed for so long.")
@click.option("--delay", type=float, metavar="SECONDS", help="Answer CONNECT so late.")
@click.option("--cut", is_flag=True, help="Cut live connections too.")
def proxy(
    mode: str, account: str | None, password: str | None, idle: float | None, delay: float | None, cut: bool
) -> None:
    """Give the web proxy another mode, or restart it."""
    if mode == "restart":
        call_verb("proxy_restart")
        return
    if account is not None and password is None:
        password = click.prompt("Password", hide_input=True)
    call_verb("proxy", mode=mode, account=account, password=password, idle=idle, delay=delay, cut=cut)


@click.command()
@click.argument("mode", type=click.Choice([behaviour.value for behaviour in Behaviour]))
def dns(mode: str) -> None:
    """Change what the DNS server does with every query."""
    call_verb("dns", mode=mode)


@click.group()
def oxo() -> None:
    """Operate the PBX, as its installer by OMC and as its administrator by MMC."""


_BY = click.option("--by", type=click.Choice(["omc", "mmc"]), default="omc", show_default=True, help="The way in.")


@oxo.command()
@_BY
def enable(by: str) -> None:
    """Enable Rainbow."""
    call_verb("oxo_enable", way=by)


@oxo.command()
@_BY
def disable(by: str) -> None:
    """Disable Rainbow."""
    call_verb("oxo_disable", way=by)


@oxo.command()
@click.argument("page", type=click.Choice(_SHORT_PAGES, case_sensitive=False))
@click.argument("edits", nargs=-1, metavar="[FIELD=VALUE]...")
def configure(page: str, edits: tuple[str, ...]) -> None:
    """Show a page of OMC, or edit fields of it and press OK: `configure dns Primary=198.51.100.53`.

    A box is checked with FIELD=yes and unchecked with FIELD=no. FIELD=- asks for the value, so that a secret does not
    stand in the command.
    """
    if not edits:
        show(call_verb("oxo_page", page=page))
        return
    show(call_verb("oxo_omc", page=page, values=dict(_edit(page, edit) for edit in edits)))


def _edit(page: str, edit: str) -> tuple[str, str | bool]:
    field, equals, value = edit.partition("=")
    if not equals:
        raise Refused(f"{edit!r} edits nothing: write it as FIELD=VALUE.")
    if value == "-":
        value = click.prompt(field, hide_input=True)
    shown = call_verb("oxo_page", page=page)
    if isinstance(shown.get(field), bool):
        if value not in ("yes", "no"):
            raise Refused(f"{field} is a box: write {field}=yes or {field}=no.")
        return field, value == "yes"
    return field, value


@oxo.command()
@click.argument("kind", type=click.Choice(["warm", "cold", "power"]), default="warm")
def restart(kind: str) -> None:
    """Restart the PBX: warm, cold, or by a power cut."""
    call_verb("oxo_restart", kind=kind)


@oxo.command()
def off() -> None:
    """Take the PBX's power away."""
    call_verb("oxo_power_off")


@oxo.command()
def sets() -> None:
    """List the sets of the PBX."""
    show(call_verb("oxo_sets"))


@oxo.command(name="add-set")
@click.argument("number")
@click.argument("first_name")
@click.argument("last_name")
@click.argument("family")
def add_set(number: str, first_name: str, last_name: str, family: str) -> None:
    """Add a primary set."""
    call_verb("oxo_add_set", number=number, first_name=first_name, last_name=last_name, family=family)


@oxo.command(name="remove-set")
@click.argument("id")
def remove_set(id: str) -> None:
    """Remove a set, by its id as `sets` lists it."""
    call_verb("oxo_remove_set", id=id)


@click.group()
def rainbow() -> None:
    """Operate Rainbow's side: the PCG, and what it knows of the PBX."""


@rainbow.command()
def devices() -> None:
    """List the devices as Rainbow has them."""
    show(call_verb("rainbow_devices"))


@rainbow.command()
def retrieve() -> None:
    """Have Rainbow retrieve the devices again."""
    call_verb("rainbow_retrieve")


@rainbow.command()
def reset() -> None:
    """Reset the PBX in Rainbow, and print its new activation code."""
    show(call_verb("rainbow_reset"))


@rainbow.command()
@click.argument("kind", type=click.Choice(["none", *(kind.value for kind in FaultKind)]))
@click.argument("value", type=int, required=False)
def fault(kind: str, value: int | None) -> None:
    """Make something wrong with the PCG, or `none`."""
    call_verb("rainbow_fault", kind=None if kind == "none" else kind, value=value)


@rainbow.command()
@click.argument("kind", type=click.Choice([kind.value for kind in CertificateKind]))
def certificate(kind: str) -> None:
    """Change the certificate that the PCG shows to new connections."""
    call_verb("rainbow_certificate", kind=kind)


@rainbow.command()
@click.argument("code", type=int, default=1001)
def drop(code: int) -> None:
    """Close the PBX's WebSocket, with a close code."""
    call_verb("rainbow_drop", code=code)


@click.group()
def cloud() -> None:
    """Operate Cloud Connect's side."""


@cloud.group()
def vpn() -> None:
    """Ask the PBX for VPN connections."""


@vpn.command(name="open")
@click.argument("user", default="technician")
def open_vpn(user: str) -> None:
    """Have an application ask for a VPN connection for USER."""
    call_verb("cloud_open", user=user)


@vpn.command(name="close")
def close_vpn() -> None:
    """Have an application ask for the VPN to be closed."""
    call_verb("cloud_close")


@click.group(name="time")
def time_() -> None:
    """Let the device's time pass."""


@time_.command()
@click.argument("duration")
def advance(duration: str) -> None:
    """Let time pass at once: `advance 16min`, `advance 1h30min`, `advance 10s`."""
    try:
        wanted = seconds(duration)
    except ValueError as error:
        raise Refused(str(error)) from error
    # How long that takes depends on what falls due; longer than without the bench it can't.
    call_verb("time_advance", LONGEST_ADVANCE, seconds=wanted)
    click.echo(f"{in_words(wanted)} have passed")


@click.group()
def capture() -> None:
    """The capture of both segments."""


@capture.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
def save(path: Path | None) -> None:
    """Bring the capture up to date, copy it to PATH if given, and print where it is."""
    call_verb("capture_save")
    try:
        capture = Path(Place().status()["capture"])
        click.echo(capture if path is None else copy_capture(capture, path.absolute()))
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error


OPERATING: list[click.Command] = [firewall, proxy, dns, oxo, rainbow, cloud, time_, capture]
"""All of them, for the command line."""

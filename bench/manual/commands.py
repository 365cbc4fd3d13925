"""The commands of the manual bench: `up`, `down`, `status`, `logs`, and those that operate the site."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from bench.fabrics import AUTO, FABRICS, KEPT_FABRICS, make_fabric
from bench.manual import keeping
from bench.manual.copying import copy_capture
from bench.manual.durations import in_words, seconds
from bench.manual.keeping import Refused
from bench.manual.place import NotRunning, Place
from bench.manual.status import show_log, show_status
from bench.manual.upstart import NO_PROXY, Upstart, Wish
from bench.pki import CertificateKind
from emulators.faults import FaultKind
from emulators.oxo.omc import Page
from network.dns import Behaviour
from network.fabric import FabricError
from network.firewall import Policy, PolicyRefused, policy_names
from network.plan import Role
from node.remote import NodeError
from proxies.modes import ProxyMode

NODES = click.Choice([role.value for role in Role])
_MODES = [mode.value for mode in ProxyMode]
_SHORT_PAGES = [page.rpartition(" > ")[2] for page in Page]
_REAL_WAIT = 60.0
"""How many seconds of real time a verb may take, before the command gives up on it."""


def _call(verb: str, **parameters: Any) -> Any:
    """Has the bench that runs here carry a verb out. Raises Refused."""
    try:
        return Place().call(verb, _REAL_WAIT, **parameters)
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error


def _print(result: object) -> None:
    click.echo(result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False))


@click.command()
@click.option("--fabric", type=click.Choice([AUTO, *KEPT_FABRICS]), default=AUTO, help="What the site is built from.")
@click.option("--policy", default=Wish.policy, show_default=True, help="The firewall's policy.")
@click.option(
    "--proxy",
    type=click.Choice([NO_PROXY, *_MODES]),
    default=Wish.proxy,
    show_default=True,
    help=f"The web proxy's mode; with {NO_PROXY} the PBX does not use it.",
)
@click.option("--users", type=click.IntRange(0, 300), default=Wish.users, show_default=True, help="Users of the PBX.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The page's port (default: a free one).")
@click.option("--mitmweb-port", type=click.IntRange(0, 65535), default=0, help="mitmweb's port (default: a free one).")
@click.option("--listen", default=Upstart.listen, show_default=True, help="The address of both.")
@click.option("-d", "--detach", is_flag=True, help="Return when it is up, and leave it running.")
def up(
    fabric: str, policy: str, proxy: str, users: int, port: int, mitmweb_port: int, listen: str, detach: bool
) -> None:
    """Bring a site up and keep it, until Ctrl-C or `oxobench down`.

    If one is up already, its dead nodes are started again.
    """
    try:
        wish = Wish(policy, proxy, users)
    except ValueError as error:
        raise Refused(str(error)) from error
    place = Place()
    told = keeping.detach(place) if detach else None
    chosen = FABRICS[0] if fabric == AUTO else fabric
    upstart = Upstart(wish, chosen, lambda: make_fabric(chosen), listen, port, mitmweb_port)
    keeping.keep(place, upstart, told or (lambda: None))


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also remove every container and network of any oxobench.")
def down(everything: bool) -> None:
    """End the bench that is up, and take its site away."""
    try:
        keeping.end(Place())
        click.echo("oxobench: the site is down")
    except NotRunning as error:
        if not everything:
            raise Refused(str(error)) from error
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error
    if everything:
        # The Docker library takes long to import.
        from network.docker.reaper import reap

        try:
            click.echo(f"oxobench: removed {reap(everything=True)} things of the Docker engine")
        except FabricError as error:
            raise Refused(str(error)) from error


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(as_json: bool) -> None:
    """Say how the site stands: nodes, link, firewall, proxy, devices, tunnel.

    The exit code is 0 when every node is up, 1 when one has died.
    """
    place = Place()
    try:
        snapshot, where = place.status(), place.where()
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error
    if as_json:
        _print(snapshot)
    else:
        show_status(snapshot, where.lines())
    sys.exit(1 if any(node["state"] == "dead" for node in snapshot["nodes"]) else 0)


@click.command()
@click.argument("node", type=NODES, required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as the time line grows, until Ctrl-C.")
def logs(node: str | None, follow: bool) -> None:
    """Print what a node has logged, or without NODE the time line of what happened on the site."""
    try:
        show_log(Place(), node, follow)
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error


@click.command()
@click.argument("node", type=NODES)
def shell(node: str) -> None:
    """Open a shell in a node."""
    command = _call("shell", node=node)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Refused(f"The command {command[0]} cannot be run: {error.strerror}.") from error


@click.command()
@click.argument("policy", metavar=f"[{'|'.join(policy_names())}|FILE.nft]")
@click.option("--cut", is_flag=True, help="Cut established connections too.")
def firewall(policy: str, cut: bool) -> None:
    """Put a firewall policy into force: one of the bench's, or a file of nft rules."""
    try:
        chosen = Policy.load(policy)
    except PolicyRefused as error:
        raise Refused(str(error)) from error
    _call("firewall", policy=chosen.name, cut=cut, rules=chosen.rules)


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
        _call("proxy_restart")
        return
    if account is not None and password is None:
        password = click.prompt("Password", hide_input=True)
    _call("proxy", mode=mode, account=account, password=password, idle=idle, delay=delay, cut=cut)


@click.command()
@click.argument("mode", type=click.Choice([behaviour.value for behaviour in Behaviour]))
def dns(mode: str) -> None:
    """Change what the DNS server does with every query."""
    _call("dns", mode=mode)


@click.group()
def oxo() -> None:
    """Operate the PBX, as its installer by OMC and as its administrator by MMC."""


_BY = click.option("--by", type=click.Choice(["omc", "mmc"]), default="omc", show_default=True, help="The way in.")


@oxo.command()
@_BY
def enable(by: str) -> None:
    """Enable Rainbow."""
    _call("oxo_enable", way=by)


@oxo.command()
@_BY
def disable(by: str) -> None:
    """Disable Rainbow."""
    _call("oxo_disable", way=by)


@oxo.command()
@click.argument("page", type=click.Choice(_SHORT_PAGES, case_sensitive=False))
@click.argument("edits", nargs=-1, metavar="[FIELD=VALUE]...")
def configure(page: str, edits: tuple[str, ...]) -> None:
    """Show a page of OMC, or edit fields of it and press OK: `configure dns Primary=198.51.100.53`.

    A box is checked with FIELD=yes and unchecked with FIELD=no. FIELD=- asks for the value, so that a secret does not
    stand in the command.
    """
    if not edits:
        _print(_call("oxo_page", page=page))
        return
    _print(_call("oxo_omc", page=page, values=dict(_edit(page, edit) for edit in edits)))


def _edit(page: str, edit: str) -> tuple[str, str | bool]:
    field, equals, value = edit.partition("=")
    if not equals:
        raise Refused(f"{edit!r} edits nothing: write it as FIELD=VALUE.")
    if value == "-":
        value = click.prompt(field, hide_input=True)
    shown = _call("oxo_page", page=page)
    if isinstance(shown.get(field), bool):
        if value not in ("yes", "no"):
            raise Refused(f"{field} is a box: write {field}=yes or {field}=no.")
        return field, value == "yes"
    return field, value


@oxo.command()
@click.argument("kind", type=click.Choice(["warm", "cold", "power"]), default="warm")
def restart(kind: str) -> None:
    """Restart the PBX: warm, cold, or by a power cut."""
    _call("oxo_restart", kind=kind)


@oxo.command()
def off() -> None:
    """Take the PBX's power away."""
    _call("oxo_power_off")


@oxo.command()
def sets() -> None:
    """List the sets of the PBX."""
    _print(_call("oxo_sets"))


@oxo.command(name="add-set")
@click.argument("number")
@click.argument("first_name")
@click.argument("last_name")
@click.argument("family")
def add_set(number: str, first_name: str, last_name: str, family: str) -> None:
    """Add a primary set."""
    _call("oxo_add_set", number=number, first_name=first_name, last_name=last_name, family=family)


@oxo.command(name="remove-set")
@click.argument("id")
def remove_set(id: str) -> None:
    """Remove a set, by its id as `sets` lists it."""
    _call("oxo_remove_set", id=id)


@click.group()
def rainbow() -> None:
    """Operate Rainbow's side: the PCG, and what it knows of the PBX."""


@rainbow.command()
def devices() -> None:
    """List the devices as Rainbow has them."""
    _print(_call("rainbow_devices"))


@rainbow.command()
def retrieve() -> None:
    """Have Rainbow retrieve the devices again."""
    _call("rainbow_retrieve")


@rainbow.command()
def reset() -> None:
    """Reset the PBX in Rainbow, and print its new activation code."""
    _print(_call("rainbow_reset"))


@rainbow.command()
@click.argument("kind", type=click.Choice(["none", *(kind.value for kind in FaultKind)]))
@click.argument("value", type=int, required=False)
def fault(kind: str, value: int | None) -> None:
    """Make something wrong with the PCG, or `none`."""
    _call("rainbow_fault", kind=None if kind == "none" else kind, value=value)


@rainbow.command()
@click.argument("kind", type=click.Choice([kind.value for kind in CertificateKind]))
def certificate(kind: str) -> None:
    """Change the certificate that the PCG shows to new connections."""
    _call("rainbow_certificate", kind=kind)


@rainbow.command()
@click.argument("code", type=int, default=1001)
def drop(code: int) -> None:
    """Close the PBX's WebSocket, with a close code."""
    _call("rainbow_drop", code=code)


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
    _call("cloud_open", user=user)


@vpn.command(name="close")
def close_vpn() -> None:
    """Have an application ask for the VPN to be closed."""
    _call("cloud_close")


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
    _call("time_advance", seconds=wanted)
    click.echo(f"{in_words(wanted)} have passed")


@click.group()
def capture() -> None:
    """The capture of both segments."""


@capture.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
def save(path: Path | None) -> None:
    """Bring the capture up to date, copy it to PATH if given, and print where it is."""
    _call("capture_save")
    try:
        capture = Path(Place().status()["capture"])
        click.echo(capture if path is None else copy_capture(capture, path.absolute()))
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error


@click.command()
@click.argument("name", metavar="[bash|zsh]", type=click.Choice(["bash", "zsh"]))
def completion(name: str) -> None:
    """Print what makes a shell complete commands: `eval "$(./oxobench completion bash)"`."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(name)
    assert found is not None
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "oxobench", "_OXOBENCH_COMPLETE").source())


COMMANDS: list[click.Command] = [
    up, down, status, logs, shell, firewall, proxy, dns, oxo, rainbow, cloud, time_, capture, completion,
]  # fmt: skip
"""All of them, for the command line."""

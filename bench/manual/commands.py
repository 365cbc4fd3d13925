"""The commands of the manual bench: those that bring it up, look at it and end it, and those that operate its site."""

from __future__ import annotations

import os
import sys

import click

from bench.fabrics import AUTO, FABRICS, KEPT_FABRICS, make_fabric
from bench.manual import keeping
from bench.manual.keeping import Refused
from bench.manual.operating import OPERATING, call_verb, show
from bench.manual.place import NotRunning, Place
from bench.manual.status import show_log, show_status
from bench.manual.upstart import EVERYWHERE, NO_PROXY, Upstart, Wish
from network.fabric import FabricError
from network.plan import Role
from node.remote import NodeError
from proxies.modes import ProxyMode

NODES = click.Choice([role.value for role in Role])
_MODES = [mode.value for mode in ProxyMode]


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
@click.option(
    "--listen",
    type=click.Choice([Upstart.listen, EVERYWHERE]),
    default=Upstart.listen,
    show_default=True,
    help=f"The address of both; {EVERYWHERE} in a container, of which a port of loopback is published.",
)
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
    chosen = FABRICS[0] if fabric == AUTO else fabric
    upstart = Upstart(wish, chosen, lambda: make_fabric(chosen), listen, port, mitmweb_port)
    keeping.keep(Place(), upstart, detach)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also remove the containers of every oxobench on this machine.")
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
        show(snapshot)
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
    command = call_verb("shell", node=node)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Refused(f"The command {command[0]} cannot be run: {error.strerror}.") from error


@click.command()
@click.argument("name", metavar="[bash|zsh]", type=click.Choice(["bash", "zsh"]))
def completion(name: str) -> None:
    """Print what makes a shell complete commands: `eval "$(./oxobench completion bash)"`."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(name)
    assert found is not None
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "oxobench", "_OXOBENCH_COMPLETE").source())


COMMANDS: list[click.Command] = [up, down, status, logs, shell, completion, *OPERATING]
"""All of them, for the command line."""

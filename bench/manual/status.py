"""Prints how the site of the manual bench stands, and what happened on it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.manual.place import Place

LONGEST_WAIT = 60.0
"""Seconds for which the bench is asked to wait until something happens."""

LOG_EVERY = 0.3
"""Seconds between two looks at a node's log: a file says nobody that it has grown."""

_MARKS = {"up": "[green]up[/]", "dead": "[red]dead[/]", "off": "[dim]off[/]"}


def show_status(snapshot: dict[str, Any], where: list[str]) -> None:
    """Prints a snapshot for people."""
    console = Console(highlight=False)
    nodes = Table("node", "address", "state", "why")
    for node in snapshot["nodes"]:
        nodes.add_row(node["name"], node["address"], _MARKS[node["state"]], node["why"])
    console.print(nodes)
    for name, text in _lines(snapshot):
        console.print(f"  {name:12} {text}", markup=False, soft_wrap=True)
    for line in where:
        console.print(line, markup=False, soft_wrap=True)


def _lines(snapshot: dict[str, Any]) -> list[tuple[str, str]]:
    link, rainbow, cloud = snapshot["link"], snapshot["rainbow"], snapshot["cloud"]
    via = {"proxy": ", through the proxy", "direct": ", directly", "": ""}[link["via"]]
    since = f", since {link['since']}" if link["since"] else ""
    tunnel = cloud["tunnel"]
    lines = [
        ("time", f"{snapshot['time']} ({snapshot['offset']:.0f} s ahead of this machine's)"),
        ("link", f"{link['state']}{via}{since}"),
        ("OMC shows", link["shown"]),
        ("firewall", snapshot["firewall"]["policy"]),
        ("web proxy", f"{snapshot['proxy']['mode']}, {'used' if snapshot['proxy']['used'] else 'not used'} by the PBX"),
        ("DNS", snapshot["dns"]["mode"]),
        (
            "Rainbow",
            f"{rainbow['portal_state']}, {len(rainbow['devices'])} devices, {rainbow['retrievals']} retrievals",
        ),
        ("Cloud", "connected" if cloud["connected"] else "not connected"),
        ("VPN", f"open, {tunnel['address']}, users: {', '.join(tunnel['users'])}" if tunnel else "closed"),
    ]
    if snapshot["attempt"] is not None and link["state"] != "connected":
        lines.insert(3, ("last attempt", f"{snapshot['attempt']['at']} {snapshot['attempt']['outcome']}"))
    if rainbow["fault"] is not None:
        lines.append(("PCG's fault", f"{rainbow['fault']['kind']} {rainbow['fault']['value'] or ''}"))
    return [(name, text) for name, text in lines if text]


def show_log(place: Place, node: str | None, follow: bool) -> None:
    """Prints a node's log, or the time line; with `follow`, goes on until it is interrupted. Raises NotRunning."""
    try:
        if node is None:
            _show_time_line(place, follow)
        else:
            _show_node(place.where().evidence / f"{node}.log", follow)
    except KeyboardInterrupt:
        return


def _show_time_line(place: Place, follow: bool) -> None:
    last = 0
    while True:
        missed, entries = place.happened(last, LONGEST_WAIT if follow else 0.0)
        if missed and last:
            click.echo(f"({missed} entries are not kept any more)")
        for entry in entries:
            click.echo(f"{entry['time']}  {entry['kind']:8} {entry['text']}")
            last = entry["id"]
        if not follow:
            return


def _show_node(path: Path, follow: bool) -> None:
    if not path.exists():
        click.echo(f"{path.stem} has logged nothing.")
        return
    with path.open(encoding="utf-8", errors="replace") as log:
        while True:
            click.echo(log.read(), nl=False)
            if not follow:
                return
            time.sleep(LOG_EVERY)

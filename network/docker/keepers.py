"""The bench's connections to the keepers of a site's containers, wherever those come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from network.docker import doors
from network.docker.doors import OWNER, DoorShut
from network.docker.nodekeeper import Wire
from network.fabric import FabricError
from network.plan import Node, SitePlan, port_name
from node.program import ProgramSpec
from node.remote import NodeError, Remote

BEGINS_WITHIN = 30.0
"""Seconds within which a new container's keeper must answer; it takes about 0.3."""

_TAKEN_WITHIN = 30.0
"""Seconds within which a keeper must have taken an order to start a program: it may still be importing for another."""

_RESTORED_WITHIN = 10.0


class Keepers:
    """Asks the keepers of one site, whose doors are in `folder`. Raises FabricError when one does not answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._remotes: dict[str, Remote] = {}
        self.senders: dict[str, str] = {}
        """The ports of the site, as `lan-oxo`, by the Ethernet address of the node behind each."""

    def connect(self, name: str) -> None:
        """Waits until a container's keeper answers."""
        try:
            sock = doors.knock(self._folder, name, {"door": "control"}, within=BEGINS_WITHIN)
        except DoorShut as error:
            raise FabricError(f"The site's containers did not start: {error}.") from error
        self._remotes[name] = Remote(f"{name}'s container", sock)

    def wire(self, plan: SitePlan, node: Node, engine: Mapping[str, str]) -> None:
        """Has a node take its addresses in the plan; `engine` are those that the engine gave it, by segment."""
        links = [
            asdict(
                Wire(engine[link.segment], link.segment, str(plan.interface(link)), port_name(link.segment, node.name))
            )
            for link in node.links
        ]
        gateway = None if node.gateway is None else str(node.gateway)
        addresses: dict[str, str] = self.ask(node.name, "wire", links=links, gateway=gateway)
        self.senders.update({address: port for port, address in addresses.items()})

    def ask(self, name: str, method: str, /, within: float = 10.0, **params: Any) -> Any:
        """Runs a command of a container's keeper."""
        try:
            return self._remotes[name].ask(method, within=within, **params)
        except NodeError as error:
            raise FabricError(f"A container of the site is no longer there: {error}.") from error

    def start(self, container: str, program: str, spec: ProgramSpec, offset: float, evidence: Path) -> Remote:
        """Starts a program in a container without waiting for it; its output goes to a log among the evidence."""
        wish = {
            "door": "program",
            "name": program,
            "factory": spec.factory,
            "settings": dict(spec.settings),
            "offset": offset,
            "log": str(evidence / f"{program}.log"),
        }
        try:
            remote = Remote(program, doors.knock(self._folder, container, wish))
        except DoorShut as error:
            raise FabricError(f"A container of the site is no longer there: {error}.") from error
        try:
            remote.event({"taken"}, _TAKEN_WITHIN)
        except NodeError as error:
            remote.close()
            raise FabricError(f"The container of {container} does not start a program: {error}.") from error
        return remote

    def restore(self) -> list[str]:
        """Has every container be as it was when it was new, all at the same time. Returns what could not be."""
        try:
            asked = [(name, remote, remote.send("restore")) for name, remote in self._remotes.items()]
            return [
                f"{name}: {left}" for name, remote, number in asked for left in remote.receive(number, _RESTORED_WITHIN)
            ]
        except NodeError as error:
            return [str(error)]

    def close(self) -> None:
        """Closes the connections. An owner that does not stay ends with that, and all containers with it."""
        owner = self._remotes.pop(OWNER, None)
        for remote in self._remotes.values():
            remote.close()
        self._remotes.clear()
        if owner is not None:
            owner.close()

"""The bench's connections to the keepers of a site's containers, wherever those come from."""

from __future__ import annotations

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

    def connect(self, name: str, within: float = BEGINS_WITHIN) -> None:
        """Waits until a container's keeper answers."""
        try:
            sock = doors.knock(self._folder, name, {"door": "control"}, within=within)
        except DoorShut as error:
            raise FabricError(f"The site's containers did not start: {error}.") from error
        if (former := self._remotes.pop(name, None)) is not None:
            former.close()
        self._remotes[name] = Remote(f"{name}'s container", sock)

    def wire(self, plan: SitePlan, node: Node) -> None:
        """Has a node take its links to the segments and its addresses, as the plan says."""
        links = [
            asdict(Wire(link.segment, str(plan.interface(link)), port_name(link.segment, node.name)))
            for link in node.links
        ]
        gateway = None if node.gateway is None else str(node.gateway)
        nobody = node.gateway is not None and not plan.exists(node.gateway)
        self.ask(node.name, "wire", links=links, gateway=gateway, nobody=nobody)

    def is_there(self, name: str) -> bool:
        """Whether the keeper that was connected to answers."""
        try:
            self._remotes[name].ask("pids")
        except NodeError:
            return False
        return True

    def ask(self, name: str, method: str, /, within: float = 10.0, **params: Any) -> Any:
        """Runs a command of a container's keeper."""
        if name not in self._remotes:
            raise FabricError("The site's containers are gone.")
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
        asked, left = [], []
        for name, remote in self._remotes.items():
            try:
                asked.append((name, remote, remote.send("restore")))
            except NodeError as error:
                left.append(str(error))
        # A keeper takes one request at a time: so each answer is waited for, whatever became of the others.
        for name, remote, number in asked:
            try:
                left += [f"{name}: {line}" for line in remote.receive(number, _RESTORED_WITHIN)]
            except NodeError as error:
                left.append(str(error))
        return left

    def close(self) -> None:
        """Closes the connections. An owner that does not stay ends with that, and all containers with it."""
        owner = self._remotes.pop(OWNER, None)
        for remote in self._remotes.values():
            remote.close()
        self._remotes.clear()
        if owner is not None:
            owner.close()

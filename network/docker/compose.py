"""Builds sites from the containers of docker-compose.yml, which are there already and stay."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from network.docker.doors import CONTROL, OWNER
from network.docker.keepers import Keepers
from network.docker.site import DockerSite
from network.fabric import FabricError
from network.plan import Role, SitePlan


class ComposeFabric:
    """One site at a time, in the containers whose doors are in that folder; for a process that has it at hand, which is
    the service `bench` of docker-compose.yml."""

    def __init__(self, control: Path = CONTROL) -> None:
        self._control = control
        self._keepers: Keepers | None = None

    def build(self, plan: SitePlan, evidence: Path) -> DockerSite:
        """See Fabric. Raises FabricError when a container is missing, or can't be made what it was when it was new."""
        self.close()
        if not self._control.is_dir():
            raise FabricError(f"There is no {self._control}: `docker compose up` starts the bench that has it.")
        keepers = self._keepers = Keepers(self._control)
        for name in (OWNER, *(node.name for node in plan.nodes)):
            keepers.connect(name)
        for node in plan.nodes:
            # The engine gives each container the address of the plan, so that there is nothing to change.
            keepers.wire(plan, node, {link.segment: str(link.address) for link in node.links})
        # A bench that was killed may have left something.
        if left := keepers.restore():
            raise FabricError(f"The containers are not as they were: {'; '.join(left)}; start them again.")
        _give_to_owner(evidence)
        return DockerSite(plan, evidence, keepers, partial(_shell, keepers), lambda left: None)

    def close(self) -> None:
        """See Fabric."""
        if self._keepers is not None:
            self._keepers.close()
            self._keepers = None


def _give_to_owner(evidence: Path) -> None:
    """Gives the evidence to whoever has the folder of all evidence on the machine, where this process is root."""
    owner = evidence.parent.parent.stat()
    for folder in (evidence.parent, evidence):
        if os.geteuid() == 0 and folder.stat().st_uid != owner.st_uid:
            os.chown(folder, owner.st_uid, owner.st_gid)


def _shell(keepers: Keepers, role: Role) -> list[str]:
    return ["docker", "exec", "--interactive", "--tty", keepers.ask(role.value, "container"), "bash"]

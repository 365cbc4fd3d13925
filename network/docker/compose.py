"""Builds sites from the containers of docker-compose.yml, which are there already and stay."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from network.docker.doors import CONTROL, OWNER
from network.docker.keepers import Keepers
from network.docker.site import DockerSite
from network.fabric import FabricError, NodeLost
from network.plan import Role, SitePlan

_BACK_WITHIN = 2.0
"""Seconds that a container which was started again is waited for."""


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
            raise FabricError(f"There is no {self._control}: `docker compose up -d` starts the bench that has it.")
        keepers = self._keepers = Keepers(self._control)
        for name in (OWNER, *(node.name for node in plan.nodes)):
            keepers.connect(name)
        for node in plan.nodes:
            keepers.wire(plan, node)
        # A bench that was killed may have left something.
        if left := keepers.restore():
            raise FabricError(f"The containers are not as they were: {'; '.join(left)}.")
        return DockerSite(
            plan, evidence, keepers, partial(_shell, keepers), partial(_reconnect, keepers, plan), lambda left: None
        )

    def close(self) -> None:
        """See Fabric."""
        if self._keepers is not None:
            self._keepers.close()
            self._keepers = None


def _reconnect(keepers: Keepers, plan: SitePlan, role: Role) -> None:
    """Finds a node's container again, which only compose can have started. Raises NodeLost."""
    try:
        keepers.connect(role.value, _BACK_WITHIN)
        keepers.wire(plan, plan.node(role))
    except FabricError:
        raise NodeLost(f"The container of {role.value} is not there: `docker compose up -d` starts it.") from None


def _shell(keepers: Keepers, role: Role) -> list[str]:
    return ["docker", "exec", "--interactive", "--tty", keepers.ask(role.value, "container"), "bash"]

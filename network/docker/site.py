"""A site whose nodes are containers, as the bench has it for a scenario."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from network.docker.doors import OWNER
from network.docker.keepers import Keepers
from network.fabric import FabricError, NodeNetwork
from network.plan import Role, SitePlan
from network.steering import SteeredSite
from node.program import ProgramSpec
from node.remote import NodeError, Remote

CAPTURE = "capture"


class DockerSite(SteeredSite):
    """See Site. `shell` makes the command for a shell in a node, `renew` gives one a container again that has none any
    more, `released` hears of the end, and what is left then."""

    def __init__(
        self,
        plan: SitePlan,
        evidence: Path,
        keepers: Keepers,
        shell: Callable[[Role], list[str]],
        renew: Callable[[Role], None],
        released: Callable[[list[str]], None],
    ) -> None:
        spec = ProgramSpec("network.capture:Capture", {"path": str(evidence / "site.pcapng")})
        super().__init__(plan, evidence, keepers.start(OWNER, CAPTURE, spec, 0.0, evidence))
        self._keepers = keepers
        self._shell = shell
        self._renew = renew
        self._released = released
        try:
            self._capture.wait_until_ready()
            self._hand_over()
        except NodeError as error:
            self._capture.close()
            raise FabricError(f"No capture can be written to {evidence}: {error}.") from error
        except BaseException:
            self._capture.close()
            raise

    def start(self, role: Role, spec: ProgramSpec) -> Remote:
        """See Site."""
        self._nodes[role] = self._keepers.start(role.value, role.value, spec, self._offset, self.evidence)
        return self._nodes[role]

    def stop(self, role: Role) -> None:
        """See Site."""
        self._end(role)
        self._keepers.ask(role.value, "kill", name=role.value)

    def network(self, role: Role) -> NodeNetwork:
        """See Site."""
        return NodeNetwork(**self._keepers.ask(role.value, "network"))

    def shell(self, role: Role) -> list[str]:
        """See Site."""
        return self._shell(role)

    def kill(self, role: Role) -> None:
        """See Site."""
        self._keepers.ask(role.value, "kill", name=role.value)
        self._forget(role)

    def power_off(self, role: Role) -> None:
        """See Site."""
        self._keepers.ask(role.value, "power_off")
        self._forget(role)

    def repair(self, role: Role) -> bool:
        """See Site."""
        if not self._keepers.is_there(OWNER):
            raise FabricError("the site's owner has ended, and all containers with it")
        if self._keepers.is_there(role.value):
            return False
        self._renew(role)
        return True

    def settle(self, within: float) -> bool:
        """See Site."""
        quiet = self._keepers.ask(OWNER, "settle", seconds=within, evidence=str(self.evidence), within=within + 10)
        return bool(quiet)

    def pids(self) -> dict[str, int]:
        """The nodes' process numbers inside the site's containers, by name."""
        names = [OWNER, *(node.name for node in self.plan.nodes)]
        return {name: pid for one in names for name, pid in self._keepers.ask(one, "pids").items()}

    def close(self) -> None:
        """See Site."""
        self._end_all()
        left = self._keepers.restore()
        # A site whose containers are gone has nobody left to do it.
        with contextlib.suppress(FabricError):
            self._hand_over()
        self._released(left)

    def _hand_over(self) -> None:
        self._keepers.ask(OWNER, "hand_over", evidence=str(self.evidence))

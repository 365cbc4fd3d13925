"""The containers of one site: an owner, and one a node."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from network.docker.capabilities import CONTAINER
from network.docker.doors import CONTROL, OWNER
from network.docker.engine import Engine, device
from network.docker.folder import ControlFolder
from network.docker.keepers import Keepers
from network.etc import name_files
from network.fabric import FabricError
from network.plan import Node, Role, SitePlan

_ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = "/opt/oxobench"
"""Where the checkout stands in the containers."""

TUN = Path("/dev/net/tun")
TUNNEL_ENDS = frozenset({Role.OXO, Role.VPN})
"""Nodes that may need a TUN device."""


class Ensemble:
    """A site's containers, new and wired as the plan says. Raises FabricError.

    What is in the folder `evidence` can be written from inside.
    """

    def __init__(self, engine: Engine, image: str, plan: SitePlan, evidence: Path) -> None:
        self.plan = plan
        self.evidence = evidence
        self._engine = engine
        self._image = image
        self._folder = ControlFolder()
        self.keepers = Keepers(self._folder.path)
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def container(self, name: str) -> str:
        """The name that a node's container has for the engine."""
        return f"oxobench-{self._folder.token}-{name}"

    def renew(self, role: Role) -> None:
        """Makes a node's container anew, wired as the first one was."""
        self._engine.free_name(self.container(role.value))
        self._add(self.plan.node(role))

    def remove(self) -> None:
        """Ends the containers and takes everything away, as far as the engine does it. The next run takes the rest."""
        self.keepers.close()
        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(self._engine.remove_container, map(self.container, self._names())))
        except FabricError:
            # Without an engine there is nothing to be done now.
            pass
        self._folder.remove()

    def _make(self) -> None:
        etc = self._folder.path / "etc"
        etc.mkdir()
        for name, text in name_files(self.plan).items():
            (etc / name).write_text(text, encoding="ascii")
            (etc / name).chmod(0o644)
        etc.chmod(0o755)
        with ThreadPoolExecutor(8) as pool:
            self._start(OWNER, {"sysctls": sysctls()})
            self.keepers.connect(OWNER)
            list(pool.map(self._add, self.plan.nodes))

    def _add(self, node: Node) -> None:
        settings: dict[str, Any] = {
            "pid_mode": f"container:{self.container(OWNER)}",
            "sysctls": sysctls(node.role),
            "devices": device(TUN) if node.role in TUNNEL_ENDS else [],
        }
        self._start(node.name, settings)
        self.keepers.connect(node.name)
        self.keepers.wire(self.plan, node)

    def _start(self, name: str, settings: dict[str, Any]) -> None:
        etc = [f"{self._folder.path}/etc/{file}:/etc/{file}:ro" for file in name_files(self.plan)]
        self._engine.start(
            self.container(name),
            self._image,
            [name],
            self._folder.labels,
            {
                "auto_remove": True,
                "binds": [
                    f"{_ROOT}:{CHECKOUT}:ro",
                    f"{self._folder.path}:{CONTROL}",
                    f"{self.evidence}:{self.evidence}",
                    *etc,
                ],
                "cap_add": [capability.name for capability in CONTAINER],
                "cap_drop": ["ALL"],
                "log_config": {"type": "json-file"},
                "read_only": True,
                # SELinux would keep the containers from the machine's folders, and no label must stay on those.
                "security_opt": ["label=disable", "no-new-privileges"],
                "tmpfs": {"/run": "exec,mode=755"},
                **settings,
            },
        )

    def _names(self) -> list[str]:
        return [OWNER, *(node.name for node in self.plan.nodes)]


def sysctls(role: Role | None = None) -> dict[str, str]:
    """The kernel settings of a node's container, or of the owner's."""
    settings = {
        # A new namespace takes this over from the machine, where Docker switches it on. The firewall alone forwards.
        "net.ipv4.ip_forward": "1" if role is Role.FIREWALL else "0",
        # What one scenario has measured of a peer is not for the next one.
        "net.ipv4.tcp_no_metrics_save": "1",
    }
    if os.path.exists("/proc/sys/net/ipv6"):
        # Without IPv6 no router solicitation or multicast report mixes with what the nodes say.
        settings |= {f"net.ipv6.conf.{which}.disable_ipv6": "1" for which in ("all", "default")}
    return settings

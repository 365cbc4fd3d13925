"""An empty Mininet of the bench's shape, built and stopped again; prints the seconds of each, a pair of numbers a line.

Run by peers.py with the Python that Debian's package mininet is for, in a network namespace of its own. The two
segments are Linux bridges, as the bench's are: no switch's daemon has to run.
"""

from __future__ import annotations

import sys
import time

from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import Topo


class Site(Topo):  # type: ignore[misc]
    """The nodes and segments of network/plan.py, with one process each, a shell, as Mininet has it."""

    def build(self) -> None:
        """Called by Mininet."""
        # Mininet derives a switch's number from its name.
        lan, wan = self.addSwitch("s1"), self.addSwitch("s2")
        for name, address, segment in (
            ("oxo", "192.168.92.246/24", lan),
            ("proxy", "192.168.92.10/24", lan),
            ("firewall", "192.168.92.1/24", lan),
            ("dns", "198.51.100.53/24", wan),
            ("pcg", "198.51.100.10/24", wan),
        ):
            self.addLink(self.addHost(name, ip=address), segment)
        self.addLink("firewall", wan, params1={"ip": "198.51.100.1/24"})


def main(rounds: int) -> None:
    """Builds and stops it that many times."""
    for _ in range(rounds):
        begun = time.perf_counter()
        net = Mininet(topo=Site(), switch=LinuxBridge, controller=None)
        net.start()
        built = time.perf_counter()
        net.stop()
        print(built - begun, time.perf_counter() - built, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))

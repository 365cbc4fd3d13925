"""What runs in a container: `python -m network.docker NAME [--stays]`, NAME being `owner` or a node's."""

from __future__ import annotations

import argparse
import logging

from network.docker.doors import OWNER
from network.docker.nodekeeper import NodeKeeper
from network.docker.owner import Owner


def main() -> None:
    """Serves until the container ends."""
    parser = argparse.ArgumentParser(prog="network.docker")
    parser.add_argument("name")
    parser.add_argument("--stays", action="store_true", help="serve one bench after the other")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keeper = Owner(chosen.name, chosen.stays) if chosen.name == OWNER else NodeKeeper(chosen.name)
    keeper.serve()


main()

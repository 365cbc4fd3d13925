"""What containers, and the programs in them, may do: no more than they need."""

from __future__ import annotations

import re

import docker
import pytest

from network.docker.capabilities import CONTAINER, Capability
from network.docker.doors import CONTROL, OWNER
from network.docker.ensemble import CHECKOUT
from network.docker.site import CAPTURE, DockerSite
from network.etc import name_files
from network.plan import DEFAULT_PLAN, Role
from tests.netns.conftest import Hands

pytestmark = pytest.mark.docker

NETWORK = {Capability.NET_ADMIN, Capability.NET_RAW}
ADMINISTRATORS = {Role.FIREWALL, Role.OXO, Role.VPN}
"""Nodes whose program changes its own network."""


def names(site: DockerSite) -> list[str]:
    prefix = site.shell(Role.OXO)[-2].removesuffix(Role.OXO.value)
    return [prefix + name for name in (OWNER, *(role.value for role in Role))]


def test_no_container_is_privileged_or_has_more_of_the_machine_than_it_needs(site: DockerSite) -> None:
    engine = docker.from_env()
    try:
        for name in names(site):
            settings = engine.containers.get(name).attrs["HostConfig"]
            assert not settings["Privileged"]
            assert settings["CapDrop"] == ["ALL"]
            assert {one.removeprefix("CAP_") for one in settings["CapAdd"]} == {one.name for one in CONTAINER}
            assert settings["ReadonlyRootfs"]
            assert "no-new-privileges" in settings["SecurityOpt"]
            assert settings["NetworkMode"] == "none"
            assert not settings["PortBindings"]
            mounted = {bind.split(":")[1]: bind.split(":")[2:] for bind in settings["Binds"]}
            written = {place for place, mode in mounted.items() if mode != ["ro"]}
            assert written == {str(CONTROL), str(site.evidence.parent)}
            assert mounted.keys() - written == {CHECKOUT, *(f"/etc/{file}" for file in name_files(DEFAULT_PLAN))}
    finally:
        engine.close()


def capabilities(status: str) -> dict[str, set[Capability]]:
    """The sets in a /proc/PID/status, as far as they are known by a name here; none may be unknown."""
    sets = {}
    for name, digits in re.findall(r"^Cap(\w+):\t([0-9a-f]+)$", status, re.MULTILINE):
        mask = int(digits, 16)
        sets[name] = {one for one in Capability if mask >> one & 1}
        assert mask == sum(1 << one for one in sets[name]), "one that nothing needs"
    return sets


def test_programs_keep_only_what_they_need(hands: Hands) -> None:
    for role, node in hands.nodes.items():
        if role is Role.FIREWALL:
            continue
        held = capabilities(node.ask("read", path="/proc/self/status"))
        for which in ("Prm", "Eff", "Bnd"):
            assert held[which] & NETWORK == (NETWORK if role in ADMINISTRATORS else set()), f"{role.value} {which}"
        assert Capability.SETPCAP not in held["Bnd"]


def test_so_does_the_capture(site: DockerSite) -> None:
    engine = docker.from_env()
    try:
        owner = engine.containers.get(names(site)[0])
        code, status = owner.exec_run(["cat", f"/proc/{site.pids()[CAPTURE]}/status"])
        assert code == 0
        assert capabilities(status.decode())["Eff"] & NETWORK == set()
    finally:
        engine.close()

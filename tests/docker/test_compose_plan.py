"""docker-compose.yml is the site plan, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from network.docker.capabilities import CONTAINER
from network.docker.doors import CONTROL, OWNER
from network.docker.ensemble import CHECKOUT, TUN, TUNNEL_ENDS, sysctls
from network.etc import name_files
from network.plan import DEFAULT_PLAN, Node

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]


def volumes(service: dict[str, Any]) -> dict[str, str]:
    """Where each of the machine's folders stands, by where it is in the container."""
    return {one.split(":")[1]: one.split(":")[0] for one in service["volumes"]}


def test_there_is_a_service_for_each_node_the_owner_and_the_bench() -> None:
    assert SERVICES.keys() == {OWNER, "bench", *(node.name for node in DEFAULT_PLAN.nodes)}


@pytest.mark.parametrize("node", DEFAULT_PLAN.nodes, ids=lambda node: str(node.name))
def test_a_node(node: Node) -> None:
    service = SERVICES[node.name]
    assert service["command"] == [node.name]
    assert service["pid"] == f"service:{OWNER}"
    assert service["networks"] == {link.segment: {"ipv4_address": str(link.address)} for link in node.links}
    assert service["dns"] == str(DEFAULT_PLAN.dns_server)
    assert service["sysctls"] == {
        **sysctls(node.role),
        **{f"net.ipv6.conf.{which}.disable_ipv6": "1" for which in ("all", "default")},
    }
    assert service.get("devices", []) == ([str(TUN)] if node.role in TUNNEL_ENDS else [])


@pytest.mark.parametrize("name", [OWNER, *(node.name for node in DEFAULT_PLAN.nodes)])
def test_a_container_has_what_the_docker_fabric_gives_it(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["cap_add"] == [capability.name for capability in CONTAINER]
    assert service["read_only"]
    assert "privileged" not in service
    assert "ports" not in service
    where = volumes(service)
    assert where[CHECKOUT] == "."
    assert str(CONTROL) in where
    for file, text in name_files(DEFAULT_PLAN).items():
        assert (ROOT / where[f"/etc/{file}"]).read_text() == text


def test_the_networks() -> None:
    for segment in DEFAULT_PLAN.segments:
        network = COMPOSE["networks"][segment.name]
        (configuration,) = network["ipam"]["config"]
        assert configuration["subnet"] == str(segment.subnet)
        # The engine reserves an address for the bridge, which has none.
        taken = {str(link.address) for node in DEFAULT_PLAN.nodes for link in node.links}
        assert configuration["gateway"] not in taken
        assert network["driver_opts"]["com.docker.network.bridge.inhibit_ipv4"] == "true"
        assert network["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"


def test_the_bench_stands_on_no_network_of_the_site_and_is_reached_from_this_machine_only() -> None:
    bench = SERVICES["bench"]
    assert set(bench["networks"]) == {"page"}
    assert all(port.startswith("127.0.0.1:") for port in bench["ports"])
    assert volumes(bench).items() <= volumes(SERVICES[OWNER]).items()

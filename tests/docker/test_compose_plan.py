"""docker-compose.yml is the site plan, and the containers of the docker fabric, as a file."""

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
NODES = [node.name for node in DEFAULT_PLAN.nodes]
BOTH_IPV6 = {f"net.ipv6.conf.{which}.disable_ipv6": "1" for which in ("all", "default")}
"""What the fabric sets only where the kernel knows it."""


def volumes(service: dict[str, Any]) -> dict[str, str]:
    """Where each of the machine's folders stands, by where it is in the container: `:ro` stays with that."""
    places = [(*one.removesuffix(":ro").rpartition(":"), one.endswith(":ro")) for one in service["volumes"]]
    return {inside + ":ro" * read_only: outside for outside, _, inside, read_only in places}


def test_there_is_a_service_for_each_node_the_owner_and_the_bench() -> None:
    assert SERVICES.keys() == {OWNER, "bench", *NODES}


@pytest.mark.parametrize("node", DEFAULT_PLAN.nodes, ids=lambda node: str(node.name))
def test_a_node(node: Node) -> None:
    service = SERVICES[node.name]
    assert service["command"] == [node.name]
    assert service["pid"] == f"service:{OWNER}"
    assert service["depends_on"] == [OWNER]
    assert service["sysctls"] == {**sysctls(node.role), **BOTH_IPV6}
    assert service.get("devices", []) == ([f"{TUN}:{TUN}"] if node.role in TUNNEL_ENDS else [])


def test_the_owner_serves_one_bench_after_the_other() -> None:
    assert SERVICES[OWNER]["command"] == [OWNER, "--stays"]
    assert SERVICES[OWNER]["sysctls"] == {**sysctls(), **BOTH_IPV6}


@pytest.mark.parametrize("name", [OWNER, *NODES])
def test_a_container_has_what_the_docker_fabric_gives_it_and_nothing_more(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= {
        "image", "build", "command", "depends_on", "pid", "network_mode", "sysctls", "devices", "cap_add", "cap_drop",
        "read_only", "security_opt", "tmpfs", "volumes", "logging",
    }  # fmt: skip
    assert service["network_mode"] == "none"
    assert service["cap_drop"] == ["ALL"]
    assert service["cap_add"] == [capability.name for capability in CONTAINER]
    assert service["read_only"] is True
    assert service["security_opt"] == ["label=disable", "no-new-privileges"]
    assert service["tmpfs"] == ["/run:exec,mode=755"]
    assert service["logging"] == {"driver": "json-file"}
    where = volumes(service)
    assert where.keys() == {
        f"{CHECKOUT}:ro", str(CONTROL), "/artifacts", *(f"/etc/{file}:ro" for file in name_files(DEFAULT_PLAN)),
    }  # fmt: skip
    assert where[f"{CHECKOUT}:ro"] == "."
    for file, text in name_files(DEFAULT_PLAN).items():
        assert (ROOT / where[f"/etc/{file}:ro"]).read_text() == text


def test_the_bench_is_reached_from_this_machine_only_and_is_no_part_of_the_site() -> None:
    bench = SERVICES["bench"]
    assert not bench.keys() & {"networks", "network_mode", "pid", "devices", "privileged"}
    assert bench["cap_drop"] == ["ALL"]
    assert "NET_ADMIN" not in bench["cap_add"]
    assert all(port.startswith("127.0.0.1:") for port in bench["ports"])
    assert volumes(bench).items() <= volumes(SERVICES[OWNER]).items()
    assert not any("docker.sock" in outside for outside in volumes(bench).values())


def test_the_ports_on_the_machine_are_those_in_the_container_since_the_page_wants_to_be_asked_for_by_its_own() -> None:
    bench = SERVICES["bench"]
    served = {one.partition("=")[2] for one in bench["command"] if "port=" in one}
    published = {port.removeprefix("127.0.0.1:") for port in bench["ports"]}
    assert published == {f"{port}:{port}" for port in served}


def test_all_are_of_one_image_and_built_without_a_secret() -> None:
    assert len({service["image"] for service in SERVICES.values()}) == 1
    builds = [service["build"] for service in SERVICES.values()]
    assert all(
        build == {"context": ".", "dockerfile": "images/Dockerfile", "args": ["PIP_INDEX_URL"]} for build in builds
    )


def test_no_container_starts_again_by_itself() -> None:
    assert not any("restart" in service for service in SERVICES.values())

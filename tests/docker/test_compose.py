"""`docker compose up` alone brings the manual bench up, and the commands on the machine operate it."""

from __future__ import annotations

import http.cookiejar
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.manual.place import Place
from network.docker.composing import compose_command
from network.docker.doors import OWNER
from network.docker.image import image_name, prepare
from network.plan import DEFAULT_PLAN, Role

pytestmark = [pytest.mark.docker, pytest.mark.compose]

ROOT = Path(__file__).parents[2]
UP_WITHIN = 60.0
SERVICES = {OWNER, "bench", *(node.name for node in DEFAULT_PLAN.nodes)}


def free_ports() -> tuple[int, int]:
    """Two ports that are free, and not the same."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


class Project:
    """The compose project of a test's own, with its evidence in a folder of its own."""

    def __init__(self, artifacts: Path) -> None:
        self.name = f"oxobench-test-{uuid.uuid4().hex[:8]}"
        self.artifacts = artifacts
        self.port, mitmweb_port = free_ports()
        self._environment = {
            **os.environ,
            "OXOBENCH_ARTIFACTS": str(artifacts),
            "OXOBENCH_IMAGE": image_name(),
            "OXOBENCH_PORT": str(self.port),
            "OXOBENCH_MITMWEB_PORT": str(mitmweb_port),
            "PYTHONPATH": str(ROOT),
        }
        self._compose = [*compose_command(), "--project-name", self.name, "--file", str(ROOT / "docker-compose.yml")]

    def compose(self, *arguments: str) -> str:
        return self._run([*self._compose, *arguments], 0)

    def oxobench(self, *arguments: str, code: int = 0) -> str:
        """What a command on the machine prints, with this exit code."""
        return self._run([sys.executable, "-P", "-m", "bench.cli", *arguments], code)

    def status(self, code: int = 0) -> dict[str, Any]:
        snapshot: dict[str, Any] = json.loads(self.oxobench("status", "--json", code=code))
        return snapshot

    def up(self) -> None:
        self.compose("up", "--detach")
        deadline = time.monotonic() + UP_WITHIN
        while not (self.artifacts / "up" / "control").exists():
            assert time.monotonic() < deadline, self.compose("logs")
            time.sleep(0.1)
        self.oxobench("time", "advance", "1s")

    def down(self) -> None:
        self.compose("down", "--timeout", "30")

    def kill(self, service: str) -> None:
        self.compose("kill", service)

    def left(self) -> list[str]:
        """What the engine has of it."""
        label = f"label=com.docker.compose.project={self.name}"
        return [
            line
            for what in (["ps", "--all"], ["network", "ls"], ["volume", "ls"])
            for line in self._run(["docker", *what, "--quiet", "--filter", label], 0).split()
        ]

    def address(self, name: str) -> str:
        """Where page or mitmweb are, as `status` says."""
        lines = [line.split() for line in self.oxobench("status").splitlines()]
        return next(words[1] for words in lines if words and words[0] == name)

    def _run(self, command: list[str], code: int) -> str:
        ran = subprocess.run(
            command, env=self._environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
        )
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    prepare()
    project = Project(tmp_path_factory.mktemp("compose"))
    try:
        project.up()
        yield project
    finally:
        project.down()
    assert project.left() == []


@pytest.fixture
def restored(project: Project) -> Iterator[None]:
    """Tests share the bench, and leave it as they found it, also when they fail."""
    yield
    project.compose("up", "--detach")
    project.oxobench("up")
    project.oxobench("firewall", "permissive")
    project.oxobench("time", "advance", "16min")
    assert project.status()["link"]["state"] == "connected"


def code_of(request: urllib.request.Request | str) -> int:
    # With cookies, as a browser.
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    try:
        with browser.open(request, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def states(snapshot: dict[str, Any]) -> dict[str, str]:
    return {node["name"]: node["state"] for node in snapshot["nodes"]}


def test_it_comes_up_connected(project: Project) -> None:
    snapshot = project.status()
    assert (snapshot["fabric"], snapshot["link"]["state"], snapshot["link"]["via"]) == ("compose", "connected", "proxy")
    assert states(snapshot) == {role.value: "up" for role in Role}
    assert set(project.compose("ps", "--services").split()) == SERVICES


def test_the_page_and_mitmweb_are_on_loopback_for_whoever_has_the_token(project: Project) -> None:
    for name in ("page", "mitmweb"):
        address = project.address(name)
        assert address.startswith("http://127.0.0.1:")
        assert code_of(address) == 200
        assert code_of(address.partition("?")[0]) in (401, 403)
    assert f"127.0.0.1:{project.port}/?token=" in project.compose("logs", "bench")
    elsewhere = urllib.request.Request(project.address("page"), headers={"Host": "bench.example"})
    assert code_of(elsewhere) == 421


@pytest.mark.usefixtures("restored")
def test_a_firewall_that_blocks(project: Project) -> None:
    project.oxobench("firewall", "blocking", "--cut")
    project.oxobench("time", "advance", "16min")
    snapshot = project.status()
    assert (snapshot["link"]["state"], snapshot["attempt"]["stopped"]) == ("trying", "firewall")
    project.oxobench("firewall", "permissive")
    project.oxobench("time", "advance", "16min")
    assert project.status()["link"]["state"] == "connected"


@pytest.mark.usefixtures("restored")
def test_what_is_a_file_is_one_on_the_machine(project: Project, tmp_path: Path) -> None:
    (tmp_path / "mine.nft").write_text("ip saddr $oxo tcp dport 444 accept\n")
    project.oxobench("firewall", str(tmp_path / "mine.nft"))
    assert project.status()["firewall"]["policy"] == "mine"
    project.oxobench("capture", "save", str(tmp_path / "mine.pcapng"))
    assert (tmp_path / "mine.pcapng").stat().st_size > 10_000
    assert "devices retrieved" in project.oxobench("logs", "pcg")
    evidence = Path(project.status()["evidence"])
    assert evidence.parent == project.artifacts
    assert {one.stat().st_uid for one in (evidence, *evidence.iterdir())} == {ROOT.stat().st_uid}


def test_a_vpn_connection(project: Project) -> None:
    project.oxobench("cloud", "vpn", "open", "anna")
    project.oxobench("time", "advance", "5s")
    assert project.status()["cloud"]["tunnel"]["users"] == ["anna"]
    project.oxobench("cloud", "vpn", "close")
    project.oxobench("time", "advance", "5s")
    assert project.status()["cloud"]["tunnel"] is None


@pytest.mark.parametrize("node", DEFAULT_PLAN.nodes, ids=lambda node: str(node.name))
def test_every_node_has_a_shell_and_the_addresses_of_the_plan(project: Project, node: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OXOBENCH_ARTIFACTS", str(project.artifacts))
        shell: list[str] = Place().call("shell", node=node.name)
    ran = subprocess.run(
        [word for word in shell if word != "--tty"],
        input="cat /proc/net/fib_trie /etc/resolv.conf",
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    for link in node.links:
        assert f"|-- {link.address}\n" in ran.stdout
    assert f"nameserver {DEFAULT_PLAN.dns_server}" in ran.stdout


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("role", [Role.OXO, Role.PROXY, Role.FIREWALL, Role.PCG])
def test_a_container_that_was_killed_is_named_and_comes_back_by_compose_and_up(project: Project, role: Role) -> None:
    project.kill(role.value)
    dead = states(project.status(code=1))
    assert dead.pop(role.value) == "dead"
    assert set(dead.values()) == {"up"}
    assert f"The container of {role.value} is not there: `docker compose up -d` starts it." in project.oxobench("up")
    project.compose("up", "--detach")
    assert f"{role.value} was started again." in project.oxobench("up")
    project.oxobench("time", "advance", "16min")
    assert project.status()["link"]["state"] == "connected"


@pytest.mark.usefixtures("restored")
def test_a_bench_that_was_killed_is_followed_by_another_in_the_same_containers(project: Project) -> None:
    project.kill("bench")
    project.oxobench("status", code=2)
    (project.artifacts / "up" / "control").unlink()
    project.up()
    assert project.status()["link"]["state"] == "connected"


def test_two_projects_stand_side_by_side_and_down_leaves_nothing_of_one(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Project(tmp_path_factory.mktemp("other"))
    try:
        other.up()
        other.oxobench("firewall", "deny-all", "--cut")
        other.oxobench("time", "advance", "16min")
        assert (other.status()["link"]["state"], project.status()["link"]["state"]) == ("trying", "connected")
        assert other.left() != []
    finally:
        other.down()
    assert other.left() == []
    assert project.status()["link"]["state"] == "connected"


def test_with_its_owner_everything_ends_and_up_says_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = Project(tmp_path_factory.mktemp("owner"))
    try:
        project.up()
        project.kill(OWNER)
        assert set(states(project.status(code=1)).values()) == {"dead"}
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "bench.cli", "up"],
            env={**os.environ, "OXOBENCH_ARTIFACTS": str(project.artifacts), "PYTHONPATH": str(ROOT)},
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 2
        assert "`docker compose down` and `docker compose up -d` make a new one" in ran.stderr
    finally:
        project.down()
    assert project.left() == []

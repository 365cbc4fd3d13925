"""The doctor: what it finds on a machine where all is well, and where something is missing."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import doctor
from bench.doctor import Failure, State
from bench.probe import Trial
from tests.setup.lacking import without_program, without_tun
from tests.setup.test_docker_engine import engine

ROOT = Path(__file__).resolve().parents[2]
NO_USER_NAMESPACES = [
    *["unshare", "--user", "--map-root-user", "sh", "-c"],
    'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"',
    "sh",
]


def doctor_under(under: list[str], *options: str, engine: str = "") -> subprocess.CompletedProcess[str]:
    command = [*under, sys.executable, "-m", "bench.cli", "doctor", *options]
    environment = {**os.environ, **({"DOCKER_HOST": engine} if engine else {})}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)


def states(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    report = json.loads(done.stdout)
    return {finding["what"]: finding for finding in report["findings"]}


def test_all_that_scenarios_need_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    report = doctor.examine()
    assert report.ready, report.as_json()
    doctor.show(report)
    shown = capsys.readouterr().out
    assert "what to do" in shown
    assert "Everything that scenarios need is there." in shown


LOOKS_BEFORE_AND_AFTER = """
import os, socket
from pathlib import Path
from bench import doctor

def visible():
    return Path("/proc/self/mountinfo").read_text(), socket.if_nameindex(), os.readlink("/proc/self/ns/net")

before = visible()
doctor.examine()
print(visible() == before)
"""


def test_nothing_is_left() -> None:
    """Where nobody else mounts anything or makes interfaces meanwhile, as a Docker engine does for every container."""
    alone = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
    command = [*alone, sys.executable, "-c", LOOKS_BEFORE_AND_AFTER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "True\n"


def test_as_json_with_exit_code_0() -> None:
    done = doctor_under([], "--json")
    assert done.returncode == 0, done.stdout
    assert states(done)["user namespaces"]["state"] == "ok"


def test_without_user_namespaces() -> None:
    done = doctor_under(NO_USER_NAMESPACES, "--json")
    assert done.returncode == 1
    found = states(done)
    assert found["user namespaces"] == {
        "what": "user namespaces",
        "needed": True,
        "state": "missing",
        "detail": "user.max_user_namespaces is 0",
        "advice": "sudo sysctl -w user.max_user_namespaces=15000",
    }
    assert found["veth, bridge, packet sockets"]["state"] == "not tried"


def test_without_user_namespaces_as_a_table() -> None:
    done = doctor_under(NO_USER_NAMESPACES)
    assert done.returncode == 1
    assert "Scenarios cannot run here yet." in done.stdout


def test_without_nft(without_nft: list[str]) -> None:
    done = doctor_under(without_nft, "--json")
    assert done.returncode == 1
    found = states(done)
    assert found["nft (the firewall's rules)"]["advice"] == "sudo apt-get install -y nftables"
    assert found["firewall: filter, NAT, reject"]["state"] == "not tried"
    assert found["firewall: connection tracking"]["state"] == "ok"


def test_without_charon_there_is_no_tunnel_and_scenarios_run() -> None:
    done = doctor_under(without_program("charon-systemd"), "--json")
    assert done.returncode == 0
    found = states(done)
    assert found["strongSwan's charon (VPN)"]["state"] == "absent"
    assert found["VPN tunnel"]["detail"] == "strongSwan's charon is not installed."


@pytest.mark.vpn
def test_without_tun_the_kernel_does_esp_or_there_is_no_tunnel() -> None:
    done = doctor_under(without_tun(), "--json")
    assert done.returncode == 0
    found = states(done)
    assert found["TUN (VPN)"]["state"] == "absent"
    expected = {
        "ok": "ESP in the kernel",
        "absent": "The kernel has no ESP, and TUN is not to be had (no such file or directory).",
    }
    assert found["VPN tunnel"]["detail"] == expected[found["ESP in the kernel (VPN)"]["state"]]


ENGINE, IMAGE = "Docker engine (docker fabric)", "Image of its containers (docker fabric)"


def test_without_an_engine_scenarios_run_and_it_says_what_to_do(tmp_path: Path) -> None:
    done = doctor_under([], "--json", engine=f"unix://{tmp_path}/docker.sock")
    assert done.returncode == 0
    found = states(done)
    assert (found[ENGINE]["state"], found[ENGINE]["detail"]) == ("absent", "not running")
    assert found[ENGINE]["advice"] in ("sudo systemctl start docker", "sudo apt-get install -y docker.io")
    assert found[IMAGE]["state"] == "not tried"


def test_an_engine_that_one_may_not_ask(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()
        (tmp_path / "docker.sock").chmod(0)
        # In a user namespace, so that root may not do what its owner may not.
        done = doctor_under(["unshare", "--user"], "--json", engine=f"unix://{tmp_path}/docker.sock")
    found = states(done)
    assert found[ENGINE]["detail"].endswith("docker.sock: Permission denied")
    assert "usermod -aG docker" in found[ENGINE]["advice"]


def test_an_engine_that_is_elsewhere() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    with engine(listener, b"HTTP/1.0 200 OK\r\n\r\nOK"):
        found = states(doctor_under([], "--json", engine=address))
    assert (found[ENGINE]["detail"], found[ENGINE]["advice"]) == (
        f"{address} is not this machine's own",
        "unset DOCKER_HOST",
    )


@pytest.mark.docker
def test_here_is_an_engine() -> None:
    found = states(doctor_under([], "--json"))
    assert found[ENGINE]["state"] == "ok"
    assert re.match(r"\d+\.\d+", found[ENGINE]["detail"])
    assert found[IMAGE]["state"] in ("ok", "absent")


def test_without_a_browser() -> None:
    found = states(doctor_under(without_program("chromium"), "--json"))["Chromium and its driver (tests of the page)"]
    assert found["state"] == "absent"
    assert found["detail"].startswith("There is no /usr/bin/chromium")
    assert found["advice"] == "sudo apt-get install -y chromium chromium-driver"


@pytest.mark.vpn
def test_who_does_esp() -> None:
    none = Failure(93, "Protocol not supported")
    assert doctor.vpn_tunnel({Trial.TUN: None, Trial.ESP: None}).detail == "ESP in the kernel"
    assert doctor.vpn_tunnel({Trial.TUN: none, Trial.ESP: None}).detail == "ESP in the kernel"
    assert doctor.vpn_tunnel({Trial.TUN: None, Trial.ESP: none}).detail == "ESP in user space, over TUN"
    assert doctor.vpn_tunnel({}).state is State.UNTRIED


def test_what_is_only_optional_does_not_count() -> None:
    absent = doctor.Finding("TUN", False, State.ABSENT, "", "")
    assert doctor.Report([absent]).ready
    assert not doctor.Report([absent, doctor.Finding("nft", True, State.UNTRIED, "", "")]).ready

"""`oxobench up` and its commands, as a person uses them: in processes of their own, on a real site."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.manual import keeping, operating
from bench.manual.place import NotMine, NotRunning, Place
from network.plan import Role
from tests.manual.upbench import CHECKOUT, UpBench

UP = ("--users", "2")

_UP_WITH_FABRIC = """
from bench.manual.keeping import keep
from bench.manual.place import Place
from bench.manual.upstart import Upstart, Wish
keep(Place(), Upstart(Wish(), "netns", make_fabric))
"""


class Hand:
    """Types commands of one bench, whose evidence is in a folder of its own."""

    def __init__(self, artifacts: Path) -> None:
        self.artifacts = artifacts
        self._environment = {**os.environ, "OXOBENCH_ARTIFACTS": str(artifacts), "PYTHONPATH": str(CHECKOUT)}

    def __call__(self, *arguments: str, code: int = 0, text: str = "") -> str:
        """What a command prints; its exit code must be `code`, and it must not break."""
        command = [sys.executable, "-P", "-m", "bench.cli", *arguments]
        ran = subprocess.run(
            command, env=self._environment, cwd=CHECKOUT, input=text, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        said = ran.stdout + ran.stderr
        assert ran.returncode == code, said
        assert "Traceback" not in said
        return said

    def status(self, code: int = 0) -> dict[str, Any]:
        """The snapshot."""
        snapshot: dict[str, Any] = json.loads(self("status", "--json", code=code))
        return snapshot

    def pid(self, node: str) -> int:
        """A node's process, as the machine numbers it."""
        return int(self.shell(node)[2])

    def shell(self, node: str) -> list[str]:
        """The command that opens a shell in a node."""
        command: list[str] = self.place().call("shell", node=node)
        return command

    def begin(self, *arguments: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """A command that is not waited for, in a process group of its own, as at a terminal."""
        return self._process([sys.executable, "-P", "-m", "bench.cli", *arguments])

    def begin_up(self, setup: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
        """`up` with a fabric of the function `make_fabric` that `setup` defines, not waited for."""
        return self._process([sys.executable, "-P", "-c", f"{setup}{_UP_WITH_FABRIC}"])

    @contextlib.contextmanager
    def _process(self, command: list[str]) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            command, env=self._environment, cwd=CHECKOUT, process_group=0,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def place(self) -> Place:
        """Where this bench is found."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OXOBENCH_ARTIFACTS", str(self.artifacts))
            return Place()


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    return Hand(tmp_path)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[UpBench]:
    with UpBench(tmp_path, *UP) as up:
        yield up


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Hand]:
    """A hand that may leave a bench running: it is ended after the test, however that ends."""
    hand = Hand(tmp_path)
    yield hand
    if hand.place().held():
        hand("down")


def states(snapshot: dict[str, Any]) -> dict[str, str]:
    return {node["name"]: node["state"] for node in snapshot["nodes"]}


def test_status_says_how_everything_stands(up: UpBench, hand: Hand) -> None:
    hand("time", "advance", "1s")
    said = hand("status")
    for expected in ("192.168.92.246", "connected, through the proxy", "permissive", "inspecting", up.page):
        assert expected in said


def test_a_firewall_command_changes_the_kernels_rules_and_the_link_follows(up: UpBench, hand: Hand) -> None:
    hand("time", "advance", "1s")
    assert "tcp dport 443 drop" not in up.in_node("firewall", "nft list ruleset")
    hand("firewall", "blocking", "--cut")
    assert "tcp dport 443 drop" in up.in_node("firewall", "nft list ruleset")
    hand("time", "advance", "16min")
    snapshot = hand.status()
    assert snapshot["link"]["state"] == "trying"
    assert snapshot["attempt"]["stopped"] == "firewall"
    assert "stopped at the firewall" in hand("logs")
    hand("firewall", "permissive")
    hand("time", "advance", "16min")
    assert hand.status()["link"]["state"] == "connected"


def test_the_time_line_is_waited_for(up: UpBench) -> None:
    def told() -> str:
        """The first entry about DNS that is told by hand, however many others come before it."""
        last = 0
        while True:
            _, entries = up.happened(last, 30.0)
            assert entries
            if found := [entry["text"] for entry in entries if entry["text"].startswith("DNS server")]:
                return str(found[0])
            last = entries[-1]["id"]

    with ThreadPoolExecutor(1) as waiting:
        heard = waiting.submit(told)
        up.call("dns", mode="servfail")
        assert heard.result() == "DNS server: servfail"


def test_a_policy_of_ones_own_is_a_file(up: UpBench, hand: Hand, tmp_path: Path) -> None:
    (tmp_path / "mine.nft").write_text("ip saddr $oxo tcp dport 444 accept\n")
    hand("firewall", str(tmp_path / "mine.nft"))
    assert hand.status()["firewall"]["policy"] == "mine"
    assert "is not a policy" not in hand("firewall", str(tmp_path / "none.nft"), code=2)


@pytest.mark.vpn
def test_each_verb_does_what_it_says(up: UpBench, hand: Hand) -> None:
    hand("time", "advance", "1s")
    hand("oxo", "disable", "--by", "mmc")
    assert hand.status()["link"]["state"] == "disabled"
    hand("oxo", "enable")
    hand("proxy", "slow", "--delay", "2")
    hand("proxy", "authenticating", "--account", "oxo", text="secret\n")
    assert hand.status()["proxy"]["mode"] == "authenticating"
    assert "secret" not in hand("oxo", "configure", "Web proxy", "Account=oxo", "Password=-", text="secret\n")
    hand("proxy", "restart")
    hand("time", "advance", "1min")
    assert (hand.status()["link"]["state"], hand.status()["proxy"]["account"]) == ("connected", "oxo")
    hand("dns", "servfail")
    assert hand.status()["dns"]["mode"] == "servfail"
    hand("dns", "answer")
    hand("rainbow", "fault", "refuse upgrade", "503")
    hand("rainbow", "drop", "1001")
    hand("rainbow", "certificate", "expired")
    snapshot = hand.status()
    assert (snapshot["rainbow"]["fault"], snapshot["rainbow"]["certificate"]) == (
        {"kind": "refuse upgrade", "value": 503},
        "expired",
    )
    hand("rainbow", "fault", "none")
    hand("rainbow", "certificate", "right")
    code = hand("rainbow", "reset").strip()
    hand("oxo", "configure", "rainbow", f"Activation code={code}")
    hand("time", "advance", "1s")
    hand("rainbow", "retrieve")
    hand("oxo", "add-set", "150", "Ada", "Lovelace", "8068s")
    hand("time", "advance", "1s")
    assert "Ada" in hand("rainbow", "devices")
    hand("oxo", "remove-set", "150-primary")
    assert "Ada" not in hand("oxo", "sets")
    hand("cloud", "vpn", "open", "anna")
    hand("time", "advance", "5s")
    assert hand.status()["cloud"]["tunnel"]["users"] == ["anna"]
    hand("cloud", "vpn", "close")
    hand("time", "advance", "5s")
    assert hand.status()["cloud"]["tunnel"] is None
    hand("oxo", "restart", "cold")
    hand("oxo", "off")
    assert states(hand.status())["oxo"] == "off"
    hand("oxo", "restart", "power")
    assert states(hand.status())["oxo"] == "up"
    assert "oxo: " in hand("logs", "oxo")
    assert hand("capture", "save", str(hand.artifacts / "mine.pcapng")).strip().endswith("mine.pcapng")
    assert "192.168.92.246" in up.in_node("oxo", "cat /proc/net/fib_trie")


@pytest.mark.vpn
def test_a_node_that_dies_is_said_so_and_up_again_heals(up: UpBench, hand: Hand) -> None:
    os.kill(hand.pid("proxy"), signal.SIGKILL)
    dead = states(hand.status(code=1))
    assert dead.pop("proxy") == "dead"
    assert set(dead.values()) == {"up"}
    assert "Node proxy died" in hand("logs")
    assert "proxy was started again" in hand("up")
    assert set(states(hand.status()).values()) == {"up"}
    hand("time", "advance", "16min")
    assert hand.status()["link"]["state"] == "connected"


@pytest.mark.vpn
def test_a_site_that_is_lost_is_replaced_by_up(lasting: Hand) -> None:
    hand = lasting
    hand("up", "--detach", *UP)
    sandbox = Path(f"/proc/{hand.pid('oxo')}/status").read_text().split("PPid:")[1].split()[0]
    os.kill(int(sandbox), signal.SIGKILL)
    said = hand("up", "--detach", *UP)
    assert "is lost" in said
    assert "the site is up" in said
    assert set(states(hand.status()).values()) == {"up"}


def test_two_that_come_up_at_once_make_one_bench(lasting: Hand) -> None:
    with ThreadPoolExecutor(2) as both:
        ups = [both.submit(lasting, "up", "--detach", *UP) for _ in range(2)]
        assert all("the site is up" in up.result() for up in ups)
    assert len([path for path in lasting.artifacts.iterdir() if path.name != "up"]) == 1


def test_up_waits_for_another_that_comes_up_and_takes_its_place_when_it_does_not(lasting: Hand) -> None:
    with contextlib.ExitStack() as place:
        assert place.enter_context(lasting.place().taken())
        with lasting.begin("up", "--detach", *UP) as waiting:
            assert waiting.stdout is not None
            assert "another bench is coming up" in waiting.stdout.readline()
            assert "coming up or going down" in lasting("status", code=2)
            place.close()
            said, _ = waiting.communicate(timeout=60)
    assert "the site is up" in said
    assert waiting.returncode == 0


def test_a_bench_that_lets_time_pass_is_left_alone_by_up_and_heeds_down(
    up: UpBench, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OXOBENCH_ARTIFACTS", str(hand.artifacts))
    with ThreadPoolExecutor(1) as thread:
        passing = thread.submit(lambda: operating.call_verb("time_advance", 60.0, seconds=7 * 24 * 3600))
        entries: list[dict[str, Any]] = []
        while not any(entry["text"] == "Letting 168 h pass" for entry in entries):
            _, entries = up.happened(entries[-1]["id"] if entries else 0, 30.0)
        assert "busy (letting 168 h pass)" in hand("up", code=2)
        hand("down")
        with pytest.raises(keeping.Refused, match="ended meanwhile"):
            passing.result()


def test_a_long_advance_is_waited_for(up: UpBench, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OXOBENCH_ARTIFACTS", str(hand.artifacts))
    monkeypatch.setattr(operating, "_REAL_WAIT", 0.0)
    ran = CliRunner().invoke(operating.advance, ["1h"])
    assert (ran.exit_code, ran.output) == (0, "1 h have passed\n")


def test_up_that_is_ended_while_it_comes_up_says_no_more_than_that(hand: Hand) -> None:
    with hand.begin("up", *UP) as process:
        deadline = time.monotonic() + 30.0
        while "oxobench-zygote" not in children(process.pid):
            assert time.monotonic() < deadline
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert said.splitlines() == ["oxobench: bringing the site up ...", "oxobench: the site is down"]
    assert process.returncode == 0


def children(pid: int) -> list[str]:
    """The names of the processes that were started by any thread of a process."""
    names = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                names.append(Path(f"/proc/{child}/comm").read_text().strip())
    return names


_ENDLESS_BUILDING = """
import threading
def make_fabric():
    print("building an image", flush=True)
    threading.Event().wait()
"""


def until_it_builds(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while "building" not in process.stdout.readline():
        assert process.poll() is None


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_that_is_ended_does_not_wait_for_what_takes_minutes_to_build(hand: Hand, number: int) -> None:
    with hand.begin_up(f"{_ENDLESS_BUILDING}from bench.manual import daemon\ndaemon.BUILT_WITHIN = 0.1\n") as process:
        until_it_builds(process)
        process.send_signal(number)
        said, _ = process.communicate(timeout=20)
    assert (said, process.returncode) == ("oxobench: ended before the site was up\n", 130)


def test_a_second_signal_ends_up_at_once(hand: Hand) -> None:
    with hand.begin_up(_ENDLESS_BUILDING) as process:
        until_it_builds(process)
        # Two that come at once count as one; the first has been heeded once nobody handles it any more.
        process.send_signal(signal.SIGINT)
        while handles(process.pid, signal.SIGINT):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT


def test_ctrl_c_while_a_detached_bench_comes_up_ends_it(lasting: Hand) -> None:
    with lasting.begin("up", "--detach", *UP) as process:
        deadline = time.monotonic() + 30.0
        while not children(process.pid):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not lasting.place().held()


def test_a_detached_bench_keeps_its_log_when_it_is_healed(lasting: Hand) -> None:
    lasting("up", "--detach", *UP)
    log = lasting.artifacts / "up" / "up.log"
    before = log.stat().st_ino
    assert "the site is up" in lasting("up", "--detach", *UP)
    assert log.stat().st_ino == before


@pytest.mark.vpn
def test_a_bench_that_was_killed_leaves_its_place_to_the_next_one(tmp_path: Path, lasting: Hand) -> None:
    hand = lasting
    with UpBench(tmp_path, *UP) as first:
        oxo = hand.pid("oxo")
        first.kill()
        assert "No manual bench runs here" in hand("status", code=2)
        hand("up", "--detach", *UP)
        assert set(states(hand.status()).values()) == {"up"}
    assert not Path(f"/proc/{oxo}").exists()


def test_down_leaves_the_evidence_and_nothing_else(tmp_path: Path, lasting: Hand) -> None:
    hand = lasting
    said = hand("up", "--detach", *UP)
    assert "page      http://127.0.0.1:" in said
    oxo = hand.pid("oxo")
    hand("down")
    assert not Path(f"/proc/{oxo}").exists()
    assert {path.name for path in (tmp_path / "up").iterdir()} <= {"lock", "up.log"}
    [evidence] = [path for path in tmp_path.iterdir() if path.name != "up"]
    assert {"site.pcapng", "proxy.flows", "oxo.log"} <= {path.name for path in evidence.iterdir()}
    assert "No manual bench runs here" in hand("down", code=2)


@pytest.mark.vpn
def test_the_control_socket_is_its_owners_and_bears_garbage(up: UpBench, hand: Hand) -> None:
    control = hand.artifacts / "up" / "control"
    assert stat.S_IMODE(control.stat().st_mode) == 0o600
    for garbage in (b"\xff\xfe\n", b"[]\n", b'{"id": 1}\n', b"{" * 100_000 + b"\n", b""):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(control))
            sock.sendall(garbage)
    assert set(states(hand.status()).values()) == {"up"}


def test_doors_listen_on_loopback_only(up: UpBench) -> None:
    for address in (up.page, up.mitmweb):
        port = int(address.split(":")[2].split("/")[0])
        tables = "".join(table.read_text() for table in Path("/proc/net").glob("tcp*"))
        # State 0A is that of a socket that listens.
        assert re.findall(rf"(\w+):{port:04X} \S+ 0A ", tables) == ["0100007F"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("firewall", "permissive"), "No manual bench runs here: start one with `./oxobench up`."),
        (("status",), "No manual bench runs here"),
        (("logs",), "No manual bench runs here"),
        (("shell", "oxo"), "No manual bench runs here"),
        (("shell", "fax"), "Invalid value"),
        (("time", "advance", "soon"), "'soon' is no duration"),
        (("up", "--policy", "open"), "There is no firewall policy 'open'"),
        (("up", "--users", "301"), "Invalid value"),
        (("up", "--proxy", "squid"), "Invalid value"),
        (("up", "--listen", "192.168.1.5"), "Invalid value"),
        (("up", "--listen", "localhost"), "Invalid value"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(hand: Hand, arguments: tuple[str, ...], said: str) -> None:
    assert said in hand(*arguments, code=2)


def test_a_port_that_is_taken_is_said_so(hand: Hand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"The page cannot be served at 127.0.0.1:{port}: Address already in use." in hand(
            "up", "--port", port, code=2
        )
        assert "mitmweb" in hand("up", "--mitmweb-port", port, code=2)
        assert f"127.0.0.1:{port}" in hand("up", "--detach", "--port", port, code=2)


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    hand = Hand(tmp_path / "file" / "artifacts")
    for arguments in (("up",), ("up", "--detach")):
        assert "set OXOBENCH_ARTIFACTS to a folder of your own" in hand(*arguments, code=2)
    assert "No manual bench runs here" in hand("down", code=2)


def test_the_bench_of_another_user_is_told_from_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "artifacts" / "up"
    folder.mkdir(parents=True)
    monkeypatch.setenv("OXOBENCH_ARTIFACTS", str(folder.parent))
    with pytest.raises(NotRunning):
        Place().status()
    folder.chmod(0)
    nobody = 65534
    user = os.geteuid()
    if user == 0:
        os.seteuid(nobody)
    try:
        with pytest.raises(NotMine, match="another user's"):
            Place().status()
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(hand: Hand, shell: str) -> None:
    assert "_OXOBENCH_COMPLETE" in hand("completion", shell)


@pytest.mark.parametrize(
    ("typed", "offered"), [("oxobench fire", "firewall"), ("oxobench dns serv", "servfail"), ("oxobench logs p", "pcg")]
)
def test_what_completion_offers(hand: Hand, typed: str, offered: str) -> None:
    hand._environment |= {
        "_OXOBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    assert offered in hand()


@pytest.mark.vpn
def test_every_node_has_a_shell(up: UpBench) -> None:
    for role in Role:
        assert up.in_node(role.value, "echo here").strip() == "here"

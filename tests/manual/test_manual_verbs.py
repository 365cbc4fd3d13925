"""The verbs of the manual bench on a real site, and the snapshots of what they do."""

from __future__ import annotations

import math
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.bench import BenchOptions
from bench.cloud import VPN_GATEWAY
from bench.manual.copying import copy_capture
from bench.manual.durations import in_words, seconds
from bench.manual.installation import Installation
from bench.manual.look import Look
from bench.manual.manual import ManualBench
from bench.manual.snapshot import LinkState, NodeState, Snapshot
from bench.manual.upstart import Wish
from bench.manual.verbs import call
from network.fabric import Fabric, FabricError
from network.plan import Role
from node.control import Refusal


class Rig:
    """A manual bench and what it shows."""

    def __init__(self, fabric: Fabric, evidence: Path, wish: Wish, made_of: str = "netns") -> None:
        self.installation = Installation(fabric, evidence, BenchOptions(), wish, made_of)
        self.looks = 0
        self.looks_until = math.inf
        self.busy: list[str | None] = []
        self.manual = ManualBench(self.installation, self.busy.append, self._looked)
        self._look = Look(self.installation, made_of)

    def _looked(self) -> bool:
        self.looks += 1
        return self.looks >= self.looks_until

    def now(self) -> Snapshot:
        self.installation.bench.time.rest()
        return self._look.now()

    def after(self, seconds: float) -> Snapshot:
        self.manual.time_advance(seconds)
        return self.now()

    def states(self) -> dict[str, NodeState]:
        return {node.name: node.state for node in self.now().nodes}


@pytest.fixture
def rig(fabric: Fabric, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(fabric, tmp_path, Wish(users=3))
    yield rig
    rig.installation.close()


@pytest.fixture(scope="module")
def containers() -> Iterator[Fabric]:
    """The docker fabric, for what is to be tried there too."""
    from network.docker.fabric import DockerFabric

    fabric = DockerFabric()
    yield fabric
    fabric.close()


@pytest.fixture(scope="module")
def kept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The containers are used again for evidence in the same folder only."""
    return tmp_path_factory.mktemp("containers")


@pytest.fixture(params=["netns", pytest.param("docker", marks=pytest.mark.docker)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """The same as `rig` on each fabric."""
    if request.param == "docker":
        evidence: Path = request.getfixturevalue("kept_folder") / tmp_path.name
        evidence.mkdir()
        rig = Rig(request.getfixturevalue("containers"), evidence, Wish(users=3), request.param)
    else:
        rig = Rig(request.getfixturevalue("fabric"), tmp_path, Wish(users=3))
    yield rig
    rig.installation.close()


@pytest.mark.vpn
def test_a_site_comes_up_connected_through_its_proxy(either: Rig) -> None:
    shown = either.after(1)
    assert shown.link.state is LinkState.CONNECTED
    assert shown.link.via == "proxy"
    assert shown.link.shown == "Connected with final password"
    assert shown.cloud.connected
    assert len(shown.rainbow.devices) == 3
    assert shown.rainbow.retrievals == 1
    assert set(either.states().values()) == {NodeState.UP}


def test_without_a_proxy_the_pbx_goes_out_directly(fabric: Fabric, tmp_path: Path) -> None:
    rig = Rig(fabric, tmp_path, Wish(proxy="none", users=0))
    try:
        shown = rig.after(1)
        assert (shown.link.state, shown.link.via, shown.proxy.used) == (LinkState.CONNECTED, "direct", False)
    finally:
        rig.installation.close()


def test_a_proxy_that_asks_for_an_account_comes_up_with_one_that_the_pbx_has(fabric: Fabric, tmp_path: Path) -> None:
    rig = Rig(fabric, tmp_path, Wish(proxy="authenticating", users=0))
    try:
        shown = rig.after(1)
        assert (shown.link.via, shown.proxy.account) == ("proxy", "oxo")
        rig.manual.oxo_omc("Web proxy", {"Password": "another"})
        assert rig.after(700).link.state is LinkState.TRYING
    finally:
        rig.installation.close()


def test_a_firewall_that_blocks_is_seen_at_the_pcg_and_so_is_one_that_opens(either: Rig) -> None:
    either.after(1)
    either.manual.firewall("deny-all", cut=True)
    shown = either.after(700)
    assert (shown.link.state, shown.firewall.policy) == (LinkState.TRYING, "deny-all")
    either.manual.firewall("permissive")
    assert either.after(1000).link.state is LinkState.CONNECTED


def test_rainbow_is_switched_by_omc_and_by_mmc(rig: Rig) -> None:
    rig.after(1)
    rig.manual.oxo_disable("mmc")
    assert rig.now().link.state is LinkState.DISABLED
    with pytest.raises(Refusal, match="disabled already"):
        rig.manual.oxo_disable("mmc")
    rig.manual.oxo_enable("omc")
    assert rig.after(1).link.state is LinkState.CONNECTED


def test_a_session_at_the_phone_lasts(rig: Rig) -> None:
    assert rig.manual.mmc_open().keys == ["OK"]
    assert rig.manual.mmc_type("kilo1987").display[1] == "Password: ********"
    for key in ("OK", "System", "Rainbow"):
        rig.manual.mmc_press(key)
    assert "disabled" in rig.manual.mmc_press("Choice").display[1]
    assert not rig.now().oxo.enabled
    for _ in range(3):
        left = rig.manual.mmc_press("Back")
    assert left.closed


@pytest.mark.vpn
def test_a_vpn_connection_is_opened_and_closed(either: Rig) -> None:
    either.after(1)
    either.manual.cloud_open("anna")
    tunnel = either.after(5).cloud.tunnel
    assert tunnel is not None
    assert tunnel.users == ["anna"]
    either.manual.cloud_close()
    assert either.after(5).cloud.tunnel is None


@pytest.mark.vpn
def test_who_shared_a_tunnel_that_has_ended_by_itself_does_not_share_the_next_one(rig: Rig) -> None:
    rig.after(1)
    for user in ("anna", "bob"):
        rig.installation.bench.cci.open(
            rig.installation.account, user, VPN_GATEWAY, rig.installation.bench.vpn_password, inactivity=60.0
        )
        tunnel = rig.after(5).cloud.tunnel
        assert tunnel is not None
        assert tunnel.users == [user]
        assert rig.after(3600).cloud.tunnel is None


def test_after_a_reset_in_rainbow_the_new_code_leads_to_a_link(rig: Rig) -> None:
    rig.after(1)
    code = rig.manual.rainbow_reset()
    assert rig.after(2000).link.state is LinkState.TRYING
    rig.manual.oxo_omc("rainbow", {"Activation code": code})
    assert rig.after(1).link.state is LinkState.CONNECTED


def test_sets_come_and_go(rig: Rig) -> None:
    rig.after(1)
    rig.manual.oxo_add_set("150", "Ada", "Lovelace", "8068s")
    assert "Ada Lovelace" in [device.name for device in rig.after(1).rainbow.devices]
    rig.manual.oxo_remove_set("150-primary")
    assert len(rig.after(1).rainbow.devices) == 3


@pytest.mark.vpn
@pytest.mark.parametrize("role", list(Role))
def test_a_node_that_dies_is_named_and_heals_while_the_others_go_on(either: Rig, role: Role) -> None:
    either.after(1)
    either.installation.bench.site.kill(role)
    states = either.states()
    assert states.pop(role.value) is NodeState.DEAD
    assert set(states.values()) == {NodeState.UP}
    assert len(either.manual.heal()) == 1
    assert set(either.states().values()) == {NodeState.UP}
    assert either.after(2000).link.state is LinkState.CONNECTED
    assert either.manual.heal() == []


@pytest.mark.docker
@pytest.mark.vpn
@pytest.mark.parametrize("role", [Role.OXO, Role.FIREWALL, Role.PCG])
def test_a_container_that_was_killed_is_made_anew(containers: Fabric, kept_folder: Path, role: Role) -> None:
    evidence = kept_folder / f"killed-{role.value}"
    evidence.mkdir()
    rig = Rig(containers, evidence, Wish(users=3), "docker")
    try:
        rig.after(1)
        container = rig.manual.shell(role.value)[-2]
        subprocess.run(["docker", "kill", container], check=True, capture_output=True, timeout=30)
        states = rig.states()
        assert states.pop(role.value) is NodeState.DEAD
        assert set(states.values()) == {NodeState.UP}
        assert rig.manual.heal() == [f"{role.value} was started again."]
        assert set(rig.states().values()) == {NodeState.UP}
        shown = rig.after(2000)
        assert (shown.link.state, len(shown.rainbow.devices)) == (LinkState.CONNECTED, 3)
        assert shown.cloud.connected
    finally:
        rig.installation.close()


@pytest.mark.docker
def test_a_site_whose_owner_was_killed_is_lost(containers: Fabric, kept_folder: Path) -> None:
    evidence = kept_folder / "owner"
    evidence.mkdir()
    rig = Rig(containers, evidence, Wish(users=0), "docker")
    try:
        owner = rig.manual.shell("oxo")[-2].removesuffix("oxo") + "owner"
        subprocess.run(["docker", "kill", owner], check=True, capture_output=True, timeout=30)
        with pytest.raises(FabricError, match="owner"):
            rig.manual.heal()
    finally:
        rig.installation.close()


def test_the_flows_of_a_proxy_that_died_are_kept(rig: Rig) -> None:
    rig.after(1)
    rig.installation.bench.site.kill(Role.PROXY)
    rig.manual.heal()
    assert (rig.installation.bench.evidence / "proxy-1.flows").exists()


def test_a_cloud_service_waits_for_a_pbx_without_power(rig: Rig) -> None:
    rig.after(1)
    rig.manual.oxo_power_off()
    rig.installation.bench.site.kill(Role.PCG)
    assert "switch the PBX on first" in rig.manual.heal()[0]
    rig.manual.oxo_restart()
    assert rig.manual.heal() == ["pcg was started again."]
    assert rig.after(60).link.state is LinkState.CONNECTED


def test_a_pbx_without_power_is_off_and_not_dead(rig: Rig) -> None:
    rig.manual.oxo_power_off()
    shown = rig.now()
    assert (shown.nodes[0].state, shown.link.state) == (NodeState.OFF, LinkState.DOWN)
    assert rig.manual.heal() == []
    rig.manual.oxo_restart()
    assert rig.after(30).link.state is LinkState.CONNECTED


def test_while_time_passes_the_bench_is_busy_and_looks(rig: Rig) -> None:
    rig.manual.time_advance(120)
    assert rig.busy == ["letting 2 min pass", None]
    assert rig.looks > 2


def test_time_passes_no_further_when_the_bench_is_to_end(rig: Rig) -> None:
    rig.looks_until = 3
    begun = rig.installation.bench.time.now()
    with pytest.raises(Refusal, match="about to end"):
        rig.manual.time_advance(7 * 24 * 3600)
    assert rig.installation.bench.time.now() - begun < 3600
    assert rig.busy[-1] is None


def test_a_capture_is_copied_and_never_over_a_file(rig: Rig, tmp_path: Path) -> None:
    saved = Path(rig.manual.capture_save(str(tmp_path / "mine.pcapng")))
    assert saved.stat().st_size > 1000
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    with pytest.raises(Refusal, match="is there already"):
        rig.manual.capture_save(str(saved))
    with pytest.raises(Refusal, match="No such file"):
        rig.manual.capture_save("/nowhere/mine.pcapng")


@pytest.mark.parametrize("capture", ["/nowhere/site.pcapng", "/proc/self/mem"])
def test_a_capture_that_cannot_be_read_leaves_no_copy(capture: str, tmp_path: Path) -> None:
    target = tmp_path / "mine.pcapng"
    with pytest.raises(Refusal, match="cannot be copied"):
        copy_capture(Path(capture), target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("verb", "parameters", "said"),
    [
        ("nothing", {}, "has no verb 'nothing'"),
        ("installation", {}, "has no verb"),
        ("firewall", {}, "missing a required argument: 'policy'"),
        ("firewall", {"policy": "x", "other": 1}, "unexpected keyword argument 'other'"),
        ("firewall", {"policy": 1}, "policy of the verb firewall cannot be 1"),
        ("firewall", {"policy": "permissive", "cut": "yes"}, "cut of the verb firewall"),
        ("firewall", {"policy": "none-such"}, "There is no firewall policy 'none-such'"),
        ("proxy", {"mode": "none-such"}, "there is no web proxy mode"),
        ("proxy", {"mode": "idle-cut", "idle": -1}, "must be more than 0"),
        ("proxy", {"mode": "authenticating"}, "needs account and password"),
        ("dns", {"mode": "x"}, "no DNS mode 'x'"),
        ("oxo_enable", {"way": "post"}, "by omc or mmc"),
        ("oxo_restart", {"kind": "hot"}, "warm, cold or by power"),
        ("oxo_page", {"page": "Cloud"}, "OMC has no page 'Cloud'"),
        ("rainbow_fault", {"kind": "x"}, "no fault 'x'"),
        ("rainbow_fault", {"kind": "close", "value": 5}, "needs a WebSocket close code"),
        ("rainbow_certificate", {"kind": "x"}, "no certificate 'x'"),
        ("time_advance", {"seconds": -1}, "0 to 604800 seconds"),
        ("time_advance", {"seconds": float("nan")}, "0 to 604800 seconds"),
        ("mmc_press", {"key": "OK"}, "no session is open"),
        ("shell", {"node": "fax"}, "no node 'fax'"),
        ("oxo_omc", {"page": "dns", "values": {"Primary": "nowhere"}}, "Primary: must be an IPv4 address"),
        ("oxo_omc", {"page": "dns", "values": ["Primary"]}, "values of the verb oxo_omc"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    shared_rig: Rig, verb: str, parameters: dict[str, object], said: str
) -> None:
    with pytest.raises((ValueError, AssertionError), match=said) as refused:
        call(shared_rig.manual, verb, parameters)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def shared_rig(fabric: Fabric, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One site for those who change nothing on it."""
    rig = Rig(fabric, tmp_path_factory.mktemp("shared"), Wish(users=0))
    yield rig
    rig.installation.close()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("90", 90), ("10s", 10), ("16min", 960), ("1h30min", 5400), ("1h 30m", 5400), ("0.5s", 0.5), ("2h", 7200)],
)
def test_durations_are_written_as_people_do(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "soon", "10 apples", "-5s", "1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="is no duration"):
        seconds(text)


@pytest.mark.parametrize(("span", "words"), [(0, "0 s"), (10, "10 s"), (960, "16 min"), (5400, "1 h 30 min")])
def test_durations_are_told_in_words(span: float, words: str) -> None:
    assert in_words(span) == words


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"policy": "x"}, "no firewall policy 'x'"),
        ({"proxy": "x"}, "no web proxy mode 'x'"),
        ({"users": 301}, "0 to 300 users"),
    ],
)
def test_a_site_that_cannot_be_is_not_begun(wish: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Wish(**wish)

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emulators.oxo.node import Oxo
from emulators.oxo.omc import Value
from emulators.rainbow.gateway import Gateway
from emulators.rainbow.pbx import Pbx
from node.remote import NodeGone, Remote
from tests.agent.rig import (
    CODE,
    DOMAIN,
    PBX_ID,
    PRIVATE_CA,
    addresses,
    authority,
    certificate,
    dns_server,
    run,
    until,
)

RAINBOW = "Cloud > Rainbow"
CONFIGURED = {"domain": DOMAIN, "pbx_id": PBX_ID, "activation_code": CODE}


def oxo(folder: Path, **settings: Any) -> Oxo:
    return Oxo(str(folder), authority(PRIVATE_CA).cert_pem.bytes().decode(), **settings)


@asynccontextmanager
async def pcg() -> AsyncIterator[tuple[Gateway, Pbx]]:
    gateway = Gateway("127.0.0.1", 0, [DOMAIN], certificate())
    pbx = gateway.create(PBX_ID, CODE)
    await gateway.start()
    try:
        yield gateway, pbx
    finally:
        await gateway.stop()


def test_a_pbx_is_put_into_service_by_omc_switched_by_mmc_and_restarted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pcg() as (gateway, pbx), dns_server(addresses("127.0.0.1")) as server:
            parameters = {"port": gateway.port, "dns_port": server.port}
            here = oxo(tmp_path, settings={"dns": {"primary": "127.0.0.1"}}, parameters=parameters)
            await here.start()
            assert here.display().status == "Disabled"
            values: dict[str, Value] = {
                "Rainbow enabled": True,
                "Domain": DOMAIN,
                "PBX ID": PBX_ID,
                "Activation code": CODE,
            }
            assert here.omc_edit(RAINBOW, values, "Cancel") == []
            assert here.display().status == "Disabled"
            assert set(here.omc_edit(RAINBOW, values)) == set(values)
            await until(lambda: pbx.devices.retrievals == 1)
            assert here.omc_page(RAINBOW)["Connection status"] == "Connected with final password"
            assert here.display().channels == ["conf", "csta", "http"]
            shown = here.mmc("kilo1987", ["System", "Rainbow", "Choice"])
            assert "CCCtrlA: disabled" in shown[-1]
            await until(lambda: not pbx.connected)
            here.mmc("kilo1987", ["System", "Rainbow", "Choice"])
            await until(lambda: pbx.devices.retrievals == 2)
            assert len(here.sets()) == len(pbx.devices.devices) == 10
            await here.stop()
            await until(lambda: pbx.sessions[-1].close_code == 1000)
            again = oxo(tmp_path, parameters=parameters)
            await again.start()
            await until(lambda: pbx.devices.retrievals == 3)
            assert pbx.sessions[-1].logged_in_with == "private code"
            again.rename_set(again.sets()[0].id, "Grace", "Hopper")
            await until(lambda: pbx.devices.devices[0].last_name == "Hopper")
            again.add_set("late", "180", "Ada", "Lovelace", again.sets()[0].family)
            again.remove_set(again.sets()[0].id)
            await until(lambda: {d.id for d in pbx.devices.devices} == {s.id for s in again.sets()})
            await again.stop()

    run(scenario())


@pytest.mark.parametrize("keeps", [True, False])
def test_a_cold_reset_keeps_the_network_and_perhaps_rainbow(tmp_path: Path, keeps: bool) -> None:
    async def scenario() -> None:
        here = oxo(tmp_path, settings={"rainbow": CONFIGURED, "dns": {"primary": "127.0.0.1"}})
        await here.start()
        here.remove_set(here.sets()[0].id)
        await here.stop()
        cold = oxo(tmp_path, cold_keeps_rainbow=keeps)
        await cold.start()
        assert len(cold.sets()) == 9
        cold.cold_reset()
        await cold.stop()
        after = oxo(tmp_path)
        await after.start()
        assert len(after.sets()) == 10
        assert after.omc_page("Hardware and Limits > LAN / IP Configuration > DNS")["Primary"] == "127.0.0.1"
        assert after.omc_page(RAINBOW)["PBX ID"] == (PBX_ID if keeps else "")
        await after.stop()

    run(scenario())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"settings": {"proxy": {}}}, "the PBX has no settings 'proxy'"),
        ({"settings": {"dns": {"third": "192.0.2.1"}}}, "hold a field that does not exist"),
        ({"settings": {"dns": {"primary": "nowhere"}}}, "Primary: must be an IPv4 address"),
        ({"catalogue": {"user": 3}}, "the catalogue of a PBX is made from"),
        ({"catalogue": {"users": 3000}}, "300"),
        ({"parameters": {"ports": 443}}, "there is no agent parameter 'ports'"),
        ({"parameters": {"retry_ladder": []}}, "retry_ladder: needs at least one delay"),
        ({"parameters": {"keepalive_interval": 120}}, "keepalive_interval: must be less"),
        ({"parameters": {"attempt_timeout": 0}}, "attempt_timeout: must be more than 0 s"),
        ({"parameters": {"path": "x"}}, "path: must begin with '/'"),
        ({"parameters": {"mechanisms": []}}, "mechanisms: needs at least one"),
        ({"parameters": {"mechanisms": ["MD5"]}}, "MD5"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        oxo(tmp_path, **settings)
    assert "\n" not in str(refused.value)


def test_bad_hands_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        here = oxo(tmp_path)
        with pytest.raises(ValueError, match="not powered up"):
            here.display()
        await here.start()
        with pytest.raises(ValueError, match="OMC has no page 'Cloud'"):
            here.omc_page("Cloud")
        with pytest.raises(ValueError, match="the buttons OK and Cancel, not 'Apply'"):
            here.omc_edit(RAINBOW, {}, "Apply")
        with pytest.raises(ValueError, match="PBX ID"):
            here.omc_edit(RAINBOW, {"PBX ID": "12"})
        with pytest.raises(ValueError, match="no key"):
            here.mmc("wrong", ["System"])
        await here.stop()

    run(scenario())


def test_parameters_are_read_from_json(tmp_path: Path) -> None:
    async def scenario() -> None:
        parameters = {"retry_ladder": [1, 2], "delay_from": "start", "channels": ["conf"], "mechanisms": ["PLAIN"]}
        here = oxo(tmp_path, parameters=parameters)
        await here.start()
        await here.stop()

    run(scenario())


CHILD = """
import socket, sys
from node.program import ProgramSpec, run
control = socket.socket(fileno=int(sys.argv[1]))
settings = {"folder": sys.argv[2], "ca": sys.stdin.read(), "settings": {"rainbow": {"pbx_id": sys.argv[3]}}}
run(ProgramSpec("emulators.oxo.node:Oxo", settings), control)
"""


@pytest.mark.parametrize("armed", [None, 0, 40, 100_000])
def test_a_power_cut_ends_the_process_and_loses_no_setting(tmp_path: Path, armed: int | None) -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", CHILD, str(theirs.fileno()), str(tmp_path / "flash"), PBX_ID]
    with ours, theirs:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()], cwd=os.getcwd())
        assert child.stdin is not None
        with child.stdin as stdin:
            stdin.write(authority(PRIVATE_CA).cert_pem.bytes())
        theirs.close()
        try:
            pbx = Remote("oxo", ours)
            pbx.event({"ready"}, within=30)
            if armed is not None:
                pbx.ask("arm_power_cut", bytes=armed)
            edit = {"page": RAINBOW, "values": {"Domain": "other.test"}}
            last: tuple[str, dict[str, Any]] = ("power_cut", {}) if armed is None else ("omc_edit", edit)
            with pytest.raises(NodeGone):
                pbx.ask(last[0], **last[1])
            assert child.wait(timeout=10) == -signal.SIGKILL
        finally:
            child.kill()
            child.wait(timeout=10)

    async def scenario() -> None:
        again = oxo(tmp_path / "flash")
        await again.start()
        page = again.omc_page(RAINBOW)
        assert page["PBX ID"] == PBX_ID
        assert page["Domain"] in ({"openrainbow.com"} if armed in (None, 0, 40) else {"other.test"})
        await again.stop()

    run(scenario())

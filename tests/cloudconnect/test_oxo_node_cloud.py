"""The whole PBX with both of its links, steered as the bench does: by OMC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulators.cci.account import CredentialKind, Outcome
from emulators.cloudconnect.failure import FailureCode
from emulators.cloudconnect.requests import OpenRequest
from emulators.oxo.node import Oxo
from emulators.oxo.omc import Value
from tests.agent.rig import (
    CODE,
    DOMAIN,
    PBX_ID,
    PRIVATE_CA,
    Proxy,
    addresses,
    authority,
    dns_server,
    run,
    until,
    web_proxy,
)
from tests.agent.test_oxo_node import pcg
from tests.cloudconnect.cco_rig import ACCOUNT, GATEWAY, ONCE, SERVICE, service

CLOUD_CONNECT = "Cloud > Cloud Connect Operation"
WEB_PROXY = "Hardware and Limits > LAN / IP Configuration > Web proxy"
ACTIVATION: dict[str, Value] = {
    "Cloud Connect enabled": True,
    "Activation account": ACCOUNT,
    "Activation password": ONCE,
}


def oxo(folder: Path, **settings: Any) -> Oxo:
    return Oxo(str(folder), authority(PRIVATE_CA).cert_pem.bytes().decode(), **settings)


def test_cloud_connect_is_put_into_service_by_omc_and_survives_a_cold_reset(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with service() as (door, account), dns_server(addresses("127.0.0.1")) as server:
            parameters = {"port": door.port, "dns_port": server.port}
            here = oxo(tmp_path, settings={"dns": {"primary": "127.0.0.1"}}, cloud_connect_parameters=parameters)
            await here.start()
            assert here.cloud_connect_status() == "Disabled"
            assert set(here.omc_edit(CLOUD_CONNECT, ACTIVATION)) == set(ACTIVATION)
            await until(lambda: here.cloud_connect_status() == "Connected with final credentials")
            assert here.omc_page(CLOUD_CONNECT) == {
                "Cloud Connect enabled": True,
                "Connection service": SERVICE,
                "Activation account": ACCOUNT,
                "Activation password": "********",
                "Connection status": "Connected with final credentials",
                "History": "",
            }
            asked = door.request_open(ACCOUNT, OpenRequest("ACME", GATEWAY))
            await until(lambda: asked.answered)
            assert (asked.outcome, asked.failure) == (Outcome.FAILED, FailureCode.TUNNEL_UNAVAILABLE)
            assert here.history() == []
            here.cold_reset()
            await here.stop()
            assert account.sessions[-1].close_code == 1000
            again = oxo(tmp_path, cloud_connect_parameters=parameters)
            await again.start()
            await until(lambda: len(account.sessions) == 2)
            assert account.sessions[-1].logged_in_with == CredentialKind.FINAL
            await again.stop()

    run(scenario())


def test_both_links_use_the_same_web_proxy_and_a_change_moves_both(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            pcg() as (gateway, pbx),
            service() as (door, account),
            web_proxy(gateway.port) as to_pcg,
            web_proxy(door.port) as to_cci,
            dns_server(addresses("127.0.0.1")) as server,
        ):
            here = oxo(
                tmp_path,
                settings={
                    "dns": {"primary": "127.0.0.1"},
                    "rainbow": {"enabled": True, "domain": DOMAIN, "pbx_id": PBX_ID, "activation_code": CODE},
                    "cloud_connect": {"enabled": True, "account": ACCOUNT, "one_time_password": ONCE},
                },
                parameters={"port": gateway.port, "dns_port": server.port},
                cloud_connect_parameters={"port": door.port, "dns_port": server.port},
            )
            wanted = {f"agent.{DOMAIN}:{gateway.port}", f"{SERVICE}:{door.port}"}
            await here.start()
            await until(lambda: pbx.connected and account.connected)
            # Each of these proxies leads to one of the two places, whatever it is asked for.
            here.omc_edit(WEB_PROXY, {"Host name or address": "127.0.0.1", "Port": to_pcg.port})
            await until(lambda: called(to_pcg) == wanted and pbx.connected)
            here.omc_edit(WEB_PROXY, {"Port": to_cci.port})
            await until(lambda: called(to_cci) == wanted and account.connected)
            here.omc_edit(WEB_PROXY, {"Host name or address": ""})
            await until(lambda: pbx.connected and account.connected)
            seen = len(to_pcg.requests), len(to_cci.requests), len(pbx.sessions)
            here.omc_edit(CLOUD_CONNECT, {"Cloud Connect enabled": False})
            await until(lambda: here.cloud_connect_status() == "Disabled")
            assert (len(to_pcg.requests), len(to_cci.requests), len(pbx.sessions)) == seen
            assert pbx.connected
            await here.stop()

    run(scenario())


def called(proxy: Proxy) -> set[str]:
    """What the proxy was asked for."""
    return {request.split()[1] for request in proxy.requests}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"settings": {"cloud_connect": {"hosts": "x"}}}, "hold a field that does not exist"),
        ({"cloud_connect_parameters": {"ports": 443}}, "there is no connection agent parameter 'ports'"),
        ({"cloud_connect_parameters": {"keepalive_interval": 180.0}}, "connection agent parameter keepalive_interval"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        oxo(tmp_path, **settings)

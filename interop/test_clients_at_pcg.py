"""Standard XMPP-over-WebSocket clients that are not the bench's own at the PCG, over a real WebSocket and TLS."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from emulators.pbxagent.identity import user_name
from emulators.rainbow.gateway import Gateway
from emulators.rainbow.parameters import GatewayParameters
from emulators.rainbow.pbx import CodeKind
from emulators.xmpp.sasl import Mechanism
from tests.agent.rig import CODE, DOMAIN, HOST, PBX_ID, PRIVATE_CA, authority, certificate, run, until

FOLDER = Path(__file__).parent
WITHIN = 30.0
"""Seconds of real time that a client may take."""

CLIENTS = [
    ("xmpp.js", Mechanism.PLAIN),
    ("xmpp.js", Mechanism.SCRAM_SHA_1),
    ("strophe", Mechanism.PLAIN),
    ("strophe", Mechanism.SCRAM_SHA_1),
    ("strophe", Mechanism.SCRAM_SHA_256),
]


@asynccontextmanager
async def pcg(mechanism: Mechanism) -> AsyncIterator[Gateway]:
    """A PCG that offers one SASL mechanism and knows one PBX."""
    gateway = Gateway("127.0.0.1", 0, [DOMAIN], certificate(), GatewayParameters(mechanisms=(mechanism,)))
    gateway.create(PBX_ID, CODE)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def node_program() -> str:
    """Where Node.js is; fails when it, or what the clients need, is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node.js is not installed: install Node.js 20.10 or newer, and npm.", pytrace=False)
    process = await asyncio.create_subprocess_exec(node, "--version", stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    version = printed.decode().strip()
    if tuple(int(number) for number in version.removeprefix("v").split(".")[:2]) < (20, 10):
        pytest.fail(f"Node.js is {version}: install 20.10 or newer.", pytrace=False)
    if not (FOLDER / "node_modules").is_dir():
        pytest.fail(f"The clients are not installed: run `npm ci` in {FOLDER}.", pytrace=False)
    return node


async def session(folder: Path, gateway: Gateway, library: str, mechanism: Mechanism, password: str) -> dict[str, Any]:
    """What a client reports of its session."""
    node = await node_program()
    ca = folder / "ca.pem"
    ca.write_bytes(authority(PRIVATE_CA).cert_pem.bytes())
    process = await asyncio.create_subprocess_exec(
        node,
        str(FOLDER / "client.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(ca)},
    )
    order = {
        "library": library,
        "url": f"wss://{HOST}:{gateway.port}/",
        "domain": DOMAIN,
        "username": user_name(PBX_ID),
        "password": password,
        "resource": "interop",
        "mechanism": mechanism.value,
    }
    try:
        async with asyncio.timeout(WITHIN):
            printed, errors = await process.communicate(json.dumps(order).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    result: dict[str, Any] = json.loads(printed)
    return result


@pytest.mark.parametrize(("library", "mechanism"), CLIENTS)
def test_client_logs_in_pings_and_closes_in_order(tmp_path: Path, library: str, mechanism: Mechanism) -> None:
    async def scenario() -> None:
        async with pcg(mechanism) as gateway:
            result = await session(tmp_path, gateway, library, mechanism, CODE)
            assert result["jid"] == f"{user_name(PBX_ID)}@{DOMAIN}/interop"
            assert result["pong"] == "result"
            assert {"urn:xmpp:ping", "http://jabber.org/protocol/disco#info"} <= set(result["features"])
            await until(lambda: not gateway.pbx(PBX_ID).connected)
            record = gateway.pbx(PBX_ID).record()
            assert [seen.logged_in_with for seen in record.sessions] == [CodeKind.ACTIVATION_CODE]
            assert record.sessions[0].ended_by == "the peer"

    run(scenario())


@pytest.mark.parametrize(("library", "mechanism"), CLIENTS)
def test_client_with_a_wrong_code_is_refused(tmp_path: Path, library: str, mechanism: Mechanism) -> None:
    async def scenario() -> None:
        async with pcg(mechanism) as gateway:
            result = await session(tmp_path, gateway, library, mechanism, "1234")
            assert result == {"refused": "not-authorized" if library == "xmpp.js" else None}
            await until(lambda: gateway.pbx(PBX_ID).record().refused_logins == 1)
            assert gateway.pbx(PBX_ID).record().sessions == []

    run(scenario())

"""A real Prosody (https://prosody.im) as a test's own process: XMPP over WebSocket, over TLS, on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_READY_WITHIN = 20.0
_STOPPED_WITHIN = 10.0

_CONFIGURATION = """\
daemonize = false
run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{folder}/prosody.log" }} }}
modules_enabled = {{ "saslauth"; "disco"; "ping"; "websocket" }}
modules_disabled = {{ "s2s"; "offline" }}
c2s_ports = {{}}
c2s_direct_tls_ports = {{}}
http_ports = {{}}
https_ports = {{ {port} }}
https_interfaces = {{ "127.0.0.1" }}
https_ssl = {{ certificate = "{folder}/chain.pem"; key = "{folder}/key.pem" }}
authentication = "internal_plain"
disable_sasl_mechanisms = {{ {without} }}
VirtualHost "{domain}"
    http_host = "agent.{domain}"
"""

MECHANISMS = ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256")
"""What Prosody 0.12 offers for accounts with plain passwords, channel binding aside."""


@dataclass(frozen=True)
class Prosody:
    """A server that runs; its WebSocket is at `wss://agent.<domain>:<port>/xmpp-websocket`."""

    port: int
    folder: Path

    def has_answered(self, request: str) -> bool:
        """Whether it has sent the result of the request with this id."""
        return any(
            f" id='{request}'" in line and " type='result'" in line and "Sending[c2s]" in line
            for line in self.log().splitlines()
        )

    def log(self) -> str:
        """What it has logged until now, everything down to debug."""
        return (self.folder / "prosody.log").read_text()


@contextlib.contextmanager
def prosody(
    folder: Path, domain: str, certificate: Sequence[str], account: tuple[str, str], mechanism: str
) -> Iterator[Prosody]:
    """Runs Prosody with one account (user name and password) that offers this one SASL mechanism.

    `certificate` is a private key and a chain in PEM.
    """
    program = shutil.which("prosody")
    if program is None:
        pytest.fail("Prosody is not installed: install the package prosody.", pytrace=False)
    key, chain = certificate
    (folder / "key.pem").write_text(key)
    (folder / "chain.pem").write_text(chain)
    user, password = account
    accounts = folder / "data" / _encoded(domain) / "accounts"
    accounts.mkdir(parents=True)
    (accounts / f"{_encoded(user)}.dat").write_text(f'return {{ ["password"] = "{password}" }};\n')
    server = Prosody(_free_port(), folder)
    without = "; ".join(f'"{name}"; "{name}-PLUS"' for name in MECHANISMS if name != mechanism)
    configuration = folder / "prosody.cfg.lua"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=server.port, domain=domain, without=without), encoding="utf-8"
    )
    with subprocess.Popen(
        [program, "--config", str(configuration), "-F"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(folder)},
    ) as process:
        try:
            _wait_until_it_listens(server, process)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_it_listens(server: Prosody, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.stdout.read() if process.stdout else ""
            pytest.fail(f"Prosody ended at once: {said}", pytrace=False)
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.port), 1):
            return
        time.sleep(0.02)
    pytest.fail(f"Prosody did not listen within {_READY_WITHIN:g} s; see {server.folder}/prosody.log", pytrace=False)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _encoded(name: str) -> str:
    """As Prosody names its files: everything but letters and digits as % and two hex digits."""
    return "".join(c if c.isascii() and c.isalnum() else f"%{ord(c):02x}" for c in name)

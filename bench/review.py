"""`oxobench review`: mitmweb on flows that a run has saved, with what makes them readable."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.exceptions import FlowReadException
from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader
from mitmproxy.options import Options

from proxies.mitmweb import MitmwebMaster

SHOWN = 10_000
"""So many flows are shown at most, the latest ones."""


class ReviewRefused(ValueError):
    """There is nothing to be reviewed. The text is one sentence for the user."""


def review(path: Path, port: int = 0) -> int:
    """Serves mitmweb on this machine's loopback until Ctrl-C, and prints where; port 0 is any free one.

    `path` is a file of flows, or the folder of a scenario or of a whole run. The exit code is 0, or 2 with one sentence
    when there is nothing to be shown or the port cannot be had.
    """
    try:
        flows = _read_all(path)
        with socket.socket() as sock:
            _bind(sock, port)
            asyncio.run(_serve(flows, sock))
    except ReviewRefused as refused:
        print(f"oxobench: {refused}", file=sys.stderr)
        return 2
    return 0


async def _serve(flows: list[Flow], sock: socket.socket) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    options = Options()
    master = MitmwebMaster(options, SHOWN)
    proxyserver = Proxyserver()
    master.addons.add(proxyserver)
    master.add_page(proxyserver)
    options.update(server=False)
    await master.running()
    master.view.add(flows)
    token = secrets.token_urlsafe(24)
    master.serve(sock, token)
    print(f"{len(flows)} flows: http://127.0.0.1:{sock.getsockname()[1]}/?token={token}", flush=True)
    print("Ctrl-C ends it.", flush=True)
    await over.wait()
    await master.done()


def _bind(sock: socket.socket, port: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", port))
        sock.listen()
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise ReviewRefused(f"mitmweb cannot be served on 127.0.0.1:{port}: {reason}. Choose another port.") from None


def _read_all(path: Path) -> list[Flow]:
    """The flows of a file, or of all files of a folder, in the order of their time. Raises ReviewRefused."""
    files = [path] if path.is_file() else sorted([*path.glob("*.flows"), *path.glob("*/*.flows")])
    if not files:
        what = "has no saved flows in it or in the folders of its scenarios" if path.is_dir() else "does not exist"
        raise ReviewRefused(f"{path} {what}: name a file proxy.flows, or the folder of a scenario or a run.")
    scenarios = {file.parent for file in files}
    flows = []
    for file in files:
        for flow in _read(file):
            if len(scenarios) > 1:
                flow.comment = f"{file.parent.name}: {flow.comment}"
            flows.append(flow)
    if not flows:
        raise ReviewRefused(f"{path} has no flows: nothing went through the web proxy.")
    return sorted(flows, key=lambda flow: flow.timestamp_created)[-SHOWN:]


def _read(file: Path) -> Iterator[Flow]:
    try:
        with file.open("rb") as stream:
            count = 0
            try:
                for flow in FlowReader(stream).stream():
                    count += 1
                    yield flow
            except FlowReadException as error:
                if count == 0:
                    raise ReviewRefused(f"{file} is no file of flows, or is damaged: {error}") from None
                print(f"{file} is damaged behind its flow {count}; what comes before is shown.", file=sys.stderr)
    except OSError as error:
        raise ReviewRefused(f"{file} cannot be read: {error.strerror}") from None

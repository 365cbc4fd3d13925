"""The process of `oxobench up`: brings the site up, keeps it, serves its page and its commands, takes it down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
from aiohttp import web

from bench.bench import BenchOptions
from bench.evidence import artifacts_folder, new_run_folder
from bench.manual.desk import Desk, DeskControl
from bench.manual.forwarder import Forwarder
from bench.manual.installation import Installation
from bench.manual.place import Place
from bench.manual.upstart import Running, Upstart
from bench.manual.web import make_app
from network.fabric import Fabric, FabricError
from node.control import Control
from node.remote import NodeError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_INTERRUPTED = 130
"""The exit code of what was ended before it was done, as shells have it."""

MITMWEB_SOCKET = "mitmweb"
"""The name of mitmweb's socket, in the folder of the bench."""

BUILT_WITHIN = 5.0
"""Seconds for which a site that is coming up is waited for, so that it can be taken down in order, when the bench is to
end before that."""


class Daemon:
    """One manual bench, from coming up to going down. It holds the place that it is given."""

    def __init__(self, place: Place, upstart: Upstart) -> None:
        self._place = place
        self._upstart = upstart
        self._over = asyncio.Event()

    async def run(self, up: Callable[[Running], None]) -> str | None:
        """Brings the bench up, tells where it is, and serves until it is told to end, by a command or a signal; a
        second signal kills it. Returns why the site was lost, None when it ended in order. Raises FabricError,
        NodeError, PolicyRefused, OSError when it cannot come up."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled)
        over = asyncio.create_task(self._over.wait())
        token = secrets.token_urlsafe(24)
        evidence = new_run_folder(artifacts_folder())
        evidence.mkdir(parents=True, mode=0o700)
        async with contextlib.AsyncExitStack() as stack:
            thread = stack.enter_context(ThreadPoolExecutor(1, "bench"))
            # Both doors are opened first: a port that is taken must not cost the time to build a site.
            sock = stack.enter_context(_bound(self._upstart.listen, self._upstart.port))
            mitmweb = Forwarder(self._place.folder / MITMWEB_SOCKET)
            await mitmweb.start(self._upstart.listen, self._upstart.mitmweb_port)
            stack.push_async_callback(mitmweb.stop)
            port = sock.getsockname()[1]
            mitmweb_url = f"http://127.0.0.1:{mitmweb.port}/?token={token}"
            installing = loop.run_in_executor(thread, self._install, evidence, token)
            await self._built(installing, over)
            try:
                fabric, installation = installing.result()
            except (FabricError, NodeError, OSError):
                if self._over.is_set():
                    # Nobody wants the site any more.
                    return None
                raise
            stack.push_async_callback(self._close, thread, fabric, installation)
            if self._over.is_set():
                return None
            desk = Desk(thread, installation, self._upstart.fabric, mitmweb_url, self._over.is_set)
            await desk.look()
            await self._serve_page(stack, desk, sock, token, port)
            running = Running(f"http://127.0.0.1:{port}/?token={token}", mitmweb_url, evidence)
            await self._serve_commands(stack, DeskControl(desk, running, self._over.set))
            looking = asyncio.create_task(desk.look_on())
            up(running)
            await asyncio.wait({looking, over}, return_when=asyncio.FIRST_COMPLETED)
            self._over.set()
            if looking.done():
                # Only a defect ends it: a page that shows nothing new any more would hide that.
                looking.result()
            looking.cancel()
            await asyncio.wait({looking})
            return desk.gone

    def _signalled(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self._over.set()

    async def _built(self, installing: asyncio.Future[Any], over: asyncio.Future[Any]) -> None:
        """Waits until the site is built, or could not be. Ends this process when the bench is to end before that: a
        thread that builds, perhaps an image for minutes, cannot be stopped. What it has made ends with the process."""
        await asyncio.wait({installing, over}, return_when=asyncio.FIRST_COMPLETED)
        if not installing.done():
            await asyncio.wait({installing}, timeout=BUILT_WITHIN)
        if not installing.done():
            click.echo("oxobench: ended before the site was up", err=True)
            os._exit(_INTERRUPTED)

    def _install(self, evidence: Path, token: str) -> tuple[Fabric, Installation]:
        fabric = self._upstart.make_fabric()
        try:
            mitmweb = {"socket": str(self._place.folder / MITMWEB_SOCKET), "token": token}
            return fabric, Installation(
                fabric, evidence, BenchOptions(mitmweb=mitmweb), self._upstart.wish, self._upstart.fabric
            )
        except BaseException:
            fabric.close()
            raise

    async def _close(self, thread: ThreadPoolExecutor, fabric: Fabric, installation: Installation) -> None:
        def close() -> None:
            try:
                installation.close()
            finally:
                fabric.close()

        await asyncio.get_running_loop().run_in_executor(thread, close)

    async def _serve_page(
        self, stack: contextlib.AsyncExitStack, desk: Desk, sock: socket.socket, token: str, port: int
    ) -> None:
        runner = web.AppRunner(make_app(desk, token, port), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, sock).start()

    async def _serve_commands(self, stack: contextlib.AsyncExitStack, commands: DeskControl) -> None:
        listener = self._place.listen()
        listener.setblocking(False)
        stack.callback(self._place.leave)
        server = asyncio.create_task(_accept(listener, commands))
        stack.push_async_callback(_cancelled, server)


async def _accept(listener: socket.socket, commands: DeskControl) -> None:
    """Serves whoever connects to the control socket, each on its own, until it is cancelled."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as clients:
        with listener:
            while True:
                sock, _ = await loop.sock_accept(listener)
                clients.create_task(_serve_client(sock, commands))


async def _serve_client(sock: socket.socket, commands: DeskControl) -> None:
    control = Control(sock)
    try:
        await control.serve(await control.open(), commands)
    except (ValueError, ConnectionError):
        # It sent garbage, or left before its answer.
        return
    finally:
        control.close()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _bound(address: str, port: int) -> socket.socket:
    """A TCP socket for the page. Raises OSError that says which port cannot be had."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise OSError(f"The page cannot be served at {address}:{port}: {error.strerror}.") from error
    return sock

"""Brings the manual bench of a checkout up in this process, or heals the one that is up; and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import click

from bench.manual.place import NotRunning, Place
from bench.manual.upstart import Running, Upstart
from network.fabric import FabricError
from node.remote import NodeError, NodeGone

_OVER_WITHIN = 60.0
"""Seconds in which a bench that is told to end has closed its commands."""


class Refused(Exception):
    """What the user asked for cannot be. One sentence."""


def keep(place: Place, upstart: Upstart, told: Callable[[], None] = lambda: None) -> None:
    """Brings the bench up and keeps it until it is told to end; one that is up is healed, or replaced if its site is
    lost. `told` is called when it is up. Raises Refused."""
    with place.taken() as taken:
        if taken:
            _run(place, upstart, told)
            return
    if _heal(place):
        return
    with place.taken(wait=True):
        _run(place, upstart, told)


def _run(place: Place, upstart: Upstart, told: Callable[[], None]) -> None:
    click.echo("oxobench: bringing the site up ...")
    begun = time.monotonic()

    # What only the process of the bench needs takes long to import.
    from bench.manual.daemon import Daemon

    def is_up(running: Running) -> None:
        click.echo(f"oxobench: the site is up, after {time.monotonic() - begun:.1f} s")
        for line in running.lines():
            click.echo(line)
        click.echo("Ctrl-C or `./oxobench down` ends it.")
        sys.stdout.flush()
        told()

    async def whole() -> str | None:
        return await Daemon(place, upstart).run(is_up)

    try:
        lost = asyncio.run(whole())
    except (FabricError, NodeError, ValueError, OSError) as error:
        raise Refused(str(error)) from error
    if lost is not None:
        raise Refused(f"The site was lost: {lost}")
    click.echo("oxobench: the site is down")


def _heal(place: Place) -> bool:
    """Has the bench that is up heal; False when its site is lost, and it was told to end. Raises Refused when another
    one can't take its place."""
    fabric = ""
    try:
        fabric = place.status()["fabric"]
        for sentence in place.call("heal"):
            click.echo(f"oxobench: {sentence}")
    except (ValueError, NodeError) as error:
        if fabric == "compose":
            raise Refused(
                f"The site of docker-compose.yml is lost ({error}): "
                "`docker compose down` and `docker compose up -d` make a new one."
            ) from error
        click.echo(f"oxobench: the site that was up is lost ({error}); a new one takes its place", err=True)
        with contextlib.suppress(NotRunning):
            end(place)
        return False
    click.echo("oxobench: the site is up")
    for line in place.where().lines():
        click.echo(line)
    return True


def end(place: Place) -> None:
    """Tells the bench that is up to end, and waits until it has. Raises NotRunning."""
    remote = place.connect()
    try:
        remote.ask("down")
        # It closes its commands when it ends, and says nothing more before that.
        remote.event(set(), within=_OVER_WITHIN)
    except NodeGone:
        pass
    finally:
        remote.close()
    with place.taken(wait=True):
        return


def detach(place: Place) -> Callable[[], None]:
    """Goes on in a process of its own, whose output goes to up.log in the bench's folder. The caller's process waits
    until what is returned here is called there, or that process ends; then it repeats the output, and exits."""
    with place.log() as log:
        heard, told = os.pipe()
        child = os.fork()
        if child:
            os.close(told)
            _wait_for(child, heard, log.fileno())
        os.close(heard)
        os.setsid()
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        return lambda: os.close(told)


def _wait_for(child: int, heard: int, log: int) -> NoReturn:
    os.read(heard, 1)
    sys.stdout.write(os.pread(log, 1 << 16, 0).decode())
    sys.stdout.flush()
    ended, status = os.waitpid(child, os.WNOHANG)
    os._exit(os.waitstatus_to_exitcode(status) if ended else 0)

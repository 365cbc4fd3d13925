"""Brings the manual bench of a checkout up in this process, or heals the one that is up; and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import click

from bench.manual.place import Busy, NotMine, NotRunning, Place
from bench.manual.upstart import Running, Upstart
from network.fabric import FabricError
from node.remote import NodeError, NodeGone, NodeSilent

_UP_WITHIN = 600.0
"""Seconds in which another `up` has brought its site up: the image for it may have to be built first."""
_OVER_WITHIN = 60.0
"""Seconds in which a bench that is told to end has closed its commands, and then has taken its site away."""
_ASK_EVERY = 0.2
"""Seconds between two looks at a bench that is coming up or going down, which says nothing by itself."""
_NOT_UP = 2
"""The exit code of `up --detach` when the bench was told to end before it was up."""


class Refused(Exception):
    """What the user asked for cannot be. One sentence."""


def keep(place: Place, upstart: Upstart, detached: bool = False) -> None:
    """Brings the bench up and keeps it until it is told to end, or if `detached` lets a process of its own keep it; one
    that is up is healed, or replaced if its site is lost. Raises Refused."""
    waiting_since: float | None = None
    while True:
        try:
            with place.taken() as taken:
                if taken:
                    _run(place, upstart, _detach(place) if detached else lambda: None)
                    return
            place.connect().close()
        except NotMine as error:
            raise Refused(str(error)) from error
        except NotRunning:
            if waiting_since is None:
                waiting_since = time.monotonic()
                click.echo("oxobench: another bench is coming up or going down here; waiting for it ...")
            elif time.monotonic() - waiting_since > _UP_WITHIN:
                raise Refused(f"The other bench is neither up nor down after {_UP_WITHIN:g} s: end it first.") from None
            time.sleep(_ASK_EVERY)
        else:
            if _heal(place):
                return


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
    """Has the bench that is up heal; False when its site is lost, and it was told to end. Raises Refused when it cannot
    heal, or another one can't take its place."""
    try:
        snapshot = place.status()
        if snapshot["busy"] is not None:
            raise Busy(f"The bench that is up is busy ({snapshot['busy']}): try again later, or end it first.")
        why = _healed(place)
        if why is None:
            click.echo("oxobench: the site is up")
            for line in place.where().lines():
                click.echo(line)
            return True
        if snapshot["fabric"] == "compose":
            raise Refused(
                f"The site of docker-compose.yml is lost ({why}): "
                "`docker compose down` and `docker compose up -d` make a new one."
            )
        click.echo(f"oxobench: the site that was up is lost ({why}); a new one takes its place", err=True)
        with contextlib.suppress(NotRunning):
            end(place)
    except (ValueError, NodeError) as error:
        raise Refused(str(error)) from error
    return False


def _healed(place: Place) -> str | None:
    """Has the bench heal; why not, when that is because its site itself is gone. Raises what Place does."""
    try:
        for sentence in place.call("heal"):
            click.echo(f"oxobench: {sentence}")
    except (NotRunning, Busy):
        raise
    except (ValueError, NodeError):
        if (why := place.gone()) is not None:
            return why
        raise
    return None


def end(place: Place) -> None:
    """Tells the bench that is up to end, and waits until it has. Raises NotRunning, NotMine, Busy, NodeError."""
    remote = place.connect()
    try:
        remote.ask("down")
        # It closes its commands when it ends, and says nothing more before that.
        remote.event(set(), within=_OVER_WITHIN)
    except NodeGone:
        pass
    except NodeSilent:
        raise Busy("The manual bench does not heed that it is to end; it may be busy.") from None
    finally:
        remote.close()
    deadline = time.monotonic() + _OVER_WITHIN
    while place.held():
        if time.monotonic() > deadline:
            raise Busy(f"The manual bench has not ended within {_OVER_WITHIN:g} s.")
        time.sleep(_ASK_EVERY)


def _detach(place: Place) -> Callable[[], None]:
    """Goes on in a process of its own, which has the place, and whose output goes to up.log in its folder. The caller's
    process waits until what is returned here is called there, or that process ends; then it repeats the output, and
    exits."""
    with place.log() as log:
        heard, told = os.pipe()
        # What Python itself does in a fork would swallow a Ctrl-C.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        child = os.fork()
        if child:
            os.close(told)
            _wait_for(child, heard, log.fileno())
        os.close(heard)
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
    return lambda: _tell(told)


def _tell(told: int) -> None:
    # The process that waited may be gone.
    with contextlib.suppress(BrokenPipeError):
        os.write(told, b"\n")
    os.close(told)


def _wait_for(child: int, heard: int, log: int) -> NoReturn:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        code = 0
        if not os.read(heard, 1):
            # It ended before it was up, which is a failure even if it was told to.
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or _NOT_UP
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise
    sys.stdout.write(os.pread(log, 1 << 16, 0).decode())
    sys.stdout.flush()
    # Nothing is closed in order here: the child has the place now.
    os._exit(code)

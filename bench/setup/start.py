"""The launcher's second half: provides the system tools and the environment, then becomes the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from bench.setup import tools
from bench.setup.environment import Environment
from bench.setup.report import SetupError, say

FAILED = 2
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Replaces this process by the command line with `arguments`; returns an exit code when it cannot."""
    root = Path(__file__).resolve().parents[2]
    environment = Environment(Path(os.path.abspath(os.environ.get("OXOBENCH_VENV") or root / ".venv")), root)
    try:
        # The doctor only looks, so it must run where something is missing; so must help.
        only_looks = not arguments or arguments[0] == "doctor" or "--help" in arguments
        needed = [*([] if environment.ready() else [tools.VENV]), *([] if only_looks else [tools.NFT])]
        # Without charon, scenarios that need a VPN tunnel are left out.
        tools.provide(needed, [] if only_looks else [tools.CHARON])
        environment.provide()
    except SetupError as error:
        say(str(error))
        return FAILED
    except KeyboardInterrupt:
        say("the set-up was interrupted; the next start takes it up again")
        return INTERRUPTED
    _become(environment.python, arguments)


def _become(python: Path, arguments: list[str]) -> NoReturn:
    # -P: a folder named bench or node in the caller's working folder must not hide the project's own.
    os.execv(python, [str(python), "-P", "-m", "bench.cli", *arguments])

"""The launcher's second half: provides the system tools and the environment, then becomes the command line."""

from __future__ import annotations

import os
import re
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
        tools.clear_up()
        builds = _builds_here(arguments)
        needed = [*([] if environment.ready() else [tools.VENV]), *([tools.NFT] if builds else [])]
        # Without charon, scenarios that need a VPN tunnel are left out.
        tools.provide(needed, [tools.CHARON] if builds else [])
        environment.provide()
    except SetupError as error:
        say(str(error))
        return FAILED
    except KeyboardInterrupt:
        say("the set-up was interrupted; the next start takes it up again")
        return INTERRUPTED
    _become(environment.python, arguments)


def _builds_here(arguments: list[str]) -> bool:
    """Whether the command may build a site from this machine's own tools: containers bring theirs."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if not own or own[0] not in ("run", "test", "up") or {"-h", "--help"} & set(own):
        return False
    return re.search(r"--fabric[ =](docker|compose)\b", " ".join(own)) is None


def _become(python: Path, arguments: list[str]) -> NoReturn:
    # -P: a folder named bench or node in the caller's working folder must not hide the project's own.
    os.execv(python, [str(python), "-P", "-m", "bench.cli", *arguments])

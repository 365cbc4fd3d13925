"""How a freshly forked child becomes the process of a node."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from network import kernel

logger = logging.getLogger(__name__)


def be_node(
    name: str, log: Path, kept: Collection[int], main: Callable[[], None], enter: Callable[[], None] = lambda: None
) -> NoReturn:
    """Runs `main` as the node called `name`, with its output in `log` and no descriptors but those `kept`; then ends.

    `enter` comes first, while what the parent had open still is. Handlers of signals are the parent's until here.
    """
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        kernel.set_name(f"oxo-{name}")
        enter()
        opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, 1)
        os.dup2(opened, 2)
        kernel.close_all_but({0, 1, 2, *kept})
        main()
        status = 0
    except BaseException:
        logger.exception("the node %s failed", name)
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)

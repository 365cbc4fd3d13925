"""Machines that lack something, made of this one: the beginnings of commands that run the rest there.

The rest runs as root of a namespace, and nothing is changed outside of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_AS_ROOT = ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c"]
_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def without_program(name: str) -> list[str]:
    """A machine on which no program of that name can be run."""
    program = shutil.which(name, path=_FOLDERS)
    assert program is not None, f"{name} is not installed"
    return [*_AS_ROOT, f'mount --bind /dev/null "{Path(program).resolve()}" && exec "$@"', "sh"]


def without_tun() -> list[str]:
    """A machine without /dev/net/tun."""
    return [*_AS_ROOT, 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]

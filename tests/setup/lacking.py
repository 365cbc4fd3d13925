"""Machines that lack something, made of this one: the beginnings of commands that run the rest there.

The rest runs as root of a namespace, and nothing is changed outside of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_AS_ROOT = ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c"]
_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def without_program(name: str) -> list[str]:
    """A machine on which no program of that name can be run; it may be this one as it is."""
    program = shutil.which(name, path=_FOLDERS)
    return _after("true" if program is None else f'mount --bind /dev/null "{Path(program).resolve()}"')


def without_tun() -> list[str]:
    """A machine without /dev/net/tun; it may be this one as it is."""
    return _after("mount -t tmpfs none /dev/net" if Path("/dev/net").is_dir() else "true")


def _after(preparation: str) -> list[str]:
    return [*_AS_ROOT, f'{preparation} && exec "$@"', "sh"]

"""The few system calls that Python 3.11 has no functions for: unshare, setns, mount and prctl."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Collection
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Moves the process into new namespaces. Raises OSError when the kernel does not allow it."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int) -> None:
    """Moves the process into the namespace that `fd` stands for."""
    _check(_libc.setns(fd, 0), "setns")


def mount(kind: str, target: Path) -> None:
    """Mounts a new file system of `kind` (`proc`, `tmpfs`) on a folder."""
    _check(_libc.mount(kind.encode(), os.fsencode(target), kind.encode(), 0, None), f"mount {kind} on {target}")


def bind(source: Path, target: Path) -> None:
    """Lays one file over another, for this mount namespace only."""
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None), f"bind {source} on {target}")


def make_mounts_private() -> None:
    """Cuts the mount namespace off, so that nothing mounted here shows outside."""
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "make mounts private")


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent dies; exits at once if `parent` is dead already."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def set_name(name: str) -> None:
    """Gives the process the name that ps and /proc/PID/comm show, at most 15 bytes of it."""
    _libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0)


def become_subreaper() -> None:
    """Has orphans of this process's descendants become its children, not those of process 1."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def close_all_but(keep: Collection[int]) -> None:
    """Closes every descriptor of the process but these."""
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd not in keep:
            try:
                os.close(fd)
            except OSError:
                # The descriptor of the listing itself is closed already.
                continue

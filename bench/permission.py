"""Why the kernel refuses a namespace or a mount, and what to do: read from the settings that can forbid it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Refused:
    """A reason, and what to do about it."""

    why: str
    advice: str


@dataclass(frozen=True)
class Restrictions:
    """The settings of a machine that can forbid namespaces; None is for a setting that this kernel does not have."""

    userns_clone: int | None
    """kernel.unprivileged_userns_clone (Debian): 0 forbids user namespaces to ordinary users."""
    apparmor: int | None
    """kernel.apparmor_restrict_unprivileged_userns (Ubuntu): 1 takes all power from them."""
    limits: dict[str, int]
    """The most namespaces that a user may have, by kind: `user`, `net`, `mnt`, `pid`."""
    filtered: bool
    """Whether a seccomp filter is in force for this process, as in most containers."""
    container: bool

    @classmethod
    def read(cls, root: Path = Path("/")) -> Restrictions:
        """Reads the settings; `root` is where the machine's own `/` stands."""
        proc = root / "proc"
        limits = {kind: _number(proc / "sys/user" / f"max_{kind}_namespaces") for kind in ("user", "net", "mnt", "pid")}
        return cls(
            userns_clone=_number(proc / "sys/kernel/unprivileged_userns_clone"),
            apparmor=_number(proc / "sys/kernel/apparmor_restrict_unprivileged_userns"),
            limits={kind: limit for kind, limit in limits.items() if limit is not None},
            filtered="Seccomp:\t2" in _text(proc / "self/status"),
            container=(root / ".dockerenv").exists() or (root / "run/.containerenv").exists(),
        )

    def explain(self, number: int, *, root: bool) -> Refused:
        """Why something ended with this errno, for the user `root` or an ordinary one."""
        for kind, limit in self.limits.items():
            if number in (errno.ENOSPC, errno.EPERM, errno.EUSERS) and limit == 0:
                setting = f"user.max_{kind}_namespaces"
                return Refused(f"{setting} is 0", f"sudo sysctl -w {setting}=15000")
        if number in (errno.ENOSPC, errno.EUSERS):
            return Refused(
                "too many namespaces, or too deep in one another",
                "start it outside of other sandboxes, or raise user.max_user_namespaces",
            )
        if number in (errno.EINVAL, errno.ENOSYS):
            return Refused("this kernel is built without it", "use a kernel with namespaces")
        if number not in (errno.EPERM, errno.EACCES):
            return Refused(os.strerror(number), "")
        if self.userns_clone == 0 and not root:
            return Refused("kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1")
        if self.apparmor == 1 and not root:
            return Refused(
                "AppArmor forbids it to ordinary users",
                "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
            )
        if self.container or self.filtered:
            return Refused(
                "the container or sandbox around this process forbids it",
                "start the container with --privileged, or with --security-opt seccomp=unconfined "
                "--security-opt apparmor=unconfined --security-opt systempaths=unconfined",
            )
        return Refused(
            "the kernel does not say why",
            "start it outside of a chroot, container or hardened service, or as root",
        )


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""

"""Why namespaces are refused, told apart by the machine's settings."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bench.permission import Restrictions


def machine(root: Path, **files: str) -> Restrictions:
    """The restrictions of a machine whose files have these contents; `__` in a name stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Restrictions.read(root)


@pytest.mark.parametrize(
    ("number", "files", "why", "advice"),
    [
        (
            errno.EPERM,
            {"proc__sys__kernel__unprivileged_userns_clone": "0\n"},
            "kernel.unprivileged_userns_clone is 0",
            "kernel.unprivileged_userns_clone=1",
        ),
        (
            errno.EACCES,
            {"proc__sys__kernel__apparmor_restrict_unprivileged_userns": "1\n"},
            "AppArmor",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            errno.ENOSPC,
            {"proc__sys__user__max_net_namespaces": "0\n"},
            "user.max_net_namespaces is 0",
            "user.max_net_namespaces=",
        ),
        (errno.ENOSPC, {"proc__sys__user__max_net_namespaces": "9\n"}, "too many", "raise"),
        (errno.EPERM, {"proc__self__status": "Name:\tx\nSeccomp:\t2\n"}, "container", "--privileged"),
        (errno.EPERM, {"run__.containerenv": ""}, "container", "--privileged"),
        (errno.EINVAL, {}, "built without it", "kernel"),
        (errno.EIO, {}, "Input/output error", ""),
        (errno.EPERM, {"proc__sys__kernel__unprivileged_userns_clone": "1\n"}, "does not say why", "chroot"),
    ],
)
def test_each_cause_is_told(tmp_path: Path, number: int, files: dict[str, str], why: str, advice: str) -> None:
    refused = machine(tmp_path, **files).explain(number, root=False)
    assert why in refused.why
    assert advice in refused.advice


def test_what_binds_ordinary_users_does_not_explain_roots_trouble(tmp_path: Path) -> None:
    restrictions = machine(
        tmp_path,
        proc__sys__kernel__unprivileged_userns_clone="0",
        proc__sys__kernel__apparmor_restrict_unprivileged_userns="1",
    )
    assert "does not say why" in restrictions.explain(errno.EPERM, root=True).why


def test_this_machine_can_be_read() -> None:
    assert Restrictions.read().limits["user"] > 0

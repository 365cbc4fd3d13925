"""Whether a VPN tunnel can be made here, for the fabric that a site is to be made of."""

from __future__ import annotations

import os

from bench import doctor
from bench.doctor import State
from bench.fabrics import AUTO
from bench.probe import Trial
from emulators.ipsec.charon import find_charon
from emulators.ipsec.esp import TUN

TAG = "vpn"


def why_none(fabric: str = AUTO) -> str:
    """Why no VPN tunnel can be made here, in one sentence; empty where one can."""
    if fabric == "compose":
        # Its containers don't start without TUN.
        return ""
    if fabric == "docker":
        if TUN.exists() or doctor.probe().get(Trial.ESP, ...) is None:
            return ""
        return f"The kernel has no ESP, and there is no {TUN}."
    if find_charon() is not None and _tun_opens():
        return ""
    # The kernel must be asked in a sandbox, which takes a while.
    finding = doctor.vpn_tunnel(doctor.probe())
    return "" if finding.state is State.OK else finding.detail


def _tun_opens() -> bool:
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True

"""What this machine can do for the bench, what is missing, and what to do about it.

Everything is tried for real, in a throw-away sandbox (`bench.probe`), by the user who asks.
"""

from __future__ import annotations

import enum
import errno
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.permission import Refused, Restrictions
from bench.probe import Trial
from emulators.ipsec.charon import find_charon
from emulators.ipsec.esp import TUN
from network.docker import ping
from network.fabric import FabricError
from network.firewall import find_nft

_ROOT = Path(__file__).resolve().parents[1]

_WITHIN = 15.0
"""Seconds that the probe may take; it needs about 0.2."""

_WIDTH = 140
"""Columns of the table where the output is not a terminal."""


class State(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    MISSING = "missing"
    """Scenarios need it, and it is not there."""
    ABSENT = "absent"
    """It is not there, and only some features want it."""
    UNTRIED = "not tried"
    """It could not be tried, since something before it is missing."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    what: str
    needed: bool
    state: State
    detail: str
    advice: str


@dataclass(frozen=True)
class Report:
    """All findings about this machine."""

    findings: list[Finding]

    @property
    def ready(self) -> bool:
        """Whether everything that the netns fabric needs is there."""
        return all(finding.state is State.OK for finding in self.findings if finding.needed)

    def as_json(self) -> dict[str, Any]:
        """The report in JSON's types."""
        return {"ready": self.ready, "findings": [asdict(finding) for finding in self.findings]}


@dataclass(frozen=True)
class Failure:
    """How a trial of the probe failed."""

    number: int
    text: str


Outcomes = dict[Trial, Failure | None]
"""How the trials of the probe ended: None is for one that succeeded."""

_CHARON = "strongSwan's charon (VPN)"
_ENGINE = "Docker engine (docker fabric)"
_IMAGE = "Image of its containers (docker fabric)"
_CHROMIUM = (Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver"))
"""Debian's Chromium and its driver, as the packages chromium and chromium-driver bring them."""

Explain = Callable[[Failure, Restrictions, bool], Refused]


def _by_restrictions(failure: Failure, restrictions: Restrictions, root: bool) -> Refused:
    return restrictions.explain(failure.number, root=root)


def _by(advice: str) -> Explain:
    return lambda failure, restrictions, root: Refused(failure.text, advice)


def _by_module(module: str) -> Explain:
    load = f"sudo modprobe {module} (on Ubuntu it may be in linux-modules-extra-{platform.release()})"
    return lambda failure, restrictions, root: Refused(f"this kernel has none: {failure.text}", load)


@dataclass(frozen=True)
class Check:
    """One row about a trial of the probe: what it is for, whether scenarios need it, and how to explain its failure."""

    trial: Trial
    what: str
    needed: bool
    explain: Explain


CHECKS = (
    Check(Trial.USER, "user namespaces", True, _by_restrictions),
    Check(Trial.NETWORK, "network namespaces", True, _by_restrictions),
    Check(Trial.MOUNT, "mount namespaces", True, _by_restrictions),
    Check(Trial.PID, "PID namespaces", True, _by_restrictions),
    Check(Trial.FILES, "mounting proc and tmpfs in them", True, _by_restrictions),
    Check(Trial.LINKS, "veth, bridge, packet sockets", True, _by_module("veth bridge af_packet")),
    Check(Trial.FILTER, "firewall: filter, NAT, reject", True, _by_module("nf_tables nft_masq nft_reject_inet nft_ct")),
    Check(Trial.CONNTRACK, "firewall: connection tracking", True, _by_module("nf_conntrack nf_conntrack_netlink")),
    Check(Trial.NETEM, "netem (delay and loss on a link)", False, _by_module("sch_netem")),
    Check(Trial.TUN, "TUN (VPN)", False, _by(f"sudo modprobe tun; sudo chmod 666 {TUN}")),
    Check(Trial.ESP, "ESP in the kernel (VPN)", False, _by_module("esp4")),
)


def examine() -> Report:
    """Finds out what this machine can do. Takes well under two seconds and leaves nothing behind."""
    findings = [_python(), _linux()]
    if platform.system() == "Linux":
        outcomes = probe()
        findings += [_nft(), *_kernel(outcomes), _charon(), vpn_tunnel(outcomes)]
    return Report([*findings, *_docker(), _browser()])


def _python() -> Finding:
    return Finding("Python 3.11 or newer", True, State.OK, platform.python_version(), "")


def _linux() -> Finding:
    if platform.system() == "Linux":
        return Finding("Linux", True, State.OK, platform.release(), "")
    return Finding("Linux", True, State.MISSING, platform.system(), "run it on Linux, or in a Linux virtual machine")


def _nft() -> Finding:
    what = "nft (the firewall's rules)"
    nft = find_nft()
    if nft is None:
        return Finding(what, True, State.MISSING, "not installed", "sudo apt-get install -y nftables")
    done = subprocess.run([nft, "--version"], capture_output=True, text=True, timeout=5, check=False)
    if done.returncode:
        trouble = f"{nft} does not run: {done.stderr.strip()}"
        return Finding(what, True, State.MISSING, trouble, "sudo apt-get install -y --reinstall nftables")
    version = done.stdout.split()[1:2] or ["version unknown"]
    return Finding(what, True, State.OK, f"{version[0]}, {nft}", "")


def _kernel(outcomes: Outcomes) -> list[Finding]:
    restrictions = Restrictions.read()
    root = os.geteuid() == 0
    findings = []
    for check in CHECKS:
        if check.trial not in outcomes or (check.trial is Trial.FILTER and find_nft() is None):
            finding = Finding(check.what, check.needed, State.UNTRIED, "", "first what is missing above")
        elif (failure := outcomes[check.trial]) is None:
            finding = Finding(check.what, check.needed, State.OK, "", "")
        else:
            refused = check.explain(failure, restrictions, root)
            state = State.MISSING if check.needed else State.ABSENT
            finding = Finding(check.what, check.needed, state, refused.why, refused.advice)
        findings.append(finding)
    return findings


def _charon() -> Finding:
    charon = find_charon()
    if charon is not None:
        return Finding(_CHARON, False, State.OK, charon, "")
    return Finding(_CHARON, False, State.ABSENT, "not installed", "./oxobench run installs it, or says how")


def vpn_tunnel(outcomes: Outcomes) -> Finding:
    """Whether a VPN tunnel can be made here, and who would do ESP. Where it cannot, the detail is one sentence."""
    what = "VPN tunnel"
    if find_charon() is None:
        return Finding(what, False, State.ABSENT, "strongSwan's charon is not installed.", f"first {_CHARON}")
    if Trial.ESP not in outcomes:
        return Finding(what, False, State.UNTRIED, "No sandbox can be made.", "first what is missing above")
    if outcomes[Trial.ESP] is None:
        return Finding(what, False, State.OK, "ESP in the kernel", "")
    if (failure := outcomes[Trial.TUN]) is None:
        return Finding(what, False, State.OK, "ESP in user space, over TUN", "")
    trouble = f"The kernel has no ESP, and TUN is not to be had ({failure.text.lower()})."
    return Finding(what, False, State.ABSENT, trouble, "first TUN or ESP in the kernel")


def probe() -> Outcomes:
    """Tries out what the kernel allows, in a sandbox; a trial that is missing from the result was not reached."""
    command = [sys.executable, "-m", "bench.probe"]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, timeout=_WITHIN, check=False)
    outcomes: Outcomes = {}
    for line in done.stdout.splitlines():
        outcome = json.loads(line)
        failed = outcome["error"] is not None
        outcomes[Trial(outcome["trial"])] = Failure(outcome["errno"], outcome["error"]) if failed else None
    return outcomes


def _docker() -> list[Finding]:
    image = Finding(_IMAGE, False, State.UNTRIED, "", f"first {_ENGINE}")
    try:
        address = ping.ping(os.environ)
    except ping.EngineSilent as error:
        return [Finding(_ENGINE, False, State.ABSENT, str(error), _engine_advice(str(error))), image]
    if not address.startswith("unix://"):
        # The containers share folders with this machine.
        trouble = f"{address} is not this machine's own"
        return [Finding(_ENGINE, False, State.ABSENT, trouble, "unset DOCKER_HOST"), image]
    # The SDK takes a while to import.
    from network.docker.engine import Engine
    from network.docker.image import image_name

    try:
        engine = Engine()
        try:
            version, name = engine.version(), image_name()
            has_image = engine.has_image(name)
        finally:
            engine.close()
    except FabricError as error:
        return [Finding(_ENGINE, False, State.ABSENT, str(error), "look at the engine's log"), image]
    found = Finding(_ENGINE, False, State.OK, f"{version}, {address}", "")
    if has_image:
        return [found, Finding(_IMAGE, False, State.OK, name, "")]
    return [found, Finding(_IMAGE, False, State.ABSENT, "not built yet", "./oxobench run --fabric docker builds it")]


def _engine_advice(trouble: str) -> str:
    if trouble.endswith(os.strerror(errno.EACCES)):
        return "sudo usermod -aG docker $USER, and log in anew (whoever is in that group is as good as root)"
    if shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"):
        return "sudo systemctl start docker"
    return "sudo apt-get install -y docker.io"


def _browser() -> Finding:
    what = "Chromium and its driver (tests of the page)"
    lacking = lacking_for_browser()
    if not lacking:
        return Finding(what, False, State.OK, "", "")
    return Finding(what, False, State.ABSENT, lacking, "sudo apt-get install -y chromium chromium-driver")


def lacking_for_browser() -> str:
    """What tests in a browser lack here, in one sentence; empty if nothing."""
    lacking = [str(path) for path in _CHROMIUM if not os.access(path, os.X_OK)]
    return f"There is no {' and no '.join(lacking)}." if lacking else ""


_STYLES = {State.OK: "green", State.MISSING: "bold red", State.ABSENT: "dim", State.UNTRIED: "yellow"}


def show(report: Report) -> None:
    """Prints the report as a table, and a last line that sums it up."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    table = Table("what", "state", "what to do")
    for finding in report.findings:
        state = finding.state if not finding.detail else f"{finding.state}: {finding.detail}"
        what = finding.what if finding.needed else f"{finding.what}, optional"
        table.add_row(what, state, finding.advice, style=_STYLES[finding.state])
    console.print(table)
    console.print("Everything that scenarios need is there." if report.ready else "Scenarios cannot run here yet.")

"""The firewall node: the kernel's nftables, with NAT and stateful filtering, under one named policy at a time.

A policy is a small file of nft rules for what goes from the LAN to the Internet; what no rule accepts is dropped.
Around it stands a fixed frame: replies pass, nothing comes in from outside, addresses are translated on the way out. A
policy may use `$oxo`, `$proxy`, `$dns`, `$pcg`, `$cci` and `$vpn` for the addresses of the site.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket

from network.plan import Role, SitePlan
from node.control import Refusal, command

_POLICIES = Path(__file__).parent / "policies"
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_LARGEST = 64 * 1024

_BEFORE = """\
flush ruleset
{defines}
table inet site {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    ct state established,related accept
    # A stateful firewall does not take up connections whose beginning it has not seen; Linux would.
    ct state new tcp flags & (fin | syn | rst | ack) != syn drop
    iifname "lan" oifname "wan" jump outgoing
  }}
  # A reply to a connection that the firewall has forgotten is no longer translated, and reaches the firewall itself:
  # it must not answer with a reset.
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname "wan" drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "wan" masquerade
  }}
  chain outgoing {{
"""
_AFTER = """
  }
}
"""

CLOSED = "table inet site { chain forward { type filter hook forward priority filter; policy drop; }; }"
"""The rules of a firewall whose program has not started: nothing passes."""

_TOKEN = re.compile(r'#[^\n]*|"[^"\n]*"|[{}]')
"""What matters for where a brace counts: comments and quoted text, in which none does, and the braces."""


class PolicyRefused(ValueError):
    """A firewall policy that does not exist, cannot be read, or is not valid nft; the text says what to do."""


@dataclass(frozen=True)
class Policy:
    """A firewall policy: a name and the nft rules of what may go out."""

    name: str
    rules: str

    @classmethod
    def load(cls, name: str) -> Policy:
        """The policy of that name, or the user's own from a file if `name` ends in `.nft`. Raises PolicyRefused."""
        path = Path(name) if name.endswith(".nft") else _POLICIES / f"{name}.nft"
        if not name.endswith(".nft") and name not in policy_names():
            raise PolicyRefused(
                f"There is no firewall policy {name!r}: choose one of {', '.join(policy_names())}, "
                "or name a file of your own that ends in .nft."
            )
        try:
            with path.open("rb") as file:
                text = file.read(_LARGEST + 1)
        except OSError as error:
            raise PolicyRefused(f"The firewall policy {path} cannot be read: {error.strerror}.") from error
        if len(text) > _LARGEST:
            raise PolicyRefused(f"The firewall policy {path} is larger than {_LARGEST} bytes.")
        try:
            return cls(path.stem, text.decode())
        except UnicodeDecodeError as error:
            raise PolicyRefused(f"The firewall policy {path} is not UTF-8 text.") from error


def policy_names() -> list[str]:
    """The names of the policies that come with the bench."""
    return sorted(path.stem for path in _POLICIES.glob("*.nft"))


def find_nft() -> str | None:
    """The path of the nft command, which an ordinary user's PATH may not include; None when it isn't installed."""
    return shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin:/usr/local/sbin")


def ruleset(policy: Policy, addresses: dict[str, str]) -> str:
    """The whole input for nft: the frame with the policy in it."""
    return _before(addresses) + policy.rules + _AFTER


def _before(addresses: dict[str, str]) -> str:
    """The part of the frame that stands before the policy's rules."""
    return _BEFORE.format(defines="\n".join(f"define {name} = {address}" for name, address in addresses.items()))


def check_braces(policy: Policy) -> None:
    """Sees that the rules stay inside the frame. Raises PolicyRefused when they close a brace that they didn't open,
    and so would add to the frame, or leave one open."""
    opened: list[int] = []
    for token in _TOKEN.finditer(policy.rules):
        line = policy.rules.count("\n", 0, token.start()) + 1
        if token[0] == "{":
            opened.append(line)
        elif token[0] == "}":
            if not opened:
                raise PolicyRefused(
                    f"The firewall policy {policy.name!r} closes a brace that it has not opened (line {line})."
                )
            opened.pop()
    if opened:
        raise PolicyRefused(
            f"The firewall policy {policy.name!r} opens a brace that it never closes (line {opened[-1]})."
        )


def addresses_for_policies(plan: SitePlan) -> dict[str, str]:
    """The addresses that a policy may use, by the name that stands behind the dollar sign."""
    roles = [node.role for node in plan.nodes if node.role is not Role.FIREWALL]
    return {role.value: str(plan.address(role)) for role in roles}


class Firewall:
    """Program of the firewall node."""

    def __init__(self, addresses: dict[str, str], name: str, rules: str) -> None:
        self._addresses = addresses
        self._first = Policy(name, rules)
        self._now = self._first

    async def start(self) -> None:
        """Puts the first policy into force, and only then lets anything through at all."""
        self._apply(self._first)
        # In a container it is on from the beginning, and cannot be written.
        if _FORWARD.read_text().strip() != "1":
            _FORWARD.write_text("1")

    async def stop(self) -> None:
        """Nothing to do: the rules go with the namespace."""

    @command
    async def policy(self, name: str, rules: str, cut: bool = False) -> None:
        """Puts a policy into force while connections live; with `cut`, established ones are forgotten and so cut."""
        self._apply(Policy(name, rules))
        if cut:
            # The netlink library runs an event loop of its own, which needs a thread of its own.
            await asyncio.to_thread(_forget_connections)

    @command
    def in_force(self) -> str:
        """The name of the policy in force."""
        return self._now.name

    def _apply(self, policy: Policy) -> None:
        nft = find_nft()
        if nft is None:
            raise Refusal("The command nft is not installed: install the package nftables.")
        check_braces(policy)
        done = subprocess.run(
            [nft, "-f", "-"],
            input=ruleset(policy, self._addresses),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        if done.returncode:
            reason = _reason(done.stderr, _before(self._addresses).count("\n"), policy.rules.count("\n") + 1)
            raise PolicyRefused(f"nft refuses the firewall policy {policy.name!r}: {reason}.")
        self._now = policy


def _forget_connections() -> None:
    with NFCTSocket() as conntrack:
        conntrack.flush()


def _reason(stderr: str, lines_before: int, lines: int) -> str:
    """The first error that nft gives, with the line counted in the policy's own file, which has that many lines."""
    first = stderr.strip().partition("\n")[0] or "it gives no reason"
    place, _, what = first.partition(": ")
    parts = place.split(":")
    if len(parts) < 2 or not parts[1].isdigit():
        return first
    # A rule that is cut short is noticed only behind it.
    line = min(int(parts[1]) - lines_before, lines)
    return f"{what.removeprefix('Error: ')} (line {line})"

"""The VPN gateway: a real IKEv2 gateway, strongSwan's charon, with the faults that a bench asks of it.

It proves itself by a certificate and asks for EAP-MSCHAPv2; it assigns an address from its pool; what it protects is
one inner address that only the tunnel leads to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.chronicle import About, Chronicle
from emulators.ipsec.charon import Charon, Retransmission
from emulators.ipsec.vici import Message, ViciError
from node.clock import ClockLoop

NAME = "cco"
POOL = "cco"
_LONGEST_WAIT = 5.0
"""More than charon lets a PBX with a wrong password wait, in seconds; it is over when charon has gone on."""

_MSCHAPV2_REFUSES = "EAP-MS-CHAPv2 verification failed, retry"


@dataclass(frozen=True)
class Tunnel:
    """One PBX's tunnel, as the gateway sees it: who, from where, its VPN address, bytes received and sent."""

    account: str
    peer: str
    address: str
    received: int
    sent: int


@dataclass(frozen=True)
class Lease:
    """An address of the pool that an account has, or last had."""

    address: str
    account: str
    online: bool


@dataclass(frozen=True)
class Policy:
    """Whom the gateway lets in, and how.

    `certificate` is PEM: certificate, those that issued it, and the key. `accounts` are passwords by account. A gateway
    that refuses rejects every PBX before it asks for its account.
    """

    certificate: str
    accounts: Mapping[str, str]
    proposal: str = "aes256-sha256-ecp256"
    refuses: bool = False

    def __repr__(self) -> str:
        return f"Policy(accounts={sorted(self.accounts)}, proposal={self.proposal!r}, refuses={self.refuses})"


class Gateway:
    """The gateway with its charon. `on_down` is called with a VPN address when the tunnel that had it is gone."""

    def __init__(
        self,
        folder: Path,
        policy: Policy,
        inner: str,
        pool: str,
        on_down: Callable[[str], None],
        retransmission: Retransmission | None = None,
        dead_peer_delay: int = 0,
    ) -> None:
        """`dead_peer_delay` is after how many seconds of silence, in real time, a PBX is probed; 0 for never [?]."""
        self._folder = folder
        self._policy = policy
        self._inner = inner
        self._pool = pool
        self._on_down = on_down
        self._retransmission = retransmission
        self._dead_peer_delay = dead_peer_delay
        self._charon = Charon(folder, retransmission, is_client=False)
        self._watch: asyncio.Task[None] | None = None
        self.chronicle = Chronicle()
        """What becomes of the tunnels."""

    @property
    def policy(self) -> Policy:
        """Whom the gateway lets in, and how."""
        return self._policy

    @property
    def daemon(self) -> int | None:
        """The process number of its charon, None when it doesn't run."""
        return self._charon.pid

    async def start(self) -> None:
        """Starts it. Raises TunnelUnavailable, or ValueError for a policy that charon does not take."""
        self._charon = Charon(self._folder, self._retransmission, is_client=False)
        await self._charon.start()
        try:
            await self.apply(self._policy)
        except ValueError:
            await self._charon.stop()
            raise
        watching = asyncio.Event()
        self._watch = asyncio.create_task(self._follow(watching))
        await watching.wait()

    async def stop(self) -> None:
        """Ends it in order: PBXs are told."""
        if self._watch is not None:
            self._watch.cancel()
        await self._charon.stop()

    async def cut(self) -> None:
        """Forgets all tunnels without a word to anybody, and serves on."""
        # One that plays dead, or is dead, could not say what it holds.
        self.thaw()
        try:
            held = await self.tunnels()
        except ViciError:
            held = []
        self._charon.kill()
        await self.stop()
        await self.start()
        for tunnel in held:
            self._told_down(tunnel)

    def freeze(self) -> None:
        """Plays dead."""
        self._charon.freeze()

    def thaw(self) -> None:
        """Is alive again."""
        self._charon.thaw()

    def kill(self) -> None:
        """Its charon dies; it stays so until `start`."""
        self._charon.kill()

    async def apply(self, policy: Policy) -> None:
        """Takes another policy, for tunnels to come. Raises ValueError when charon does not take it."""
        vici = self._charon.vici
        blocks = _blocks(policy.certificate)
        certificates = [text for kind, text in blocks if kind == "CERTIFICATE"]
        keys = [text for kind, text in blocks if kind.endswith("PRIVATE KEY")]
        if not certificates or len(keys) != 1:
            raise ValueError("a VPN gateway needs its certificate and one private key, both as PEM")
        try:
            await vici.ask("clear-creds")
            await vici.ask("load-key", {"type": "any", "data": keys[0]})
            for account, password in policy.accounts.items():
                await vici.ask("load-shared", {"type": "EAP", "data": password, "owners": [account]})
            await vici.ask("load-pool", {POOL: {"addrs": self._pool}})
            await vici.ask("load-conn", {NAME: self._connection(policy, certificates)})
        except ViciError as error:
            raise ValueError(f"the VPN gateway cannot be set up so: {error}") from error
        self._policy = policy

    async def tunnels(self) -> list[Tunnel]:
        """The tunnels that are up, not those that were begun and never finished. Raises ViciError."""
        listed = await self._charon.vici.list("list-sas", "list-sa")
        entries = [entry[NAME] for entry in listed if NAME in entry]
        return [_tunnel(entry) for entry in entries if entry.get("state") == "ESTABLISHED"]

    async def leases(self) -> list[Lease]:
        """The addresses assigned from the pool. Raises ViciError."""
        pools = await self._charon.vici.ask("get-pools", {"leases": "yes"})
        leases: dict[str, Message] = pools.get(POOL, {}).get("leases", {})
        return [Lease(lease["address"], lease["identity"], lease["status"] == "online") for lease in leases.values()]

    async def delete(self) -> int:
        """Closes all tunnels by IKE DELETE, and waits for no answer; returns how many. Raises ViciError."""
        if not await self.tunnels():
            return 0
        answer = await self._charon.vici.ask("terminate", {"ike": NAME, "force": "yes"})
        return int(answer.get("terminated", "0"))

    async def _follow(self, watching: asyncio.Event) -> None:
        """Says when tunnels end, as long as charon lives."""
        waiting: asyncio.Task[None] | None = None
        try:
            async with self._charon.vici.listen("ike-updown", "log") as events:
                watching.set()
                async for event, message in events:
                    if waiting is not None:
                        waiting.cancel()
                        waiting = None
                    if event == "ike-updown" and message.get("up") == "yes":
                        self._told_up(_tunnel(message.get(NAME, {})))
                    elif event == "ike-updown":
                        self._told_down(_tunnel(message.get(NAME, {})))
                    elif _MSCHAPV2_REFUSES in message.get("msg", ""):
                        self.chronicle.note(About.TUNNEL, "VPN gateway refuses the password", False)
                        waiting = asyncio.create_task(_keep_time_from_jumping())
        except ViciError:
            watching.set()
        finally:
            if waiting is not None:
                waiting.cancel()

    def _told_up(self, tunnel: Tunnel) -> None:
        self.chronicle.note(About.TUNNEL, f"Tunnel of {tunnel.account} is up: {tunnel.address}", True)

    def _told_down(self, tunnel: Tunnel) -> None:
        if tunnel.address:
            self.chronicle.note(About.TUNNEL, f"Tunnel of {tunnel.account} is gone: {tunnel.address}")
        for address in tunnel.address.split():
            self._on_down(address)

    def _connection(self, policy: Policy, certificates: list[str]) -> dict[str, Any]:
        remote = {"auth": "eap-mschapv2", "eap_id": "%any", "id": "nobody.invalid" if policy.refuses else "%any"}
        child = {"local_ts": [f"{self._inner}/32"], "esp_proposals": [policy.proposal], "dpd_action": "clear"}
        return {
            "version": "2",
            "proposals": [policy.proposal],
            "pools": [POOL],
            "mobike": "no",
            "dpd_delay": f"{self._dead_peer_delay}s",
            "send_cert": "always",
            # The gateway answers to whatever name it is asked for; whether its certificate fits is for the PBX to see.
            "local": {"auth": "pubkey", "id": "%any", "certs": certificates},
            "remote": remote,
            "children": {NAME: child},
        }


def _tunnel(entry: Message) -> Tunnel:
    children: dict[str, Message] = entry.get("child-sas", {})
    child = next(iter(children.values()), {})
    return Tunnel(
        account=str(entry.get("remote-eap-id", entry.get("remote-id", ""))),
        peer=f"{entry.get('remote-host', '')}:{entry.get('remote-port', '')}",
        address=" ".join(entry.get("remote-vips", [])),
        received=int(child.get("bytes-in", "0")),
        sent=int(child.get("bytes-out", "0")),
    )


async def _keep_time_from_jumping() -> None:
    """Holds site time back while charon, in real time, lets a PBX with a wrong password wait for two seconds.

    Nothing else happens on the site meanwhile, so its clock would jump to the PBX's own timeout.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ClockLoop), "a node runs on the site's clock"
    with loop.held():
        await asyncio.sleep(_LONGEST_WAIT)


def _blocks(pem: str) -> list[tuple[str, str]]:
    """The blocks of a PEM text: each one's kind and the whole of it."""
    blocks = []
    for part in pem.split("-----BEGIN ")[1:]:
        kind = part.partition("-----")[0]
        body, end, _ = part.partition(f"-----END {kind}-----")
        if end:
            blocks.append((kind, f"-----BEGIN {body}{end}\n"))
    return blocks
